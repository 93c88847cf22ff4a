"""Scenario 4 and the metric rows as stories: fallback, deletes, writes, a full local disk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from certstorage.api.decision import JobKind
from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import Pods
from certstorage.api.reasons import Reason
from certstorage.api.receipt import Fact
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import Verdict
from certstorage.api.status import Status
from certstorage.runbook.decide import decide
from tests.unit.runbook.stories import (
    ALL_GOOD,
    GOOD_FACTS,
    alerts,
    asked,
    firing,
    kinds,
    message,
    pass_time,
    phase,
    probed,
    ready,
    rows,
    told,
)
from tests.unit.runbook.world import READ, World, healthy, hidden_outage, make_policy, outage

SIGNALS = {
    Scenario.READ_FALLBACK: "FALLBACK_ELEVATED",
    Scenario.DELETE_FAILING: "DELETE_FAIL",
    Scenario.WRITE_SUCCESS_LOW: "WRITE_SUCCESS",
    Scenario.LOCAL_DISK_LOW: "LOCAL_DISK",
}
EACH = pytest.mark.parametrize("scenario", list(SIGNALS))
PROBED = pytest.mark.parametrize("scenario", [one for one in SIGNALS if one is not Scenario.LOCAL_DISK_LOW])


def in_work(scenario: Scenario, value: float | None = 0.15, **changes: object) -> World:
    """The scenario's signal has fired for longer than its first breath."""
    world = World(**changes)  # type: ignore[arg-type]
    world.step()
    world.signals = firing(SIGNALS[scenario], value, world)
    world.step(120)
    world.settle()
    return world


@EACH
def test_each_is_looked_into_told_and_watched_to_its_end_without_a_write(scenario: Scenario) -> None:
    world = in_work(scenario)
    assert phase(world, scenario) in (IncidentPhase.OPEN, IncidentPhase.MITIGATED)
    assert kinds(world) == ([] if scenario is Scenario.LOCAL_DISK_LOW else [JobKind.FINDINGS])
    if world.jobs:
        probed(world)
    pass_time(world, 600)
    assert ready(world) not in (Reason.READS_FROM_S3, Reason.JOB_RUNNING)
    world.signals = healthy()
    world.step(30)
    world.step(299)
    assert phase(world, scenario) is IncidentPhase.MITIGATED
    world.step(1)
    assert phase(world, scenario) is IncidentPhase.RESOLVED
    assert ready(world) == Reason.READS_FROM_S3
    assert world.status.scenarios == ()
    assert world.writes == []
    assert not world.finalizer
    quiet = world.settle()
    assert (quiet.incidents, quiet.events, quiet.alerts) == ((), (), ())


@EACH
def test_a_first_breath_tells_nobody(scenario: Scenario) -> None:
    world = World()
    world.step()
    world.signals = firing(SIGNALS[scenario], 0.15, world)
    world.step(119)
    world.signals = healthy()
    world.step(30)
    assert (world.incidents, world.jobs, alerts(world)) == ({}, {}, [])


@PROBED
def test_an_outage_goes_before_each(scenario: Scenario) -> None:
    world = World(signals=outage())
    world.step()
    both = firing(SIGNALS[scenario], 0.5, world)
    world.signals = replace(hidden_outage(), signals={**hidden_outage().signals, **{
        name: one for name, one in both.signals.items() if one.verdict is Verdict.FIRING}})  # fmt: skip
    pass_time(world, 3600)
    assert {one.status.scenario for one in world.incidents.values() if one.status} == {Scenario.OUTAGE}
    assert world.jobs == {}


@PROBED
def test_each_ends_when_an_outage_begins(scenario: Scenario) -> None:
    world = in_work(scenario)
    world.signals = outage()
    world.step(15)
    world.settle()
    assert phase(world, scenario) is IncidentPhase.RESOLVED
    assert "became an outage" in told(world, scenario).summary


@EACH
def test_observe_reports_and_sends_no_job(scenario: Scenario) -> None:
    world = in_work(scenario, policy=make_policy(mode="Observe"))
    assert (world.jobs, world.incidents, world.writes) == ({}, {}, [])
    assert ready(world) == Reason.MODE_OBSERVE


@EACH
def test_a_wiped_status_takes_the_open_incident_up_again(scenario: Scenario) -> None:
    world = in_work(scenario)
    incidents, jobs = set(world.incidents), set(world.jobs)
    for _ in range(5):
        world.status = Status()
        world.step(30)
    assert (set(world.incidents), set(world.jobs)) == (incidents, jobs)


@EACH
def test_an_incident_that_cannot_be_read_is_not_opened_again(scenario: Scenario) -> None:
    from certstorage.api.observed import Problem

    world = in_work(scenario)
    world.blind = (Problem(Reason.PERMISSION_DENIED, "incidents is forbidden"),)
    seen = replace(world.see(), incidents=())
    decision = decide(world.policy, seen, world.status, world.now)
    assert (decision.incidents, decision.requests, decision.answers) == ((), (), ())


@pytest.mark.runbook("scenario-4/symptoms", "metrics/read-fallback")
@pytest.mark.parametrize(("value", "paged"), [(0.11, False), (0.30, False), (0.301, True), (0.94, True)])
def test_over_thirty_percent_of_reads_pages(value: float, paged: bool) -> None:
    world = in_work(Scenario.READ_FALLBACK, value)
    assert bool(alerts(world)) is paged
    assert alerts(world, "CertStorageIncident")[0]["severity"] == "warning"


