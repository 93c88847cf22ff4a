"""A real Alertmanager with the demo's configuration tells the demo's receivers; one that fails hears of it later."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from deploy.demo.render import RECEIVERS
from tests.cluster import binaries
from tests.component.demo.parts import DEMO, Program, answers, free_port, manifest, until

ALERT = {
    "labels": {
        "alertname": "CertStorageIncident",
        "severity": "critical",
        "scenario": "outage",
        "namespace": "production",
        "deployment": "deltacrown",
    },
    "annotations": {"summary": "S3 is down", "action": "wait", "command": "kubectl get certsp"},
}
WATCHDOG = {"labels": {"alertname": "CertStorageWatchdog", "severity": "none"}}


@dataclass
class Phones:
    """Alertmanager and the receivers, on loopback."""

    alertmanager: str
    receivers: str
    client: aiohttp.ClientSession

    async def post(self, alert: dict[str, Any]) -> None:
        async with self.client.post(f"{self.alertmanager}/api/v2/alerts", json=[alert]) as response:
            assert response.status == 200, await response.text()

    async def fail(self, **status: int) -> None:
        async with self.client.put(f"{self.receivers}/failing", json=status) as response:
            assert await response.json() == status

    async def received(self, service: str) -> list[dict[str, Any]]:
        async with self.client.get(f"{self.receivers}/received") as response:
            found: list[dict[str, Any]] = (await response.json())["received"]
        return [one for one in found if one["service"] == service]


@pytest.fixture
async def phones(tmp_path: Path) -> AsyncIterator[Phones]:
    port, receivers_port = free_port(), free_port()
    receivers = f"http://127.0.0.1:{receivers_port}"
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, text in manifest("monitoring/alertmanager.yaml", "Secret", "alertmanager-secrets")["stringData"].items():
        (secrets / name).write_text(text.replace(RECEIVERS, receivers))
    config = (DEMO / "generated/alertmanager.yml").read_text().replace(RECEIVERS, receivers)
    config = config.replace("/etc/alertmanager/secrets", str(secrets))
    config = config.replace("/etc/alertmanager/templates", str(DEMO / "generated"))
    (tmp_path / "alertmanager.yml").write_text(config)
    assert yaml.safe_load(config)["route"]["group_wait"] == "1s"
    command: list[str | Path] = [
        binaries.alertmanager(),
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    started = [
        Program.start(command, tmp_path / "alertmanager.log", {}, cwd=tmp_path),
        Program.start(
            [sys.executable, "-m", "receivers"], tmp_path / "receivers.log", {"RECEIVERS_PORT": str(receivers_port)}
        ),
    ]
    try:
        async with aiohttp.ClientSession() as client:
            found = Phones(f"http://127.0.0.1:{port}", receivers, client)

            async def up() -> bool:
                for program in started:
                    assert program.process.poll() is None, program.log.read_text()
                return await answers(f"{found.alertmanager}/-/ready") and await answers(f"{receivers}/healthz")

            await until("Alertmanager and the receivers answer", up)
            yield found
    finally:
        for program in started:
            program.kill()


async def test_each_hears_in_its_own_words(phones: Phones) -> None:
    await phones.post(ALERT)
    await phones.post(WATCHDOG)

    async def all_told() -> bool:
        return all([await phones.received(service) for service in ("slack", "pagerduty", "webhook")])

    await until("everybody is told", all_told)
    (slack,), (page,), (watchdog,) = [await phones.received(one) for one in ("slack", "pagerduty", "webhook")]
    assert [(one["status"], one["problems"]) for one in (slack, page, watchdog)] == [(200, []), (202, []), (200, [])]
    assert slack["body"]["channel"] == "#sre-oncall"
    assert "Command: kubectl get certsp" in slack["body"]["attachments"][0]["text"]
    assert page["body"]["event_action"] == "trigger"
    assert page["body"]["payload"]["severity"] == "critical"
    assert watchdog["body"]["receiver"] == "watchdog"


async def test_an_outage_of_a_receiver_loses_nothing(phones: Phones) -> None:
    await phones.fail(slack=503, pagerduty=503)
    await phones.post(ALERT)

    async def refused() -> bool:
        return bool(await phones.received("slack") and await phones.received("pagerduty"))

    await until("both refuse", refused)
    await phones.fail()

    async def delivered() -> bool:
        slack, pages = await phones.received("slack"), await phones.received("pagerduty")
        return bool(slack[-1]["status"] == 200 and pages[-1]["status"] == 202)

    await until("both are told again", delivered, 60)
    first, last = (await phones.received("pagerduty"))[0], (await phones.received("pagerduty"))[-1]
    assert first["status"] == 503
    assert last["body"]["dedup_key"] == first["body"]["dedup_key"]


async def test_what_cannot_be_read_is_refused_and_kept(phones: Phones) -> None:
    async with phones.client.post(f"{phones.receivers}/v2/enqueue", data=b"{") as response:
        assert response.status == 400
        assert (await response.json())["status"] == "invalid event"
    async with phones.client.post(f"{phones.receivers}/slack/services/x", json={}) as response:
        assert (response.status, await response.text()) == (400, "invalid_payload")
    async with phones.client.put(f"{phones.receivers}/failing", json={"phone": 503}) as response:
        assert response.status == 400
    (kept,) = await phones.received("pagerduty")
    assert kept["body"] is None
    assert kept["problems"][0].startswith("not JSON")
