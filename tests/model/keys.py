"""When two states are the same: absolute times, names and counters vanish, what a decision can tell apart stays.

The key is taken from the state's structure: every field of everything in it, whatever is added later, unless a table
below says that no decision looks at it, or only in a coarser way, and why. A time is its age in ticks, up to its
timer, and its order among the times of its group. Of names, nonces and UIDs only equality counts. `living` leaves
out what cannot be looked at in this very state. test_abstraction.py checks that states of one key go on alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter
from types import NoneType
from typing import Any, NamedTuple

from certstorage.api.decision import JobWanted, TargetPatch
from certstorage.api.env import EnvVar
from certstorage.api.hold import DegradationHold, Hold, SweepHold
from certstorage.api.incidents import OVER, Entry, IncidentFinding, IncidentPhase, IncidentSeen, IncidentStatus
from certstorage.api.observed import JobSeen
from certstorage.api.reasons import Reason
from certstorage.api.receipt import Receipt
from certstorage.api.requests import RequestSeen, RequestStatus, RequestWanted
from certstorage.api.scenarios import ScenarioState
from certstorage.api.status import Operation, Status, SweepStatus, Validation
from tests.model.known import Known
from tests.model.living import living
from tests.model.state import SECOND, TICK, State, Timing

Key = tuple[Hashable, ...]

FORGOTTEN: tuple[tuple[type, str, str], ...] = (
    (EnvVar, "manager", "names a foreign writer to people"),
    (Hold, "policy_name reverted_by last_failure returned_at", "words for people"),
    (Hold, "epoch", "counts writes; compared with nothing, preconditions are on resourceVersion"),
    (DegradationHold, "reverted_by", "words for people"),
    (Status, "observed_generation target_uid reads signals proven_at blocked_until unblock", "told to people"),
    (Status, "next_validation_at", "told to people; the schedule is seen anew in each pass"),
    (Status, "conditions", "told to people; which Events are new follows, and nothing that is done"),
    (Operation, "failed_returns deadline retry_at last_failure reverts reverted_by returned_at "
     "restore_by request", "said again from the hold"),
    (Operation, "plan plan_hash started_at", "told to people, or what `living` has compared"),
    (Validation, "mismatch upper_bound sampled unverified at_risk_open inputs_hash detail message mismatches errors "
     "uploaded resolved started_at job_name", "told to people"),
    (SweepStatus, "last_passed_at", "told to people"),
    (SweepStatus, "quarterly_due_at", "the worlds never come to the next quarter"),
    (ScenarioState, "deadline", "told to people"),
    (JobSeen, "incident attempt problem", "its name has both; the problem is words"),
    (Receipt, "message started_at upper_bound unverified errors uploaded resolved mismatches examples",
     "told to people"),
    (RequestSeen, "by why", "words for people"),
    (RequestStatus, "reason message until expires_at plan verdict report incident", "told to those who ask"),
    (IncidentSeen, "uid generation notes", "names the object; people's notes tick items of the checklist"),
    (IncidentStatus, "severity summary started_at mitigated_at recovered_at closed_at downtime_seconds data_lost "
     "post_mortem post_mortem_reason plan evidence mismatches report ticket_text checklist observed_generation",
     "the record, for people"),
    (IncidentFinding, "message mend", "words for people"),
    (RequestWanted, "why", "words for people"),
    (TargetPatch, "resource_version", "the program has it too"),
    (JobWanted, "incident since sample_rate min_sample max_mismatch timeout_seconds probes probe_interval_seconds",
     "what the Job is to do; the model's Jobs end as they please"),
)  # fmt: skip
"""What no decision looks at: the type, its fields, and why."""


class When(NamedTuple):
    """How a time is looked at: as an age up to so many ticks of this timer, and in which orders among others."""

    age: str = "longest"
    groups: tuple[str, ...] = ("names", "asked", "proofs")


WHEN: Mapping[tuple[type, str], When] = {
    (Hold, "since"): When("since", ("asked",)),
    (Hold, "failed_at"): When("backoff", ("asked",)),
    (Hold, "asserted_at"): When("reassert", ()),
    (Hold, "last_firing_at"): When("", ()),
    (Hold, "restore_by"): When("longest", ()),
    (DegradationHold, "since"): When("", ()),
    (DegradationHold, "until"): When("longest", ()),
    (SweepHold, "since"): When("", ("asked",)),
    (Operation, "since"): When("check", ()),
    (Operation, "last_firing_at"): When("", ()),
    (Operation, "recovered_since"): When("hold", ()),
    (ScenarioState, "since"): When("", ("proofs",)),
    (ScenarioState, "started_at"): When("lasted", ("names", "proofs")),
    (ScenarioState, "retry_at"): When("longest", ()),
    (ScenarioState, "marks"): When("longest", ("names",)),
    (Validation, "finished_at"): When("", ("proofs",)),
    (JobSeen, "created_at"): When("job", ()),
    (JobSeen, "finished_at"): When("", ()),
    (Receipt, "finished_at"): When("receipt", ("proofs",)),
    (RequestSeen, "created_at"): When("ttl", ("asked",)),
    (RequestStatus, "started_at"): When("", ()),
    (RequestStatus, "finished_at"): When("", ("proofs",)),
    (IncidentStatus, "detected_at"): When("", ("proofs",)),
    (IncidentStatus, "resolved_at"): When("longest", ()),
}
"""How times are looked at that are not compared with everything: '' is no age, only whether it is there."""


def _phase(phase: IncidentPhase) -> IncidentPhase:
    return IncidentPhase.RESOLVED if phase in OVER else IncidentPhase.OPEN


def _left(timeline: tuple[Entry, ...]) -> bool:
    return bool(timeline) and timeline[-1].event == Reason.POLICY_DELETED.value


COARSER: Mapping[tuple[type, str], Callable[[Any], Hashable]] = {
    (ScenarioState, "job_uid"): bool,  # a Job of this name was seen before
    (ScenarioState, "attempt"): lambda attempt: min(attempt, 3),  # MOST_VALIDATIONS; back-off: see Timing
    (Operation, "job_uid"): bool,  # the same
    (RequestStatus, "job_uid"): bool,  # the same
    (RequestStatus, "approved_by"): bool,
    (IncidentStatus, "phase"): _phase,  # open or over; how far is told
    (IncidentStatus, "timeline"): _left,  # of the record only this is read again, by `left_behind`
    (Validation, "report"): bool,
}
"""Fields of which only so much is looked at."""

_FORGOTTEN = {(kind, name) for kind, names, _ in FORGOTTEN for name in names.split()}
_ATOM = re.compile(r"(\d{8}-\d{4,6}|token-\d+|(?:policy|deployment|job|request|ask)-?\d+)")
NO_TIME = When("", ())
ANYHOW = When()
MOST_AHEAD, FAR_AHEAD = 9, timedelta(days=7)
"""No timer is longer, in ticks and in the runbook's own time: what lies farther ahead is not looked at."""


