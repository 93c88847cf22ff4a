"""The record of an incident as people read it: timeline, evidence, checklist, post-mortem."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.env import EnvVar
from certstorage.api.incidents import DataLost, IncidentPhase, Item, Notes, PostMortem, Who
from certstorage.api.reasons import Reason
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.scenarios import Scenario
from certstorage.api.status import Status
from certstorage.runbook.rows import ROWS
from tests.unit.runbook.stories import HOLD, alerts, pass_time, phase, rows, told
from tests.unit.runbook.world import READ, START, World, healthy, hidden_outage, make_policy, outage


def write(world: World, **notes: object) -> None:
    """People write into the incident."""
    (name,) = world.incidents
    seen = world.incidents[name]
    world.incidents[name] = replace(seen, generation=seen.generation + 1, notes=replace(seen.notes, **notes))  # type: ignore[arg-type]


def over(minutes_to_local: float = 1, **changes: object) -> World:
    """An outage from begin to end."""
    world = World(signals=outage(), **changes)  # type: ignore[arg-type]
    world.step()
    world.rolling = True
    world.signals = hidden_outage()
    world.step(60 * minutes_to_local)
    world.rolling = False
    world.step(5)
    world.settle()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.finish(report="s3://b/report.json")
    world.step(15)
    world.settle()
    world.serve(500, 1)
    world.settle()
    return world


@pytest.mark.runbook(
    "scenario-1/symptoms",
    "scenario-1/step-1",
    "scenario-1/step-2",
    "scenario-1/step-3",
    "scenario-1/post-1",
    "scenario-1/post-2",
    "scenario-1/post-3",
    "scenario-1/post-4",
)
def test_the_timeline_of_an_outage_speaks_in_the_runbooks_words() -> None:
    status = told(over(), Scenario.OUTAGE)
    assert list(dict.fromkeys(rows(status))) == [
        "scenario-1/symptoms",
        "scenario-1/step-2",
        "scenario-1/post-1",
        "scenario-1/post-2",
        "scenario-1/post-3",
        "scenario-1/post-4",
    ]
    assert status.timeline[1].step == f"{ROWS['scenario-1/step-2']} [scenario-1/step-2]"
    assert status.timeline[1].resource_version, "the write is named"
    assert "dual-write stays on" in status.timeline[1].message
    assert [entry.at for entry in status.timeline] == sorted(entry.at for entry in status.timeline)
    assert "https://status.aws.amazon.com/" in status.ticket_text, "step 1 is a person's: the page has no interface"


@pytest.mark.runbook("contacts/aws", "scenario-1/step-1")
def test_the_case_for_aws_support_is_ready_to_paste() -> None:
    text = told(over(), Scenario.OUTAGE).ticket_text
    for word in ("Simple Storage Service", "deltacrown-certificates", "2026-11-23T03:10:00Z", "TAM", "kubectl -n prod"):
        assert word in text


def test_phases_and_times_tell_how_it_went() -> None:
    world = over()
    status = told(world, Scenario.OUTAGE)
    assert status.phase is IncidentPhase.RESOLVED
    assert status.detected_at == START
    assert status.mitigated_at == START + timedelta(seconds=65)
    assert status.recovered_at is not None
    assert status.resolved_at is not None
    assert status.mitigated_at < status.recovered_at < status.resolved_at
    assert status.downtime_seconds == 65
    assert status.data_lost is DataLost.NO
    assert status.report == "s3://b/report.json"
    assert {"Signal", "Receipt"} <= {one.kind for one in status.evidence}
    assert alerts(world, "CertStorageIncident") == []


def test_a_pass_in_which_nothing_happens_says_nothing() -> None:
    world = World(signals=outage())
    world.step()
    world.signals = hidden_outage()
    world.settle()
    assert [one for _ in range(50) for one in world.step(15).incidents] == []


def test_a_repeated_pass_tells_nothing_twice() -> None:
    """The operator dies after the incident is written and before the status is."""
    world = World(signals=outage())
    world.step()
    world.signals = hidden_outage()
    world.settle()
    length = len(told(world, Scenario.OUTAGE).timeline)
    for _ in range(5):
        world.status = Status()
        world.step(1)
    assert len(told(world, Scenario.OUTAGE).timeline) == length


def test_an_incident_whose_end_was_not_told_is_ended_by_the_next_pass() -> None:
    world = over()
    (name,) = world.incidents
    seen = world.incidents[name]
    assert seen.status is not None
    world.incidents[name] = replace(
        seen, status=replace(seen.status, phase=IncidentPhase.RECOVERING, resolved_at=None, checklist=())
    )
    world.step(15)
    assert phase(world, Scenario.OUTAGE) is IncidentPhase.RESOLVED


def test_a_foreign_writer_is_named_in_the_timeline() -> None:
    world = World(signals=outage())
    world.step()
    world.signals = hidden_outage()
    world.step(15)
    world.env[READ] = EnvVar.literal("true", "kubectl-client-side-apply")
    world.step(15)
    entry = next(one for one in told(world, Scenario.OUTAGE).timeline if one.event == Reason.FOREIGN_WRITER)
    assert entry.actor == "kubectl-client-side-apply"


@pytest.mark.runbook(
    "checklist/incident-log",
    "checklist/validator",
    "checklist/thresholds",
    "checklist/root-cause",
    "checklist/runbook",
    "checklist/post-mortem",
)
def test_the_checklist_is_the_runbooks_and_the_operator_ticks_what_it_did() -> None:
    world = over()
    items = {one.item: one for one in told(world, Scenario.OUTAGE).checklist}
    assert list(items) == list(Item)
    assert items[Item.INCIDENT_LOG].text == ROWS["checklist/incident-log"]
    done = {item: (one.done, one.by) for item, one in items.items()}
    assert done[Item.VALIDATOR] == (True, Who.OPERATOR)
    assert done[Item.POST_MORTEM] == (True, Who.OPERATOR)
    for item in (Item.INCIDENT_LOG, Item.THRESHOLDS, Item.ROOT_CAUSE, Item.RUNBOOK):
        assert done[item] == (False, Who.NOBODY)
        assert "kubectl -n production edit certstorageincident" in items[item].message
    assert told(world, Scenario.OUTAGE).open_items == 4


@pytest.mark.runbook("checklist/root-cause", "checklist/thresholds", "checklist/incident-log", "checklist/runbook")
def test_what_people_write_ticks_the_rest_and_closes_it() -> None:
    world = over()
    write(world, root_cause="a bucket policy was replaced")
    world.step(15)
    assert told(world, Scenario.OUTAGE).open_items == 4, "a root cause without a mitigation is half"
    write(world, mitigation="it is reviewed from now on")
    world.step(15)
    assert told(world, Scenario.OUTAGE).open_items == 3
    write(world, checklist=frozenset({Item.INCIDENT_LOG, Item.THRESHOLDS, Item.RUNBOOK}))
    world.step(15)
    status = told(world, Scenario.OUTAGE)
    assert (status.phase, status.closed_at, status.open_items) == (IncidentPhase.CLOSED, world.now, 0)
    assert {one.by for one in status.checklist} == {Who.OPERATOR, Who.PERSON}
    assert world.step(3600).incidents == ()


@pytest.mark.runbook("checklist/post-mortem")
@pytest.mark.parametrize(("minutes", "due"), [(14.9, False), (15, True), (40, True)])
def test_a_post_mortem_is_due_after_more_than_fifteen_minutes(minutes: float, due: bool) -> None:
    """Five seconds pass between the rollout's end and the pass that sees it."""
    world = over(minutes)
    status = told(world, Scenario.OUTAGE)
    assert (status.post_mortem is PostMortem.DUE) is due
    item = next(one for one in status.checklist if one.item is Item.POST_MORTEM)
    assert item.done is not due
    if due:
        write(world, post_mortem_url="https://wiki.example.com/pm")
        world.step(15)
        status = told(world, Scenario.OUTAGE)
        item = next(one for one in status.checklist if one.item is Item.POST_MORTEM)
        assert (status.post_mortem, item.done, item.by) == (PostMortem.DONE, True, Who.PERSON)


