"""What listening costs: `make bench-signals` writes artifacts/bench/signals.json and ends with 1 over a budget.

    requests_per_poll        of one server by 1,000 policies, one of them in its post-flip check, counted at the server
    nudge_to_poll_ms         webhook sent → first request of the poll at the server, median
    parse_10k_alerts_cpu_ms  the rules API with 10,000 firing alerts, bytes to values, median

Compared with, in the same run: a bare POST to the same process, and json.loads of the same bytes.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from certstorage.api.policy import Policy, PolicySpec, PolicyUID, SignalsSpec, Storage, TargetRef
from certstorage.api.signals import SignalName
from certstorage.signals.answers import parse_rules, parse_vector
from certstorage.signals.names import ALERT_OF_SIGNAL, WARM_UP_ANNOTATION, WATCHDOG, Fact
from certstorage.signals.nudge import Nudge
from certstorage.signals.queries import DISK, P95
from certstorage.signals.reader import Reader
from certstorage.signals.recording_rules import FACTS
from certstorage.signals.rules import rule_file
from certstorage.signals.sample import recorded
from certstorage.signals.server import Client, Server, new_session
from certstorage.signals.source import BURST, SignalSource
from certstorage.signals.timings import Timings

OUT = Path(__file__).parents[1] / "artifacts" / "bench" / "signals.json"
BUDGETS = {"requests_per_poll": 3.0, "nudge_to_poll_ms": 5.0, "parse_10k_alerts_cpu_ms": 60.0}
POLICIES = 1000
ALERTS = 10_000
ROUNDS = 15
SOURCES = 6
HEALTHY = Fact.SCRAPED | Fact.READS | Fact.READ_FROM_S3 | Fact.SAVES | Fact.WRITTEN_TO_S3 | Fact.RECOVERED


def rules_answer(firing: int) -> bytes:
    """The rules API as our rule file fills it, with so many firing outages, annotations rendered at full length."""
    now = datetime.now(UTC)
    at = now.isoformat().replace("+00:00", "123Z")
    rules = []
    for rule in rule_file(Timings())["groups"][0]["rules"]:
        name = rule.get("alert")
        if name is None:
            continue
        count = firing if name == ALERT_OF_SIGNAL[SignalName.OUTAGE] else 0
        alerts = [_alert(rule, f"namespace-{number % 100}", f"workload-{number}", at) for number in range(count)]
        if name == WATCHDOG:
            alerts = [_alert(rule, "certstorage-system", "certstorage-operator", "2026-01-01T00:00:00Z")]
            alerts[0]["annotations"][WARM_UP_ANNOTATION] = "105"
        rules.append(
            {
                "state": "firing" if alerts else "inactive",
                "name": name,
                "query": rule["expr"],
                "duration": 15,
                "labels": rule["labels"],
                "annotations": rule["annotations"],
                "alerts": alerts,
                "health": "ok",
                "evaluationTime": 0.0001,
                "lastEvaluation": at,
                "type": "alerting",
            }
        )
    groups = [{"name": "cert-s3", "file": "cert-s3.yml", "interval": 15, "rules": rules}]
    return json.dumps({"status": "success", "data": {"groups": groups}}).encode()


def _alert(rule: dict[str, Any], namespace: str, deployment: str, since: str) -> dict[str, Any]:
    labels = {"alertname": rule["alert"], "namespace": namespace, "deployment": deployment, **rule["labels"]}
    summary = rule["annotations"]["summary"].replace("{{ $labels.namespace }}", namespace)
    annotations = {**rule["annotations"], "summary": summary.replace("{{ $labels.deployment }}", deployment)}
    return {"labels": labels, "annotations": annotations, "state": "firing", "activeAt": since, "value": "1e+00"}


def vector_answer(workloads: int) -> bytes:
    """The one question's answer for so many healthy workloads."""
    now = time.time()
    series: list[dict[str, Any]] = [{"metric": {}, "value": [now, str(now)]}]
    for number in range(workloads):
        labels = {"namespace": f"namespace-{number % 100}", "deployment": f"workload-{number}"}
        series += [
            {"metric": {"__name__": FACTS, **labels}, "value": [now, str(int(HEALTHY))]},
            {"metric": {"__name__": P95, **labels}, "value": [now, "0.043"]},
            {"metric": {"__name__": DISK, "resource": "bytes", **labels}, "value": [now, "0.61"]},
            {"metric": {"__name__": DISK, "resource": "inodes", **labels}, "value": [now, "0.73"]},
        ]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": series}}).encode()


