"""Words that stories are told with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from certstorage.api.conditions import ConditionStatus, ConditionType
from certstorage.api.decision import JobKind
from certstorage.api.incidents import IncidentPhase, IncidentStatus
from certstorage.api.receipt import Fact, ReceiptVerdict
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import Signal, SignalName, SignalSet, Verdict
from tests.unit.runbook.world import World, healthy, hidden_outage, outage

ALL_GOOD = {
    "ListBucket": "ok",
    "PutObject": "ok",
    "HeadObject": "ok",
    "GetObject": "ok",
    "ConditionalPut": "ok",
    "DeleteObject": "ok",
}
HOLD = 600
"""recovery.holdSeconds of these worlds: the default."""

GOOD_FACTS = (
    Fact("clock", "ok", "+0 s"),
    Fact("location", "ok", "us-east-1"),
    Fact("lifecycle", "ok", "0 rules"),
    Fact("logging", "ok", "s3://logs/access/"),
    Fact("path", "ok", "TCP 1 ms, TLS 5 ms"),
)


def firing(name: str, value: float | None = None, world: World | None = None, **verdicts: Verdict) -> SignalSet:
    """A healthy system in which one signal fires since now."""
    since = None if world is None else world.now
    found = healthy(**verdicts)
    signal = Signal(SignalName[name], Verdict.FIRING, value, since)
    return replace(found, signals={**found.signals, SignalName[name]: signal})


def ready(world: World) -> str:
    return world.status.conditions[ConditionType.READY].reason


def message(world: World) -> str:
    return world.status.conditions[ConditionType.READY].message


def asked(world: World) -> str | None:
    found = world.status.conditions[ConditionType.ACTION_REQUIRED]
    return found.reason if found.status is ConditionStatus.TRUE else None


def alerts(world: World, name: str = "CertStorageActionRequired") -> list[dict[str, str]]:
    """The labels of the alerts in force after the last pass, with their severity."""
    assert world.last is not None
    return [{**one.labels, "severity": one.severity.value} for one in world.last.alerts if one.name == name]


def kinds(world: World) -> list[str]:
    """The kinds of all Jobs that were made, in order."""
    return [job.kind for job in world.jobs.values()]


def told(world: World, scenario: Scenario) -> IncidentStatus:
    """What the newest incident of a scenario says."""
    status = world.incident(scenario).status
    assert status is not None
    return status


def rows(status: IncidentStatus) -> list[str]:
    """The runbook's rows along the timeline."""
    return [entry.step.rpartition("[")[2].rstrip("]") for entry in status.timeline]


def phase(world: World, scenario: Scenario) -> IncidentPhase:
    return told(world, scenario).phase


def probed(world: World, **changes: Any) -> None:
    """The Findings Job ends; all is well unless `changes` say otherwise."""
    assert world.job().kind == JobKind.FINDINGS
    found = {"steps": ALL_GOOD, "facts": GOOD_FACTS, "get_p95_seconds": 0.05, "report": "s3://b/f.json", **changes}
    steps = found["steps"]
    verdict = ReceiptVerdict.PASSED if all(said == "ok" for said in steps.values()) else ReceiptVerdict.FAILED
    world.finish(verdict, **found)


def pass_time(world: World, seconds: float, every: float = 30) -> None:
    """Passes as long as this, one every so many seconds."""
    for _ in range(int(seconds // every)):
        world.step(every)


def fallen() -> World:
    """A world whose reads are held local and confirmed, S3 still down."""
    world = World(signals=outage())
    world.step()
    world.signals = hidden_outage()
    world.settle()
    return world


def recovered() -> World:
    """S3 answers again and the recovery Job of attempt 1 runs."""
    world = fallen()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.settle()
    return world


def returned() -> World:
    """The receipt passed and the new Pods are being checked."""
    world = recovered()
    world.finish()
    world.step(30)
    world.settle()
    return world