@pytest.mark.runbook("checklist/validator")
def test_without_a_passing_validation_the_item_stays_open_and_says_how() -> None:
    world = World(signals=outage())
    world.step()
    item = next(one for one in told(world, Scenario.OUTAGE).checklist if one.item is Item.VALIDATOR)
    assert not item.done
    assert "kubectl certstorage request validation certificates -n production" in item.message


def test_a_timeline_that_is_long_keeps_its_begin_and_its_end() -> None:
    world = World(signals=outage())
    world.step()
    for _ in range(150):
        world.signals = healthy()
        world.step(30)
        world.signals = hidden_outage()
        world.step(30)
    status = told(world, Scenario.OUTAGE)
    assert len(status.timeline) == 200
    assert status.timeline[0].event == "Detected"
    assert status.timeline[-1].at > status.timeline[150].at


def test_an_outage_soon_after_another_is_the_same_incident_and_its_back_off_goes_on() -> None:
    world = over()
    (name,) = world.incidents
    world.signals = outage()
    world.step(29 * 60)
    assert world.hold is not None
    assert world.hold.incident == name
    assert world.hold.retries == 1
    world.settle()
    assert phase(world, Scenario.OUTAGE) is IncidentPhase.MITIGATED
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    assert world.job().name == f"{name}-r2"


