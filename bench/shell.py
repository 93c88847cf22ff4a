"""How fast and how frugal the shell is, beside a bare client in the same run (docs/design.md, budgets).

    python -m bench.shell --policies 1000 --output artifacts/bench-shell.json

A real etcd and kube-apiserver, the real operator process, a Prometheus that answers at once. No controllers: what is
measured is the operator and the API server. Times of writes are the API server's own, from its audit log.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from certstorage.cluster.client import ApiCluster, login
from certstorage.cluster.port import CLAIMS, DEPLOYMENTS, POLICIES, Json, Resource
from certstorage.signals.queries import QUERY_PATH, RULES_PATH
from tests.cluster import ControlPlane, control_plane
from tests.component.shell.process import Process
from tests.fakes.prometheus import FakePrometheus, Workload, served_prometheus
from tests.fakes.scene import READ, claim_body, deployment_body, policy_body

NAMESPACES = 10
AT_ONCE = 64
SINGLE_FLIPS = 50
IDLE_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[1]
NAMESPACE_KIND = Resource("", "v1", "namespaces", "Namespace")


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def workload(index: int) -> Workload:
    return f"bench-{index % NAMESPACES}", f"app-{index}"


async def until(look: Callable[[], Any], seconds: float) -> Any:
    """Look every so many seconds until something true is seen, which is returned."""
    while True:
        seen = look()
        if seen:
            return seen
        await asyncio.sleep(seconds)


async def each(items: Iterable[Any], work: Callable[[Any], Awaitable[object]], at_once: int = AT_ONCE) -> None:
    """Work on every item, so many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(item: Any) -> None:
        async with gate:
            await work(item)

    await asyncio.gather(*(one(item) for item in items))


async def fill(cluster: ApiCluster, policies: int) -> None:
    """Namespaces, claims, Deployments (twice: with a policy, and for the bare client) and policies."""

    def placed(body: Json, namespace: str) -> Json:
        return {**body, "metadata": {**body["metadata"], "namespace": namespace}}

    for index in range(NAMESPACES):
        name = f"bench-{index}"
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await cluster.create(NAMESPACE_KIND, "", namespace)
        claim = claim_body()
        claim["spec"]["resources"] = {"requests": {"storage": "1Gi"}}
        await cluster.create(CLAIMS, name, placed(claim, name))

    async def make(index: int) -> None:
        namespace, name = workload(index)
        for target in (name, f"bare-{index}"):
            path = DEPLOYMENTS.path(namespace)
            await cluster._call("POST", path, [("fieldManager", "helm")], placed(deployment_body(target), namespace))
        await cluster.create(POLICIES, namespace, placed(policy_body(name, name), namespace))

    await each(range(policies), make)


def audited(audit: Path, offset: int, *words: bytes) -> Iterator[Json]:
    """The answered requests since then whose line has all these words; a line still being written is left out."""
    with audit.open("rb") as log:
        log.seek(offset)
        for line in log:
            if line.endswith(b"\n") and b'"ResponseComplete"' in line and all(word in line for word in words):
                yield json.loads(line)


def patches(audit: Path, offset: int, prefix: str) -> dict[str, float]:
    """When each Deployment whose name starts so was first patched: Unix seconds of the API server's answer."""
    found: dict[str, float] = {}
    for event in audited(audit, offset, b'"verb":"patch"', b'"deployments"'):
        name = event["objectRef"].get("name", "")
        if event["responseStatus"]["code"] == 200 and name.startswith(prefix):
            found.setdefault(name, datetime.fromisoformat(event["stageTimestamp"]).timestamp())
    return found


