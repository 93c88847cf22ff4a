"""The observer against recorded answers: what it keeps as facts, what it shows, and a source that does not answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.story import cluster
from tests.e2e.story.audit import AuditLog
from tests.e2e.story.facts import Clients, Comparison, Switch, Told
from tests.e2e.story.kube import KubeError, Object
from tests.e2e.story.observer import Observer
from tests.e2e.story.prometheus import Prometheus

ENV = [{"name": "CERT_S3_READ_PRIMARY", "value": "false"}, {"name": "CERT_S3_DUAL_WRITE", "value": "true"}]
POD = {
    "metadata": {"name": "web-1", "uid": "p-1", "resourceVersion": "9", "labels": {"pod-template-hash": "abc"}},
    "spec": {"containers": [{"name": "web", "env": ENV}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
RECEIPT = {"verdict": "PASS", "nonce": "n1", "finishedAt": "2026-11-23T03:12:00.250Z"}
JOB_POD = {
    "metadata": {"name": "job-pod", "uid": "jp-1", "resourceVersion": "9", "labels": {}},
    "spec": {"containers": []},
    "status": {"containerStatuses": [{"state": {"terminated": {"message": json.dumps(RECEIPT)}}}]},
}
LABELS = {
    "storage.deltacrown.io/incident": "inc",
    "storage.deltacrown.io/attempt": "1",
    "storage.deltacrown.io/kind": "Recovery",
}
JOB = {
    "metadata": {"name": "inc-r1", "uid": "j-1", "resourceVersion": "44", "labels": LABELS},
    "status": {
        "conditions": [
            {"type": "SuccessCriteriaMet", "status": "True", "lastTransitionTime": "2026-11-23T03:12:01Z"},
            {"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-23T03:12:01Z"},
        ]
    },
}
POLICY = {
    "status": {
        "conditions": [{"type": "Ready", "reason": "OutageReadsLocal", "message": "reads are local on 1/1 Pods"}],
        "operation": {"step": "WaitingForS3"},
    }
}
PLACE = {"namespace": cluster.NAMESPACE, "deployment": cluster.DEPLOYMENT}


def sampled(name: str, values: Sequence[tuple[datetime, float]], **labels: str) -> dict[str, Any]:
    metric = {"__name__": name, **PLACE, **labels}
    return {"metric": metric, "values": [[at.timestamp(), str(value)] for at, value in values]}


class World:
    """A cluster of recorded answers; what stands in `silent` does not answer."""

    def __init__(self, now: datetime) -> None:
        ticks = [now - timedelta(seconds=s) for s in (6, 4, 2, 0)]
        self.silent = ""
        self.papers: list[Object] = []
        self.heard: list[Told] = []
        self.series = [
            sampled("ALERTS", [(at, 1) for at in ticks[1:]], alertname="CertS3Outage", alertstate="firing"),
            sampled("ALERTS", [(ticks[0], 1)], alertname="CertS3Outage", alertstate="pending"),
            sampled("ALERTS", [(ticks[3], 1)], alertname="CertS3Degraded", alertstate="pending"),
            sampled("cert_s3:fail_ratio:1m", [(at, 0.5) for at in ticks], op="save"),
            sampled("cert_s3:fail_ratio:1m", [(ticks[0] - timedelta(seconds=60), 0.9)], op="read"),
            sampled("cert_s3:recovered", [(at, 0) for at in ticks]),
        ]
        self.counters = [
            {"metric": {"__name__": "cert_s3_read_total", "pod": "web-1"}, "value": [0, "120"]},
            {"metric": {"__name__": "cert_s3_read_fallback_total", "pod": "web-1"}, "value": [0, "3"]},
            {"metric": {"__name__": "cert_s3_read_total", "pod": "gone"}, "value": [0, "999"]},
            {"metric": {"__name__": "cert_s3_read_total", "pod": "nan"}, "value": [0, "NaN"]},
        ]

    async def get(self, path: str, **query: str) -> Any:
        if self.silent and self.silent in path:
            raise KubeError(503, f"GET {path}: no endpoints")
        if path == cluster.PROMETHEUS.path("/api/v1/query"):
            ranged = query["query"].endswith("s]")
            return {"data": {"result": self.series if ranged else self.counters}}
        deployment = {
            "metadata": {},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "web", "env": ENV}]}}},
        }
        return {cluster.DEPLOYMENT_PATH: deployment, cluster.POLICY_PATH: POLICY}[path]

    async def items(self, path: str, **query: str) -> list[Object]:
        if path == cluster.JOBS_PATH:
            return [JOB]
        if path in (cluster.INCIDENTS_PATH, cluster.REQUESTS_PATH):
            return [paper for paper in self.papers if paper["kind"] == path.rpartition("/")[2]]
        return [POD] if query["labelSelector"] == cluster.POD_LABELS else [JOB_POD]

    async def clients(self) -> Clients:
        return Clients(datetime.now(UTC), 100, 1)

    async def told(self, since: datetime) -> Sequence[Told]:
        return [one for one in self.heard if one.at >= since]

    async def switches(self) -> Sequence[Switch]:
        now = datetime.now(UTC)
        return [Switch(now - timedelta(days=1), "delay"), Switch(now, "reset")]


@pytest.fixture
def world() -> World:
    return World(datetime.now(UTC))


@pytest.fixture
def observer(world: World, tmp_path: Path) -> Observer:
    log = AuditLog(tmp_path / "audit.log")
    log.path.write_text("")
    since = datetime.now(UTC) - timedelta(minutes=5)
    prometheus = Prometheus(world, cluster.PROMETHEUS)
    return Observer(world, log, prometheus, world, world, world, since=since, interval=timedelta(seconds=2))


async def test_facts_are_what_the_sources_said(observer: Observer) -> None:
    await observer.look()
    facts = observer.facts
    assert facts.alert == "CertS3Outage"
    assert [span.end for span in facts.firing] == [None]
    assert [switch.fault for switch in facts.switches] == ["reset"], "switches before the story are not its own"
    assert [(one.pods, one.reads, one.fallbacks) for one in facts.fallback] == [(1, 120, 3)]
    assert facts.pods[0].pods[0].reads == "false"
    (job,) = facts.jobs
    assert (job.complete, job.pod_uid, job.receipt["verdict"], job.finished.microsecond) == (
        True,
        "jp-1",
        "PASS",
        250000,
    )


async def test_the_view_shows_the_present_and_no_stale_ratio(observer: Observer) -> None:
    await observer.look()
    view = observer.view()
    assert view.fault == "reset"
    assert view.alerts == {"CertS3Outage": "firing", "CertS3Degraded": "pending"}
    assert (view.saves_failing, view.reads_falling_back, view.recovered) == (0.5, None, 0.0)
    assert view.operator.step == "WaitingForS3"
    assert view.trouble == ""


async def test_a_silent_source_is_named_and_the_others_are_still_read(world: World, observer: Observer) -> None:
    await observer.look()
    world.silent = "prometheus"
    await observer.look()
    assert "no endpoints" in observer.view().trouble
    assert len(observer.facts.pods) == 2
    assert observer.facts.alert == "CertS3Outage", "what it said before stays"


async def test_comparisons_are_kept(observer: Observer) -> None:
    now = datetime.now(UTC)
    observer.compared(Comparison(now, now, 3, 1))
    assert observer.facts.comparisons == (Comparison(now, now, 3, 1),)


async def test_clients_count_from_where_the_story_begins(observer: Observer) -> None:
    await observer.look()
    await observer.look()
    observer.begin()
    assert len(observer.facts.clients) == 1


def paper(kind: str, name: str, created: datetime, *, spec: Object, status: Object) -> Object:
    metadata = {"name": name, "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": status}


async def test_incidents_and_requests_are_kept_in_each_phase(world: World, observer: Observer) -> None:
    now = datetime.now(UTC)

    def incident(phase: str) -> Object:
        status = {"scenario": "Degradation", "phase": phase}
        return paper("certstorageincidents", "inc-1", now, spec={}, status=status)

    old = paper("certstorageincidents", "old", now - timedelta(days=1), spec={}, status={"scenario": "Outage"})
    asked = paper("certstoragerequests", "ask-1", now, spec={"type": "Sweep"}, status={})
    for phase in ("Open", "Open", "Resolved"):
        world.papers = [old, incident(phase), asked]
        await observer.look()
    facts = observer.facts
    assert [(one.name, one.kind, one.phase) for one in facts.incidents] == [
        ("inc-1", "Degradation", "Open"),
        ("inc-1", "Degradation", "Resolved"),
    ]
    assert [(one.name, one.kind, one.phase) for one in facts.requests] == [("ask-1", "Sweep", "")]
    assert observer.view().incidents == {"inc-1": "Resolved"}


async def test_what_people_were_told_before_the_story_is_not_part_of_it(world: World, observer: Observer) -> None:
    now = datetime.now(UTC)
    world.heard = [Told(now, "slack", "#sre-oncall", "firing", "S3 is down")]
    await observer.look()
    assert [one.to for one in observer.facts.told] == ["#sre-oncall"]
    observer.begin()
    await observer.look()
    assert observer.facts.told == ()
    assert "CertS3Outage" in observer.facts.alarms
