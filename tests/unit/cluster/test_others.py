"""Who else scales the application, and who else mounts its certificates."""

from __future__ import annotations

from typing import Any

from certstorage.api.observed import ClaimUser, Scaler
from certstorage.cluster.others import claim_users, scalers_of
from certstorage.cluster.port import Json
from tests.unit.cluster.objects import controlled_by


def scaler(called: str, **reference: str) -> Json:
    return {"metadata": {"name": called}, "spec": {"scaleTargetRef": reference}}


def test_what_scales_this_deployment() -> None:
    autoscalers = [
        scaler("web", kind="Deployment", name="deltacrown"),
        scaler("other", kind="Deployment", name="other"),
        scaler("set", kind="StatefulSet", name="deltacrown"),
    ]
    scaled = [
        scaler("queue", name="deltacrown"),
        scaler("set", kind="StatefulSet", name="deltacrown"),
        {"metadata": {}},
    ]
    assert scalers_of("deltacrown", autoscalers, scaled) == (
        Scaler("HorizontalPodAutoscaler", "web"),
        Scaler("ScaledObject", "queue"),
    )


def pod(
    name: str,
    claim: str = "certificates",
    *,
    owner: tuple[str, str] | None = None,
    phase: str = "Running",
    **metadata: Any,
) -> Json:
    references = [] if owner is None else controlled_by(*owner)
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": claim}} if claim else {"name": "v", "emptyDir": {}}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": references, **metadata},
        "spec": {"volumes": [volume]},
        "status": {"phase": phase},
    }


def users(*pods: Json, claim: str = "certificates") -> tuple[ClaimUser, ...]:
    sets = [{"metadata": {"uid": "set-1"}}]
    jobs = [{"metadata": {"uid": "job-1"}}]
    return claim_users(claim, pods, target_sets=sets, validator_jobs=jobs)


def test_neither_the_targets_pods_nor_validators_count_whatever_their_labels_say() -> None:
    forged = {"storage.deltacrown.io/policy": "certificates", "app": "deltacrown"}
    found = users(
        pod("web-1", owner=("ReplicaSet", "set-1")),
        pod("validator", owner=("Job", "job-1")),
        pod("worker", owner=("ReplicaSet", "set-2"), labels=forged),
        pod("by-hand"),
        pod("elsewhere", claim="other"),
        pod("nothing", claim=""),
    )
    assert found == (ClaimUser("by-hand"), ClaimUser("worker", "ReplicaSet/owner"))


def test_who_is_going_may_still_write_and_who_has_ended_may_not() -> None:
    found = users(
        pod("going", deletionTimestamp="2026-11-23T03:00:00Z"),
        pod("starting", phase="Pending"),
        pod("done", phase="Succeeded"),
        pod("dead", phase="Failed"),
    )
    assert [one.pod for one in found] == ["going", "starting"]


def test_a_volume_without_a_claim_has_no_users_that_could_be_found() -> None:
    assert users(pod("by-hand", claim=""), claim="") == ()
