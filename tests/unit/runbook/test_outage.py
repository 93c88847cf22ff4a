"""Scenario 1 as stories: given a policy and this history, when time passes, then these writes and these words."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from certstorage.api.conditions import ConditionType
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import ReadsPhase
from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import Neighbours, Problem
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import Verdict
from certstorage.api.status import Status
from tests.unit.runbook.stories import HOLD, alerts, asked, fallen, ready, recovered, returned
from tests.unit.runbook.world import DUAL, READ, World, healthy, hidden_outage, make_policy, outage


def test_a_healthy_policy_writes_nothing_and_says_so() -> None:
    world = World()
    decision = world.settle()
    assert world.writes == []
    assert not decision.finalizer
    assert ready(world) == Reason.READS_FROM_S3
    assert decision.events == () or decision.events[0].type == "Normal"
    assert world.step(600).events == ()


@pytest.mark.runbook("scenario-1/symptoms", "scenario-1/step-2")
def test_an_outage_turns_reads_local_in_one_write_with_the_hold() -> None:
    world = World(signals=outage())
    decision = world.step()
    assert decision.patch is not None
    assert decision.patch.env == {READ: "false"}
    assert decision.patch.hold is not None
    assert decision.patch.hold.before == {READ: "true"}
    assert decision.patch.hold.reads is ReadsPhase.LOCAL
    assert decision.finalizer
    assert [alert.name for alert in decision.alerts] == ["CertStorageIncident"]
    assert ready(world) == Reason.OUTAGE_GOING_LOCAL
    assert decision.status.reads is not None
    assert decision.status.reads.template == "Local"


def test_a_black_hole_is_an_outage_too() -> None:
    world = World(signals=healthy(BLACK_HOLE=Verdict.FIRING))
    world.step()
    assert world.read_is(FlagState.FALSE)


@pytest.mark.runbook("scenario-1/step-3")
@pytest.mark.parametrize(
    ("before", "captured"), [("false", {READ: "true", DUAL: "false"}), (None, {READ: "true", DUAL: None})]
)
def test_dual_write_is_asserted_on(before: str | None, captured: dict[str, str | None]) -> None:
    world = World(signals=outage())
    world.env[DUAL] = EnvVar.literal(before)
    world.step()
    assert world.env[DUAL].value == "true"
    assert world.hold is not None
    assert world.hold.before == captured


def test_the_resolved_alert_brings_nothing_back_while_saves_fail() -> None:
    world = fallen()
    for _ in range(200):
        world.step(30)
    assert len(world.writes) == 1
    assert world.read_is(FlagState.FALSE)
    assert ready(world) == Reason.OUTAGE_READS_LOCAL
    assert world.jobs == {}


def test_protect_only_goes_local_and_leaves_the_way_back_to_a_person() -> None:
    world = World(signals=outage(), policy=make_policy(mode="ProtectOnly"))
    world.step()
    assert world.read_is(FlagState.FALSE)
    world.signals = healthy()
    world.settle()
    world.step(HOLD * 10)
    assert world.jobs == {}
    assert asked(world) == Reason.MODE_PROTECT_ONLY


def test_observe_decides_and_reports_and_writes_nothing() -> None:
    world = World(signals=outage(), policy=make_policy(mode="Observe"))
    world.settle()
    assert world.writes == []
    assert ready(world) == Reason.MODE_OBSERVE
    assert "would set CERT_S3_READ_PRIMARY=false" in world.status.conditions[ConditionType.READY].message


def test_observe_in_the_middle_of_an_incident_freezes_it() -> None:
    world = recovered()
    world.policy = make_policy(mode="Observe", generation=2)
    world.finish()
    world.settle()
    assert world.read_is(FlagState.FALSE)
    world.env[READ] = EnvVar.literal("true", "kubectl")
    world.settle()
    assert world.read_is(FlagState.TRUE)


def test_a_foreign_writer_is_undone_at_once_named_and_paged() -> None:
    world = fallen()
    world.env[READ] = EnvVar.literal("true", "kubectl-client-side-apply")
    decision = world.step(1)
    assert world.read_is(FlagState.FALSE)
    assert "kubectl-client-side-apply" in world.status.conditions[ConditionType.READY].message
    assert Reason.FOREIGN_WRITER.value in {event.reason for event in decision.events}
    identities = {a.identity for a in decision.alerts if a.name == "CertStorageActionRequired"}
    later = world.step(5)
    assert {a.identity for a in later.alerts if a.name == "CertStorageActionRequired"} == identities
    assert len(identities) == 1


def test_what_a_person_should_do_now_is_asked_before_who_wrote_the_flag_back() -> None:
    world = fallen()
    world.env[READ] = EnvVar.literal("true", "kubectl-set")
    world.step(1)
    world.settle()
    assert asked(world) == Reason.FOREIGN_WRITER
    world.policy = make_policy(mode="ProtectOnly", generation=2)
    world.signals = healthy()
    world.step(60)
    decision = world.step(HOLD)
    assert asked(world) == Reason.MODE_PROTECT_ONLY
    reasons = {alert.labels.get("reason") for alert in decision.alerts}
    assert {Reason.FOREIGN_WRITER, Reason.MODE_PROTECT_ONLY} <= reasons, "both are told"


def test_a_second_revert_costs_at_most_one_rollout_in_ten_minutes() -> None:
    world = fallen()
    flips = []
    for _ in range(120):
        world.env[READ] = EnvVar.literal("true", "argocd")
        decision = world.step(30)
        if decision.patch is not None and decision.patch.env:
            flips.append(world.now)
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(flips)]
    assert all(gap >= 600 for gap in gaps)
    assert len(flips) >= 5


def test_reads_that_are_off_without_a_hold_are_never_turned_on() -> None:
    world = World()
    world.env[READ] = EnvVar.literal("false", "kubectl-set")
    for signals in (healthy(), outage(), hidden_outage(), healthy()):
        world.signals = signals
        world.settle()
        world.step(HOLD * 10)
    assert world.writes == []
    assert ready(world) == Reason.READS_OFF_BY_OTHER


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"env": {READ: EnvVar(FlagState.VALUE_FROM)}}, Reason.FLAG_FROM_REFERENCE),
        ({"env": {READ: EnvVar(FlagState.DUPLICATED)}}, Reason.FLAG_DUPLICATED),
        ({"env": {READ: EnvVar.literal("")}}, Reason.FLAG_EMPTY),
        ({"recreate": True}, Reason.STRATEGY_RECREATE),
        ({"paused": True}, Reason.ROLLOUT_PAUSED),
    ],
)
def test_preflight_refuses_long_before_an_outage_and_pages_in_one(change: dict[str, object], reason: Reason) -> None:
    world = World(target_changes=change)
    world.settle()
    assert ready(world) == reason
    assert asked(world) is None
    world.signals = outage()
    world.settle()
    assert world.writes == []
    assert asked(world) == reason
    world.target_changes = {}
    world.step(1)
    assert world.read_is(FlagState.FALSE)


def test_a_younger_policy_on_the_same_deployment_does_nothing() -> None:
    world = World(signals=outage(), neighbours=Neighbours(same_target="production/older"))
    world.settle()
    assert world.writes == []
    assert ready(world) == Reason.TARGET_SHARED


def test_shared_storage_may_go_local_but_not_back() -> None:
    world = World(signals=outage(), neighbours=Neighbours(same_storage="production/other"))
    world.step()
    assert world.read_is(FlagState.FALSE)
    world.signals = healthy()
    world.settle()
    world.step(HOLD * 2)
    assert world.jobs == {}
    assert asked(world) == Reason.STORAGE_SHARED


def test_a_missing_deployment_is_said_and_recovers_by_itself() -> None:
    world = World(target=Problem(Reason.TARGET_MISSING, "Deployment production/deltacrown does not exist"))
    world.finalizer = True
    world.settle()
    assert ready(world) == Reason.TARGET_MISSING
    assert not world.finalizer
    world.target = None
    world.settle()
    assert ready(world) == Reason.READS_FROM_S3


def test_an_incident_is_told_on_while_the_deployment_cannot_be_read() -> None:
    world = fallen()
    before = [one["incident"] for one in alerts(world, "CertStorageIncident")]
    world.target = Problem(Reason.CONTAINER_MISSING, "Deployment production/deltacrown has no container 'web'")
    world.step(1)
    assert ready(world) == Reason.CONTAINER_MISSING
    assert [one["incident"] for one in alerts(world, "CertStorageIncident")] == before
    world.incidents.clear()
    world.step(1)
    assert [one["incident"] for one in alerts(world, "CertStorageIncident")] == before


def test_the_only_other_incident_of_an_outage_is_closed_though_the_own_one_is_not_written_yet() -> None:
    world = fallen()
    world.hold, world.status = None, Status()
    world.env[READ] = EnvVar.literal("true", "helm")
    old = world.incident(Scenario.OUTAGE).name
    world.signals = outage()
    world.step(60)
    status = world.incidents[old].status
    assert status is not None
    assert status.phase is IncidentPhase.RESOLVED


def test_deleting_the_policy_keeps_reads_local_and_lets_go() -> None:
    world = fallen()
    world.deleting = True
    decision = world.step(1)
    assert decision.patch is not None
    assert decision.patch.env == {}
    assert decision.patch.hold is None
    assert any(alert.labels.get("reason") == Reason.POLICY_DELETED for alert in decision.alerts)
    assert decision.finalizer
    world.settle()
    assert world.read_is(FlagState.FALSE)
    assert not world.finalizer


def test_deleting_the_policy_on_the_way_back_leaves_reads_on_s3_and_asks_nobody() -> None:
    world = returned()
    incident = world.incident(Scenario.OUTAGE).name
    world.deleting = True
    decision = world.step(1)
    assert not any(alert.labels.get("reason") == Reason.POLICY_DELETED for alert in decision.alerts)
    world.settle()
    assert world.hold is None
    assert world.read_is(FlagState.TRUE)
    assert not world.finalizer
    status = world.incidents[incident].status
    assert status is not None
    assert (status.phase, status.summary) == (
        IncidentPhase.RESOLVED,
        "the policy was deleted: what was held is given back",
    )


def test_deleting_an_idle_policy_writes_nothing() -> None:
    world = World(deleting=True)
    world.settle()
    assert world.writes == []
    assert not world.finalizer


def test_status_wiped_at_any_step_does_not_change_the_story() -> None:
    from certstorage.api.status import Status

    world = World(signals=outage())
    script = [outage(), hidden_outage(), hidden_outage(), healthy(), healthy(), healthy(), healthy()]
    for signals in script:
        world.signals = signals
        world.status = Status()
        world.step(60)
    assert world.read_is(FlagState.FALSE)
    world.step(HOLD)
    assert list(world.jobs) == [f"{world.status.incident}-r1"]
    world.status = Status()
    world.step(5)
    world.finish()
    world.status = Status()
    world.step(5)
    assert world.read_is(FlagState.TRUE)
    world.serve(reads=100, fallbacks=0)
    world.status = Status()
    world.settle()
    assert world.hold is None
    assert len(world.jobs) == 1


def test_a_stuck_flip_pages_and_is_not_retried() -> None:
    world = World(signals=outage())
    world.step()
    world.rolling = world.stuck = True
    for _ in range(20):
        world.step(60)
    assert len(world.writes) == 1
    assert asked(world) == Reason.ROLLOUT_STUCK


def test_a_copied_hold_is_not_believed() -> None:
    world = fallen()
    assert world.hold is not None
    world.hold = replace(world.hold, target_uid="another-deployment")
    world.signals = healthy()
    world.settle()
    world.step(HOLD * 3)
    assert world.read_is(FlagState.FALSE)
    assert world.jobs == {}
