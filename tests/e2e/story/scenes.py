"""What the plots share: how one thing that happens is found in the facts, each after all that came before it. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from tests.e2e.story.facts import OPERATOR_MANAGER, Facts, Job, JobMade, Paper, Pod, Write
from tests.e2e.story.plot import Finder, Step, Steps, Terms, seconds, written

OVER = ("Resolved", "Closed")
"""Phases of an incident that is over."""


def begun(done: Steps) -> datetime:
    """When the first step of the story happened."""
    return next(iter(done.values())).at


def last(done: Steps) -> datetime:
    """When the step before happened."""
    return max(one.at for one in done.values())


def fault(name: StrEnum) -> Finder:
    """A fault is put in force."""

    def find(facts: Facts, _terms: Terms, _done: Steps) -> Step | None:
        for switch in facts.switches:
            if switch.fault:
                said = f"proxy: {switch.fault}"
                return Step(name, switch.at, {"source": "proxy log", "fault": switch.fault, "said": said})
        return None

    return find


def mended(name: StrEnum) -> Finder:
    """The fault is taken away again."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        for switch in facts.switches:
            if not switch.fault and switch.at > begun(done):
                return Step(name, switch.at, {"source": "proxy log", "said": "proxy: open"})
        return None

    return find


def deed(name: StrEnum, what: str) -> Finder:
    """The story does something to the world, and says so to its observer."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        for one in facts.deeds:
            if one.what == what and (not done or one.at >= begun(done)):
                said = f"{what}: {', '.join(one.keys[:3])}" if one.keys else what
                return Step(name, one.at, {"source": "the story itself", "keys": list(one.keys), "said": said})
        return None

    return find


def alarm(name: StrEnum, alert: str) -> Finder:
    """An alert begins to fire."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        for span in facts.alarms.get(alert, ()):
            if span.begin >= begun(done):
                after = seconds(span.begin - begun(done))
                said = f"{alert}, {after:.0f} s after the beginning"
                return Step(
                    name, span.begin, {"source": "Prometheus", "alert": alert, "after_seconds": after, "said": said}
                )
        return None

    return find


def incident(name: StrEnum, scenario: str, phases: Collection[str], *, has: str = "") -> Finder:
    """An incident of a scenario reaches a phase; `has` names a part of its status that must not be empty by then."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        for paper in facts.incidents:
            if paper.kind == scenario and paper.phase in phases and paper.at >= begun(done):
                if has and not paper.status.get(has):
                    continue
                return Step(name, paper.at, {**_paper(paper, "incident"), "said": f"{paper.name}: {paper.phase}"})
        return None

    return find


def request(name: StrEnum, kind: str, phases: Collection[str]) -> Finder:
    """A request of a type reaches a phase."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        since = begun(done) if done else facts.since
        for paper in facts.requests:
            if paper.kind == kind and paper.phase in phases and paper.at >= since:
                verdict = paper.status.get("verdict") or paper.status.get("reason", "")
                said = f"{paper.name}: {paper.phase} {verdict}"
                return Step(name, paper.at, {**_paper(paper, "request"), "said": said})
        return None

    return find


def _paper(paper: Paper, what: str) -> dict[str, object]:
    kept = ("phase", "summary", "reason", "message", "verdict", "planHash", "approvedBy", "findings", "ticketText")
    status = {key: paper.status[key] for key in kept if key in paper.status}
    return {"source": f"API server, the {what}'s status", "name": paper.name, "kind": paper.kind, "status": status}


def wrote(name: StrEnum, test: Callable[[Write], bool], said: Callable[[Write], str] | None = None) -> Finder:
    """The operator writes the Deployment so."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        for write in facts.writes:
            if write.by_operator and write.at >= begun(done) and test(write):
                evidence = written(write, done)
                return Step(name, write.at, {**evidence, "said": said(write)} if said else evidence)
        return None

    return find


def every_pod(name: StrEnum, test: Callable[[Pod], bool], said: str) -> Finder:
    """Every Pod that stays is ready and is so, and there are enough of them."""

    def find(facts: Facts, terms: Terms, done: Steps) -> Step | None:
        for seen in facts.pods:
            staying = [pod for pod in seen.pods if not pod.going]
            if seen.at >= last(done) and len(staying) == terms.replicas and all(p.ready and test(p) for p in staying):
                pods = [{"name": p.name, "uid": p.uid, "resource_version": p.resource_version} for p in staying]
                return Step(name, seen.at, {"source": "Pods", "pods": pods, "said": f"{len(pods)} Pods {said}"})
        return None

    return find


def no_pod(name: StrEnum) -> Finder:
    """No Pod of the application is left, not even one that is going."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        for seen in facts.pods:
            if seen.at >= last(done) and not seen.pods:
                return Step(name, seen.at, {"source": "Pods", "said": "0 Pods"})
        return None

    return find