def cpu_ms(work: Callable[[], object]) -> float:
    """Median CPU time of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) * 1000)
    return round(statistics.median(found), 2)


def policies() -> list[Policy]:
    """A thousand policies, each with its own workload."""
    return [
        Policy(
            f"namespace-{number % 100}",
            f"policy-{number}",
            PolicyUID(str(number)),
            1,
            PolicySpec(
                TargetRef(f"workload-{number}"), Storage("b"), signals=SignalsSpec("default", f"workload-{number}")
            ),
        )
        for number in range(POLICIES)
    ]


class Prometheus:
    """Answers as a quiet Prometheus would, and notes when it was asked what."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.rules_asked, self.rules_asked_at = asyncio.Event(), 0.0
        self._changed = asyncio.Condition()

    async def _note(self, request: web.Request) -> None:
        async with self._changed:
            self.asked.append(request.path)
            self._changed.notify_all()

    async def settled(self, requests: int) -> None:
        """Wait until it was asked so often, and for what may follow."""
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: len(self.asked) >= requests)
        await asyncio.sleep(0.2)

    def application(self) -> web.Application:
        """Routes."""
        vector = vector_answer(POLICIES)

        async def rules(request: web.Request) -> web.Response:
            self.rules_asked_at = time.perf_counter()
            self.rules_asked.set()
            await self._note(request)
            return web.Response(body=rules_answer(0), content_type="application/json")

        async def query(request: web.Request) -> web.Response:
            await self._note(request)
            return web.Response(body=vector, content_type="application/json")

        async def nothing(_: web.Request) -> web.Response:
            return web.Response(status=202)

        app = web.Application()
        app.add_routes([web.get("/api/v1/rules", rules), web.post("/api/v1/query", query), web.post("/bare", nothing)])
        return app


async def listen() -> dict[str, Any]:
    """Requests a poll, and from nudge to poll, over real HTTP on loopback."""
    prometheus, known = Prometheus(), policies()
    with tempfile.NamedTemporaryFile("w", suffix="token") as token:
        token.write("secret")
        token.flush()
        sources: list[SignalSource] = []

        def wake() -> bool:
            return sources[-1].nudge()

        app = prometheus.application()
        app.add_subapp("/op", Nudge(token.name, wake).application())
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        base = f"http://{host}:{port}"
        server = Server("default", base)
        async with new_session() as session:
            requests, nudged = 0, []
            for _ in range(SOURCES):
                source = SignalSource(
                    Reader(Client(session)),
                    {"default": server},
                    policies=lambda: known,
                    wake=lambda _: None,
                    poll_seconds=3600,
                )
                sources.append(source)
                for policy in known:
                    source.signals(policy, "7d9f8c" if policy is known[0] else "")
                prometheus.asked.clear()
                running = asyncio.ensure_future(source.run())
                await prometheus.settled(3)
                requests = max(requests, len(prometheus.asked))
                nudged += [await _nudge(session, f"{base}/op/nudge", prometheus) for _ in range(BURST)]
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            bare = [await _timed(session, f"{base}/bare") for _ in range(SOURCES * BURST)]
        await runner.cleanup()
    return {
        "requests_per_poll": requests,
        "nudge_to_poll_ms": round(statistics.median(nudged), 2),
        "nudge_to_poll_p95_ms": round(statistics.quantiles(nudged, n=20)[-1], 2),
        "bare_post_ms": round(statistics.median(bare), 2),
    }


async def _nudge(session: ClientSession, url: str, prometheus: Prometheus) -> float:
    prometheus.rules_asked.clear()
    began = time.perf_counter()
    async with session.post(url, data=b"{}", headers={"Authorization": "Bearer secret"}) as response:
        if response.status != 202:
            raise RuntimeError(f"the nudge was answered {response.status}")
    await prometheus.rules_asked.wait()
    await asyncio.sleep(0.3)
    return (prometheus.rules_asked_at - began) * 1000


async def _timed(session: ClientSession, url: str) -> float:
    began = time.perf_counter()
    async with session.post(url, data=b"{}") as response:
        await response.read()
    return (time.perf_counter() - began) * 1000


def main() -> int:
    """Measure, write, compare with the budgets."""
    body, many = rules_answer(ALERTS), vector_answer(10 * POLICIES)
    now = datetime.now(UTC)

    def read_many() -> None:
        points = parse_vector(many)
        if isinstance(points, tuple):
            recorded(points, now)

    results: dict[str, Any] = asyncio.run(listen())
    results |= {
        "parse_10k_alerts_cpu_ms": cpu_ms(lambda: parse_rules(body)),
        "parse_10k_alerts_bytes": len(body),
        "json_loads_10k_alerts_cpu_ms": cpu_ms(lambda: json.loads(body)),
        "read_10k_workloads_cpu_ms": cpu_ms(read_many),
        "read_10k_workloads_bytes": len(many),
    }
    over = {name: budget for name, budget in BUDGETS.items() if results[name] > budget}
    results |= {"budgets": BUDGETS, "within_budget": not over, "at": now.isoformat(timespec="seconds")}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
