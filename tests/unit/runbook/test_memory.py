"""What a scenario knows of itself when a part of its memory is gone: the status, an incident, a Job, a view of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta

import pytest

from certstorage.api.incidents import IncidentPhase, Item, Notes
from certstorage.api.observed import Problem
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.requests import RequestType
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.signals import SignalName, Verdict
from certstorage.api.status import Status
from tests.unit.runbook.stories import HOLD, alerts, asked, fallen, firing, phase, probed, recovered, returned, told
from tests.unit.runbook.test_degradation import degraded
from tests.unit.runbook.test_incidents import over
from tests.unit.runbook.test_inconsistency import BAD
from tests.unit.runbook.test_milder import PROBED, in_work
from tests.unit.runbook.test_sweep import sweeping
from tests.unit.runbook.world import START, World, healthy, outage

DENIED = Problem(Reason.PERMISSION_DENIED, "forbidden")


@PROBED
def test_an_incident_that_was_deleted_is_written_again_under_its_name_and_nothing_is_done_twice(
    scenario: Scenario,
) -> None:
    world = in_work(scenario)
    name, jobs = world.incident(scenario).name, set(world.jobs)
    world.incidents.clear()
    world.settle()
    assert (world.incident(scenario).name, set(world.jobs)) == (name, jobs)
    probed(world)
    world.step(30)
    world.incidents.clear()
    world.jobs.clear()
    world.settle()
    state = world.status.scenario(scenario)
    assert state is not None
    assert (world.incident(scenario).name, state.step, world.jobs) == (name, Step.WATCHING, {})


@pytest.mark.parametrize("first", [True, False], ids=["older first", "newer first"])
def test_of_two_open_incidents_of_a_scenario_the_older_goes_on(first: bool) -> None:
    world = in_work(Scenario.READ_FALLBACK)
    world.status = Status()
    older = world.incident(Scenario.READ_FALLBACK)
    newer = replace(older, name=f"{older.name}-later", uid="later")
    both = (older, newer) if first else (newer, older)
    world.incidents = {one.name: one for one in both}
    world.signals = healthy()
    world.step(30)
    world.step(300)
    ended = world.incidents[older.name].status
    assert ended is not None
    assert ended.phase is IncidentPhase.RESOLVED


def test_a_job_that_cannot_be_seen_now_is_remembered() -> None:
    world = in_work(Scenario.READ_FALLBACK)
    job = world.job()
    world.blind = (DENIED,)
    world.step(30)
    state = world.status.scenario(Scenario.READ_FALLBACK)
    assert state is not None
    assert (state.job_name, state.job_uid) == (job.name, job.uid)


def test_a_receipt_counts_whatever_else_cannot_be_seen() -> None:
    world = in_work(Scenario.READ_FALLBACK)
    probed(world)
    world.blind = (DENIED,)
    world.step(30)
    state = world.status.scenario(Scenario.READ_FALLBACK)
    assert state is not None
    assert state.step is Step.WATCHING


def test_a_deployment_that_cannot_be_read_has_the_alerts_of_open_incidents_and_of_no_other() -> None:
    world = over()
    assert phase(world, Scenario.OUTAGE) is IncidentPhase.RESOLVED
    world.target = DENIED
    world.step(30)
    assert alerts(world, "CertStorageIncident") == []
    world = fallen()
    name = world.incident(Scenario.OUTAGE).name
    world.target, world.status = DENIED, Status()
    world.step(30)
    assert [one["incident"] for one in alerts(world, "CertStorageIncident")] == [name]


def test_the_end_of_an_outage_is_told_even_when_its_incident_was_deleted() -> None:
    world = returned()
    world.incidents.clear()
    world.serve(500, 0)
    world.step(15)
    assert told(world, Scenario.OUTAGE).phase is IncidentPhase.RESOLVED


def test_reads_that_a_sweep_left_local_are_told_as_the_sweeps_even_when_its_incident_was_deleted() -> None:
    world = sweeping()
    world.finish(ReceiptVerdict.FAILED, **BAD)
    world.step(60)
    world.settle()
    world.incidents.clear()
    world.step(15)
    assert told(world, Scenario.SWEEP).phase is IncidentPhase.MITIGATED


def test_verbose_logging_is_forgotten_a_day_after_it_was_turned_on() -> None:
    world = degraded()
    state = world.status.scenario(Scenario.DEGRADATION)
    assert state is not None
    at = state.marks["debugAt"]
    world.signals = healthy()
    world.step(30)
    world.step(300)
    world.finish()
    world.step(30)
    world.step(86_399 - (world.now - at).total_seconds())
    assert world.status.scenario(Scenario.DEGRADATION) is not None
    world.step(1)
    assert world.status.scenario(Scenario.DEGRADATION) is None


def test_a_degradation_that_is_over_in_its_own_object_is_over_in_the_memory_too() -> None:
    world = degraded()
    stored = world.status
    world.signals = healthy()
    world.step(30)
    world.step(300)
    world.finish()
    world.step(30)
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.RESOLVED
    world.status = stored
    world.step(30)
    state = world.status.scenario(Scenario.DEGRADATION)
    assert state is not None
    assert (state.step, state.job_name, set(state.marks)) == (Step.DONE, "", {"debugAt"})


def test_what_people_wrote_counts_while_the_incident_goes_on() -> None:
    world = fallen()
    (name,) = world.incidents
    seen = world.incidents[name]
    world.incidents[name] = replace(seen, generation=2, notes=Notes(root_cause="a bad cable", mitigation="another"))
    world.signals = healthy()
    world.step(60)
    status = told(world, Scenario.OUTAGE)
    assert status.observed_generation == 2
    assert [one.item for one in status.checklist if one.done] == [Item.ROOT_CAUSE]


def test_a_page_of_scenario_2_began_with_its_incident() -> None:
    """Also when it became worse only later."""
    world = degraded(0.12)
    world.step(300)
    world.signals = firing("DEGRADED", 0.5, world)
    world.step(30)
    assert world.last is not None
    (page,) = [one for one in world.last.alerts if one.labels.get("reason") == Reason.DEGRADED]
    assert page.starts_at == told(world, Scenario.DEGRADATION).detected_at


@pytest.mark.parametrize("verdict", [Verdict.CLEAR_UNPROVEN, Verdict.UNKNOWN])
def test_the_last_value_of_a_signal_that_fires_no_longer_pages_nobody(verdict: Verdict) -> None:
    world = degraded(0.5)
    assert Reason.DEGRADED in {one["reason"] for one in alerts(world)}
    signals = world.signals.signals
    quiet = replace(signals[SignalName.DEGRADED], verdict=verdict)
    world.signals = replace(world.signals, signals={**signals, SignalName.DEGRADED: quiet})
    world.step(30)
    assert alerts(world) == []


def test_the_status_shows_every_signal_as_it_was_graded() -> None:
    world = World()
    world.step()
    assert world.status.signals == tuple(world.signals.signals.values())


@pytest.mark.parametrize(("seconds", "reason"), [(599, None), (600, Reason.SIGNALS_UNKNOWN)])
def test_ten_minutes_without_signals_page(seconds: float, reason: Reason | None) -> None:
    world = World()
    world.step()
    world.signals = replace(healthy(), trusted=False, message="Prometheus does not answer")
    world.step(30)
    world.step(seconds)
    assert asked(world) == reason


def test_a_flip_that_is_confirmed_after_all_asks_nothing_of_the_rollout() -> None:
    world = fallen()
    world.stuck = True
    world.step(30)
    assert asked(world) is None


def test_a_stuck_flip_pages_through_the_back_off_of_the_way_back() -> None:
    world = recovered()
    world.finish(ReceiptVerdict.FAILED)
    world.step(15)
    world.rolling = world.stuck = True
    world.step(15)
    state = world.status.operation
    assert state is not None
    assert (state.step, asked(world)) == (Step.BACKING_OFF, Reason.ROLLOUT_STUCK)


@pytest.mark.parametrize(
    ("replicas", "seconds", "restoring", "reason"),
    [(3, 0, False, None), (1, 0, False, None), (0, 584, True, None), (0, 585, True, Reason.ROLLOUT_STUCK)],
)
def test_after_a_sweep_one_replica_must_be_back_within_ten_minutes(
    replicas: int, seconds: float, restoring: bool, reason: Reason | None
) -> None:
    world = sweeping()
    world.finish()
    world.step(15)
    world.signals = healthy()
    world.replicas = replicas
    world.step(15)
    world.step(seconds)
    assert (world.status.scenario(Scenario.SWEEP) is not None, asked(world)) == (restoring, reason)


def test_replicas_that_do_not_come_back_page_beside_another_request() -> None:
    world = sweeping()
    world.finish()
    world.step(15)
    world.replicas = 0
    world.ask(RequestType.SWEEP, "another")
    world.step(600)
    assert Reason.ROLLOUT_STUCK in {one["reason"] for one in alerts(world)}


def test_an_item_that_was_ticked_stays_so_without_the_validation_that_ticked_it() -> None:
    world = over()
    (name,) = world.incidents
    before = told(world, Scenario.OUTAGE).checklist
    world.status = Status()
    world.incidents[name] = replace(world.incidents[name], generation=2)
    world.step(60)
    after = told(world, Scenario.OUTAGE)
    assert after.observed_generation == 2
    assert after.checklist == before
    assert next(one.done for one in after.checklist if one.item is Item.VALIDATOR)


def test_times_are_told_in_whole_seconds() -> None:
    """They are stored so: what is told must be equal to what is read back."""
    world = World(signals=outage(), now=START + timedelta(milliseconds=400))
    decisions = [world.step()]
    world.signals = healthy()
    decisions += [world.step(60), world.step(HOLD)]
    world.finish()
    decisions += [world.step(15), world.step()]
    world.serve(500, 0)
    decisions += [world.step(), world.step(60)]
    told_times = [value for decision in decisions for one in decision.incidents for value in times_in(one.status)]
    assert len(told_times) > 20
    assert {value.microsecond for value in told_times} == {0}


def times_in(value: object) -> Iterator[datetime]:
    """Every time in a value and in what it holds."""
    if isinstance(value, datetime):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from times_in(one)
    elif is_dataclass(value):
        for field in fields(value):
            yield from times_in(getattr(value, field.name))


def test_an_outage_right_after_another_keeps_the_time_in_which_clients_saw_errors() -> None:
    world = over()
    before = told(world, Scenario.OUTAGE).downtime_seconds
    world.signals = outage()
    world.step(60)
    world.step(HOLD)
    assert told(world, Scenario.OUTAGE).downtime_seconds == before
