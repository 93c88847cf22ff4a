"""The validator Job: from what is wanted, the policy and the target's own template to a manifest. Pure.

The Job sees what the application sees: its volume, its identity, its way to S3. It carries none of the target's
labels, so that no Service, ReplicaSet or NetworkPolicy of the application takes its Pod for one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from certstorage.api.decision import JobKind, JobWanted
from certstorage.api.policy import API_VERSION, GROUP, Policy, Validation
from certstorage.cluster.arguments import arguments
from certstorage.cluster.port import JOBS, Json
from certstorage.cluster.preflight import local_disk_problems, local_mount, volume_of
from certstorage.cluster.target import find_container, live_pods

LABEL_POLICY = f"{GROUP}/policy"
LABEL_INCIDENT = f"{GROUP}/incident"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_KIND = f"{GROUP}/kind"

ANNOTATION_REQUEST = f"{GROUP}/request"
"""Which CertStorageRequest asked for it; a label could not hold every name of one."""

COMPARING = frozenset({JobKind.RECOVERY, JobKind.VALIDATION, JobKind.SWEEP, JobKind.REPAIR})
"""Jobs that read the certificates; the search for a cause needs S3 alone, and may run while a sole Pod has the disk."""
JUDGING = frozenset({JobKind.RECOVERY, JobKind.VALIDATION, JobKind.SWEEP})
"""Jobs that come to a verdict on all keys: Pods may share them, and a policy may name a program of its own for them."""

CONTAINER = "validator"
PROGRAM = "s3-backfill-validator"
LOCAL_PATH = "CERT_LOCAL_PATH"
NONCE = "CERT_RECEIPT_NONCE"
KEEP_SECONDS = 86_400
"""A finished Job is kept for a day: long enough to be read by people, and far longer than a receipt is believed."""
RETRIES = 2
"""Pods that a broken node takes down are replaced; a verdict (exit 1 to 3) never is.

The rule for disruptions comes first: a Pod that is drained ends with 2, and the first rule that matches decides.
"""

MOST_NODES = 20
"""Nodes of the application that a search for the cause prefers."""

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_COPIED_PREFIXES = ("CERT_", "AWS_")
_COPIED_NAMES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"})
_COPIED_POD_FIELDS = ("imagePullSecrets", "nodeSelector", "tolerations", "hostAliases", "dnsPolicy", "dnsConfig")
_COPIED_POD_SECURITY = ("fsGroup", "fsGroupChangePolicy", "seLinuxOptions", "supplementalGroups")


class JobRefusedError(ValueError):
    """No Job can be built for this target; the message says why and how to mend it."""


class Access(StrEnum):
    """Where a Pod that mounts the certificates may run."""

    ANYWHERE = "Anywhere"
    ONE_NODE = "OneNode"
    ONE_POD = "OnePod"


@dataclass(frozen=True, slots=True)
class Disk:
    """How the local disk can be reached. `node`: one that already mounts it; `in_use`: a Pod of the target has it."""

    access: Access = Access.ANYWHERE
    node: str = ""
    in_use: bool = False


def disk_of(claim: Json | None, pods: Iterable[Json]) -> Disk:
    """Read the claim's access modes, and where the target's Pods run. No claim means a volume that all can mount."""
    modes = set() if claim is None else set(claim["spec"].get("accessModes", ()))
    if not modes or modes & {"ReadWriteMany", "ReadOnlyMany"}:
        return Disk()
    live = live_pods(pods)
    nodes = nodes_of(live)
    access = Access.ONE_NODE if "ReadWriteOnce" in modes else Access.ONE_POD
    return Disk(access, nodes[0] if nodes else "", in_use=bool(live))


def nodes_of(pods: Iterable[Json]) -> tuple[str, ...]:
    """The nodes on which these Pods run."""
    return tuple(sorted({pod["spec"]["nodeName"] for pod in live_pods(pods) if pod["spec"].get("nodeName")}))


def build_job(
    wanted: JobWanted, policy: Policy, deployment: Json, image: str, disk: Disk, *, nodes: Sequence[str] = ()
) -> Json:
    """The manifest of one validator Job; `nodes` are those that the application runs on.

    Raises:
        JobRefusedError: the container or its certificates' volume is not there or is not shared, or one Pod at most
            may mount it and the application does.
    """
    template: Json = deployment["spec"]["template"]["spec"]
    container = _container_of(policy, deployment)
    mounts: list[Json] = []
    if wanted.kind in COMPARING:
        mounts.append(_mounted(policy, deployment, container))
        if disk.access is Access.ONE_POD and disk.in_use:
            raise JobRefusedError("the claim is ReadWriteOncePod, so no Job can mount it while the application runs")
    else:
        disk = Disk()
    shards = 1 if disk.access is Access.ONE_POD or wanted.kind not in JUDGING else wanted.shards
    env = _environment(wanted, policy, container)
    mounts += _mounts_of_named_files(env, container, mounts)
    volumes = [found for one in mounts if (found := volume_of(template, one)) is not None]
    labels = {
        LABEL_POLICY: policy.name,
        LABEL_KIND: wanted.kind.value,
        LABEL_INCIDENT: wanted.incident,
        LABEL_ATTEMPT: str(wanted.attempt),
    }
    pod: Json = {
        **{key: template[key] for key in _COPIED_POD_FIELDS if key in template},
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "serviceAccountName": policy.spec.validation.service_account or template.get("serviceAccountName", "default"),
        "securityContext": _pod_security(template, container),
        "containers": [_container(wanted, policy, image, shards, env=env, target=container, mounts=mounts)],
        "volumes": [*_unique(volumes), {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    affinity = _affinity(template, disk, nodes if wanted.kind is JobKind.FINDINGS else ())
    if affinity:
        pod["affinity"] = affinity
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": wanted.name,
            "namespace": policy.namespace,
            "labels": labels,
            **({"annotations": {ANNOTATION_REQUEST: wanted.request}} if wanted.request else {}),
            "ownerReferences": [owner_reference(policy)],
        },
        "spec": {
            **_completions(shards),
            "activeDeadlineSeconds": wanted.timeout_seconds,
            "ttlSecondsAfterFinished": KEEP_SECONDS,
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [1, 2, 3]},
                    },
                ]
            },
            "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
        },
    }


def _container_of(policy: Policy, deployment: Json) -> Json:
    container = find_container(policy, deployment)
    if container is None:
        raise JobRefusedError(f"the Deployment {policy.spec.target.name} has not the container of the policy")
    return container


def _mounted(policy: Policy, deployment: Json, container: Json) -> Json:
    """The container's mount of the certificates."""
    where = f"Deployment {policy.spec.target.name}"
    problems = local_disk_problems(policy, where, deployment["spec"], container, claim_missing=False)
    mount = local_mount(policy, container)
    if problems or mount is None:
        raise JobRefusedError("; ".join(problem.message for problem in problems))
    return mount


