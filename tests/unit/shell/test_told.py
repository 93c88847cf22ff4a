"""What people and Prometheus are told: the board of alerts, metrics that go with their policy, probes, log lines."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer

from certstorage.api.alerts import Alert, Severity
from certstorage.api.signals import SignalName
from certstorage.board import AlertBoard
from certstorage.cluster.port import ForbiddenError
from certstorage.health import Heart, application
from certstorage.logs import JsonLines
from certstorage.telemetry import CONTENT_TYPE, Telemetry
from tests.fakes.cluster import START, Call
from tests.fakes.scene import KEY, Scene, firing, healthy, outage

OTHER = ("ns", "other")


def alert(name: str) -> Alert:
    return Alert(name, Severity.CRITICAL, {"policy": "p"})


class TestBoard:
    def test_alerts_of_all_policies_and_changes_are_told(self) -> None:
        changes: list[None] = []
        board = AlertBoard(lambda: changes.append(None))
        board.put(KEY, (alert("a"),))
        board.put(OTHER, (alert("b"),))
        board.put(KEY, (alert("a"),))
        assert {one.name for one in board.alerts(START)} == {"a", "b"}
        assert len(changes) == 2
        board.put(KEY, ())
        assert {one.name for one in board.alerts(START)} == {"b"}
        assert len(changes) == 3

    def test_last_words_are_not_taken_back_and_end_after_a_while(self) -> None:
        board = AlertBoard()
        board.put(KEY, (alert("incident"),))
        board.put_last(KEY, (alert("deleted"),))
        board.put_last(KEY, ())
        assert [one.name for one in board.alerts(START)] == ["deleted"]
        board.leave(KEY, START)
        board.leave(KEY, START + timedelta(minutes=10))
        assert [one.name for one in board.alerts(START + timedelta(minutes=14))] == ["deleted"]
        assert board.alerts(START + timedelta(minutes=15)) == ()

    def test_a_policy_made_anew_speaks_for_itself(self) -> None:
        board = AlertBoard()
        board.put_last(KEY, (alert("deleted"),))
        board.leave(KEY, START)
        board.put(KEY, (alert("new"),))
        assert [one.name for one in board.alerts(START + timedelta(hours=1))] == ["new"]

    def test_dropping(self) -> None:
        board = AlertBoard()
        board.put(KEY, (alert("a"),))
        board.drop(KEY)
        assert board.alerts(START) == ()


def value(telemetry: Telemetry, start: str) -> float | None:
    lines = [line for line in telemetry.text().decode().splitlines() if line.startswith(start)]
    return float(lines[0].rpartition(" ")[2]) if lines else None


async def test_metrics_of_an_outage_from_begin_to_end() -> None:
    scene = Scene()
    telemetry = Telemetry("1", lambda: 7.0)
    scene.operator.witness = telemetry
    await scene.step()
    labels = '{policy="certificates",policy_namespace="production",workload="deltacrown"}'
    assert value(telemetry, f"certstorage_policy_info{labels}") == 1
    assert value(telemetry, f"certstorage_reads_local{labels}") == 0
    assert value(telemetry, f"certstorage_flag_actual{labels}") == 1
    scene.source.current = outage()
    await scene.settle()
    assert value(telemetry, f"certstorage_reads_local{labels}") == 1
    assert value(telemetry, f"certstorage_flag_wanted{labels}") == 0
    assert value(telemetry, f"certstorage_flag_actual{labels}") == 0
    assert value(telemetry, f"certstorage_pods_not_as_desired{labels}") == 0
    assert value(telemetry, 'certstorage_actions_total{action="FlipLocal"') == 1
    await scene.fall()
    await scene.recover()
    scene.finish(mismatchPercent=0.2)
    await scene.settle(15)
    assert value(telemetry, 'certstorage_validator_verdict_total{verdict="PASS"}') == 1
    assert value(telemetry, 'certstorage_actions_total{action="FlipBack"') == 1
    assert value(telemetry, f"cert_backfill_mismatch_rate_percent{labels}") == pytest.approx(0.2)
    scene.source.reads = 500.0
    await scene.settle(30)
    await scene.settle(1)
    assert value(telemetry, f"certstorage_reads_local{labels}") == 0
    assert value(telemetry, 'certstorage_actions_total{action="Release"') == 1
    telemetry.forget(KEY)
    assert "certificates" not in telemetry.text().decode()


async def test_reverts_are_counted_once_and_what_blocks_is_named() -> None:
    scene = Scene()
    telemetry = Telemetry("1", lambda: 7.0)
    scene.operator.witness = telemetry
    await scene.fall()
    for _ in range(2):
        scene.cluster.set_env("production", "deltacrown", {"CERT_S3_READ_PRIMARY": "true"}, manager="argocd")
        await scene.settle(700)
    assert value(telemetry, "certstorage_reverts_total") == 2
    assert value(telemetry, 'certstorage_blocked_since_timestamp_seconds{policy="certificates"') is not None
    assert 'reason="ForeignWriter"' in telemetry.text().decode()


async def test_refused_writes_are_counted_apart() -> None:
    scene = Scene()
    telemetry = Telemetry("1", lambda: 7.0)
    scene.operator.witness = telemetry
    await scene.step()

    def refuse(call: Call) -> None:
        if call.verb == "patch":
            raise ForbiddenError("no")

    scene.cluster.before = refuse
    scene.source.current = outage()
    await scene.step()
    assert value(telemetry, 'certstorage_actions_total{action="FlipLocal",result="refused"') == 1
    assert value(telemetry, 'certstorage_actions_total{action="FlipLocal",result="done"') is None
    assert value(telemetry, 'certstorage_passes_total{result="refused"}') == 1


async def test_incidents_are_counted_by_scenario_and_phase() -> None:
    scene = Scene()
    telemetry = Telemetry("1", lambda: 7.0)
    scene.operator.witness = telemetry
    await scene.settle()
    assert value(telemetry, "certstorage_incident_active{") == 0
    assert "certstorage_incidents{" not in telemetry.text().decode()
    scene.source.current = firing(SignalName.DELETE_FAIL, since=START)
    await scene.settle(200)
    assert value(telemetry, "certstorage_incident_active{") == 1
    labels = 'policy="certificates",policy_namespace="production",scenario="DeleteFailing"'
    assert value(telemetry, f'certstorage_incidents{{phase="Open",{labels}') == 1
    scene.finish()
    scene.source.current = healthy()
    await scene.settle(15)
    await scene.settle(301)
    assert value(telemetry, "certstorage_incident_active{") == 0, "it is over, though its checklist is not done"
    assert value(telemetry, f'certstorage_incidents{{phase="Resolved",{labels}') == 1


def test_counters_of_the_process() -> None:
    telemetry = Telemetry("1.2.3", lambda: 7.0)
    telemetry.evaluation()
    telemetry.failed(KEY, "conflict")
    telemetry.told({})
    telemetry.told({"http://a": "down"})
    assert value(telemetry, "certstorage_last_evaluation_timestamp_seconds") == 7
    assert value(telemetry, 'certstorage_passes_total{result="conflict"}') == 1
    assert value(telemetry, 'certstorage_notification_posts_total{result="failed"}') == 1
    assert value(telemetry, 'certstorage_operator_info{version="1.2.3"}') == 1


async def test_probes() -> None:
    now, lacks = 0.0, ""
    heart = Heart(lambda: now)
    app = application(heart, lambda: lacks, lambda: b"metric 1\n", CONTENT_TYPE)
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/healthz")).status == 200
        heart.beat("signals", 10)
        now = 9.0
        assert (await client.get("/healthz")).status == 200
        now = 11.0
        silent = await client.get("/healthz")
        assert silent.status == 500
        assert "signals: no sign of life for 11 s" in await silent.text()
        heart.rest("signals")
        assert (await client.get("/healthz")).status == 200
        assert (await client.get("/readyz")).status == 200
        lacks = "the Lease could not be read"
        unready = await client.get("/readyz")
        assert (unready.status, await unready.text()) == (503, lacks)
        scraped = await client.get("/metrics")
        assert await scraped.text() == "metric 1\n"
        assert scraped.headers["Content-Type"] == CONTENT_TYPE


def test_a_log_line_is_one_json_object() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        import sys

        record = logging.LogRecord("certstorage.x", logging.ERROR, "f", 1, "met %s", ("this",), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    fields = json.loads(line)
    assert fields["message"] == "met this"
    assert fields["level"] == "error"
    assert "ValueError" in fields["exception"]
