"""What the API server, other people or other policies stand against: said in one condition, mended by itself."""

from __future__ import annotations

import pytest

from certstorage.api.policy import FINALIZER
from certstorage.api.signals import SignalSet
from certstorage.cluster.port import CLAIMS, DEPLOYMENTS, JOBS, POLICIES, REQUESTS, ForbiddenError, UnavailableError
from tests.fakes.cluster import Call
from tests.fakes.scene import (
    DUAL,
    KEY,
    NAMESPACE,
    POLICY,
    READ,
    TARGET,
    Scene,
    deployment_body,
    healthy,
    outage,
    policy_body,
)


def refuse(verb: str, plural: str, times: int = 10**6) -> object:
    left = times

    def hook(call: Call) -> None:
        nonlocal left
        if (call.verb, call.plural) == (verb, plural) and left:
            left -= 1
            raise ForbiddenError(f"{verb} {plural} is forbidden")

    return hook


async def test_a_refused_flip_is_a_condition_and_comes_by_itself_once_permitted() -> None:
    scene = Scene()
    await scene.step()
    scene.source.current = outage()
    scene.cluster.before = refuse("patch", "deployments")  # type: ignore[assignment]
    outcome = await scene.step()
    assert outcome.again_seconds == 0
    outcome = await scene.step()
    assert scene.reason() == "PermissionDenied"
    assert scene.env(READ) == "true"
    assert outcome.again_seconds is not None
    assert outcome.again_seconds <= 30
    scene.cluster.before = lambda _: None
    await scene.step(30)
    assert scene.env(READ) == "false"


async def test_a_refused_job_is_stuck_until_it_is_not() -> None:
    scene = Scene()
    await scene.fall()
    scene.cluster.before = refuse("create", "jobs")  # type: ignore[assignment]
    scene.source.current = healthy()
    await scene.step(60)
    await scene.step(600)
    await scene.step()
    assert scene.condition("ActionRequired")["reason"] == "JobStuck"
    assert "forbidden" in scene.condition("ActionRequired")["message"]
    assert scene.jobs() == []
    scene.cluster.before = lambda _: None
    await scene.settle(15)
    assert len(scene.jobs()) == 1
    assert scene.reason() == "Validating"


async def test_a_job_of_that_name_that_is_not_ours_is_never_adopted() -> None:
    scene = Scene()
    await scene.fall()
    hold = scene.hold()
    assert hold is not None
    name = f"{hold.incident}-r1"
    scene.cluster.add(JOBS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"template": {"spec": {}}}})
    await scene.recover()
    assert "JobForeign" in scene.events()
    assert scene.env(READ) == "false"
    await scene.settle(600)
    assert [job["metadata"]["name"] for job in scene.jobs()] == [name, f"{hold.incident}-r2"]


async def test_a_job_of_another_policy_uid_is_foreign() -> None:
    scene = Scene()
    await scene.fall()
    await scene.recover()
    job = scene.jobs()[0]
    scene.cluster.touch(
        JOBS, NAMESPACE, job["metadata"]["name"], lambda body: body["metadata"]["ownerReferences"][0].update(uid="old")
    )
    await scene.settle(15)
    assert "JobForeign" in scene.events()


async def test_a_deployment_that_is_not_there_is_waited_for() -> None:
    scene = Scene()
    scene.cluster.remove(DEPLOYMENTS, NAMESPACE, TARGET)
    await scene.settle()
    assert scene.reason() == "TargetMissing"
    assert TARGET in scene.condition()["message"]
    scene.cluster.add(DEPLOYMENTS, deployment_body(), manager="helm")
    await scene.settle(30)
    assert scene.reason() == "ReadsFromS3"


async def test_a_deployment_made_anew_in_an_outage_is_turned_local_too() -> None:
    scene = Scene()
    scene.source.current = outage()
    await scene.settle()
    scene.cluster.remove(DEPLOYMENTS, NAMESPACE, TARGET)
    await scene.settle(30)
    assert scene.policy()["metadata"].get("finalizers", []) == []
    scene.cluster.add(DEPLOYMENTS, deployment_body(), manager="helm")
    await scene.settle(30)
    assert scene.env(READ) == "false"


async def test_a_missing_claim_refuses_the_flip_until_it_is_there() -> None:
    scene = Scene()
    claim = scene.cluster.stored(CLAIMS, NAMESPACE, "certificates")
    scene.cluster.remove(CLAIMS, NAMESPACE, "certificates")
    scene.source.current = outage()
    await scene.settle()
    assert scene.reason() == "ClaimMissing"
    assert scene.env(READ) == "true"
    scene.cluster.add(CLAIMS, claim)
    await scene.settle(30)
    assert scene.env(READ) == "false"


