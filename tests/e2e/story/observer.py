"""The observer: looks at everything once a round and keeps what it saw as facts. It never asks the operator.

(The view also carries the policy's status, for people to read; no step is derived from it.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from tests.e2e.story import audit, cluster
from tests.e2e.story.audit import AuditLog
from tests.e2e.story.facts import (
    OUTAGES,
    Clients,
    Comparison,
    Deed,
    Facts,
    Fallback,
    Job,
    JobDeleted,
    JobMade,
    Pods,
    Sample,
    Switch,
    Told,
    Write,
)
from tests.e2e.story.kube import KubeError, Object, Reader
from tests.e2e.story.objects import is_end, pod_of, receipt_of
from tests.e2e.story.papers import Papers
from tests.e2e.story.prometheus import Prometheus, Series, spans
from tests.e2e.story.sources import Faults, Heard, Load
from tests.e2e.story.view import Operator, View

T = TypeVar("T")

SERIES = '{__name__=~"ALERTS|cert_s3:fail_ratio:1m|cert_s3:recovered",namespace="%s",deployment="%s"}'
READS = '{__name__=~"cert_s3_read_total|cert_s3_read_fallback_total",namespace="%s",deployment="%s"}'


class Observer:
    """Facts since `since`; `interval` is how often Prometheus evaluates its rules."""

    def __init__(
        self,
        kube: Reader,
        log: AuditLog,
        prometheus: Prometheus,
        load: Load,
        faults: Faults,
        heard: Heard,
        *,
        since: datetime,
        interval: timedelta,
    ) -> None:
        self._kube, self._log, self._prometheus, self._load, self._faults = kube, log, prometheus, load, faults
        self._since, self._gap, self._heard = since, 2.5 * interval, heard
        self._switches: tuple[Switch, ...] = ()
        self._writes: list[Write] = []
        self._made: list[JobMade] = []
        self._deleted: list[JobDeleted] = []
        self._series: list[Series] = []
        self._pods: list[Pods] = []
        self._jobs: dict[str, Job] = {}
        self._fallback: list[Fallback] = []
        self._clients: list[Clients] = []
        self._template: Mapping[str, str] = {}
        self._hold = ""
        self._operator = Operator()
        self._running_job = ""
        self._comparisons: list[Comparison] = []
        self._incidents, self._requests = Papers("scenario"), Papers("type")
        self._told: tuple[Told, ...] = ()
        self._deeds: list[Deed] = []
        self._replicas, self._begun = 0, since
        self._trouble: tuple[str, ...] = ()
        self._failed: list[str] = []

    async def look(self) -> None:
        """Look at everything once. A source that cannot be read is named in the view, and what it said before stays."""
        for event in self._log.read():
            self._audited(event)
        await asyncio.gather(
            self._try(self._see_switches()),
            self._try(self._see_series()),
            self._try(self._see_deployment()),
            self._try(self._see_pods()),
            self._try(self._see_jobs()),
            self._try(self._see_clients()),
            self._try(self._see_policy()),
            self._try(self._see_papers()),
            self._try(self._see_told()),
        )
        await self._try(self._see_fallback())
        self._trouble, self._failed = tuple(self._failed), []

    def begin(self) -> None:
        """The story begins: what clients, incidents, requests and receivers told before is not part of it."""
        del self._clients[:-1]
        self._begun = datetime.now(UTC)
        self._incidents, self._requests, self._told = Papers("scenario"), Papers("type"), ()

    def compared(self, comparison: Comparison) -> None:
        """Keep what a comparison of the bucket found."""
        self._comparisons.append(comparison)

    def did(self, what: str, keys: Sequence[str] = ()) -> None:
        """Keep what the story itself did to the world."""
        self._deeds.append(Deed(datetime.now(UTC), what, tuple(keys)))

    def unreadable(self, what: str) -> None:
        """Name a source that somebody else could not read, in the next view."""
        self._failed.append(what)

    @property
    def facts(self) -> Facts:
        """Everything seen so far."""
        now = datetime.now(UTC)
        firing = {
            labels["alertname"]: spans(samples, now, self._gap)
            for labels, samples in self._series
            if labels.get("alertstate") == "firing" and labels["alertname"] in OUTAGES and samples
        }
        alarms = {
            labels["alertname"]: spans(samples, now, self._gap)
            for labels, samples in self._series
            if labels.get("alertstate") == "firing" and samples
        }
        alert = min(firing, key=lambda name: firing[name][0].begin, default="")
        return Facts(
            since=self._since,
            switches=self._switches,
            writes=tuple(self._writes),
            jobs_made=tuple(self._made),
            jobs_deleted=tuple(self._deleted),
            alert=alert,
            firing=firing.get(alert, ()),
            failing=self._samples("cert_s3:fail_ratio:1m", op="save"),
            recovered=self._samples("cert_s3:recovered"),
            pods=tuple(self._pods),
            jobs=tuple(sorted(self._jobs.values(), key=lambda job: job.finished)),
            comparisons=tuple(self._comparisons),
            fallback=tuple(self._fallback),
            alarms=alarms,
            incidents=tuple(self._incidents.history),
            requests=tuple(self._requests.history),
            told=self._told,
            deeds=tuple(self._deeds),
            clients=tuple(self._clients),
        )

    def view(self) -> View:
        """What there is to show now, without steps and what is waited for."""
        now = datetime.now(UTC)
        clients, first = (self._clients[-1], self._clients[0]) if self._clients else (None, None)
        return View(
            at=now,
            began=self._since,
            fault=self._switches[-1].fault if self._switches else "",
            alerts=self._alerts(now),
            template=self._template,
            replicas=self._replicas,
            hold=self._hold,
            pods=self._pods[-1].pods if self._pods else (),
            saves_failing=self._latest("cert_s3:fail_ratio:1m", now, op="save"),
            reads_falling_back=self._latest("cert_s3:fail_ratio:1m", now, op="read"),
            recovered=self._latest("cert_s3:recovered", now),
            operations=clients.operations - first.operations if clients and first else 0,
            client_errors=clients.errors - first.errors if clients and first else 0,
            operator=self._operator,
            job=self._running_job,
            incidents={one.name: one.phase for one in self._incidents.latest.values()},
            requests={one.name: one.phase for one in self._requests.latest.values()},
            told=len(self._told),
            trouble="; ".join(self._trouble),
        )

    async def _try(self, seeing: Awaitable[None]) -> None:
        try:
            await seeing
        except KubeError as error:
            self._failed.append(str(error))

    def _audited(self, event: audit.Event) -> None:
        if write := audit.deployment_write(event, cluster.NAMESPACE, cluster.DEPLOYMENT):
            self._writes.append(write)
        elif made := audit.job_made(event, cluster.NAMESPACE):
            self._made.append(made)
        elif deleted := audit.job_deleted(event, cluster.NAMESPACE):
            self._deleted.append(deleted)

    async def _see_switches(self) -> None:
        self._switches = tuple(switch for switch in await self._faults.switches() if switch.at >= self._since)

    async def _see_series(self) -> None:
        self._series = await self._prometheus.samples(SERIES % (cluster.NAMESPACE, cluster.DEPLOYMENT), self._since)

    async def _see_fallback(self) -> None:
        at, counted = datetime.now(UTC), dict[str, dict[str, float]]()
        for labels, value in await self._prometheus.now(READS % (cluster.NAMESPACE, cluster.DEPLOYMENT)):
            counted.setdefault(labels["pod"], {})[labels["__name__"]] = value
        for template in {pod.template_hash for pod in self._pods[-1].pods} if self._pods else ():
            of = [
                counted[pod.name]
                for pod in self._pods[-1].pods
                if pod.template_hash == template and pod.name in counted
            ]
            reads = sum(one.get("cert_s3_read_total", 0) for one in of)
            fallbacks = sum(one.get("cert_s3_read_fallback_total", 0) for one in of)
            self._fallback.append(Fallback(at, template, len(of), reads, fallbacks))

    async def _see_deployment(self) -> None:
        deployment = await self._kube.get(cluster.DEPLOYMENT_PATH)
        self._template = audit.container_env(deployment["spec"]["template"]["spec"]["containers"])
        self._hold = deployment["metadata"].get("annotations", {}).get(audit.HOLD, "")
        self._replicas = deployment["spec"]["replicas"]

    async def _see_pods(self) -> None:
        at = datetime.now(UTC)
        found = await self._kube.items(cluster.PODS_PATH, labelSelector=cluster.POD_LABELS)
        self._pods.append(Pods(at, tuple(pod_of(pod) for pod in found)))

    async def _see_jobs(self) -> None:
        self._running_job = ""
        for job in await self._kube.items(cluster.JOBS_PATH, labelSelector=audit.KIND):
            uid = job["metadata"]["uid"]
            if uid in self._jobs:
                continue
            ended = next((one for one in job["status"].get("conditions", []) if is_end(one)), None)
            if ended is None:
                self._running_job = job["metadata"]["name"]
            else:
                self._jobs[uid] = await self._job(job, ended)

    async def _job(self, job: Object, ended: Mapping[str, Any]) -> Job:
        metadata = job["metadata"]
        pods = await self._kube.items(
            cluster.PODS_PATH, labelSelector=f"batch.kubernetes.io/job-name={metadata['name']}"
        )
        pod_uid, receipt = next(((pod["metadata"]["uid"], said) for pod in pods if (said := receipt_of(pod))), ("", {}))
        finished = receipt.get("finishedAt", ended["lastTransitionTime"])
        return Job(
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            incident=metadata["labels"].get(audit.INCIDENT, ""),
            attempt=metadata["labels"].get(audit.ATTEMPT, ""),
            complete=ended["type"] == "Complete",
            finished=audit.time(str(finished)),
            kind=metadata["labels"][audit.KIND],
            pod_uid=pod_uid,
            receipt=receipt,
        )

    async def _see_clients(self) -> None:
        self._clients.append(await self._load.clients())

    async def _see_policy(self) -> None:
        policy = await self._kube.get(cluster.POLICY_PATH)
        status = policy.get("status", {})
        ready: Mapping[str, str] = next((one for one in status.get("conditions", []) if one["type"] == "Ready"), {})
        self._operator = Operator(
            reason=ready.get("reason", ""),
            message=ready.get("message", ""),
            step=status.get("operation", {}).get("step", ""),
            until=status.get("blockedUntil", ""),
            generation=status.get("observedGeneration", 0),
        )

    async def _see_papers(self) -> None:
        at = datetime.now(UTC)
        self._incidents.see(await self._kube.items(cluster.INCIDENTS_PATH), at, self._begun)
        self._requests.see(await self._kube.items(cluster.REQUESTS_PATH), at, self._begun)

    async def _see_told(self) -> None:
        self._told = tuple(await self._heard.told(self._begun))

    def _samples(self, name: str, **labels: str) -> tuple[Sample, ...]:
        for found, samples in self._series:
            if found["__name__"] == name and all(found.get(key) == value for key, value in labels.items()):
                return samples
        return ()

    def _latest(self, name: str, now: datetime, **labels: str) -> float | None:
        samples = self._samples(name, **labels)
        return samples[-1].value if samples and now - samples[-1].at <= self._gap else None

    def _alerts(self, now: datetime) -> dict[str, str]:
        return {
            labels["alertname"]: labels["alertstate"]
            for labels, samples in sorted(self._series, key=lambda one: one[0].get("alertstate", ""), reverse=True)
            if labels["__name__"] == "ALERTS" and samples and now - samples[-1].at <= self._gap
        }
