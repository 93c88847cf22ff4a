"""Scenario 2 as stories: partial S3 degradation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.decision import JobKind
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.incidents import IncidentPhase
from certstorage.api.observed import Busy, BusyWith, Client, Fleet, Neighbours
from certstorage.api.reasons import Reason
from certstorage.api.receipt import Fact, ReceiptVerdict
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.signals import Verdict
from certstorage.api.status import Status
from certstorage.runbook.recovery import AT_RISK_MARGIN
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
from tests.unit.runbook.world import DUAL, ME, READ, Spec, World, healthy, make_policy, outage

LEVEL, CONNECT, READ_TIMEOUT = "LOG_LEVEL", "CERT_S3_CONNECT_TIMEOUT", "CERT_S3_READ_TIMEOUT"
LONG: Spec = {
    "env": {"connectTimeout": CONNECT, "readTimeout": READ_TIMEOUT},
    "degradation": {"longTimeouts": "WhenLatencySuspected"},
}


def degraded(value: float = 0.12, /, **changes: object) -> World:
    """Saves fail in part, past the first breath; the Findings Job runs, and the log level is DEBUG."""
    world = World(**changes)  # type: ignore[arg-type]
    world.env.setdefault(LEVEL, EnvVar.literal("INFO", "helm"))
    world.step()
    world.signals = firing("DEGRADED", value, world)
    world.step(5)
    world.step(120)
    world.settle()
    return world


def clear(world: World) -> None:
    """S3 is well again, for five minutes."""
    world.signals = healthy()
    world.step(10)
    world.step(300)


@pytest.mark.runbook("scenario-2/symptoms", "scenario-2/step-2", "metrics/save-fail")
def test_verbose_logging_is_turned_on_in_one_write_that_remembers_what_was() -> None:
    world = degraded()
    assert world.writes == [{LEVEL: "DEBUG"}]
    assert world.hold is not None
    assert world.hold.degradation is not None
    assert dict(world.hold.degradation.before) == {LEVEL: "INFO"}
    assert world.finalizer
    assert ready(world) == Reason.DEGRADED
    assert asked(world) is None
    assert kinds(world) == [JobKind.FINDINGS]
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.OPEN


@pytest.mark.runbook("scenario-2/step-4")
@pytest.mark.parametrize("value", [0.06, 0.2, 0.21, 0.96, None])
def test_dual_write_and_reads_are_never_touched(value: float | None) -> None:
    world = degraded(0.1 if value is None else value)
    probed(world)
    pass_time(world, 7200, 60)
    clear(world)
    assert {name for write in world.writes for name in write} == {LEVEL}
    assert world.env[DUAL] == EnvVar.literal("true", "helm")
    assert world.env[READ] == EnvVar.literal("true", "helm")


def test_the_first_breath_of_a_signal_changes_nothing() -> None:
    world = World()
    world.step()
    world.signals = firing("DEGRADED", 0.12, world)
    world.step(60)
    world.step(59)
    assert world.writes == []
    assert world.jobs == {}
    assert world.incidents == {}
    world.signals = healthy()
    world.step(30)
    assert world.status.scenarios == ()


@pytest.mark.runbook("scenario-2/post-1")
@pytest.mark.parametrize("before", ["INFO", "warning", None, ""])
def test_the_log_level_goes_back_to_what_it_was_after_an_hour(before: str | None) -> None:
    world = World()
    world.env[LEVEL] = EnvVar.literal(before, "helm")
    world = degraded(env=world.env)
    pass_time(world, 3600, 60)
    assert (world.env[LEVEL].value if LEVEL in world.env else None) == before
    assert world.hold is None
    assert ready(world) == Reason.DEGRADED
    pass_time(world, 3600, 60)
    assert len(world.writes) == 2, "once a day at most"
    assert not world.owns


def test_verbose_logging_is_on_once_a_day() -> None:
    world = degraded()
    clear(world)
    world.finish()
    world.step(30)
    assert world.hold is None
    world.signals = firing("DEGRADED", 0.12, world)
    pass_time(world, 1800, 60)
    assert [write for write in world.writes if write.get(LEVEL) == "DEBUG"] == [{LEVEL: "DEBUG"}]
    assert "within a day" in message(world)


def test_a_day_later_it_may_be_on_again() -> None:
    world = degraded()
    clear(world)
    world.finish()
    world.step(30)
    world.step(86_400)
    world.signals = firing("DEGRADED", 0.12, world)
    world.step(120)
    assert world.env[LEVEL].value == "DEBUG"


@pytest.mark.runbook("scenario-2/post-1", "scenario-2/post-2")
def test_when_it_is_over_the_level_goes_back_and_five_percent_are_validated() -> None:
    world = degraded()
    probed(world)
    world.step(30)
    clear(world)
    world.settle()
    assert world.env[LEVEL].value == "INFO"
    job = world.wanted[world.job().name]
    assert (job.kind, job.sample_rate) == (JobKind.VALIDATION, 0.05)
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.RECOVERING
    world.finish()
    world.settle()
    assert ready(world) == Reason.READS_FROM_S3
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.RESOLVED
    assert rows(told(world, Scenario.DEGRADATION))[0] == "scenario-2/symptoms"
    assert "scenario-2/post-2" in rows(told(world, Scenario.DEGRADATION))
    assert not world.finalizer


def test_what_the_failed_saves_left_behind_is_mended_before_it_is_judged() -> None:
    """Why copies differ is known: all that changed since shortly before it began is at risk, as after an outage."""
    world = degraded()
    began = told(world, Scenario.DEGRADATION).detected_at
    probed(world)
    clear(world)
    world.settle()
    job = world.wanted[world.job().name]
    assert job.mends
    assert job.since == began - AT_RISK_MARGIN


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": make_policy(validation={"repair": "Report"})},
        {"policy": make_policy(mode="ProtectOnly")},
        {"neighbours": Neighbours(same_storage="production/other")},
    ],
    ids=["repair is a person's", "ProtectOnly", "the bucket is another policy's too"],
)
def test_where_nothing_may_be_repaired_the_validation_after_a_degradation_only_compares(
    changes: dict[str, object],
) -> None:
    world = degraded(**changes)
    probed(world)
    clear(world)
    world.settle()
    job = world.wanted[world.job().name]
    assert (job.kind, job.mends) == (JobKind.VALIDATION, False)
    assert job.since is not None, "what changed meanwhile is compared in full all the same"


def test_a_quiet_signal_is_looked_at_again_when_it_has_cooled_down() -> None:
    world = degraded()
    probed(world)
    world.signals = healthy()
    world.step(10)
    quiet = world.now
    world.step(290)
    assert world.last is not None
    assert world.last.look_again_at == quiet + timedelta(seconds=300)


def test_a_signal_that_flaps_is_one_incident() -> None:
    world = degraded()
    for _ in range(5):
        world.signals = healthy()
        pass_time(world, 240)
        world.signals = firing("DEGRADED", 0.12, world)
        pass_time(world, 120)
    assert len(world.incidents) == 1
    assert JobKind.VALIDATION not in kinds(world)


def test_unknown_signals_end_nothing_and_begin_nothing() -> None:
    world = degraded()
    world.signals = healthy(DEGRADED=Verdict.UNKNOWN)
    pass_time(world, 1800)
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.OPEN
    assert JobKind.VALIDATION not in kinds(world)
    fresh = World(signals=healthy(DEGRADED=Verdict.UNKNOWN))
    pass_time(fresh, 1800)
    assert fresh.incidents == {}


@pytest.mark.runbook("contacts/platform", "contacts/sre")
@pytest.mark.parametrize(
    ("value", "paged"), [(0.06, False), (0.20, False), (0.2001, True), (0.949, True), (0.95, True), (1.0, True)]
)
def test_over_twenty_percent_people_are_paged(value: float, paged: bool) -> None:
    world = degraded(value)
    (incident,) = alerts(world, "CertStorageIncident")
    assert (incident["severity"], incident["scenario"]) == ("warning", "degradation")
    pages = alerts(world)
    assert bool(pages) is paged
    assert all(one["severity"] == "critical" for one in pages)


@pytest.mark.runbook("scenario-1/symptoms")
def test_when_it_becomes_an_outage_the_level_goes_back_in_the_same_write_as_the_flip() -> None:
    world = degraded()
    world.signals = outage()
    world.step(30)
    assert world.writes[-1] == {READ: "false", LEVEL: "INFO"}
    assert world.hold is not None
    assert world.hold.degradation is None
    assert dict(world.hold.before) == {READ: "true"}
    world.settle()
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.RESOLVED
    assert phase(world, Scenario.OUTAGE) is IncidentPhase.MITIGATED


def test_what_began_before_the_end_of_an_outage_is_ignored_while_it_lingers() -> None:
    world = World(signals=outage())
    world.step()
    began = world.now
    world.signals = healthy()
    world.step(60)
    world.step(600)
    world.finish()
    world.step(30)
    world.serve(500, 0)
    world.settle()
    assert world.hold is None
    lingering = firing("DEGRADED", 0.3)
    signals = {name: replace(one, since=began) for name, one in lingering.signals.items()}
    world.signals = replace(lingering, signals=signals)
    pass_time(world, 12 * 60)
    assert all(one.status and one.status.scenario is Scenario.OUTAGE for one in world.incidents.values())
    pass_time(world, 5 * 60)
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.OPEN, "no window is that long: it is real"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"policy": make_policy(mode="ProtectOnly")}, "ProtectOnly"),
        ({"target_changes": {"recreate": True}}, "Recreate"),
        ({"target_changes": {"paused": True}}, "paused"),
        ({"target_changes": {"updated": 1}}, "rollout"),
        ({"policy": make_policy(degradation={"debugLogging": "Disabled"})}, "dual-write stays on"),
    ],
)
def test_the_level_is_left_alone_where_rolling_would_harm(changes: dict[str, object], reason: str) -> None:
    world = degraded(**changes)
    assert world.writes == []
    assert reason in " ".join([message(world), told(world, Scenario.DEGRADATION).summary])


def test_the_level_waits_for_its_turn_among_policies_and_not_for_a_stuck_one() -> None:
    world = World(policy=make_policy())
    late = replace(world, now=world.now).now
    busy = tuple(Busy(f"production/p{n}", BusyWith.ROLLOUT, late.replace(hour=late.hour + 1)) for n in range(10))
    world = degraded(fleet=Fleet(busy))
    assert world.writes == []
    assert "wait" in message(world)
    world.step(3600)
    assert world.env[LEVEL].value == "DEBUG", "past their deadlines they hold nobody up"


def test_observe_reports_and_does_nothing() -> None:
    world = degraded(policy=make_policy(mode="Observe"))
    assert (world.writes, world.jobs, world.incidents) == ([], {}, {})
    assert ready(world) == Reason.MODE_OBSERVE


@pytest.mark.parametrize("mode", ["Observe", "ProtectOnly"])
def test_a_mode_in_the_middle_gives_back_what_is_borrowed(mode: str) -> None:
    world = degraded()
    world.policy = make_policy(generation=2, mode=mode)
    world.step(30)
    assert world.env[LEVEL].value == "INFO"
    assert world.hold is None


def test_a_foreign_writer_is_undone_once_and_then_yielded_to() -> None:
    world = degraded()
    world.env[LEVEL] = EnvVar.literal("INFO", "argocd")
    decision = world.step(30)
    assert world.env[LEVEL].value == "DEBUG"
    assert "argocd" in next(one.message for one in decision.events if one.reason == Reason.FOREIGN_WRITER)
    world.env[LEVEL] = EnvVar.literal("WARNING", "argocd")
    world.step(30)
    assert world.env[LEVEL].value == "WARNING"
    assert world.hold is None
    pass_time(world, 7200, 60)
    assert world.env[LEVEL].value == "WARNING", "theirs is never given back over"


def test_a_value_that_somebody_wrote_meanwhile_is_not_given_back_over() -> None:
    world = degraded()
    world.env[LEVEL] = EnvVar.literal("ERROR", "kubectl-set")
    clear(world)
    world.step(30)
    assert world.env[LEVEL].value == "ERROR"


@pytest.mark.runbook("scenario-2/step-1")
@pytest.mark.parametrize(
    ("attempts", "verdict"), [(None, "Unknown"), (3, "Good"), (1, "Good"), (4, "Bad"), (10, "Bad")]
)
def test_the_retry_bound_is_looked_for_and_silence_proves_nothing(attempts: int | None, verdict: str) -> None:
    world = degraded(client=Client(max_attempts=attempts))
    found = {one.name: one for one in told(world, Scenario.DEGRADATION).findings}
    assert found["RetryBound"].verdict == verdict


@pytest.mark.runbook("scenario-2/step-3")
@pytest.mark.parametrize(
    ("client", "p95", "written"),
    [
        (Client(3, 120.0), 0.9, True),
        (Client(3, 119.0), 0.9, False),
        (Client(3, 120.0), 0.5, False),
        (Client(None, 600.0), 0.9, False),
        (Client(3, None), 0.9, False),
    ],
)
def test_longer_timeouts_only_when_latency_is_suspected_and_they_fit(client: Client, p95: float, written: bool) -> None:
    world = degraded(policy=make_policy(**LONG), client=client)
    probed(world, get_p95_seconds=p95)
    world.step(30)
    assert (world.env.get(CONNECT, EnvVar(FlagState.ABSENT)).value == "10") is written
    assert (world.env.get(READ_TIMEOUT, EnvVar(FlagState.ABSENT)).value == "30") is written
    world.step(3600)
    world.settle()
    assert CONNECT not in world.env
    assert READ_TIMEOUT not in world.env
    assert world.env[LEVEL].value == "INFO"


def test_whoever_takes_one_of_two_loans_back_is_named_and_the_other_stays() -> None:
    world = degraded(policy=make_policy(**LONG), client=Client(3, 120.0))
    probed(world, get_p95_seconds=0.9)
    world.step(30)
    for manager in ("argocd", "kubectl-edit"):
        world.env[CONNECT] = EnvVar.literal("3", manager)
        world.step(30)
    assert world.env[CONNECT].value == "3"
    assert world.hold is not None
    share = world.hold.degradation
    assert share is not None
    assert (share.reverts, share.reverted_by) == (2, "kubectl-edit")
    assert dict(share.written) == {LEVEL: "DEBUG", READ_TIMEOUT: "30"}


def test_latency_that_is_suspected_later_lengthens_only_what_may_be_written() -> None:
    world = degraded(policy=make_policy(**LONG), client=Client(3, 120.0))
    world.env[CONNECT] = EnvVar(FlagState.VALUE_FROM)
    probed(world, get_p95_seconds=0.9)
    world.step(30)
    assert world.hold is not None
    assert world.hold.degradation is not None
    assert dict(world.hold.degradation.written) == {LEVEL: "DEBUG", READ_TIMEOUT: "30"}


def test_slow_gets_by_the_metrics_suspect_latency_too() -> None:
    world = World(policy=make_policy(**LONG), client=Client(2, 300.0))
    world.signals = firing("DEGRADED", 0.1, world, GET_SLOW=Verdict.FIRING)
    world.step(120)
    assert world.writes == [{CONNECT: "10", READ_TIMEOUT: "30", LEVEL: "DEBUG"}]


@pytest.mark.runbook("scenario-2/cause-1", "scenario-2/cause-2", "scenario-2/cause-3")
def test_the_cause_is_looked_for_one_permission_and_setting_at_a_time() -> None:
    world = degraded()
    facts = (*GOOD_FACTS[:2], Fact("lifecycle", "warning", "old moves to GLACIER"), *GOOD_FACTS[3:])
    probed(world, steps={**ALL_GOOD, "PutObject": "AccessDenied"}, facts=facts)
    world.settle()
    status = told(world, Scenario.DEGRADATION)
    found = {one.name: one for one in status.findings}
    assert found["PutObject"].verdict == "Bad"
    assert "s3:PutObject" in found["PutObject"].mend
    assert (found["GetObject"].verdict, found["DeleteObject"].verdict) == ("Good", "Good")
    assert found["Lifecycle"].verdict == "Bad"
    assert {one.kind for one in status.evidence} >= {"LogQuery", "AccessLog", "Receipt"}
    assert "s3://logs/access/" in {one.value for one in status.evidence}
    assert world.status.scenario(Scenario.DEGRADATION).step is Step.WATCHING  # type: ignore[union-attr]


def test_a_findings_job_that_tells_nothing_is_a_finding_itself() -> None:
    world = degraded()
    job = world.job()
    world.jobs[job.name] = replace(job, stuck=True, problem="ImagePullBackOff")
    pass_time(world, 600)
    found = {one.name: one for one in told(world, Scenario.DEGRADATION).findings}
    assert found["Probe"].verdict == "Unknown"
    assert world.jobs == {}


def test_a_validation_that_cannot_tell_is_tried_again_and_then_left_to_the_night() -> None:
    world = degraded()
    clear(world)
    for number in range(3):
        assert world.job().name.endswith(f"-v{number + 1}")
        world.finish(ReceiptVerdict.INCONCLUSIVE)
        world.step(30)
        world.step(600)
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.RESOLVED
    assert len([kind for kind in kinds(world) if kind == JobKind.VALIDATION]) == 3


def test_trouble_that_comes_back_during_the_validation_is_the_same_incident() -> None:
    world = degraded()
    clear(world)
    world.signals = firing("DEGRADED", 0.12, world)
    world.step(60)
    assert ready(world) == Reason.JOB_RUNNING
    world.step(60)
    assert ready(world) == Reason.DEGRADED
    assert phase(world, Scenario.DEGRADATION) is IncidentPhase.OPEN
    assert len(world.incidents) == 1


def test_a_wiped_status_goes_on_from_hold_and_incident() -> None:
    world = degraded()
    incident = next(iter(world.incidents))
    for _ in range(10):
        world.status = Status()
        world.step(30)
    assert list(world.incidents) == [incident]
    assert len(world.jobs) == 1
    world.status = Status()
    world.signals = healthy()
    world.step(30)
    world.step(300)
    assert world.env[LEVEL].value == "INFO"


def test_a_deleted_policy_gives_the_level_back_and_goes() -> None:
    world = degraded()
    world.deleting = True
    world.step(5)
    assert world.env[LEVEL] == EnvVar.literal("INFO", ME)
    world.settle()
    assert world.hold is None
    assert not world.finalizer
