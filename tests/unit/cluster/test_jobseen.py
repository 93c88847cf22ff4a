"""What became of a Job: by type and status of its conditions, and by the receipt of a Pod that it owns."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from certstorage.api.observed import JobPhase, JobSeen
from certstorage.api.receipt import ReceiptVerdict
from certstorage.cluster.jobs import Disk, build_job
from certstorage.cluster.jobseen import is_ours, nonce_of, parse_job
from certstorage.cluster.port import Json
from tests.unit.cluster.objects import NOW, controlled_by, make_deployment, make_policy, wanted

MADE = "2026-11-23T03:20:00Z"
LATE = "2026-11-23T03:29:30Z"


def make_job(*conditions: Json, **status: Any) -> Json:
    job = build_job(wanted(), make_policy(), make_deployment(), "v:1", Disk())
    job["metadata"] |= {"uid": "job-1", "creationTimestamp": MADE}
    job["status"] = {"conditions": list(conditions), **status}
    return job


def condition(kind: str, status: str = "True", **more: str) -> Json:
    return {"type": kind, "status": status, "lastTransitionTime": "2026-11-23T03:25:00Z", **more}


def receipt(**changes: Any) -> str:
    fields = {
        "schema": "certstorage/receipt/v1",
        "command": "recover",
        "nonce": "token-1",
        "inputsHash": "0123456789abcdef",
        "verdict": "PASS",
        "startedAt": "2026-11-23T03:21:00Z",
        "finishedAt": "2026-11-23T03:24:00Z",
        "mismatchPercent": 0.1,
        "sampled": 400,
        "population": 400,
        "atRiskOpen": 0,
    }
    return json.dumps({**fields, **changes})


def make_pod(message: str | None = None, *, owner: str = "job-1", code: int = 0, at: str = MADE, **status: Any) -> Json:
    state: Json = {}
    if message is not None:
        state = {"terminated": {"exitCode": code, "reason": "Completed", "message": message, "finishedAt": at}}
    return {
        "metadata": {
            "name": f"pod-{at[-4:-1]}",
            "ownerReferences": controlled_by("Job", owner),
            "creationTimestamp": at,
        },
        "status": {"containerStatuses": [{"name": "validator", "state": state}], **status},
    }


def seen(job: Json, *pods: Json) -> JobSeen:
    return parse_job(job, pods, make_policy(), NOW)


def test_a_complete_job_with_its_receipt() -> None:
    found = seen(make_job(condition("SuccessCriteriaMet"), condition("Complete")), make_pod(receipt()))
    assert found.phase is JobPhase.COMPLETE
    assert found.receipt is not None
    assert found.receipt.verdict is ReceiptVerdict.PASSED
    assert found.receipt.mismatch == pytest.approx(0.001)
    assert (found.attempt, found.kind, found.incident) == (1, "Recovery", "certificates-20261123-031005")
    assert found.ours
    assert found.finished_at is not None
    assert not found.stuck
    assert found.problem == ""


@pytest.mark.parametrize(
    "conditions",
    [
        [condition("SuccessCriteriaMet")],
        [condition("FailureTarget")],
        [condition("Complete", "False")],
        [condition("Complete", "Unknown")],
        [condition("Failed", "False")],
        [condition("Suspended")],
        [],
    ],
)
def test_what_is_not_complete_nor_failed_is_running(conditions: list[Json]) -> None:
    found = seen(make_job(*conditions, active=1), make_pod(receipt()))
    assert found.phase is JobPhase.RUNNING
    assert found.receipt is None


def test_complete_alone_proves_nothing() -> None:
    found = seen(make_job(condition("Complete")))
    assert found.phase is JobPhase.COMPLETE
    assert found.receipt is None
    assert "no Pod" in found.problem


def test_a_receipt_of_a_pod_that_the_job_does_not_own_is_not_read() -> None:
    assert seen(make_job(condition("Complete")), make_pod(receipt(), owner="another")).receipt is None


def test_of_several_pods_the_last_one_speaks() -> None:
    early = make_pod(receipt(verdict="FAIL"), at="2026-11-23T03:21:00Z")
    late = make_pod(receipt(), at="2026-11-23T03:24:00Z")
    found = seen(make_job(condition("Complete")), late, early)
    assert found.receipt is not None
    assert found.receipt.verdict is ReceiptVerdict.PASSED


def test_a_failed_job_says_why_and_still_has_its_receipt() -> None:
    failed = condition("Failed", reason="PodFailurePolicy", message="Container validator failed with exit code 1")
    found = seen(make_job(failed), make_pod(receipt(verdict="FAIL"), code=1))
    assert found.phase is JobPhase.FAILED
    assert found.receipt is not None
    assert found.receipt.verdict is ReceiptVerdict.FAILED


@pytest.mark.parametrize(
    ("message", "told"),
    [("", "no termination message"), ("panic: out of cheese", "out of cheese"), ("{}", "not a certstorage/receipt/v1")],
)
def test_a_job_without_a_readable_receipt_says_what_it_left(message: str, told: str) -> None:
    failed = condition("Failed", reason="BackoffLimitExceeded")
    found = seen(make_job(failed), make_pod(message, code=137))
    assert found.receipt is None
    assert told in found.problem
    assert "exit 137" in found.problem
    assert "BackoffLimitExceeded" in found.problem


def test_a_deadline_is_named() -> None:
    found = seen(make_job(condition("Failed", reason="DeadlineExceeded", message="Job was active longer than")))
    assert found.problem.startswith("DeadlineExceeded")


# --- Pods that share the keys


def shared(*conditions: Json) -> Json:
    job = make_job(*conditions)
    job["spec"] |= {"completionMode": "Indexed", "completions": 2}
    return job


def test_of_shards_the_one_that_speaks_for_all_is_heard() -> None:
    merged = make_pod(receipt(verdict="FAIL"), code=1, at="2026-11-23T03:23:00Z")
    part = make_pod(receipt(shard="0/2"), at="2026-11-23T03:24:00Z")
    found = seen(shared(condition("Failed")), merged, part)
    assert found.receipt is not None
    assert (found.receipt.verdict, found.receipt.shard) == (ReceiptVerdict.FAILED, "")


def test_parts_that_passed_are_no_receipt_of_the_whole() -> None:
    parts = [make_pod(receipt(shard=f"{index}/2"), at=f"2026-11-23T03:2{index}:00Z") for index in range(2)]
    found = seen(shared(condition("Complete")), *parts)
    assert found.receipt is None
    assert "of 2 parts 2 Pods ended and none merged them" in found.problem
    assert "part 1/2 only" in found.problem


def test_a_part_that_could_not_know_says_why() -> None:
    unknowing = receipt(shard="1/2", verdict="INCONCLUSIVE", message="the canary failed", probe="failed")
    found = seen(shared(condition("Failed")), make_pod(unknowing, code=2), make_pod(receipt(shard="0/2"), at=LATE))
    assert found.receipt is not None
    assert (found.receipt.verdict, found.receipt.probe) == (ReceiptVerdict.INCONCLUSIVE, "failed")


# --- Pods that do not start


def waiting(reason: str, message: str = "") -> Json:
    return {
        "containerStatuses": [
            {"name": "validator", "image": "v:1", "state": {"waiting": {"reason": reason, "message": message}}}
        ]
    }


def scheduled(status: str = "True", at: str = LATE, message: str = "") -> Json:
    return {"type": "PodScheduled", "status": status, "lastTransitionTime": at, "message": message}


def stuck(**status: Any) -> JobSeen:
    return seen(make_job(active=1), make_pod(**{"phase": "Pending", **status}))


@pytest.mark.parametrize(
    "reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"]
)
def test_a_container_that_cannot_start_is_stuck_at_once(reason: str) -> None:
    found = stuck(conditions=[scheduled()], **waiting(reason, "no such image"))
    assert found.stuck
    assert reason in found.problem
    assert "no such image" in found.problem


def test_a_container_that_is_being_created_is_given_time() -> None:
    assert not stuck(conditions=[scheduled()], **waiting("ContainerCreating")).stuck
    found = stuck(conditions=[scheduled(at=MADE)], **waiting("ContainerCreating"))
    assert found.stuck
    assert "not created" in found.problem


def test_a_pod_that_no_node_takes_is_stuck_after_a_minute() -> None:
    assert not stuck(conditions=[scheduled("False")]).stuck
    found = stuck(conditions=[scheduled("False", at=MADE, message="0/3 nodes are available")])
    assert found.stuck
    assert "0/3 nodes" in found.problem


def test_a_job_for_which_no_pod_is_made_is_stuck_after_a_minute() -> None:
    young = make_job()
    young["metadata"]["creationTimestamp"] = LATE
    assert not seen(young).stuck
    found = seen(make_job())
    assert found.stuck
    assert "quota" in found.problem


def test_a_suspended_job_is_stuck() -> None:
    job = make_job()
    job["spec"]["suspend"] = True
    assert seen(job).stuck


def test_a_pod_at_work_is_not_stuck() -> None:
    assert not seen(make_job(active=1), make_pod(phase="Running")).stuck


# --- whose it is


def test_ours_is_controlled_by_this_very_policy() -> None:
    job = make_job()
    assert is_ours(job, make_policy())
    job["metadata"]["ownerReferences"][0]["uid"] = "a policy of before"
    assert not is_ours(job, make_policy())
    assert not seen(job).ours
    job["metadata"]["ownerReferences"] = []
    assert not is_ours(job, make_policy())


def test_the_nonce_stands_in_the_template() -> None:
    job = make_job()
    assert nonce_of(job) == "token-1"
    job["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "CERT_RECEIPT_NONCE", "value": "x"})
    assert nonce_of(job) == ""


def test_labels_that_are_no_numbers_are_no_attempt() -> None:
    job = make_job()
    job["metadata"]["labels"]["storage.deltacrown.io/attempt"] = "two"
    assert seen(job).attempt == 0
    assert seen(job).created_at + timedelta(minutes=10) == NOW
