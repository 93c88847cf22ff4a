"""Any other validator: what its Job may leave behind, and that nothing but an honest PASS brings reads back to S3."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from certstorage.api.reading import rfc3339_milli
from certstorage.cluster.jobseen import nonce_of
from certstorage.cluster.port import EVENTS
from tests.fakes.scene import NAMESPACE, READ, Scene, healthy

OWN = {"image": "team/validator:7", "command": ["/bin/check"]}


async def own_job() -> Scene:
    """A policy with a validator of the team's own, whose recovery Job runs."""
    scene = Scene(validation=OWN)
    await scene.fall()
    scene.source.current = healthy()
    await scene.step(60)
    await scene.settle(600)
    (container,) = scene.jobs()[-1]["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["command"]) == ("team/validator:7", ["/bin/check"])
    return scene


def left(scene: Scene, **changes: Any) -> str:
    """The termination message of an honest run, but for the changes; None leaves a field out."""
    job, now = scene.jobs()[-1], scene.cluster.now
    env = {one["name"]: one.get("value") for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    fields = {
        "schema": "certstorage/receipt/v1",
        "command": "recover",
        "nonce": nonce_of(job),
        "inputsHash": env["CERT_RECEIPT_INPUTS_HASH"],
        "verdict": "PASS",
        "startedAt": rfc3339_milli(now - timedelta(seconds=5)),
        "finishedAt": rfc3339_milli(now),
        "mismatchPercent": 0.0,
        "sampled": 400,
        "population": 400,
        "atRiskOpen": 0,
        **changes,
    }
    return json.dumps({key: value for key, value in fields.items() if value is not None})


async def test_an_honest_pass_brings_reads_back() -> None:
    scene = await own_job()
    scene.cluster.finish_job(NAMESPACE, scene.jobs()[-1]["metadata"]["name"], message=left(scene))
    await scene.settle(15)
    assert scene.env(READ) == "true"


Message = Callable[[Scene], str]

CASES: dict[str, tuple[Message, int, str, str]] = {
    "no report": (lambda _: "", 0, "ReceiptMissing", "no termination message"),
    "no report, killed": (lambda _: "", 137, "JobFailed", "exit 137"),
    "garbage": (lambda _: "Traceback (most recent call last)", 0, "ReceiptMissing", "not JSON"),
    "half a report": (lambda scene: left(scene)[:80], 0, "ReceiptMissing", "not JSON"),
    "another kind of report": (lambda _: '{"status": "PASS"}', 0, "ReceiptMissing", "not a certstorage/receipt/v1"),
    "more than the kubelet keeps": (lambda scene: left(scene, message="x" * 5000), 0, "ReceiptMissing", "4096 bytes"),
    "no number": (lambda scene: left(scene, mismatchPercent="none"), 0, "ReceiptMissing", "mismatchPercent"),
    "NaN": (lambda scene: left(scene, mismatchPercent=float("nan")), 0, "ReceiptMissing", "NaN is not a number"),
    "another policy's": (lambda scene: left(scene, inputsHash="0" * 16), 0, "ReceiptForged", "other inputs"),
    "another attempt's": (lambda scene: left(scene, nonce="token-0"), 0, "ReceiptForged", "nonce"),
    "zero objects": (lambda scene: left(scene, sampled=0, population=0), 0, "ValidationInconclusive", "0 of 0"),
    "nothing counted": (
        lambda scene: left(scene, sampled=None, population=None),
        0,
        "ValidationInconclusive",
        "0 of 0",
    ),
    "too few objects": (lambda scene: left(scene, population=9000), 0, "ValidationInconclusive", "400 of 9000"),
    "nothing said of what was at risk": (lambda scene: left(scene, atRiskOpen=None), 0, "ReceiptMissing", "atRiskOpen"),
    "a pass that exits as a failure": (left, 1, "JobFailed", "exit 1 (Error), but its receipt says PASS"),
    "a failure that exits as a pass": (
        lambda scene: left(scene, verdict="FAIL"),
        0,
        "ReceiptMissing",
        "exit 0 (Completed), but its receipt says FAIL",
    ),
    "a part of the keys": (lambda scene: left(scene, shard="0/2"), 0, "ReceiptMissing", "part 0/2 only"),
    "not known": (
        lambda scene: left(scene, verdict="INCONCLUSIVE", message="the tree is not mounted"),
        2,
        "ValidationInconclusive",
        "the tree is not mounted",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_anything_else_leaves_reads_local_and_says_why(case: str) -> None:
    message, code, reason, told = CASES[case]
    scene = await own_job()
    name = scene.jobs()[-1]["metadata"]["name"]
    scene.cluster.finish_job(NAMESPACE, name, message=message(scene), exit_code=code)
    await scene.settle(15)
    assert scene.env(READ) == "false"
    hold = scene.hold()
    assert hold is not None
    assert hold.last_failure == reason
    (said,) = [event["message"] for event in scene.cluster.every(EVENTS) if event["reason"] == reason]
    assert told in said


async def test_the_time_limit_is_the_policys() -> None:
    scene = Scene(validation={**OWN, "timeoutSeconds": 90})
    await scene.fall()
    scene.source.current = healthy()
    await scene.step(60)
    await scene.settle(600)
    assert scene.jobs()[-1]["spec"]["activeDeadlineSeconds"] == 90