class Atom(NamedTuple):
    """A time or a name within a shape."""

    when: When | None
    value: Any


Flat = tuple[int, tuple[Atom, ...]]
_SHAPES: dict[tuple[Hashable, ...], int] = {}
_PLAIN = frozenset({NoneType, bool, int, float})


@lru_cache(maxsize=1 << 16)
def _split(text: str) -> tuple[str, tuple[Atom, ...]]:
    """A text without the names in it, and these; a name that ends in a time is that time's name."""
    parts = _ATOM.split(text)
    return "\0".join(parts[::2]), tuple(Atom(None, part.replace("-", "")) for part in parts[1::2])


class _Plan(NamedTuple):
    name: str
    get: Callable[[Any], tuple[Any, ...]]
    fields: tuple[tuple[When, Callable[[Any], Hashable] | None], ...]


@cache
def _plan(kind: type[Any]) -> _Plan:
    every = [one.name for one in fields(kind)] if is_dataclass(kind) else list(kind._fields)
    names = [name for name in every if (kind, name) not in _FORGOTTEN]
    get = attrgetter(*names)
    how = tuple((WHEN.get((kind, name), When()), COARSER.get((kind, name))) for name in names)
    return _Plan(kind.__name__, get if len(names) > 1 else lambda value: (get(value),), how)