def job_made(name: StrEnum, kind: str) -> Finder:
    """A Job of this kind is made."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        for one in facts.jobs_made:
            if one.kind == kind and one.at >= begun(done):
                return Step(
                    name, one.at, {"source": "audit log", "job": one.name, "job_uid": one.uid, "said": one.name}
                )
        return None

    return find


def job(name: StrEnum, kind: str, test: Callable[[Job, JobMade], bool]) -> Finder:
    """A Job of this kind, made after the story began, ended so; its receipt carries what it found."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        made = {one.uid: one for one in facts.jobs_made if one.kind == kind and one.at >= begun(done)}
        for ended in facts.jobs:
            if ended.uid in made and ended.receipt and test(ended, made[ended.uid]):
                return Step(name, ended.finished, _job(ended, made[ended.uid]))
        return None

    return find


def _job(ended: Job, made: JobMade) -> dict[str, object]:
    kept = (
        "verdict",
        "sampled",
        "population",
        "mismatches",
        "unverified",
        "uploaded",
        "pattern",
        "message",
        "findings",
    )
    receipt = {key: ended.receipt[key] for key in kept if key in ended.receipt}
    said = f"{ended.name}: {receipt.get('verdict')}, {receipt.get('sampled', 0)} compared"
    return {
        "source": "Pod's termination message",
        "job": ended.name,
        "job_uid": ended.uid,
        "job_resource_version": ended.resource_version,
        "pod_uid": ended.pod_uid,
        "incident": ended.incident,
        "arguments": list(made.arguments),
        "receipt": receipt,
        "said": said,
    }


def sampled(made: JobMade, rate: str) -> bool:
    """Whether the validator was asked for this sample: `0.05`."""
    arguments = made.arguments
    return any(pair == ("--sample-rate", rate) for pair in pairwise(arguments))


def heard(name: StrEnum, to: str, *words: str) -> Finder:
    """Somebody got a message with these words, and took it: a Slack channel, or the holder of a PagerDuty key.

    That something is over, as an earlier story may still say, is not such a message.
    """

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        for one in facts.told:
            begins = one.status < 300 and one.action not in ("resolved", "resolve") and one.at >= begun(done)
            if begins and one.to == to and all(word in one.text for word in words):
                evidence = {
                    "source": f"{one.service} receiver",
                    "to": to,
                    "text": one.text,
                    "said": f"{one.service} {to}",
                }
                return Step(name, one.at, evidence)
        return None

    return find


def equal(name: StrEnum) -> Finder:
    """What the story looks at in the bucket is byte for byte what the application's users expect."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        for seen in facts.comparisons:
            if seen.started >= last(done) and not seen.different:
                said = f"{seen.equal} equal, {seen.absent} deleted and absent"
                evidence = {"source": "S3", "equal": seen.equal, "absent": seen.absent, "different": 0, "said": said}
                return Step(name, seen.finished, evidence)
        return None

    return find


def given_back(name: StrEnum) -> Finder:
    """The operator holds nothing of the Deployment any more: no hold, no managed field."""

    def find(facts: Facts, _terms: Terms, done: Steps) -> Step | None:
        write = facts.writes[-1] if facts.writes else None
        if write is None or write.hold or OPERATOR_MANAGER in write.managers:
            return None
        return Step(name, write.at, written(write, done))

    return find


def hold_of(write: Write) -> Mapping[str, Any]:
    """The hold that a write left on the Deployment; empty when it left none."""
    found: Mapping[str, Any] = json.loads(write.hold) if write.hold else {}
    return found
