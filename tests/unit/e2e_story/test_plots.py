"""The milder scenarios' stories: each step from its fact, and what does not count."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from tests.e2e.story.differing import DAMAGED, INCONSISTENCY, RANDOM, Differs
from tests.e2e.story.facts import (
    OPERATOR,
    OPERATOR_MANAGER,
    Clients,
    Comparison,
    Deed,
    Facts,
    Job,
    JobMade,
    Paper,
    Pod,
    Pods,
    Span,
    Switch,
    Told,
    Write,
)
from tests.e2e.story.milder import DEGRADATION, DELETES, DISK, FILLED, READ_FALLBACK, ROOM_MADE, Degraded, Watched
from tests.e2e.story.plot import Plot, Terms
from tests.e2e.story.sweeping import SWEEP, Swept

ZERO = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
TERMS = Terms(replicas=2)


def at(seconds: float) -> datetime:
    return ZERO + timedelta(seconds=seconds)


def write(
    seconds: float,
    *,
    level: str = "INFO",
    replicas: int = 2,
    hold: dict[str, object] | None = None,
    managers: tuple[str, ...] = (OPERATOR_MANAGER,),
    user: str = OPERATOR,
) -> Write:
    return Write(
        at=at(seconds),
        received=at(seconds),
        audit_id=f"audit-{seconds}",
        verb="patch",
        user=user,
        agent="certstorage-operator/0.1.0",
        uid="deployment-uid",
        resource_version=str(round(1000 + seconds)),
        generation=round(seconds),
        env={"CERT_S3_READ_PRIMARY": "true", "CERT_S3_DUAL_WRITE": "true", "LOG_LEVEL": level},
        hold=json.dumps(hold) if hold else "",
        managers=managers,
        replicas=replicas,
    )


def pods(seconds: float, count: int = 2, *, level: str = "INFO", ready: bool = True) -> Pods:
    env = {"CERT_S3_READ_PRIMARY": "true", "LOG_LEVEL": level}
    return Pods(at(seconds), tuple(Pod(f"web-{n}", f"uid-{n}", "1", "a", ready, False, env) for n in range(count)))


def made(seconds: float, kind: str, name: str, *arguments: str) -> JobMade:
    return JobMade(at(seconds), OPERATOR, name, f"uid-{name}", "inc", "1", kind, arguments)


def ended(seconds: float, kind: str, name: str, verdict: str = "PASS") -> Job:
    complete = verdict == "PASS"
    receipt: dict[str, object] = {"verdict": verdict, "sampled": 160}
    return Job(name, f"uid-{name}", "7", "inc", "1", complete, at(seconds), "pod", receipt, kind)


def paper(seconds: float, kind: str, phase: str, **status: object) -> Paper:
    return Paper(at(seconds), f"{kind.lower()}-1", kind, phase, status={"phase": phase, **status})


def told(seconds: float, to: str, text: str, status: int = 200) -> Told:
    return Told(at(seconds), "slack", to, "firing", text, status)


DEGRADED = Facts(
    since=ZERO,
    switches=(Switch(at(10), "put:lost=12"), Switch(at(90), "")),
    alarms={"CertS3Degraded": (Span(at(40), at(110)),)},
    incidents=(
        paper(60, "Degradation", "Open"),
        paper(130, "Degradation", "Recovering"),
        paper(150, "Degradation", "Resolved"),
    ),
    writes=(
        write(61, level="DEBUG", hold={"degradation": {"until": "later"}}),
        write(131),
        write(152, managers=()),
    ),
    pods=(pods(30), pods(75, level="DEBUG"), pods(145)),
    jobs_made=(made(62, "Findings", "f1"), made(132, "Validation", "v1", "check", "--sample-rate", "0.05")),
    jobs=(ended(70, "Findings", "f1"), ended(140, "Validation", "v1")),
    told=(told(65, "#platform-eng", "CertStorageIncident: 12 % of saves fail"),),
    clients=(Clients(at(0), 0, 0), Clients(at(150), 999, 0)),
)

FALLBACK = Facts(
    since=ZERO,
    switches=(Switch(at(10), "get:failing=20"), Switch(at(90), "")),
    alarms={"CertS3ReadFallbackElevated": (Span(at(40), at(110)),)},
    incidents=(
        paper(60, "ReadFallback", "Open"),
        paper(72, "ReadFallback", "Mitigated", findings=[{"name": "ReadFlag"}]),
        paper(140, "ReadFallback", "Resolved"),
    ),
    jobs_made=(made(62, "Findings", "f1"),),
    jobs=(ended(70, "Findings", "f1", "FAIL"),),
    told=(told(75, "#platform-eng", "CertStorageIncident: monitor and wait, fallback is safe"),),
)

DIFFERING = Facts(
    since=ZERO,
    deeds=(Deed(at(5), DAMAGED, ("certificates/a.pdf",)),),
    incidents=(paper(72, "Inconsistency", "Open"), paper(120, "Inconsistency", "Resolved")),
    requests=(paper(73, "Sweep", "Pending"),),
    told=(told(75, "#sre-oncall", "CertStorageIncident: copies differ"),),
    jobs_made=(
        dataclasses.replace(made(60, "Validation", "n1", "check", "--sample-rate", "0.01"), incident=""),
        made(74, "Repair", "p1", "repair"),
        made(90, "Validation", "v1", "check", "--sample-rate", "0.1"),
    ),
    jobs=(ended(70, "Validation", "n1", "FAIL"), ended(85, "Repair", "p1"), ended(100, "Validation", "v1")),
    comparisons=(Comparison(at(50), at(51), 79, 0, ("certificates/a.pdf",)), Comparison(at(101), at(102), 80, 0)),
)

SWEPT = Facts(
    since=ZERO,
    requests=(
        paper(5, "Sweep", ""),
        paper(6, "Sweep", "Pending", planHash="abc"),
        paper(8, "Approval", "Done"),
        paper(9, "Sweep", "Running"),
        paper(60, "Sweep", "Done", verdict="Pass"),
    ),
    writes=(
        write(9, replicas=0, hold={"sweep": {"nonce": "n"}, "replicas": 2, "restoreBy": "later"}),
        write(50),
        write(70, managers=()),
    ),
    pods=(pods(2), pods(20, 1, ready=False), pods(30, 0), pods(55)),
    jobs_made=(made(31, "Sweep", "s1", "check", "--sample-rate", "0.1"),),
    jobs=(ended(45, "Sweep", "s1"),),
    clients=(
        Clients(at(0), 0, 0),
        Clients(at(56), 90, 40, {"connection": 40}),
        Clients(at(62), 99, 40, {"connection": 40}),
    ),
)

CASE = "AWS Premium Support case, to be filed\nService: Simple Storage Service (S3)."
STILL = "CertStorageActionRequired: 5 of 160 objects differ: still not below 0.5 % after the repair; report s3://b/r"
RANDOMLY = dataclasses.replace(
    DIFFERING,
    requests=(*DIFFERING.requests, paper(80, "Repair", "Running")),
    told=(*DIFFERING.told, told(78, "#sre-oncall", CASE), told(92, "#sre-oncall", STILL)),
    jobs_made=(
        *DIFFERING.jobs_made[:1],
        made(81, "Repair", "r1", "repair"),
        made(84, "Validation", "v1", "check", "--sample-rate", "0.1"),
        made(89, "Findings", "f1", "probe"),
        dataclasses.replace(made(93, "Repair", "r2", "repair"), attempt="2"),
        dataclasses.replace(made(97, "Validation", "v2", "check", "--sample-rate", "0.1"), attempt="2"),
    ),
    jobs=(
        *DIFFERING.jobs[:1],
        ended(88, "Validation", "v1", "FAIL"),
        ended(91, "Findings", "f1"),
        ended(96, "Repair", "r2"),
        ended(100, "Validation", "v2"),
    ),
)

DENIED = Facts(
    since=ZERO,
    switches=(Switch(at(10), "delete:denied"), Switch(at(90), "")),
    alarms={"CertS3DeleteFailHigh": (Span(at(40), at(110)),)},
    incidents=(
        paper(60, "DeleteFailing", "Open"),
        paper(72, "DeleteFailing", "Mitigated", findings=[{"name": "DeleteObject"}]),
        paper(140, "DeleteFailing", "Resolved"),
    ),
    jobs_made=(made(62, "Findings", "f1"),),
    jobs=(ended(70, "Findings", "f1", "FAIL"),),
    told=(told(75, "#platform-eng", "CertStorageActionRequired: the application's role may not delete"),),
    clients=(Clients(at(0), 0, 0), Clients(at(90), 99, 2, {"resurrected": 2})),
)

FULL = Facts(
    since=ZERO,
    deeds=(Deed(at(5), FILLED), Deed(at(60), ROOM_MADE)),
    alarms={"CertLocalDiskLow": (Span(at(10), at(65)),)},
    incidents=(paper(40, "LocalDiskLow", "Mitigated"), paper(90, "LocalDiskLow", "Resolved")),
    told=(told(45, "#sre-oncall", "CertStorageActionRequired: make room or enlarge the volume"),),
)

UNPROBED = (
    Watched.CAUSED,
    Watched.ALERT_FIRING,
    Watched.INCIDENT_OPENED,
    Watched.PEOPLE_TOLD,
    Watched.MENDED,
    Watched.RESOLVED,
)
OF_PEOPLE = (
    Differs.AWS_CASE,
    Differs.REPAIR_ASKED,
    Differs.REPAIR_RUNS,
    Differs.STILL_DIFFERENT,
    Differs.ESCALATED,
    Differs.ACCESS_LOG,
)
BY_ITSELF = tuple(step for step in Differs if step not in OF_PEOPLE)
STORIES: list[tuple[Plot, Facts, tuple[StrEnum, ...]]] = [
    (DEGRADATION, DEGRADED, tuple(Degraded)),
    (READ_FALLBACK, FALLBACK, tuple(Watched)),
    (INCONSISTENCY, DIFFERING, BY_ITSELF),
    (RANDOM, RANDOMLY, tuple(Differs)),
    (DELETES, DENIED, tuple(Watched)),
    (DISK, FULL, UNPROBED),
    (SWEEP, SWEPT, tuple(Swept)),
]


@pytest.mark.parametrize(("plot", "facts", "names"), STORIES, ids=[plot.name for plot, *_ in STORIES])
def test_a_whole_story_has_every_step_in_order(plot: Plot, facts: Facts, names: tuple[StrEnum, ...]) -> None:
    steps = plot.derive(facts, TERMS)
    assert [step.step for step in steps] == list(names) == list(plot.titles)
    assert plot.broken(facts) == ()
    assert all(plot.proof(step) for step in steps)
    assert json.dumps([step.evidence for step in steps])


Change = Callable[[Facts], Facts]


def but(**changes: object) -> Change:
    return lambda facts: dataclasses.replace(facts, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plot", "facts", "change", "missing"),
    [
        (
            INCONSISTENCY,
            DIFFERING,
            but(told=(dataclasses.replace(DIFFERING.told[0], action="resolved"),)),
            Differs.PEOPLE_TOLD,
        ),
        (DEGRADATION, DEGRADED, but(alarms={"CertS3Degraded": (Span(at(1), at(5)),)}), Degraded.ALERT_FIRING),
        (DEGRADATION, DEGRADED, but(incidents=(paper(60, "Outage", "Open"),)), Degraded.INCIDENT_OPENED),
        (DEGRADATION, DEGRADED, but(writes=(write(61, level="DEBUG", user="somebody"),)), Degraded.DEBUG_ON),
        (DEGRADATION, DEGRADED, but(writes=(write(61, level="DEBUG"),)), Degraded.DEBUG_ON),
        (DEGRADATION, DEGRADED, but(pods=(pods(75, 1, level="DEBUG"),)), Degraded.PODS_LOG_DEBUG),
        (DEGRADATION, DEGRADED, but(pods=(pods(75, level="DEBUG", ready=False),)), Degraded.PODS_LOG_DEBUG),
        (DEGRADATION, DEGRADED, but(jobs=DEGRADED.jobs[1:]), Degraded.LOOKED_INTO),
        (
            DEGRADATION,
            DEGRADED,
            but(told=(told(65, "#platform-eng", "CertStorageIncident saves", 503),)),
            Degraded.PEOPLE_TOLD,
        ),
        (
            DEGRADATION,
            DEGRADED,
            but(told=(told(65, "#sre-oncall", "CertStorageIncident saves"),)),
            Degraded.PEOPLE_TOLD,
        ),
        (DEGRADATION, DEGRADED, but(writes=DEGRADED.writes[:1]), Degraded.DEBUG_OFF),
        (
            DEGRADATION,
            DEGRADED,
            but(jobs_made=(DEGRADED.jobs_made[0], made(132, "Validation", "v1", "--sample-rate", "0.01"))),
            Degraded.VALIDATION_PASSED,
        ),
        (
            DEGRADATION,
            DEGRADED,
            but(jobs=(DEGRADED.jobs[0], ended(140, "Validation", "v1", "FAIL"))),
            Degraded.VALIDATION_PASSED,
        ),
        (DEGRADATION, DEGRADED, but(writes=DEGRADED.writes[:2]), Degraded.GIVEN_BACK),
        (
            READ_FALLBACK,
            FALLBACK,
            but(incidents=(paper(60, "ReadFallback", "Open"), paper(72, "ReadFallback", "Mitigated"))),
            Watched.NAMED,
        ),
        (INCONSISTENCY, DIFFERING, but(jobs=DIFFERING.jobs[1:]), Differs.VALIDATION_FAILED),
        (INCONSISTENCY, DIFFERING, but(comparisons=DIFFERING.comparisons[:1]), Differs.EQUAL),
        (SWEEP, SWEPT, but(writes=(write(9, replicas=0, hold={"sweep": {}}), *SWEPT.writes[1:])), Swept.STOPPED),
        (SWEEP, SWEPT, but(pods=(pods(20, 1), pods(30, 1))), Swept.PODS_GONE),
        (SWEEP, SWEPT, but(writes=SWEPT.writes[:1]), Swept.RESUMED),
        (SWEEP, SWEPT, but(clients=SWEPT.clients[:2]), Swept.CLIENTS_SERVED),
        (SWEEP, SWEPT, but(requests=SWEPT.requests[:4]), Swept.DONE),
    ],
)
def test_what_does_not_count_ends_the_story_there(plot: Plot, facts: Facts, change: Change, missing: StrEnum) -> None:
    order = list(plot.titles)
    assert [step.step for step in plot.derive(change(facts), TERMS)] == order[: order.index(missing)]


@pytest.mark.parametrize(
    ("plot", "change", "words"),
    [
        (DEGRADATION, but(clients=(Clients(at(0), 0, 0), Clients(at(9), 9, 1, {"stale": 1}))), "clients saw 1 errors"),
        (
            SWEEP,
            but(clients=(Clients(at(0), 0, 0), Clients(at(9), 9, 3, {"stale": 1, "http": 2}))),
            "clients saw 1 errors",
        ),
        (SWEEP, but(told=(dataclasses.replace(told(1, "#x", "y"), problems=("no_text",)),)), "slack could not take"),
    ],
)
def test_what_must_never_happen_is_named(plot: Plot, change: Change, words: str) -> None:
    (line,) = plot.broken(change(Facts(since=ZERO)))
    assert words in line