@pytest.mark.runbook("scenario-4/symptoms")
def test_the_flag_is_looked_at_first_and_explains_a_fallback_by_itself() -> None:
    world = World()
    world.signals = firing("FALLBACK_ELEVATED", 0.2, world)
    world.now = world.now.replace(minute=30)
    seen = replace(world.see(), pods=Pods(local=1, s3=2))
    decision = decide(world.policy, seen, world.status, world.now)
    (wanted,) = decision.incidents
    flag = next(one for one in wanted.status.findings if one.name == "ReadFlag")
    assert (flag.verdict, flag.message) == ("Bad", f"{READ} differs between Pods: 1 read local disk, 2 S3")
    assert "the read flag explains it" in wanted.status.summary


@pytest.mark.parametrize(
    ("changes", "row", "words"),
    [
        pytest.param(
            {"facts": (*GOOD_FACTS[:1], Fact("location", "warning", "the bucket is in eu-west-1"), *GOOD_FACTS[2:])},
            "scenario-4/mitigate-1",
            "migrate the bucket",
            marks=pytest.mark.runbook("scenario-4/cause-3", "scenario-4/diagnose-2", "scenario-4/mitigate-1"),
        ),
        pytest.param(
            {"facts": (*GOOD_FACTS[:4], Fact("path", "warning", "TCP 900 ms"))},
            "scenario-4/mitigate-2",
            "review VPC routing, NAT gateway",
            marks=pytest.mark.runbook("scenario-4/cause-2", "scenario-4/diagnose-3", "scenario-4/mitigate-2"),
        ),
        pytest.param(
            {"get_p95_seconds": 0.501},
            "scenario-4/mitigate-3",
            "monitor and wait",
            marks=pytest.mark.runbook("scenario-4/cause-1", "scenario-4/diagnose-1", "scenario-4/mitigate-3"),
        ),
        ({"get_p95_seconds": 0.5}, "scenario-4/mitigate-3", "no cause is found yet"),
    ],
)
def test_the_mitigation_is_named_by_the_cause(changes: dict[str, object], row: str, words: str) -> None:
    world = in_work(Scenario.READ_FALLBACK)
    probed(world, **changes)
    world.step(30)
    assert words in message(world)
    assert rows(told(world, Scenario.READ_FALLBACK))[-1] == row


@pytest.mark.runbook("scenario-4/cause-1")
def test_slow_gets_by_the_metrics_name_the_latency() -> None:
    world = World()
    world.signals = firing("FALLBACK_ELEVATED", 0.2, world, GET_SLOW=Verdict.FIRING)
    world.step(120)
    assert "GETs are slow" in message(world)


DENIED = "AccessDenied: HTTP 403 AccessDenied Access Denied"
BEFORE_DELETES = dict.fromkeys(("ListBucket", "PutObject", "HeadObject", "GetObject", "ConditionalPut"), "ok")


@pytest.mark.runbook("metrics/delete-fail", "contacts/platform")
@pytest.mark.parametrize(
    "steps", [{**ALL_GOOD, "DeleteObject": DENIED}, {**BEFORE_DELETES, "ConditionalDelete": DENIED}]
)
def test_a_missing_permission_to_delete_is_named_to_platform_engineering(steps: dict[str, str]) -> None:
    """The probe ends at the first step that is denied: of a real one that is the conditional delete."""
    world = in_work(Scenario.DELETE_FAILING, 0.03)
    assert asked(world) is None
    probed(world, steps=steps)
    world.step(30)
    assert asked(world) == Reason.DELETES_FAIL
    (ask,) = alerts(world)
    assert (ask["severity"], ask["scenario"]) == ("warning", "delete-failing")
    assert "s3:DeleteObject" in message(world)


@pytest.mark.runbook("metrics/write-success", "contacts/sre")
def test_failing_writes_page_at_once_with_the_log_query_and_dual_write_stays() -> None:
    world = in_work(Scenario.WRITE_SUCCESS_LOW, 0.94)
    assert asked(world) == Reason.WRITES_FAIL
    (ask,) = alerts(world)
    assert ask["severity"] == "critical"
    assert "kubectl -n production logs deployment/deltacrown" in world.status.unblock
    assert "dual-write stays on" in message(world)


@pytest.mark.runbook("scenario-1/step-4")
def test_a_full_disk_pages_in_an_outage_above_all() -> None:
    world = World(signals=outage())
    world.step()
    world.signals = replace(hidden_outage(), signals={
        **hidden_outage().signals,
        **{n: s for n, s in firing("LOCAL_DISK", 0.08, world).signals.items() if s.verdict is Verdict.FIRING},
    })  # fmt: skip
    world.step(120)
    world.settle()
    page = next(one for one in alerts(world) if one["scenario"] == "local-disk-low")
    assert page["severity"] == "critical"
    assert "df -h -i /mnt/media/certificates" in world.status.unblock
    assert "this disk is all there is" in told(world, Scenario.LOCAL_DISK_LOW).summary
    assert ready(world) == Reason.OUTAGE_READS_LOCAL, "the outage speaks first"
