"""Every scenario of the runbook through the whole shell, against a fake cluster: what is written, made and told."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from certstorage.api.signals import SignalName
from certstorage.cluster.port import JOBS, ForbiddenError, Json
from tests.fakes.cluster import START, Call
from tests.fakes.scene import NAMESPACE, READ, Scene, firing, healthy

FIRST_BREATH = 125.0
CALM = 301.0


async def quiet(scene: Scene, seconds: float) -> None:
    """Time passes, and nothing at all is written."""
    await scene.settle()
    written = len(scene.cluster.writes())
    for _ in range(3):
        await scene.step(seconds / 3)
    assert scene.cluster.writes()[written:] == []


def events_of(incident: Json) -> list[str]:
    return [one["event"] for one in incident["timeline"]]


def container_args(job: Json) -> list[str]:
    args: list[str] = job["spec"]["template"]["spec"]["containers"][0]["args"]
    return args


class TestDegradation:
    async def test_from_the_first_failing_saves_to_the_validation_after(self) -> None:
        scene = Scene()
        await scene.settle()
        spec = copy.deepcopy(scene.deployment()["spec"])
        scene.source.current = firing(SignalName.DEGRADED, since=scene.cluster.now)
        await scene.settle(60)
        assert scene.deployment()["spec"] == spec, "it may be an outage's first breath"

        await scene.settle(FIRST_BREATH - 60)
        assert scene.env("LOG_LEVEL") == "DEBUG"
        assert (scene.env(READ), scene.env("CERT_S3_DUAL_WRITE")) == ("true", "true")
        assert [container_args(job)[0] for job in scene.jobs("Findings")] == ["probe"]
        assert scene.policy()["metadata"]["finalizers"] == ["storage.deltacrown.io/hold"]
        (incident,) = scene.incidents("Degradation")
        assert incident["phase"] == "Open"
        assert list(scene.told()) == ["CertStorageIncident/degradation"]

        steps = {"put": "ok", "get": "ok", "delete": "AccessDenied"}
        scene.finish(steps=steps, findings=[{"name": "lifecycle", "state": "ok", "detail": "no rule"}])
        await scene.settle(15)
        (incident,) = scene.incidents("Degradation")
        assert {one["name"] for one in incident["findings"]} >= {"Lifecycle", "RetryBound"}
        await quiet(scene, 300)

        scene.source.current = healthy()
        await scene.settle(15)
        await scene.settle(CALM)
        assert scene.deployment()["spec"] == spec, "given back as it was: there was no entry"
        (validation,) = scene.jobs("Validation")
        args = container_args(validation)
        assert args[args.index("--sample-rate") + 1] == "0.05"
        scene.finish()
        await scene.settle(15)
        (incident,) = scene.incidents("Degradation")
        assert incident["phase"] == "Resolved"
        assert scene.hold() is None
        assert "certstorage-operator" not in scene.managers()
        assert scene.policy()["metadata"].get("finalizers", []) == []
        assert scene.told() == {}
        await quiet(scene, 300)

    async def test_an_hour_is_the_longest_and_the_level_that_was_there_comes_back(self) -> None:
        scene = Scene()
        scene.cluster.set_env(NAMESPACE, "deltacrown", {"LOG_LEVEL": "WARNING"}, manager="helm")
        await scene.settle()
        scene.source.current = firing(SignalName.DEGRADED, since=scene.cluster.now)
        await scene.settle(FIRST_BREATH)
        assert scene.env("LOG_LEVEL") == "DEBUG"
        scene.finish()
        await scene.settle(15)
        await scene.settle(3600)
        assert scene.env("LOG_LEVEL") == "WARNING"
        await scene.settle(3600)
        assert scene.env("LOG_LEVEL") == "WARNING", "once a day"
        assert scene.incidents("Degradation")[0]["phase"] == "Open"

    async def test_a_job_that_is_refused_holds_up_nothing_else_and_is_tried_again(self) -> None:
        scene = Scene()
        await scene.settle()

        def quota(call: Call) -> None:
            if call.verb == "create" and call.plural == JOBS.plural:
                raise ForbiddenError("exceeded quota")

        scene.cluster.before = quota
        scene.source.current = firing(SignalName.DEGRADED, since=scene.cluster.now)
        await scene.step(FIRST_BREATH)
        await scene.step()
        assert scene.env("LOG_LEVEL") == "DEBUG"
        assert len(scene.incidents("Degradation")) == 1
        assert scene.jobs() == []
        scene.cluster.before = lambda _: None
        await scene.settle(30)
        assert len(scene.jobs("Findings")) == 1


class TestInconsistency:
    async def test_a_failing_night_is_repaired_proven_and_a_sweep_is_asked_for(self) -> None:
        scene = Scene()
        await scene.settle()
        await scene.settle(86_400)
        (nightly,) = scene.jobs("Validation")
        assert container_args(nightly)[0] == "check"
        failing: dict[str, Any] = {"mismatchPercent": 1.0, "upperBoundPercent": 2.0, "mismatches": 4}
        scene.finish("FAIL", **failing, pattern={"kind": "single"}, report="s3://b/r.json", examples=["certificates/a"])
        await scene.settle(15)
        (incident,) = scene.incidents("Inconsistency")
        assert incident["report"] == "s3://b/r.json"
        (repair,) = scene.jobs("Repair")
        args = container_args(repair)
        assert args[:2] == ["repair", "--apply"]
        assert args[args.index("--from-report") + 1] == "s3://b/r.json"
        (asked,) = [name for name in scene.requests() if name.endswith("-sweep")]
        assert scene.request(asked)["reason"] == "SweepAwaitingApproval"
        scene.finish(uploaded=4)
        await scene.settle(15)
        assert "0.1" in container_args(scene.jobs("Validation")[-1])
        scene.finish()
        await scene.settle(15)
        (incident,) = scene.incidents("Inconsistency")
        assert incident["phase"] == "Resolved"
        await quiet(scene, 300)

    async def test_random_damage_is_not_repaired_but_told_with_the_text_for_aws(self) -> None:
        scene = Scene()
        await scene.settle()
        await scene.settle(86_400)
        failing: dict[str, Any] = {"mismatchPercent": 1.0, "upperBoundPercent": 2.0, "mismatches": 40}
        scene.finish("FAIL", **failing, pattern={"kind": "random"}, report="s3://b/r.json")
        await scene.settle(15)
        assert scene.jobs("Repair") == []
        (incident,) = scene.incidents("Inconsistency")
        assert "TAM" in incident["ticketText"]
        await quiet(scene, 300)


@pytest.mark.parametrize(
    ("signal", "scenario"),
    [
        (SignalName.FALLBACK_ELEVATED, "ReadFallback"),
        (SignalName.DELETE_FAIL, "DeleteFailing"),
        (SignalName.WRITE_SUCCESS, "WriteSuccessLow"),
    ],
)
async def test_the_milder_scenarios_look_for_the_cause_and_are_watched_to_the_end(
    signal: SignalName, scenario: str
) -> None:
    scene = Scene()
    await scene.settle()
    spec = copy.deepcopy(scene.deployment()["spec"])
    scene.source.current = firing(signal, since=scene.cluster.now, value=0.2)
    await scene.settle(FIRST_BREATH)
    (incident,) = scene.incidents(scenario)
    assert incident["phase"] == "Open"
    (job,) = scene.jobs("Findings")
    assert container_args(job)[0] == "probe"
    scene.finish(findings=[{"name": "region", "state": "warning", "detail": "another region"}], getP95Seconds=0.7)
    await scene.settle(15)
    (incident,) = scene.incidents(scenario)
    assert incident["findings"]
    scene.source.current = healthy()
    await scene.settle(15)
    await scene.settle(CALM)
    (incident,) = scene.incidents(scenario)
    assert incident["phase"] == "Resolved"
    assert scene.deployment()["spec"] == spec, "nothing of the application was touched"
    assert scene.told() == {}
    await quiet(scene, 300)


async def test_a_disk_that_fills_up_pages_until_it_is_mended() -> None:
    scene = Scene()
    await scene.settle()
    scene.source.current = firing(SignalName.LOCAL_DISK, since=START, value=0.05)
    await scene.settle(FIRST_BREATH)
    assert len(scene.incidents("LocalDiskLow")) == 1
    assert any(name.startswith("CertStorage") for name in scene.told())
    await quiet(scene, 300)
    scene.source.current = healthy()
    await scene.settle(15)
    await scene.settle(CALM)
    assert scene.incidents("LocalDiskLow")[0]["phase"] == "Resolved"
    assert scene.told() == {}


class TestNightly:
    async def test_it_runs_in_its_time_zone_and_a_missed_one_is_caught_up_once(self) -> None:
        scene = Scene(validation={"schedule": "0 3 * * *", "timeZone": "Asia/Tokyo"})
        await scene.settle()
        assert scene.jobs() == [], "the night before the policy is nobody's"
        await scene.settle(3 * 86_400)
        (job,) = scene.jobs("Validation")
        assert job["metadata"]["name"] == "certificates-n-20261125-1800-1"
        scene.finish()
        await scene.settle(15)
        assert scene.policy()["status"]["lastValidation"]["verdict"] == "Pass"
        assert scene.incidents() == []
        await quiet(scene, 300)

    async def test_a_person_may_ask_for_one_at_any_time(self) -> None:
        scene = Scene()
        await scene.settle()
        scene.ask("now", "Validation", sampleRate="20%")
        await scene.settle(1)
        (job,) = scene.jobs("Validation")
        assert "0.2" in container_args(job)
        assert job["metadata"]["annotations"]["storage.deltacrown.io/request"] == "now"
        scene.finish(report="s3://b/r.json")
        await scene.settle(15)
        assert scene.request("now")["phase"] == "Done"
        assert scene.request("now")["verdict"] == "Pass"
        await quiet(scene, 300)
