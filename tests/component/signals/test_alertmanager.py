"""Real Alertmanagers: the shipped configuration, a resolved message that is false, and the operator's own alerts."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from certstorage.api.alerts import Alert, Severity
from certstorage.api.signals import SignalName, Verdict
from certstorage.signals.alertmanager import ENDS_AFTER, INTERVAL, RESOLVED_FOR, Poster
from certstorage.signals.nudge import Nudge
from tests.cluster import binaries, packages
from tests.component.signals.conftest import Start
from tests.component.signals.parts import (
    ALERTMANAGER_PROGRAMS,
    Alertmanager,
    Exporter,
    eventually,
    free_port,
)

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
VERSIONS = sorted(ALERTMANAGER_PROGRAMS)
AMTOOLS = {"0.25": lambda: packages.prometheus_2("amtool"), "0.28": binaries.amtool}
NOW = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)


# --- the shipped configuration


@pytest.mark.parametrize("version", VERSIONS)
def test_amtool_accepts_the_configuration_and_its_templates(version: str) -> None:
    checked = subprocess.run([AMTOOLS[version](), "check-config", SHIPPED], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    templates = ROOT / "deploy" / "alertmanager" / "templates" / "*.tmpl"
    command: list[str | Path] = [AMTOOLS[version](), "template", "render", f"--template.glob={templates}"]
    for name in ("title", "text", "aws_case"):
        text = f'--template.text={{{{ template "certstorage.{name}" . }}}}'
        rendered = subprocess.run([*command, text], capture_output=True, text=True, check=False)
        assert rendered.returncode == 0, rendered.stdout + rendered.stderr


OUTAGE = "alertname=CertS3Outage severity=critical scenario=outage"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (OUTAGE, "nudge,aws-support,sre-oncall"),
        ("alertname=CertS3SaveFailHigh severity=warning scenario=degradation", "nudge,platform-eng"),
        ("alertname=CertS3ReadFallbackHigh severity=critical scenario=read-fallback", "nudge,sre-oncall"),
        ("alertname=CertS3VolumeCollapse severity=info scenario=outage trust=low", "nudge,nobody"),
        ("alertname=CertStorageWatchdog severity=none scenario=signals", "watchdog"),
        ("alertname=CertStorageIncident severity=critical scenario=outage", "sre-oncall"),
        ("alertname=CertStorageSweepOverBudget severity=critical scenario=sweep", "engineering-lead,sre-oncall"),
        ("alertname=CertStorageActionRequired severity=critical contact=aws-support", "aws-support,sre-oncall"),
        ("alertname=CertStorageBlocked severity=critical scenario=operator", "sre-oncall"),
    ],
)
def test_who_hears_of_what(version: str, labels: str, receivers: str) -> None:
    test = ["config", "routes", "test", f"--config.file={SHIPPED}", *labels.split()]
    told = subprocess.run([AMTOOLS[version](), *test], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == receivers


class Contacts:
    """Slack, PagerDuty and the operator, on loopback."""

    def __init__(self, token_file: Path) -> None:
        self.port = free_port()
        self.woken = asyncio.Event()
        self.slack: list[Any] = []
        self.pagerduty: list[Any] = []
        self.webhooks: dict[str, list[Any]] = {}
        self.nudge = Nudge(str(token_file), self._wake)

    def _wake(self) -> bool:
        self.woken.set()
        return True

    def application(self) -> web.Application:
        async def slack(request: web.Request) -> web.Response:
            self.slack.append(await request.json())
            return web.Response(text="ok")

        async def pagerduty(request: web.Request) -> web.Response:
            self.pagerduty.append(await request.json())
            return web.Response(status=202, text='{"status":"success"}')

        async def webhook(request: web.Request) -> web.Response:
            self.webhooks.setdefault(request.path, []).append(await request.json())
            return web.Response()

        app = web.Application()
        app.add_routes(
            [web.post("/slack", slack), web.post("/pagerduty", pagerduty), web.post("/webhook/{name}", webhook)]
        )
        app.add_subapp("/op", self.nudge.application())
        return app


@asynccontextmanager
async def contacted(folder: Path) -> AsyncIterator[Contacts]:
    """Contacts that answer; the nudge's token is in the folder."""
    (folder / "nudge-token").write_text("secret")
    contacts = Contacts(folder / "nudge-token")
    runner = web.AppRunner(contacts.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", contacts.port).start()
        yield contacts
    finally:
        await runner.cleanup()


@pytest.fixture
async def contacts(tmp_path: Path) -> AsyncIterator[Contacts]:
    async with contacted(tmp_path) as contacts:
        yield contacts


Run = Callable[..., Awaitable[Alertmanager]]


@pytest.fixture
async def run(tmp_path: Path, session: aiohttp.ClientSession) -> AsyncIterator[Run]:
    """`await run("0.28", config)`: an Alertmanager, ready."""
    async with AsyncExitStack() as stack:

        async def begin(version: str, config: dict[str, Any]) -> Alertmanager:
            folder = tmp_path / f"alertmanager-{version}"
            alertmanager = Alertmanager(folder, ALERTMANAGER_PROGRAMS[version](), config)
            stack.push_async_callback(alertmanager.stop)
            await alertmanager.start()
            await alertmanager.ready(session)
            return alertmanager

        yield begin


def shipped(tmp_path: Path, contacts: Contacts) -> dict[str, Any]:
    """The shipped configuration with the outside world's addresses turned to loopback, and nothing else."""
    base = f"http://127.0.0.1:{contacts.port}"
    shutil.copytree(SHIPPED.parent / "templates", tmp_path / "templates")
    (tmp_path / "slack-url").write_text(f"{base}/slack")
    (tmp_path / "pagerduty-sre").write_text("key-sre")
    (tmp_path / "pagerduty-engineering-lead").write_text("key-lead")
    text = SHIPPED.read_text().replace("/etc/alertmanager/secrets", str(tmp_path))
    text = text.replace("/etc/alertmanager/templates", str(tmp_path / "templates"))
    text = text.replace("http://certstorage-operator.certstorage-system.svc:8081/nudge", f"{base}/op/nudge")
    config: dict[str, Any] = yaml.safe_load(text)
    config["global"] = {"pagerduty_url": f"{base}/pagerduty"}
    return config


def posted(name: str, **labels: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": name, "namespace": "production", "deployment": "deltacrown", **labels},
        "annotations": {"summary": f"{name} says hello", "runbook_url": f"docs/alerts.md#{name.lower()}"},
    }


async def test_an_outage_reaches_the_operator_and_people(
    run: Run, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with asyncio.TaskGroup() as group:
        for version in VERSIONS:
            (tmp_path / version).mkdir()
            group.create_task(reached(version, run, tmp_path / version, session))


async def reached(version: str, run: Run, folder: Path, session: aiohttp.ClientSession) -> None:
    async with contacted(folder) as contacts:
        alertmanager = await run(version, shipped(folder, contacts))
        alerts = [
            posted("CertS3Outage", severity="critical", scenario="outage"),
            posted("CertS3WriteSuccessLow", severity="critical", scenario="write-success-low"),
            posted("CertS3Degraded", severity="critical", band="over-20"),
            posted("CertStorageActionRequired", severity="critical", reason="AwaitingApproval"),
            posted("CertStorageActionRequired", severity="warning", reason="SweepRequested"),
        ]
        async with session.post(f"{alertmanager.url}/api/v2/alerts", json=alerts) as response:
            assert response.status == 200
        async with asyncio.timeout(5):
            await contacts.woken.wait()

        async def slack() -> list[str]:
            return sorted(f"{one['channel']} {title(one)}" for one in contacts.slack)

        wanted = [
            "#platform-eng [FIRING 1] CertStorageActionRequired production/deltacrown",
            "#sre-oncall AWS Premium Support case, to be filed and sent to the account TAM",
            "#sre-oncall [FIRING 1] CertS3Outage production/deltacrown",
            "#sre-oncall [FIRING 1] CertStorageActionRequired production/deltacrown",
        ]
        # consequences of the outage page nobody
        await eventually(slack, lambda seen: seen == wanted, 30, f"everybody is told by {version}")
        assert {one["routing_key"] for one in contacts.pagerduty} == {"key-sre"}
        assert len(contacts.pagerduty) == 2
        text = str(contacts.slack)
        assert "CertS3Outage says hello" in text
        assert "docs/alerts.md#certs3outage" in text
        assert "Service: Simple Storage Service (S3)" in text
        assert "CertS3WriteSuccessLow" not in text + str(contacts.pagerduty)


def title(message: Any) -> str:
    """The headline of a message to Slack."""
    return str(message["attachments"][0]["title"])


async def test_a_quiet_night_pages_nobody(
    run: Run, start: Start, contacts: Contacts, exporter: Exporter, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Without an in-flight gauge the volume's collapse is told, and to the operator alone."""
    alertmanager = await run("0.28", shipped(tmp_path, contacts))
    observer = await start("3.16", alertmanagers=(alertmanager.port,))
    exporter.workload.gauge = False
    await eventually(
        observer.look, lambda seen: seen.verdict(SignalName.RECOVERY) is Verdict.CLEAR_PROVEN, 40, "a busy evening"
    )
    exporter.workload.reads = exporter.workload.saves = 0
    dusk = time.monotonic()
    await eventually(observer.look, lambda seen: seen.verdict(SignalName.RECOVERY) is Verdict.IDLE, 40, "night falls")
    async with asyncio.timeout(20):
        await contacts.woken.wait()
    held = await alertmanager.alerts(session)
    receivers = {(alert["labels"]["alertname"], one["name"]) for alert in held for one in alert["receivers"]}
    assert receivers == {
        ("CertStorageWatchdog", "watchdog"),
        ("CertS3VolumeCollapse", "nudge"),
        ("CertS3VolumeCollapse", "nobody"),
    }
    night = f"{time.monotonic() - dusk:.0f}s"
    for_people = await observer.prometheus.query(
        session, f'count_over_time(ALERTS{{severity=~"critical|warning"}}[{night}])'
    )
    assert for_people == []
    assert (contacts.slack, contacts.pagerduty) == ([], [])
    assert observer.untouched


# --- resolved is not recovered


class Told(Alertmanager):
    """An Alertmanager whose webhooks nudge the operator and are written down."""

    def __init__(self, folder: Path, version: str, contacts: Contacts, token_file: Path) -> None:
        self.hook, self.contacts = f"/webhook/{version}", contacts
        base = f"http://127.0.0.1:{contacts.port}"
        token = {"authorization": {"credentials_file": str(token_file)}}
        hooks = [{"url": f"{base}/op/nudge", "http_config": token}, {"url": f"{base}{self.hook}"}]
        route = {"receiver": "nudge", "group_wait": "0s", "group_interval": "1s", "group_by": ["alertname"]}
        config = {"route": route, "receivers": [{"name": "nudge", "webhook_configs": hooks}]}
        super().__init__(folder, ALERTMANAGER_PROGRAMS[version](), config)

    async def said(self) -> set[tuple[str, str]]:
        """Each alert's name with the states it was told in."""
        alerts = [one for message in self.contacts.webhooks.get(self.hook, ()) for one in message["alerts"]]
        return {(one["labels"]["alertname"], one["status"]) for one in alerts}


async def test_a_false_resolved_wakes_and_nothing_more(
    start: Start, contacts: Contacts, exporter: Exporter, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        tellers = [Told(tmp_path / version, version, contacts, tmp_path / "nudge-token") for version in VERSIONS]
        for one in tellers:
            stack.push_async_callback(one.stop)
            await one.start()
            await one.ready(session)
        ports = tuple(one.port for one in tellers)
        observer = await start("3.16", alertmanagers=ports, flags=("--rules.alert.resend-delay=1s",))
        exporter.workload.mode = "down"
        await eventually(
            observer.look, lambda seen: seen.verdict(SignalName.OUTAGE) is Verdict.FIRING, 30, "the outage fires"
        )
        assert observer.reads_local
        for one in tellers:
            await eventually(one.said, lambda found: ("CertS3Outage", "firing") in found, 20, "it is told")
        assert contacts.woken.is_set()
        await observer.prometheus.stop(signal.SIGKILL)
        for one in tellers:
            await eventually(one.said, lambda found: ("CertS3Outage", "resolved") in found, 30, "nobody sends it: over")
        believed = await observer.look()
        assert believed.verdict(SignalName.OUTAGE) is Verdict.UNKNOWN
        assert not believed.trusted
        assert observer.reads_local


# --- the operator's own alerts


def incident(starts_at: datetime | None = NOW, summary: str = "S3 is down") -> Alert:
    labels = {"namespace": "production", "policy": "certificates", "incident": "certificates-1", "team": "sre"}
    return Alert("CertStorageIncident", Severity.CRITICAL, labels, {"summary": summary, "command": ""}, starts_at)


QUIET: dict[str, Any] = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_alert_is_kept_updated_and_resolved(version: str, run: Run, session: aiohttp.ClientSession) -> None:
    alertmanager = await run(version, QUIET)
    poster = Poster(session, (alertmanager.url,))
    began = datetime.now(UTC) - timedelta(hours=1)

    assert await poster.post([incident(began)], datetime.now(UTC)) == {}
    (first,) = await alertmanager.alerts(session)
    assert first["labels"] == {
        "alertname": "CertStorageIncident",
        "severity": "critical",
        "namespace": "production",
        "policy": "certificates",
        "incident": "certificates-1",
        "team": "sre",
    }
    assert first["annotations"] == {"summary": "S3 is down"}
    assert datetime.fromisoformat(first["startsAt"]) - began < timedelta(milliseconds=1)
    ends = datetime.fromisoformat(first["endsAt"]) - datetime.now(UTC)
    assert timedelta(0) < ends <= ENDS_AFTER

    assert await poster.post([incident(began, "S3 is still down")], datetime.now(UTC)) == {}
    (second,) = await alertmanager.alerts(session)
    assert second["annotations"] == {"summary": "S3 is still down"}
    assert second["startsAt"] == first["startsAt"]
    assert second["fingerprint"] == first["fingerprint"]

    assert await poster.post([], datetime.now(UTC)) == {}
    await eventually(lambda: alertmanager.alerts(session), lambda found: found == [], 10, "it is resolved")


async def test_an_alertmanager_that_was_away_hears_of_the_end(run: Run, session: aiohttp.ClientSession) -> None:
    alertmanager = await run("0.28", QUIET)
    poster = Poster(session, (alertmanager.url, f"http://127.0.0.1:{free_port()}"))
    now = datetime.now(UTC)
    problems = await poster.post([incident(now)], now)
    assert list(problems) == [poster.urls[1]]
    await alertmanager.stop(signal.SIGTERM)
    assert set(await poster.post([], now)) == set(poster.urls)
    await alertmanager.start()
    await alertmanager.ready(session)
    assert alertmanager.url not in await poster.post([], datetime.now(UTC))
    await eventually(lambda: alertmanager.alerts(session), lambda found: found == [], 10, "it is resolved")


async def test_an_alert_that_alertmanager_refuses_is_told(run: Run, session: aiohttp.ClientSession) -> None:
    alertmanager = await run("0.28", QUIET)
    poster = Poster(session, (alertmanager.url,))
    bad = Alert("Bad", Severity.WARNING, {"": "no name"})
    problems = await poster.post([bad, incident(datetime.now(UTC))], datetime.now(UTC))
    assert "HTTP 400" in problems[alertmanager.url]
    found = await alertmanager.alerts(session)
    assert [one["labels"]["alertname"] for one in found] == ["CertStorageIncident"]


class Recorder:
    """An Alertmanager that writes down what it is told."""

    def __init__(self) -> None:
        self.port, self.posts = free_port(), list[Any]()

    async def write_down(self, request: web.Request) -> web.Response:
        self.posts.append(await request.json())
        return web.Response()


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    app = web.Application()
    app.router.add_post("/api/v2/alerts", recorder.write_down)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", recorder.port).start()
    yield recorder
    await runner.cleanup()


async def test_the_story_of_an_alert(recorder: Recorder, session: aiohttp.ClientSession) -> None:
    poster = Poster(session, (f"http://127.0.0.1:{recorder.port}/",))

    async def told(alerts: list[Alert], after: timedelta) -> list[tuple[str, str]]:
        recorder.posts.clear()
        assert await poster.post(alerts, NOW + after) == {}
        return [(one["startsAt"], one["endsAt"]) for post in recorder.posts for one in post]

    def at(after: timedelta) -> str:
        return (NOW + after).isoformat()

    start, minute = timedelta(0), timedelta(minutes=1)
    assert await told([], start) == []
    assert await told([incident(None)], start) == [(at(start), at(ENDS_AFTER))]
    assert await told([incident(None)], INTERVAL) == [(at(start), at(INTERVAL + ENDS_AFTER))]
    assert await told([], minute) == [(at(start), at(minute))]
    assert await told([], 2 * minute) == [(at(start), at(minute))]
    # back again: another time of the same alert
    assert await told([incident(None)], 3 * minute) == [(at(3 * minute), at(3 * minute + ENDS_AFTER))]
    assert await told([], 4 * minute) == [(at(3 * minute), at(4 * minute))]
    assert await told([], 4 * minute + RESOLVED_FOR) == [(at(3 * minute), at(4 * minute))]
    assert await told([], 5 * minute + RESOLVED_FOR) == []
    # what begins in the future does not end before it
    assert await told([incident(NOW + minute)], start) == [(at(minute), at(max(minute, ENDS_AFTER)))]
    assert await told([], start) == [(at(minute), at(minute))]
