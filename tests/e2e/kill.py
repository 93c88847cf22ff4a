"""SIGKILL for the processes of a Pod, from the node's side: no preStop, no SIGTERM, no word to the API server."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.e2e.story import cluster
from tests.e2e.story.kube import Kube

PAUSE = "pause"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{cluster.OPERATOR_NAMESPACE}/leases/certstorage-operator"


async def kill_pod(kube: Kube, name: str) -> str:
    """Kill every process of one of the operator's Pods (the sandbox stays, as after a crash). Gives its name back."""
    pod = await kube.get(f"/api/v1/namespaces/{cluster.OPERATOR_NAMESPACE}/pods/{name}")
    victims = processes(pod["metadata"]["uid"])
    if not victims:
        raise AssertionError(f"Pod {name} has no process on this machine")
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    return name


async def leader(kube: Kube) -> str:
    """Name of the Pod that holds the operator's Lease; empty when none does."""
    lease = await kube.find(LEASE)
    holder: str = (lease or {}).get("spec", {}).get("holderIdentity") or ""
    return holder


def processes(pod_uid: str) -> list[int]:
    """The processes that run in a Pod's containers, found by the kernel's control groups."""
    names = (pod_uid, pod_uid.replace("-", "_"))
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            groups, command = (folder / "cgroup").read_text(), (folder / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if command != PAUSE and any(name in groups for name in names):
            found.append(int(folder.name))
    return found