def writes(audit: Path, offset: int) -> dict[str, int]:
    """Writes to the API server since then, by resource."""
    found: dict[str, int] = {}
    for event in audited(audit, offset):
        if event["verb"] in ("create", "update", "patch", "delete"):
            resource = event["objectRef"]["resource"]
            found[resource] = found.get(resource, 0) + 1
    return found


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99 and worst in milliseconds."""
    ordered = sorted(1000 * one for one in seconds)
    at99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return {"p50_ms": round(statistics.median(ordered), 1), "p99_ms": round(at99, 1), "worst_ms": round(ordered[-1], 1)}


def flip(deployment: Json) -> list[Json]:
    """The least that a bare client must send."""
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    index = next(i for i, entry in enumerate(env) if entry["name"] == READ)
    path = f"/spec/template/spec/containers/0/env/{index}/value"
    return [{"op": "replace", "path": path, "value": "false"}]


class Bench:
    """One run."""

    def __init__(self, plane: ControlPlane, cluster: ApiCluster, prometheus: FakePrometheus, policies: int) -> None:
        self.plane, self.cluster, self.prometheus, self.policies = plane, cluster, prometheus, policies
        self.session = aiohttp.ClientSession()
        folder = Path(tempfile.mkdtemp(prefix="certstorage-bench-"))
        self.operator = Process(folder, "bench", plane.kubeconfig, prometheus.url, "all")
        self.found: dict[str, Any] = {"policies": policies}

    def _offset(self) -> int:
        return self.plane.audit_log.stat().st_size

    async def start(self) -> None:
        """From the start of the process until every policy was passed over and its status written."""
        begun, offset = time.monotonic(), self._offset()
        await self.operator.start()
        await until(lambda: writes(self.plane.audit_log, offset).get("certstoragepolicies", 0) >= self.policies, 0.1)
        self.found["start_to_all_reconciled_seconds"] = round(time.monotonic() - begun, 1)

    async def idle(self) -> None:
        """Memory, processor and requests while nothing happens."""
        await asyncio.sleep(15)
        pid, offset = self.operator.pid, self._offset()
        begun, spent, asked = time.monotonic(), cpu_seconds(pid), self.prometheus.requests
        await asyncio.sleep(IDLE_SECONDS)
        seconds = time.monotonic() - begun
        self.found["idle"] = {
            "rss_mib": round(resident_mib(pid), 1),
            "core_percent": round(100 * (cpu_seconds(pid) - spent) / seconds, 2),
            "prometheus_requests_per_poll": round((self.prometheus.requests - asked) / (seconds / 5), 2),
            "api_writes": writes(self.plane.audit_log, offset),
        }

    async def single(self) -> None:
        """One policy's alert fires, Alertmanager nudges: until the PATCH is accepted. Then the bare client's way."""
        took, bare = [], []
        for index in range(SINGLE_FLIPS):
            offset, name = self._offset(), workload(index)[1]
            self.prometheus.fire(workload(index))
            begun = time.time()
            assert await self.operator.nudge(self.session) == 202
            seen = await until(lambda: patches(self.plane.audit_log, offset, name), 0.005)  # noqa: B023
            took.append(seen[name] - begun)
            await asyncio.sleep(1.2)
        for index in range(SINGLE_FLIPS):
            namespace, name = workload(index)[0], f"bare-{index}"
            deployment = await self.cluster.get(DEPLOYMENTS, namespace, name)
            begun = time.perf_counter()
            for ask in (
                self.session.get(self.prometheus.url + RULES_PATH),
                self.session.post(self.prometheus.url + QUERY_PATH),
            ):
                async with ask as answer:
                    json.loads(await answer.read())
            await self.cluster.patch(DEPLOYMENTS, namespace, name, flip(deployment))
            bare.append(time.perf_counter() - begun)
        self.found["single_flip"] = {"operator": spread(took), "bare_client": spread(bare)}

    async def mass(self) -> None:
        """All the others fire at once: until the last PATCH is accepted. Then a bare client that knows every object."""
        indexes = range(SINGLE_FLIPS, self.policies)
        bodies = {i: await self.cluster.get(DEPLOYMENTS, workload(i)[0], f"bare-{i}") for i in indexes}
        begun = time.perf_counter()
        await each(indexes, lambda i: self.cluster.patch(DEPLOYMENTS, workload(i)[0], f"bare-{i}", flip(bodies[i])))
        bare = time.perf_counter() - begun
        await asyncio.sleep(5)
        offset = self._offset()
        self.prometheus.fire(*(workload(i) for i in indexes))
        begun_at = time.time()
        assert await self.operator.nudge(self.session) == 202
        await until(lambda: len(patches(self.plane.audit_log, offset, "app-")) >= len(indexes), 0.2)
        found = patches(self.plane.audit_log, offset, "app-")
        last = max(found.values()) - begun_at
        self.found["mass_flip"] = {
            "flips": len(indexes),
            "operator_seconds": round(last, 2),
            "first_ms": round(1000 * (min(found.values()) - begun_at), 1),
            "bare_client_seconds": round(bare, 2),
            "ratio": round(last / bare, 2),
        }

    async def recorded(self) -> None:
        """After the mass flip: until every status says so."""
        begun = time.monotonic()
        while True:
            stored = await self.cluster.list(POLICIES)
            said = sum(one.get("status", {}).get("operation", {}).get("step") is not None for one in stored)
            if said >= self.policies:
                break
            await asyncio.sleep(0.5)
        self.found["mass_flip"]["recorded_after_seconds"] = round(time.monotonic() - begun, 1)
        self.found["rss_mib_after"] = round(resident_mib(self.operator.pid), 1)


async def run(plane: ControlPlane, policies: int) -> dict[str, Any]:
    """Everything, in the order of the budgets."""
    cluster = ApiCluster(await login(kubeconfig_path=str(plane.kubeconfig)), timeout_seconds=120)
    async with served_prometheus(workload(index) for index in range(policies)) as prometheus:
        say(f"making {policies} policies")
        await fill(cluster, policies)
        bench = Bench(plane, cluster, prometheus, policies)
        try:
            for step in (bench.start, bench.idle, bench.single, bench.mass, bench.recorded):
                await step()
                say(f"{step.__name__}: {json.dumps(bench.found)}")
        finally:
            await bench.operator.stop()
            await bench.session.close()
            await cluster.close()
        return bench.found


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path("artifacts/bench-shell.json"))
    given = parser.parse_args()
    with control_plane(controllers=False) as plane:
        plane.kubectl("apply", "-k", str(ROOT / "crds"))
        plane.kubectl(
            "wait", "--for=condition=Established", "--timeout=60s", "crd/certstoragepolicies.storage.deltacrown.io"
        )
        found = asyncio.run(run(plane, given.policies))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
