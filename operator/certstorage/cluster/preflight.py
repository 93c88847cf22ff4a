"""The local disk of a Deployment: reads can go local only where every Pod sees the same certificates. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath

from certstorage.api.observed import Problem
from certstorage.api.policy import Policy
from certstorage.api.reasons import Reason
from certstorage.cluster.port import Json

SHARED_VOLUMES = frozenset({"persistentVolumeClaim", "nfs", "cephfs", "glusterfs", "azureFile"})
"""Volume sources by which two Pods see the same files, wherever they run. A claim says more by its access modes."""


def local_mount(policy: Policy, container: Json) -> Json | None:
    """The volume mount of the container that holds storage.localPath: the deepest of those that contain it."""
    wanted = PurePosixPath(policy.spec.storage.local_path)
    mounts = [one for one in container.get("volumeMounts", ()) if wanted.is_relative_to(one["mountPath"])]
    return max(mounts, key=lambda one: len(PurePosixPath(one["mountPath"]).parts), default=None)


def volume_of(pod_spec: Json, mount: Json) -> Json | None:
    """The volume that a mount names."""
    return next((one for one in pod_spec.get("volumes", ()) if one["name"] == mount["name"]), None)


def local_claim(policy: Policy, deployment: Json, container: Json | None) -> str:
    """The name of the claim under storage.localPath; empty when there is none."""
    mount = None if container is None else local_mount(policy, container)
    volume = None if mount is None else volume_of(deployment["spec"]["template"]["spec"], mount)
    return "" if volume is None else volume.get("persistentVolumeClaim", {}).get("claimName", "")


def local_disk_problems(
    policy: Policy, where: str, spec: Json, container: Json, *, claim_missing: bool
) -> tuple[Problem, ...]:
    """What stands against local reads, in one line that says what, where and how to mend it."""
    path = policy.spec.storage.local_path
    place = f"{where}, container {container['name']}"
    mount = local_mount(policy, container)
    volume = None if mount is None else volume_of(spec["template"]["spec"], mount)
    if mount is None or volume is None:
        text = f"{place}: no volume is mounted at {path}: mount the certificates' claim, or correct storage.localPath"
        return (Problem(Reason.CLAIM_MISSING, text),)
    source = next((key for key in volume if key != "name"), "emptyDir")
    share = "mount a claim that all Pods share"
    if source not in SHARED_VOLUMES:
        text = f"{place}: {path} is on a volume of kind {source}, which Pods do not share: {share}"
        return (Problem(Reason.LOCAL_NOT_SHARED, text),)
    if mount.get("subPathExpr"):
        text = f"{place}: {path} is mounted with subPathExpr, which may differ from Pod to Pod: use subPath"
        return (Problem(Reason.LOCAL_NOT_SHARED, text),)
    if claim_missing:
        claim = volume["persistentVolumeClaim"]["claimName"]
        text = f"{place}: the claim {claim!r} mounted at {path} does not exist: create it"
        return (Problem(Reason.CLAIM_MISSING, text),)
    return ()
