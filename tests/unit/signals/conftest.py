"""Prometheus answers as data, and a server that gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certstorage.signals.failures import Failure
from certstorage.signals.grading import Interest
from certstorage.signals.names import ALERT_OF_SIGNAL, VOLUME_COLLAPSE, WATCHDOG, Fact
from certstorage.signals.queries import ReplicaSet
from certstorage.signals.reader import Reader
from certstorage.signals.sample import Sample
from certstorage.signals.server import Server

NOW = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
WORKLOAD = ("production", "deltacrown")
HEALTHY = (
    Fact.SCRAPED
    | Fact.READS
    | Fact.SAVES
    | Fact.DELETES
    | Fact.READ_FROM_S3
    | Fact.WRITTEN_TO_S3
    | Fact.READS_JUDGED
    | Fact.SAVES_JUDGED
    | Fact.DELETES_JUDGED
    | Fact.WRITES_JUDGED
    | Fact.RECOVERED
    | Fact.VALIDATED
    | Fact.WATCHED
)
SERVER = Server("default", "http://prometheus:9090")
INTEREST = Interest("default", WORKLOAD, ReplicaSet("production", "deltacrown", "7d9f8c"))


def stamp(at: datetime) -> str:
    """A time as Prometheus writes it, with nine decimals."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


def alert(name: str, state: str = "firing", *, since: datetime, value: str = "1e+00", **labels: str) -> dict[str, Any]:
    """One active alert as the rules API has it."""
    return {
        "labels": {"alertname": name, "namespace": WORKLOAD[0], "deployment": WORKLOAD[1], "severity": "critical"}
        | labels,
        "annotations": {"summary": f"{name} of production/deltacrown"},
        "state": state,
        "activeAt": stamp(since),
        "value": value,
    }


def point(name: str, value: object, workload: tuple[str, str] = WORKLOAD, **labels: str) -> dict[str, Any]:
    """One series of an instant vector."""
    metric = {"__name__": name, "namespace": workload[0], "deployment": workload[1], **labels}
    return {"metric": metric, "value": [NOW.timestamp(), str(value)]}


@dataclass
class Prometheus:
    """A server that gives what it is told to: healthy, with traffic, long past its warm-up, unless changed."""

    now: datetime = NOW
    began: datetime = NOW - timedelta(days=1)
    evaluated: datetime = NOW - timedelta(seconds=5)
    facts: int | None = int(HEALTHY)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    counters: list[dict[str, Any]] = field(default_factory=list)
    edit_rules: Callable[[Any], Any] = lambda answer: answer
    edit_vector: Callable[[Any], Any] = lambda answer: answer
    edit_counters: Callable[[Any], Any] = lambda answer: answer
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    sample: Sample | None = None

    def rules(self) -> Any:
        """The answer of the rules API."""
        names = [*ALERT_OF_SIGNAL.values(), VOLUME_COLLAPSE]
        rules = [self.rule(name, [one for one in self.alerts if one["labels"]["alertname"] == name]) for name in names]
        dog = alert(WATCHDOG, since=self.began) | {"annotations": {"warm_up_seconds": "105"}}
        groups = [{"name": "cert-s3", "interval": 15, "rules": [*rules, self.rule(WATCHDOG, [dog])]}]
        return {"status": "success", "data": {"groups": groups}}

    def rule(self, name: str, alerts: list[dict[str, Any]]) -> dict[str, Any]:
        """One rule of that answer."""
        seen = stamp(self.evaluated)
        return {
            "name": name,
            "type": "alerting",
            "health": "ok",
            "lastEvaluation": seen,
            "alerts": alerts,
            "state": "x",
        }

    def vector(self) -> Any:
        """The answer to the one question."""
        own = [] if self.facts is None else [point("cert_s3:facts", self.facts)]
        measured = [] if self.facts is None else self.points
        clock = {"metric": {}, "value": [self.now.timestamp(), str(self.now.timestamp())]}
        return _vector([*own, *measured, clock])

    async def get(self, server: Server, path: str, query: Mapping[str, str]) -> bytes | Failure:
        """The rules."""
        self.asked.append((path, query))
        return _body(self.edit_rules(self.rules()))

    async def post(self, server: Server, path: str, form: Mapping[str, str]) -> bytes | Failure:
        """The one question, or the counters."""
        self.asked.append((path, form))
        if "stem" in form["query"]:
            return _body(self.edit_counters(_vector(self.counters)))
        return _body(self.edit_vector(self.vector()))

    def later(self, seconds: float) -> None:
        """Time passes, and the rules are evaluated."""
        self.now += timedelta(seconds=seconds)
        self.evaluated = self.now - timedelta(seconds=1)

    async def poll(self) -> Sample:
        """Ask everything once, and remember it for the next poll."""
        assert INTEREST.replica_set is not None
        self.sample = await Reader(self).poll(SERVER, {INTEREST.replica_set}, self.now, self.sample)
        return self.sample


def _vector(result: list[dict[str, Any]]) -> Any:
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def _body(answer: Any) -> bytes | Failure:
    return answer if isinstance(answer, bytes | Failure) else json.dumps(answer).encode()


@pytest.fixture
def prometheus() -> Prometheus:
    """A healthy server with a healthy, busy workload."""
    return Prometheus(
        points=[
            point("cert_s3:get_seconds_p95:10m", 0.04),
            point("cert_local:disk_free_ratio", 0.6, resource="bytes"),
            point("cert_local:disk_free_ratio", 0.7, resource="inodes"),
        ]
    )
