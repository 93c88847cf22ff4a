"""Breadth-first exploration of one world to an empty frontier, with the invariants checked on every step."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from unittest.mock import patch as replaced

from certstorage.api.conditions import ConditionType
from certstorage.api.decision import Decision
from certstorage.api.status import Status
from certstorage.runbook import (
    aftermath,
    borrowing,
    degradation,
    errands,
    gates,
    milder,
    outage,
    recovery,
    sweep_request,
)
from tests.model import shell
from tests.model.environment import Move, tidy
from tests.model.invariants import INVARIANTS, Call, Invariant, Pass, violations
from tests.model.keys import Key, key
from tests.model.shell import Given
from tests.model.state import COARSE, Program, State, Timing

QUARTER_MINUTE = timedelta(seconds=15)
MOST_REPEATS = 8
NOTHING = "Nothing"
"""The step of a scenario that is not in work."""


@dataclass(frozen=True)
class World:
    """What can happen: the moves of the environment, what a pass may be given, and how many operators are slow.

    A slow operator makes its calls one at a time, with anything in between; the others crash between any two calls.
    """

    name: str
    moves: Sequence[Move]
    givens: Sequence[Given]
    initial: Sequence[State] = (State(),)
    timing: Timing = COARSE
    slow: int = 0
    weight: int = 1
    """How long it takes beside the others: the longest is begun first."""

    def bounds(self) -> dict[str, object]:
        """What is explored, and so what is not."""
        return {
            "moves": [getattr(move, "__name__", str(move)) for move in self.moves],
            "given": [given.name for given in self.givens],
            "starts": len(self.initial),
            "slow_operators": self.slow,
            "timing": {name: str(value) for name, value in self.timing._asdict().items()},
        }


@dataclass
class Violation:
    """A broken invariant, with the steps that lead to it."""

    invariant: str
    wrong: str
    trace: list[str]


@dataclass
class Explored:
    """What an exploration came to."""

    world: World
    states: list[State] = field(default_factory=list)
    transitions: int = 0
    passes: int = 0
    frontier: int = 0
    violations: list[Violation] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    steps: set[tuple[str, str, str]] = field(default_factory=set)
    parents: list[tuple[int, str]] = field(default_factory=list)

    def trace(self, index: int, *last: str) -> list[str]:
        """The steps from the start to a state."""
        steps = list(last)
        while index >= 0:
            index, label = self.parents[index]
            steps.append(label)
        return [one for one in reversed(steps) if one]


@contextlib.contextmanager
def scaled(timing: Timing) -> Iterator[None]:
    """The core with its long timers made as short as a world's, and readable where it hashes."""
    with (
        replaced.object(aftermath, "SAME_INCIDENT", timing.reassert),
        replaced.object(aftermath, "REMEMBERED", 2 * timing.reassert),
        replaced.object(borrowing, "DEBUG_PAUSE", 2 * timing.reassert),
        replaced.object(milder, "FINDINGS_SECONDS", timing.job_seconds),
        replaced.object(degradation, "VALIDATION_PAUSE", timing.reassert),
        replaced.object(errands, "STUCK_PATIENCE", timing.reassert),
        replaced.object(errands, "OVERDUE", timedelta(0)),
        replaced.object(errands, "nonce", lambda context, name: f"nonce of {context.policy.uid} for {name}"),
        replaced.object(gates, "plan_hash", _readable),
        replaced.object(sweep_request, "plan_hash", _readable),
        replaced.object(recovery, "OVERDUE", timedelta(0)),
        replaced.object(recovery, "BACKOFF_CAP", timing.backoff_cap),
        replaced.object(recovery, "RECEIPT_MAX_AGE", timing.receipt_max_age),
        replaced.object(outage, "REASSERT_INTERVAL", timing.reassert),
    ):
        yield


def _readable(lines: Iterable[str], *inputs: str) -> str:
    """A plan in place of its hash: the names in it are seen, and states that differ by them alone are one."""
    return "\n".join((*lines, "", *inputs))