def _walk(value: Any, when: When, shape: list[Hashable], atoms: list[Atom]) -> None:
    kind = type(value)
    if kind in _PLAIN:
        shape.append(value)
    elif kind is str:
        template, found = _split(value)
        shape.append(template)
        atoms.extend(found)
    elif kind is datetime:
        shape.append("at")
        if when != NO_TIME:
            atoms.append(Atom(when, value))
    elif kind is tuple:
        shape.append(len(value))
        for one in value:
            _walk(one, when, shape, atoms)
    elif isinstance(value, Enum):
        shape.append(value._value_)  # equal as texts are
    elif is_dataclass(kind) or issubclass(kind, tuple):
        number, found = flat(value)
        shape.append(number)
        atoms.extend(found)
    elif isinstance(value, frozenset):
        _walk(tuple(sorted(value)), when, shape, atoms)
    else:
        shape.append(len(value))
        for name in sorted(value):
            shape.append(name)
            _walk(value[name], when, shape, atoms)


@Known
def flat(value: Any) -> Flat:
    """An object's shape by number, and the times and names in it, in order."""
    plan = _plan(type(value))  # type: ignore[arg-type]  # mypy takes an instance's __hash__ for that of its class
    shape: list[Hashable] = [plan.name]
    atoms: list[Atom] = []
    for one, (when, coarser) in zip(plan.get(value), plan.fields, strict=True):
        if coarser is not None:
            shape.append(coarser(one))
        else:
            _walk(one, when, shape, atoms)
    return _SHAPES.setdefault(tuple(shape), len(_SHAPES)), tuple(atoms)


def key(state: State) -> Key:
    """The state's identity."""
    shape, atoms = _flattened(state)
    return shape, *_canonical(state, atoms, _in_ticks)


def exact_key(state: State) -> Key:
    """The state's identity where every second counts: from states of one such key all goes on at the same pace."""
    shape, atoms = _flattened(state)
    return shape, *_canonical(state, atoms, _in_full)


def _flattened(state: State) -> Flat:
    shape: list[Hashable] = []
    atoms: list[Atom] = []
    for part in living(state):
        _walk(part, ANYHOW, shape, atoms)
    return _SHAPES.setdefault(tuple(shape), len(_SHAPES)), tuple(atoms)


def _in_ticks(age: timedelta, limits: Timing, timer: str) -> int:
    return max(min(age // TICK, limits.ticks(timer)), -MOST_AHEAD)


def _in_full(age: timedelta, limits: Timing, timer: str) -> timedelta:
    return max(min(age, limits.ticks(timer) * TICK + SECOND), -FAR_AHEAD)


def _canonical(
    state: State, atoms: Iterable[Atom], told: Callable[[timedelta, Timing, str], Hashable]
) -> Iterable[Hashable]:
    now, limits = state.now, state.timing
    names: dict[str, int] = {}
    groups: dict[str, set[datetime]] = {}
    out: list[Hashable] = []
    ordered: list[tuple[str, datetime]] = []
    for when, value in atoms:
        if when is None:
            out.append(names.setdefault(value, len(names)))
            continue
        if when.age:
            out.append(told(now - value, limits, when.age))
        for group in when.groups:
            if group == "names":
                out.append(names.setdefault(_named(value), len(names)))
            else:
                groups.setdefault(group, set()).add(value)
                ordered.append((group, value))
    ranks = {group: {at: rank for rank, at in enumerate(sorted(found))} for group, found in groups.items()}
    out.extend(ranks[group][value] for group, value in ordered)
    return out


@lru_cache(maxsize=1 << 16)
def _named(at: datetime) -> str:
    return f"{at:%Y%m%d%H%M%S}"