async def test_a_claim_that_may_not_be_read_holds_up_nothing() -> None:
    scene = Scene()
    scene.cluster.before = refuse("get", "persistentvolumeclaims")  # type: ignore[assignment]
    scene.source.current = outage()
    await scene.step()
    assert scene.env(READ) == "false"


@pytest.mark.parametrize("plural", ["jobs", "pods", "replicasets", "certstoragerequests"])
async def test_sources_that_refuse_never_hold_up_the_safe_side(plural: str) -> None:
    scene = Scene()
    scene.cluster.before = refuse("list", plural)  # type: ignore[assignment]
    scene.source.current = outage()
    await scene.step()
    assert scene.env(READ) == "false"


@pytest.mark.parametrize("plural", ["jobs", "pods"])
async def test_an_attempt_that_cannot_be_seen_is_not_taken_for_gone(plural: str) -> None:
    scene = Scene()
    await scene.fall()
    await scene.recover()
    before = scene.hold()
    scene.finish()
    scene.cluster.before = refuse("list", plural)  # type: ignore[assignment]
    for _ in range(5):
        assert (await scene.step(60)).failed
    assert scene.hold() == before
    assert scene.env(READ) == "false"
    scene.cluster.set_env(NAMESPACE, TARGET, {READ: "true"}, manager="kubectl")
    await scene.step(60)
    assert scene.env(READ) == "false", "the safe side needs no sight of Jobs"
    scene.cluster.before = lambda _: None
    await scene.settle(60)
    assert scene.env(READ) == "true"
    assert len(scene.jobs()) == 1


async def test_a_variable_that_is_not_allowed_is_never_written() -> None:
    scene = Scene(env={"readPrimary": "DEBUG_SQL"})
    scene.source.current = outage()
    await scene.settle()
    assert scene.reason() == "EnvNotAllowed"
    assert "DEBUG_SQL" in scene.condition()["message"]
    assert scene.env("DEBUG_SQL") == "0"


async def test_of_two_policies_on_one_deployment_the_older_acts() -> None:
    scene = Scene()
    scene.cluster.advance(5)
    scene.cluster.add(POLICIES, policy_body("younger", storage={"bucket": "another"}))
    await scene.settle()
    assert await scene.operator((NAMESPACE, "younger"))
    scene.source.current = outage()
    await scene.operator((NAMESPACE, "younger"))
    assert scene.env(READ) == "true"
    younger = scene.cluster.stored(POLICIES, NAMESPACE, "younger")
    assert younger["status"]["conditions"][0]["reason"] == "TargetShared"
    await scene.settle()
    assert scene.env(READ) == "false"
    scene.woken.clear()
    del scene.cluster.objects[POLICIES.plural, NAMESPACE, POLICY]
    await scene.step()
    assert (NAMESPACE, "younger") in scene.woken


async def test_a_policy_that_cannot_be_read_says_so_and_nothing_is_done() -> None:
    scene = Scene()
    scene.cluster.touch(POLICIES, NAMESPACE, POLICY, lambda body: body["spec"].update(recovery={"sampleRate": "lots"}))
    scene.source.current = outage()
    await scene.step()
    assert scene.reason() == "PolicyInvalid"
    assert "sampleRate" in scene.condition()["message"]
    assert scene.env(READ) == "true"
    written = len(scene.cluster.writes())
    await scene.step(60)
    assert len(scene.cluster.writes()) == written
    scene.cluster.touch(POLICIES, NAMESPACE, POLICY, lambda body: body["spec"].update(recovery={}))
    await scene.step()
    assert scene.env(READ) == "false"


async def test_a_request_lets_the_way_back_begin_and_a_stale_or_odd_one_does_not() -> None:
    scene = Scene(recovery={"approval": "Required", "holdSeconds": 60})
    await scene.fall()
    scene.source.current = healthy()
    await scene.settle(60)
    await scene.settle(60)
    assert scene.reason() == "AwaitingApproval"
    for name, spec, status in (
        ("other", {"policyName": "another", "type": "Return"}, {}),
        ("odd", {"policyName": 7}, {}),
        ("strange", {"policyName": POLICY, "type": "Approval"}, {}),
        ("done", {"policyName": POLICY, "type": "Return"}, {"phase": "Done"}),
    ):
        body = {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec, "status": status}
        scene.cluster.add(REQUESTS, body)
    await scene.settle(15)
    assert scene.jobs() == []
    body = {"metadata": {"name": "go", "namespace": NAMESPACE}, "spec": {"policyName": POLICY, "type": "Return"}}
    scene.cluster.add(REQUESTS, body)
    await scene.settle(15)
    assert len(scene.jobs()) == 1


