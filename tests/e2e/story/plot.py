"""What a story is made of: steps in their order, each found in the facts, and what must never happen. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tests.e2e.story.facts import DUAL_WRITE, Facts, Switch, Write


@dataclass(frozen=True, slots=True)
class Step:
    """One step that happened: when, and what shows it. `said` in the evidence is that in a few words."""

    step: StrEnum
    at: datetime
    evidence: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the story must show. `held` is how long reads must stay local after the alert resolved, S3 still cut."""

    replicas: int
    held: timedelta = timedelta(0)
    max_fallback: float = 0.01
    min_reads: int = 50
    fallback_within: timedelta = timedelta(minutes=5)


Steps = dict[StrEnum, Step]
Finder = Callable[[Facts, Terms, Steps], Step | None]


def said(step: Step) -> str:
    """A step's evidence in a few words."""
    return str(step.evidence.get("said", ""))


@dataclass(frozen=True, slots=True)
class Plot:
    """One scenario as it must go. `tolerated` are kinds of client errors that it is expected to make."""

    name: str
    title: str
    scenes: tuple[tuple[StrEnum, str, Finder], ...]
    """Each step with its title and what finds it; a finder knows the steps before its own."""
    proof: Callable[[Step], str] = said
    tolerated: frozenset[str] = frozenset()

    @property
    def titles(self) -> Mapping[StrEnum, str]:
        """The steps in their order, each with its title."""
        return {name: title for name, title, _ in self.scenes}

    def derive(self, facts: Facts, terms: Terms) -> tuple[Step, ...]:
        """The steps that have happened, in order; a step counts only after all before it."""
        found: Steps = {}
        for name, _, finder in self.scenes:
            step = finder(facts, terms, found)
            if step is None:
                break
            found[name] = step
        return tuple(found.values())

    def broken(self, facts: Facts) -> tuple[str, ...]:
        """What must never happen and did, a line each."""
        lines = [
            f"the operator wrote {DUAL_WRITE}={write.env.get(DUAL_WRITE)!r} (version {write.resource_version})"
            for write in facts.writes
            if write.by_operator and write.env.get(DUAL_WRITE) != "true"
        ]
        lines += [
            f"the operator turned reads to S3 while it was cut at {write.at:%H:%M:%S} (v. {write.resource_version})"
            for write in turned(facts, "true")
            if whole_cut(facts.switches, write.at)
        ]
        lines += [
            f"two Jobs for incident {incident} {kind} attempt {attempt}: {', '.join(names)}"
            for (incident, kind, attempt), names in _by_attempt(facts).items()
            if len(names) > 1
        ]
        if errors := client_errors(facts, self.tolerated):
            lines.append(f"clients saw {errors} errors")
        lines += [
            f"{one.service} could not take a message: {'; '.join(one.problems)}" for one in facts.told if one.problems
        ]
        return tuple(lines)


def client_errors(facts: Facts, tolerated: frozenset[str] = frozenset()) -> int:
    """Errors that the load generator's clients saw since the story began, but for those of tolerated kinds."""
    if not facts.clients:
        return 0
    first, last = facts.clients[0], facts.clients[-1]
    expected = sum(last.kinds.get(kind, 0) - first.kinds.get(kind, 0) for kind in tolerated)
    return last.errors - first.errors - expected


def turned(facts: Facts, flag: str) -> Iterable[Write]:
    """The operator's writes that changed the read flag to this value; the story begins with reads from S3."""
    before = "true"
    for write in facts.writes:
        if write.by_operator and write.reads == flag != before:
            yield write
        before = write.reads


def whole_cut(switches: Iterable[Switch], at: datetime) -> bool:
    """Whether a fault of every operation was in force."""
    fault = ""
    for switch in switches:
        if switch.at <= at:
            fault = switch.fault
    return bool(fault) and is_whole(fault)


def is_whole(fault: str) -> bool:
    """Whether a fault is of every operation; one of some names them: `put:failing=12`."""
    return ":" not in fault


def _by_attempt(facts: Facts) -> dict[tuple[str, str, str], list[str]]:
    made: dict[tuple[str, str, str], list[str]] = {}
    for job in facts.jobs_made:
        if job.incident:
            made.setdefault((job.incident, job.kind, job.attempt), []).append(job.name)
    return made


def seconds(length: timedelta) -> float:
    """A length as evidence gives it."""
    return round(length.total_seconds(), 3)


def written(write: Write, done: Steps) -> dict[str, object]:
    """Evidence of a write to the Deployment."""
    first = next(iter(done.values()))
    return {
        "source": "audit log",
        "audit_id": write.audit_id,
        "user": write.user,
        "agent": write.agent,
        "deployment_uid": write.uid,
        "resource_version": write.resource_version,
        "generation": write.generation,
        "env": {
            name: value
            for name, value in write.env.items()
            if name == "LOG_LEVEL" or (name.startswith("CERT_S3_") and value in ("true", "false"))
        },
        "replicas": write.replicas,
        "after_seconds": seconds(write.at - first.at),
        "said": f"generation {write.generation}, resourceVersion {write.resource_version}",
    }