def test_an_incident_that_was_closed_and_goes_on_is_closed_no_longer() -> None:
    world = over()
    write(world, root_cause="a bad cable", mitigation="another one", checklist=frozenset(Item))
    world.step(60)
    status = told(world, Scenario.OUTAGE)
    assert (status.phase, status.closed_at) == (IncidentPhase.CLOSED, world.now)
    downtime = status.downtime_seconds
    world.signals = outage()
    world.step(60)
    assert told(world, Scenario.OUTAGE).closed_at is None
    world.settle()
    status = told(world, Scenario.OUTAGE)
    assert status.phase is IncidentPhase.MITIGATED
    assert (status.resolved_at, status.closed_at, status.downtime_seconds) == (None, None, downtime)


@pytest.mark.parametrize(("said", "lost"), [(True, DataLost.YES), (False, DataLost.NO)])
def test_what_a_person_says_of_lost_data_goes_before_all_that_is_known(said: bool, lost: DataLost) -> None:
    world = over()
    write(world, data_lost=said)
    world.step(60)
    assert told(world, Scenario.OUTAGE).data_lost is lost


def test_what_is_told_is_cut_to_what_the_api_takes_and_keeps_its_references() -> None:
    world = World(signals=outage())
    world.step()
    world.signals = hidden_outage()
    world.env[READ] = EnvVar.literal("true", "w" * 300)
    world.step(30)
    status = told(world, Scenario.OUTAGE)
    assert status.timeline[-1].actor == "w" * 253
    done = told(over(), Scenario.OUTAGE)
    assert [one.reference for one in done.evidence if one.kind == "Receipt"] == ["s3://b/report.json"]


@pytest.mark.parametrize(("seconds", "proven"), [(0, True), (-1, False)])
def test_a_validation_proves_from_the_second_on_in_which_the_incident_began(seconds: float, proven: bool) -> None:
    world = over()
    (name,) = world.incidents
    status, last = told(world, Scenario.OUTAGE), world.status.last_validation
    assert last is not None
    world.incidents[name] = replace(world.incidents[name], generation=2, status=replace(
        status, data_lost=DataLost.UNKNOWN, checklist=()))  # fmt: skip
    ended = status.detected_at + timedelta(seconds=seconds)
    world.status = replace(world.status, last_validation=replace(last, finished_at=ended))
    world.step(60)
    status = told(world, Scenario.OUTAGE)
    assert status.data_lost is (DataLost.NO if proven else DataLost.UNKNOWN)
    assert {one.item for one in status.checklist if one.done} >= ({Item.VALIDATOR} if proven else set())
    assert next(one.done for one in status.checklist if one.item is Item.VALIDATOR) is proven