async def test_a_policy_deleted_while_the_operator_was_away_leaves_nothing() -> None:
    scene = Scene()
    await scene.fall()
    scene.cluster.remove(POLICIES, NAMESPACE, POLICY)
    assert scene.policy()["metadata"]["deletionTimestamp"]
    scene.start()
    for _ in range(6):
        await scene.step()
    assert (POLICIES.plural, NAMESPACE, POLICY) not in scene.cluster.objects
    assert scene.env(READ) == "false", "no receipt, no return"
    assert scene.env(DUAL) == "true"
    assert scene.hold() is None
    assert "certstorage-operator" not in scene.managers()
    assert "PolicyDeleted" in scene.events()
    assert set(scene.ledger.forgotten) == {KEY}
    told = {
        alert.labels["reason"] for alert in scene.operator.board.alerts(scene.cluster.now) if "reason" in alert.labels
    }
    assert "PolicyDeleted" in told
    scene.cluster.advance(3600)
    assert scene.operator.board.alerts(scene.cluster.now) == ()


async def test_an_idle_policy_is_deleted_at_once() -> None:
    scene = Scene()
    await scene.settle()
    assert FINALIZER not in scene.policy()["metadata"].get("finalizers", [])
    scene.cluster.remove(POLICIES, NAMESPACE, POLICY)
    outcome = await scene.step()
    assert outcome.again_seconds is None
    assert scene.ledger.forgotten == [KEY]


async def test_a_foreign_finalizer_is_left_alone() -> None:
    scene = Scene()
    scene.cluster.touch(POLICIES, NAMESPACE, POLICY, lambda body: body["metadata"].update(finalizers=["x/y"]))
    await scene.fall()
    assert scene.policy()["metadata"]["finalizers"] == ["x/y", FINALIZER]
    await scene.recover()
    await scene.come_back()
    assert scene.policy()["metadata"]["finalizers"] == ["x/y"]


async def test_a_wiped_status_is_written_again_and_changes_no_act() -> None:
    scene = Scene()
    await scene.fall()
    await scene.recover()
    scene.cluster.touch(POLICIES, NAMESPACE, POLICY, lambda body: body.pop("status"))
    await scene.settle(15)
    assert scene.reason() == "Validating"
    assert len(scene.jobs()) == 1
    await scene.come_back()
    assert scene.env(READ) == "true"


async def test_a_policy_of_a_namespace_that_is_not_enrolled_any_more_is_left_alone_and_taken_up_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its alerts end after their farewell, it is said once, and looked at now and then."""
    scene = Scene()
    await scene.fall()
    assert scene.operator.board.alerts(scene.cluster.now) != ()
    scene.cluster.before = refuse("get", "certstoragepolicies")  # type: ignore[assignment]
    for _ in range(40):
        outcome = await scene.step(30)
        assert outcome.again_seconds == 30
    assert scene.operator.board.alerts(scene.cluster.now) == ()
    assert len(scene.operator.registry) == 0
    assert [record.levelname for record in caplog.records if "left alone" in record.message] == ["WARNING"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    scene.cluster.before = lambda _: None
    await scene.step(30)
    assert scene.reason() == "OutageReadsLocal"
    assert scene.operator.board.alerts(scene.cluster.now) != ()


async def test_an_api_server_that_is_away_ends_the_pass_and_nothing_else() -> None:
    scene = Scene()
    await scene.fall()
    status = scene.policy()["status"]

    def away(call: Call) -> None:
        raise UnavailableError("connection refused")

    scene.cluster.before = away
    for _ in range(5):
        outcome = await scene.step(30)
        assert outcome.failed
    assert set(scene.ledger.failures) == {"unavailable"}
    assert scene.policy()["status"] == status


async def test_a_defect_met_by_one_policy_is_contained(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.cluster.touch(DEPLOYMENTS, NAMESPACE, TARGET, lambda body: body.pop("status"))
    scene.deployment()["metadata"]["managedFields"] = [{"manager": "x", "fieldsV1": {"f:spec": 7}}]
    outcome = await scene.step()
    assert outcome.failed
    assert scene.ledger.failures == ["defect"]
    assert "a defect" in caplog.text


async def test_two_operators_at_once_do_the_same_once() -> None:
    """Two that both believe to lead: preconditions let one of them through, the other repeats and finds it done."""
    scene = Scene()
    await scene.step()
    scene.source.current = outage()
    first, second = scene.operator, scene.start("operator-1")
    await first(KEY)
    await second(KEY)
    await first(KEY)
    await second(KEY)
    hold = scene.hold()
    assert hold is not None
    assert hold.epoch == 1
    flips = [call for call in scene.cluster.writes() if call.plural == "deployments"]
    assert len(flips) == 1


async def test_a_start_waits_for_the_first_poll_and_not_for_ever() -> None:
    scene = Scene()
    scene.source.current = SignalSet()
    written = len(scene.cluster.writes())
    outcome = await scene.step()
    assert len(scene.cluster.writes()) == written
    assert outcome.again_seconds is not None
    assert outcome.again_seconds < 1
    await scene.step(15)
    assert scene.reason() == "SignalsUnknown"
