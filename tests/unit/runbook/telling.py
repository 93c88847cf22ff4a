"""Decisions in words: what each pass of a story wrote, said and asked, where that is something new.

`make core-docs` writes the pages of `told/` anew; they are read like a log, and reviewed with every change of a rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from certstorage.api.decision import Decision
from tests.unit.runbook.world import START, World

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Place = tuple[str, str]
"""What speaks (an alert, an incident, a request; empty for the policy's status), and which part of it."""

OWN_OBJECT = ("incident ", "request ")
"""What is told once and stays, as it has an object of its own."""


def telling(world: World) -> str:
    """The story of a world: its passes that did or said something new."""
    lines: list[str] = []
    before: dict[Place, str] = {}
    for number, (now, decision) in enumerate(world.passes):
        kept = {place: said for place, said in before.items() if place[0].startswith(OWN_OBJECT)}
        after = dict(_stands(decision))
        after |= {place: said for place, said in kept.items() if place not in after}
        found = [f"  {place}: {said}" for place, said in _done(decision)]
        found += _changes(before, after)
        if found and number >= world.told:
            again = (decision.look_again_at - now) / timedelta(seconds=1)
            lines += [_text(now), *found, f"  looks again in {again:g} s"]
        before = after
    return "\n".join(lines) + "\n"


def _changes(before: dict[Place, str], after: dict[Place, str]) -> Iterator[str]:
    """By speaker, what is said anew or no more."""
    for speaker in dict.fromkeys(place[0] for place in (*after, *before)):
        if speaker and all(place[0] != speaker for place in after):
            yield f"  {speaker} is over"
            continue
        changed = [place for place in dict.fromkeys((*after, *before))
                   if place[0] == speaker and before.get(place) != after.get(place)]  # fmt: skip
        if changed and speaker:
            yield f"  {speaker}"
        for place in changed:
            yield f"{'    ' if speaker else '  '}{place[1]}: {after.get(place, 'no more')}"


def _stands(decision: Decision) -> Iterator[tuple[Place, str]]:
    """What stays said until it changes."""
    status = decision.status
    yield from _fields("", status, "signals", "conditions")
    for kind, one in status.conditions.items():
        since = _text(one.last_transition)
        said = f"{one.status} {one.reason} since {since}: {one.message} (generation {one.observed_generation})"
        yield ("", kind.value), said
    yield ("", "finalizer"), str(decision.finalizer)
    for alert in decision.alerts:
        about = alert.labels.get("incident") or alert.labels.get("reason", "")
        yield from _fields(f"alert {alert.name} {about}", alert, "name")
    for name, told in (("incident", decision.incidents), ("request", decision.answers)):
        for paper in told:
            yield from _fields(f"{name} {paper.name}", paper.status)


def _fields(speaker: str, record: DataclassInstance, *without: str) -> Iterator[tuple[Place, str]]:
    for field in fields(record):
        value = getattr(record, field.name)
        if field.name not in without and not _is_default(field, value):
            yield from (((speaker, part), said) for part, said in _parts(field.name, value))


def _done(decision: Decision) -> Iterator[tuple[str, str]]:
    """What is done in this pass."""
    if decision.patch is not None:
        yield "writes", _text(decision.patch)
    if decision.release:
        yield "releases", "its managedFields"
    for name in ("stop_jobs", "jobs", "requests", "events"):
        for number, one in enumerate(getattr(decision, name), 1):
            yield f"{name} {number}", _text(one)


def _parts(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        yield from ((f"{name} {_text(key)}", _text(one)) for key, one in value.items())
    elif isinstance(value, tuple):
        yield from ((f"{name} {number}", _text(one)) for number, one in enumerate(value, 1))
    else:
        yield name, _text(value)


def _is_default(field: Field[object], value: object) -> bool:
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return value == default


def _text(value: object) -> str:
    """One value in one line; of a record what is not as by default."""
    if isinstance(value, datetime):
        days = (value.date() - START.date()).days
        return f"{value:%H:%M:%S}" + (f" {days:+d}d" if days else "")
    if isinstance(value, Enum):
        return str(value.value)
    if is_dataclass(value):
        given = [(field.name, getattr(value, field.name)) for field in fields(value)
                 if not _is_default(field, getattr(value, field.name))]  # fmt: skip
        return ", ".join(f"{name}={_nested(one)}" for name, one in given)
    if isinstance(value, Mapping):
        return ", ".join(f"{_text(key)}={_nested(one)}" for key, one in value.items())
    if isinstance(value, tuple | frozenset):
        return "; ".join(_nested(one) for one in (sorted(value, key=repr) if isinstance(value, frozenset) else value))
    return repr(value) if isinstance(value, str) and ("," in value or " " in value or not value) else str(value)


def _nested(value: object) -> str:
    text = _text(value)
    return f"{{{text}}}" if is_dataclass(value) or isinstance(value, Mapping | tuple | frozenset) else text