def test_an_outage_later_is_another_incident() -> None:
    world = over()
    (name,) = world.incidents
    world.signals = outage()
    world.step(31 * 60)
    assert world.hold is not None
    assert (world.hold.incident != name, world.hold.attempt) == (True, 0)


def test_notes_are_never_written_by_the_operator() -> None:
    world = over()
    write(world, notes="mine", ticket="OPS-1")
    world.step(15)
    assert next(iter(world.incidents.values())).notes == Notes(notes="mine", ticket="OPS-1")


@pytest.mark.runbook("checklist/post-mortem")
def test_a_post_mortem_is_due_when_a_person_says_that_data_was_lost() -> None:
    world = over()
    assert told(world, Scenario.OUTAGE).data_lost is DataLost.NO
    write(world, data_lost=True)
    world.step(15)
    status = told(world, Scenario.OUTAGE)
    assert (status.data_lost, status.post_mortem) == (DataLost.YES, PostMortem.DUE)
    assert status.post_mortem_reason == "data was lost"
    world.settle()
    assert world.step(15).incidents == ()
    write(world, data_lost=None)
    world.step(15)
    status = told(world, Scenario.OUTAGE)
    assert (status.data_lost, status.post_mortem) == (DataLost.NO, PostMortem.NOT_DUE)


@pytest.mark.parametrize("verdict", [ReceiptVerdict.FAILED, ReceiptVerdict.INCONCLUSIVE])
def test_whether_data_was_lost_is_unknown_until_it_is_proven(verdict: ReceiptVerdict) -> None:
    world = World(signals=outage())
    world.step()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.finish(verdict)
    world.settle()
    assert told(world, Scenario.OUTAGE).data_lost is DataLost.UNKNOWN


def test_protect_only_and_observe_tell_of_the_outage_too() -> None:
    world = World(signals=outage(), policy=make_policy(mode="ProtectOnly"))
    world.step()
    assert phase(world, Scenario.OUTAGE) is IncidentPhase.OPEN
    quiet = World(signals=outage(), policy=make_policy(mode="Observe"))
    pass_time(quiet, 600)
    assert quiet.incidents == {}
    assert alerts(quiet)[0]["reason"] == Reason.MODE_OBSERVE


def test_deleting_the_policy_is_told_in_its_incident_which_stays() -> None:
    world = World(signals=outage())
    world.step()
    world.signals = hidden_outage()
    world.settle()
    world.deleting = True
    world.settle()
    status = told(world, Scenario.OUTAGE)
    assert status.phase is IncidentPhase.MITIGATED
    assert status.timeline[-1].event == Reason.POLICY_DELETED
    assert "until a person brings them back" in status.summary
    assert not world.finalizer


def test_a_signal_counts_once_as_evidence_however_its_words_change() -> None:
    world = World(signals=outage())
    world.step()
    for number in range(10):
        found = outage()
        signals = {name: replace(one, message=f"{one.name} {number}") for name, one in found.signals.items()}
        world.signals = replace(found, signals=signals)
        world.step(5)
    evidence = [one for one in told(world, Scenario.OUTAGE).evidence if one.kind == "Signal"]
    assert len(evidence) == 1


def test_a_deployment_that_is_replaced_in_an_outage_begins_a_new_incident_and_ends_the_old_one() -> None:
    world = World(signals=outage())
    world.step()
    (old,) = world.incidents
    world.hold, world.owns = None, False
    world.env[READ] = EnvVar.literal("true", "helm")
    world.target_changes = {"uid": "deployment-2"}
    world.step(60)
    world.settle()
    phases = {name: one.status.phase for name, one in world.incidents.items() if one.status is not None}
    assert phases.pop(old) is IncidentPhase.RESOLVED
    assert list(phases.values()) == [IncidentPhase.MITIGATED]
