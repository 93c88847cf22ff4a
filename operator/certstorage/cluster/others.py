"""Who else has a hand in the application: what sets its replicas, and which Pods mount its certificates. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from certstorage.api.observed import ClaimUser, Scaler
from certstorage.cluster.port import Json
from certstorage.cluster.target import owned_by


def scalers_of(target: str, autoscalers: Iterable[Json], scaled_objects: Iterable[Json]) -> tuple[Scaler, ...]:
    """The autoscalers and KEDA ScaledObjects that set the replicas of this Deployment."""
    found = [Scaler("HorizontalPodAutoscaler", one["metadata"]["name"]) for one in autoscalers if _scales(one, target)]
    found += [Scaler("ScaledObject", one["metadata"]["name"]) for one in scaled_objects if _scales(one, target)]
    return tuple(sorted(found, key=lambda one: (one.kind, one.name)))


def _scales(scaler: Json, target: str) -> bool:
    """KEDA leaves out the kind for a Deployment."""
    reference = scaler.get("spec", {}).get("scaleTargetRef", {})
    return (reference.get("name"), reference.get("kind", "Deployment")) == (target, "Deployment")


def claim_users(
    claim: str, pods: Iterable[Json], *, target_sets: Iterable[Json], validator_jobs: Iterable[Json]
) -> tuple[ClaimUser, ...]:
    """The Pods that mount this claim and may write to it: all that have not ended, but the target's and validators'.

    A Pod that is going counts until it is gone. Whose a Pod is is told by its controller's UID, not by its labels.
    """
    if not claim:
        return ()
    mounting = [pod for pod in pods if _mounts(pod, claim) and not _ended(pod)]
    known = {
        pod["metadata"]["uid"]
        for owner in (*target_sets, *validator_jobs)
        for pod in owned_by(owner["metadata"]["uid"], mounting)
    }
    found = [ClaimUser(pod["metadata"]["name"], _owner(pod)) for pod in mounting if pod["metadata"]["uid"] not in known]
    return tuple(sorted(found, key=lambda one: one.pod))


def _mounts(pod: Json, claim: str) -> bool:
    return any(
        volume.get("persistentVolumeClaim", {}).get("claimName") == claim for volume in pod["spec"].get("volumes", ())
    )


def _ended(pod: Json) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _owner(pod: Json) -> str:
    """The controller as `Kind/name`."""
    references = pod["metadata"].get("ownerReferences", ())
    return next((f"{one['kind']}/{one['name']}" for one in references if one.get("controller")), "")