def _completions(shards: int) -> Json:
    """One Pod, or one for each part of the keys, all at once. A part that hands over its report exits with 0."""
    if shards == 1:
        return {"backoffLimit": RETRIES}
    return {
        "completionMode": "Indexed",
        "completions": shards,
        "parallelism": shards,
        "backoffLimit": RETRIES * shards,
    }


def owner_reference(policy: Policy) -> Json:
    """What makes an object go with its policy."""
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": "CertStoragePolicy",
        "name": policy.name,
        "uid": policy.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def _container(
    wanted: JobWanted, policy: Policy, image: str, shards: int, *, env: list[Json], target: Json, mounts: list[Json]
) -> Json:
    own = policy.spec.validation if wanted.kind in JUDGING else Validation()
    found: Json = {
        "name": CONTAINER,
        "image": own.image or image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(own.command) or [PROGRAM],
        "args": arguments(wanted, shards),
        "env": env,
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "512Mi"},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [*({**one, "readOnly": True} for one in mounts), {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }
    if target.get("envFrom"):
        found["envFrom"] = target["envFrom"]
    return found


def _environment(wanted: JobWanted, policy: Policy, container: Json) -> list[Json]:
    """The target's own way to S3, entry by entry as it stands, then what the policy and this Job say."""
    storage = policy.spec.storage
    said = {
        "CERT_S3_BUCKET": storage.bucket,
        "CERT_S3_PREFIX": storage.prefix,
        LOCAL_PATH: storage.local_path,
        "CERT_TERMINATION_MESSAGE": "/dev/termination-log",
        NONCE: wanted.nonce,
        "CERT_RECEIPT_INPUTS_HASH": wanted.inputs_hash,
        **({"AWS_REGION": storage.region} if storage.region else {}),
        **({"AWS_ENDPOINT_URL_S3": storage.endpoint} if storage.endpoint else {}),
    }
    skipped = {*said, *policy.spec.env.all()}
    if wanted.kind not in COMPARING:
        del said[LOCAL_PATH]
    copied = [
        entry
        for entry in container.get("env", ())
        if entry["name"] not in skipped
        and (entry["name"].startswith(_COPIED_PREFIXES) or entry["name"] in _COPIED_NAMES)
    ]
    return [*copied, *({"name": name, "value": value} for name, value in said.items())]


def _mounts_of_named_files(env: list[Json], container: Json, taken: list[Json]) -> list[Json]:
    """The mounts under which files lie that the copied environment names: a CA bundle, a credentials file."""
    paths = [PurePosixPath(entry["value"]) for entry in env if str(entry.get("value", "")).startswith("/")]
    return [
        mount
        for mount in container.get("volumeMounts", ())
        if mount not in taken and any(path.is_relative_to(mount["mountPath"]) for path in paths)
    ]


def _unique(volumes: list[Json]) -> list[Json]:
    return list({volume["name"]: volume for volume in volumes}.values())


def _pod_security(template: Json, container: Json) -> Json:
    """The user and groups that can read the application's files, restricted; root is never taken over."""
    pod, own = template.get("securityContext", {}), container.get("securityContext", {})
    found: Json = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    found.update({key: pod[key] for key in _COPIED_POD_SECURITY if key in pod})
    user, group = own.get("runAsUser", pod.get("runAsUser")), own.get("runAsGroup", pod.get("runAsGroup"))
    if user:
        found["runAsUser"] = user
    if group is not None and user != 0:
        found["runAsGroup"] = group
    return found


def _affinity(template: Json, disk: Disk, nodes: Sequence[str]) -> Json:
    """A disk of one node pins the Pod there; else the target's node affinity is kept, and no Pod affinity.

    A search for the cause looks from where the application is, if there is room: the path to S3 may differ by node.
    """
    if disk.access is Access.ONE_NODE and disk.node:
        return {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [_on(disk.node)]}}}
    node: Json = dict(template.get("affinity", {}).get("nodeAffinity") or {})
    if nodes:
        near = [{"weight": 100, "preference": _on(name)} for name in nodes[:MOST_NODES]]
        node[_PREFERRED] = [*node.get(_PREFERRED, ()), *near]
    return {"nodeAffinity": node} if node else {}


def _on(node: str) -> Json:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
