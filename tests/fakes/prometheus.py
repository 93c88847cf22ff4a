"""A Prometheus over HTTP for as many workloads as one likes: the rules API and the operator's questions, no more.

async with served_prometheus(workloads) as prometheus:
    prometheus.url
    prometheus.fire(("production", "deltacrown"))
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from certstorage.signals.names import ALERT_OF_SIGNAL, WARM_UP_ANNOTATION, WATCHDOG, Fact
from certstorage.signals.queries import QUERY_PATH, RULES_PATH
from certstorage.signals.recording_rules import FACTS

Workload = tuple[str, str]

BUSY = (
    Fact.SCRAPED
    | Fact.READS
    | Fact.SAVES
    | Fact.READ_FROM_S3
    | Fact.WRITTEN_TO_S3
    | Fact.READS_JUDGED
    | Fact.SAVES_JUDGED
    | Fact.WRITES_JUDGED
    | Fact.RECOVERED
)
FAILING = Fact.SCRAPED | Fact.READS | Fact.SAVES | Fact.READS_JUDGED | Fact.SAVES_JUDGED | Fact.SAVES_FAILING
OUTAGE = "CertS3Outage"


class FakePrometheus:
    """What is in force. `read_only` counts the Pods of a post-flip check as fine."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self.firing: dict[Workload, datetime] = {}
        self.facts: dict[Workload, Fact] = dict.fromkeys(workloads, BUSY)
        self.requests = 0
        self.url = ""
        self._begun = datetime.now(UTC) - timedelta(hours=1)
        self._changed = 0

    def fire(self, *workloads: Workload) -> None:
        """S3 is down for these."""
        self._changed += 1
        for one in workloads:
            self.firing[one] = datetime.now(UTC)
            self.facts[one] = FAILING

    def resolve(self, *workloads: Workload) -> None:
        """S3 is back for these."""
        self._changed += 1
        for one in workloads:
            self.firing.pop(one, None)
            self.facts[one] = BUSY

    def _rules(self) -> dict[str, Any]:
        # rules are evaluated each second, and whenever something has changed, so that a nudge finds the news
        evaluated = _stamp(datetime.now(UTC).replace(microsecond=self._changed % 1_000_000))
        alerts = [
            _alert(
                OUTAGE, since, {"namespace": namespace, "deployment": name, "severity": "critical"}, {"summary": "down"}
            )
            for (namespace, name), since in self.firing.items()
        ]
        watchdog = _alert(WATCHDOG, self._begun, {}, {WARM_UP_ANNOTATION: "60"})
        rules = [
            {
                "name": name,
                "type": "alerting",
                "state": "firing" if found else "inactive",
                "health": "ok",
                "lastEvaluation": evaluated,
                "alerts": found,
            }
            for name, found in [
                (WATCHDOG, [watchdog]),
                *((name, alerts if name == OUTAGE else []) for name in sorted(set(ALERT_OF_SIGNAL.values()))),
            ]
        ]
        return {"groups": [{"name": "cert-s3", "interval": 15, "rules": rules}]}

    def _vector(self) -> dict[str, Any]:
        now = datetime.now(UTC).timestamp()
        facts = [
            {
                "metric": {"__name__": FACTS, "namespace": namespace, "deployment": name},
                "value": [now, str(int(value))],
            }
            for (namespace, name), value in self.facts.items()
        ]
        return {"resultType": "vector", "result": [*facts, {"metric": {}, "value": [now, str(now)]}]}

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        data = self._rules() if request.path == RULES_PATH else self._vector()
        return web.Response(text=json.dumps({"status": "success", "data": data}), content_type="application/json")


def _stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _alert(name: str, since: datetime, labels: dict[str, str], told: dict[str, str]) -> dict[str, Any]:
    return {
        "labels": {"alertname": name, **labels},
        "annotations": told,
        "state": "firing",
        "activeAt": _stamp(since),
        "value": "1e+00",
    }


@asynccontextmanager
async def served_prometheus(workloads: Iterable[Workload]) -> AsyncIterator[FakePrometheus]:
    """Serve one on a loopback port of its own."""
    found = FakePrometheus(workloads)
    app = web.Application()
    app.add_routes([web.get(RULES_PATH, found.answer), web.post(QUERY_PATH, found.answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    found.url = f"http://{host}:{port}"
    try:
        yield found
    finally:
        await runner.cleanup()