class Explorer:
    """One exploration."""

    def __init__(
        self,
        world: World,
        invariants: Mapping[str, Invariant] = INVARIANTS,
        *,
        bug: contextlib.AbstractContextManager[object] | None = None,
    ) -> None:
        self.world, self.invariants, self.bug = world, invariants, bug
        self.found = Explored(world)
        self._known: dict[Key, int] = {}
        self._todo: deque[int] = deque()
        self._at = self._last = -1

    def run(self, most_states: int = 1 << 60) -> Explored:
        """Explore until nothing new is found, or with a bug the first violation of one of the invariants."""
        timing = self.world.timing
        with scaled(timing), self.bug or contextlib.nullcontext():
            for state in self.world.initial:
                self._reach(state._replace(timing=timing), "")
            while self._todo and len(self.found.states) < most_states:
                self._at = self._todo.popleft()
                self._expand(self.found.states[self._at])
                if self.bug is not None and self.found.violations:
                    break
        self.found.frontier = len(self._todo)
        return self.found

    def _reach(self, after: State, label: str) -> bool:
        """Note what a step has led to, once it is tidied up; whether it is new."""
        self.found.transitions += 1
        state = tidy(after)
        identity = key(state)
        known = self._known.get(identity)
        if known is not None:
            self._last = known
            return False
        self._known[identity] = self._last = index = len(self.found.states)
        self.found.states.append(state)
        self.found.parents.append((self._at, label))
        self._todo.append(index)
        return True

    def _expand(self, state: State) -> None:
        for move in self.world.moves:
            for label, after in move(state):
                self._reach(after, label)
        for index, running in enumerate(state.programs):
            others = (*state.programs[:index], *state.programs[index + 1 :])
            self._reach(state._replace(programs=others), "the slow operator dies")
            self._call(state, running, others)
        if state.policy_uid:
            for given in self.world.givens:
                self._pass(state, given)

    def _call(self, state: State, running: Program, others: tuple[Program, ...]) -> None:
        after, left = shell.perform(state, running)
        act = running.acts[0]
        label = f"the slow operator's {act.kind} " + (
            "is made" if after is not state else "is refused or changes nothing"
        )
        self._check(Call(state, act, running, after), label)
        if left is not None and shell.only_words(left):
            after, left = shell.run(after, left), None
        self._reach(after._replace(programs=others if left is None else (*others, left)), label)

    def _pass(self, state: State, given: Given) -> None:
        self.found.passes += 1
        decision = shell.decide(state, given)
        if decision is None:
            return
        self._note(state, decision)
        program = shell.program(state, decision, given)
        label = f"a pass over {given.name}: {reason(decision)}"
        at: State = state
        left: Program | None = program
        while left is not None:
            act, running, before = left.acts[0], left, at
            at, left = shell.perform(at, left)
            self._check(Call(before, act, running, at), label)
            dies = left is not None and act.kind not in ("tell", "record") and not self.world.slow
            if dies and at is not before:
                self._reach(at, f"{label}; it dies after its {act.kind}")
        if not shell.only_words(program) and len(state.programs) < self.world.slow:
            self._reach(state._replace(programs=(*state.programs, program)), f"{label}, by a slow operator")
        new = at is not state and self._reach(at, label)
        step = Pass(state, given, decision, at)
        self._check(replace(step, **_repeats(at, given)) if new else step, label)  # type: ignore[arg-type]

    def _note(self, state: State, decision: Decision) -> None:
        self.found.reasons |= reasons(decision)
        before, after = _steps(state.status), _steps(decision.status)
        for name in {*before, *after}:
            self.found.steps.add((name, before.get(name, NOTHING), after.get(name, NOTHING)))

    def _check(self, step: Call | Pass, label: str) -> None:
        for name, wrong in violations(step, self.invariants):
            self.found.violations.append(Violation(name, wrong, self.found.trace(self._at, label)))


def _repeats(state: State, given: Given) -> dict[str, object]:
    repeats: list[tuple[State, Decision]] = []
    for _ in range(MOST_REPEATS):
        decision = shell.decide(state, given) if state.policy_uid else None
        if decision is None:
            return {}
        repeats.append((state, decision))
        after = shell.run(state, shell.program(state, decision, given))
        if after is state:
            break
        state = after
    if not state.policy_uid:
        return {"repeats": tuple(repeats)}
    repeats[-1] = (state, repeats[-1][1])
    later = state._replace(now=state.now + QUARTER_MINUTE)
    return {"repeats": tuple(repeats), "later": shell.decide(later, given, state.now)}


def _steps(status: Status) -> dict[str, str]:
    """Where each scenario stands."""
    found = {str(one.name): str(one.step) for one in status.scenarios}
    if status.operation is not None:
        found[str(status.operation.type)] = str(status.operation.step)
    return found


def reason(decision: Decision) -> str:
    """Why things are as they are, after a decision."""
    return decision.status.conditions[ConditionType.READY].reason


def reasons(decision: Decision) -> set[str]:
    """Every reason that a decision gives: in words, to those who ask, in records and in the hold."""
    found = {condition.reason for condition in decision.status.conditions.values()}
    found |= {event.reason for event in decision.events}
    found |= {alert.labels["reason"] for alert in decision.alerts if "reason" in alert.labels}
    found |= {answer.status.reason for answer in decision.answers}
    found |= {entry.event for one in decision.incidents for entry in one.status.timeline[-1:]}
    if decision.patch is not None and decision.patch.hold is not None:
        found.add(decision.patch.hold.last_failure)
    return found
