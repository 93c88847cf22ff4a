"""A namespace with the application and its policy on a real API server, and the operator's leading part with it."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from certstorage.api.alerts import Alert
from certstorage.api.policy import Policy
from certstorage.api.signals import FallbackSample, SignalSet
from certstorage.cluster.client import ApiCluster, login
from certstorage.cluster.port import CLAIMS, DEPLOYMENTS, EVENTS, JOBS, POLICIES, REQUESTS, Cluster, Json, NotFoundError
from certstorage.handlers import watch
from certstorage.health import Heart
from certstorage.ports import Settings
from certstorage.registry import Key, Registry
from certstorage.runbook.decide import decide
from certstorage.shell import Shell
from certstorage.telemetry import Telemetry
from certstorage.watching import STEADY, Pace
from tests.cluster import ControlPlane
from tests.component.shell.kubelet import Kubelet
from tests.fakes.scene import ALLOWED, POLICY, READ, TARGET, claim_body, deployment_body, healthy, policy_body

SECONDS = 120.0


async def until(what: str, condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Wait until an async condition gives something true, which is returned."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        found = await condition()
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s: {what}")


class Prometheus:
    """The source of signals: what a test sets, polled every quarter of a second."""

    def __init__(self, registry: Registry, wake: Callable[[Key], None], polled: Callable[[], None]) -> None:
        self._registry, self._wake, self._polled = registry, wake, polled
        self.current = healthy()
        self.reads = 500.0

    def signals(self, policy: Policy, template_hash: str) -> SignalSet:
        fallback = None
        if template_hash:
            fallback = FallbackSample(template_hash, 3, self.reads, 0.0, datetime.now(UTC))
        return replace(self.current, fallback=fallback)

    def say(self, current: SignalSet) -> None:
        """The signals change, and every policy is woken as the real source does it."""
        self.current = current
        for policy in self._registry:
            self._wake(policy.key)

    def nudge(self) -> bool:
        return False

    async def run(self) -> None:
        while True:
            self._polled()
            await asyncio.sleep(0.25)


class Stage:
    """One namespace; operators come and go."""

    def __init__(self, plane: ControlPlane, cluster: ApiCluster, namespace: str) -> None:
        self.plane, self.cluster, self.namespace = plane, cluster, namespace
        self.kubelet = Kubelet(cluster, namespace)
        self.telemetry = Telemetry("test", time.time)
        self.source: Prometheus
        self.told: set[str] = set()

    async def _post(self, alerts: Iterable[Alert], now: datetime) -> dict[str, str]:
        self.told |= {alert.name for alert in alerts}
        return {}

    async def build(self, deployment: Json | None = None, **spec: Any) -> None:
        """Make the claim, the Deployment and the policy."""
        for resource, body in (
            (CLAIMS, {**claim_body(), "spec": {**claim_body()["spec"], "resources": {"requests": {"storage": "1Gi"}}}}),
            (DEPLOYMENTS, deployment or deployment_body()),
            (POLICIES, policy_body(**spec)),
        ):
            here = {**body, "metadata": {**body["metadata"], "namespace": self.namespace}}
            if resource is DEPLOYMENTS:
                # as its owner does it, not under our field manager
                path = resource.path(self.namespace)
                await self.cluster._call("POST", path, [("fieldManager", "helm")], here)
            else:
                await self.cluster.create(resource, self.namespace, {**_kind(resource), **here})

    @asynccontextmanager
    async def operator(
        self,
        wrap: Callable[[Cluster], Cluster] = lambda cluster: cluster,
        *,
        kubeconfig: Path | None = None,
        namespaces: tuple[str, ...] = (),
        pace: Pace = STEADY,
    ) -> AsyncIterator[Shell]:
        """An operator that leads until the context ends; with its own connections, and without memory.

        It serves this namespace as administrator, unless told otherwise.
        """
        api = await login(kubeconfig_path=str(kubeconfig or self.plane.kubeconfig))
        mine = ApiCluster(api)

        def make(*arguments: Any) -> Prometheus:
            self.source = Prometheus(*arguments)
            return self.source

        shell = Shell(
            wrap(mine),
            make,
            decide,
            Settings("validator:1", ALLOWED, "component-test"),
            self._post,
            namespaces=namespaces or (self.namespace,),
            channels=("people",),
            telemetry=self.telemetry,
            heart=Heart(),
            pace=pace,
        )
        leading = asyncio.ensure_future(shell.lead(functools.partial(watch, lambda: None, api)))
        try:
            yield shell
        finally:
            leading.cancel()
            await asyncio.gather(leading, return_exceptions=True)
            await mine.close()

    async def until(self, what: str, condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
        """Wait until an async condition gives something true, which is returned."""
        try:
            return await until(what, condition, seconds)
        except AssertionError as error:
            policy = await self.policy()
            requests = [one.get("status") for one in await self.cluster.list(REQUESTS, self.namespace)]
            raise AssertionError(f"{error}; status is {policy.get('status')}; of requests {requests}") from error

    async def deployment(self) -> Json:
        return await self.cluster.get(DEPLOYMENTS, self.namespace, TARGET)

    async def policy(self) -> Json:
        try:
            return await self.cluster.get(POLICIES, self.namespace, POLICY)
        except NotFoundError:
            return {}

    async def jobs(self) -> list[Json]:
        return list(await self.cluster.list(JOBS, self.namespace))

    async def events(self) -> list[Json]:
        found = await self.cluster.list(EVENTS, self.namespace)
        return [one for one in found if one["involvedObject"]["kind"] == "CertStoragePolicy"]

    async def flag(self, name: str = READ) -> str | None:
        entries = (await self.deployment())["spec"]["template"]["spec"]["containers"][0]["env"]
        return next((one.get("value") for one in entries if one["name"] == name), None)

    async def reason(self, kind: str = "Ready") -> str:
        conditions = (await self.policy()).get("status", {}).get("conditions", [])
        return next((one["reason"] for one in conditions if one["type"] == kind), "")

    async def is_reason(self, *reasons: str) -> bool:
        return await self.reason() in reasons

    async def is_flag(self, value: str) -> bool:
        return await self.flag() == value


def _kind(resource: Any) -> Json:
    return {"apiVersion": resource.api_version, "kind": resource.kind}
