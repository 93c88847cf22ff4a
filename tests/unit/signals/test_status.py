"""What people read in a policy's status about the signals: value, verdict, since, and what is missing to believe it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from certstorage.api.conditions import ConditionStatus, ConditionType
from certstorage.api.signals import SignalName
from certstorage.api.status_json import to_dict
from certstorage.runbook.report import UNKNOWN_PAGES_AFTER
from certstorage.signals.failures import Failure, Trouble
from certstorage.signals.grading import grade
from certstorage.signals.names import Fact
from tests.unit.runbook.world import World
from tests.unit.signals.conftest import HEALTHY, INTEREST, NOW, Prometheus, alert, point


async def passed(world: World, prometheus: Prometheus) -> dict[str, dict[str, Any]]:
    """One poll and one pass; the status' signals by name, as the API server stores them."""
    world.now = prometheus.now
    world.signals = grade(await prometheus.poll(), INTEREST, world.signals, prometheus.now)
    world.settle()
    signals: Any = to_dict(world.status)["signals"]
    return {one["name"]: one for one in signals}


def trusted(world: World) -> tuple[ConditionStatus, str, str]:
    condition = world.status.conditions[ConditionType.SIGNALS_TRUSTED]
    return condition.status, condition.reason, condition.message


async def test_each_signal_says_value_verdict_and_since(prometheus: Prometheus) -> None:
    world = World()
    prometheus.points.append(point("cert_s3:fail_ratio:10m", 0.031, op="save"))
    signals = await passed(world, prometheus)
    assert set(signals) == {name.value for name in SignalName}
    assert signals["SaveFail"] == {
        "name": "SaveFail",
        "verdict": "ClearProven",
        "value": "3.1%",
        "since": "2026-11-23T03:10:00Z",
        "reason": "Clear",
        "message": "quiet, evaluated, with traffic",
    }
    assert signals["GetSlow"]["value"] == "40ms"
    assert "value" not in signals["BlackHole"]
    assert trusted(world)[:2] == (ConditionStatus.TRUE, "SignalsTrusted")


async def test_what_is_missing_for_proof_is_listed(prometheus: Prometheus) -> None:
    world = World()
    prometheus.facts = int(HEALTHY & ~Fact.RECOVERED & ~Fact.DELETES_JUDGED)
    prometheus.began = NOW - timedelta(seconds=30)
    prometheus.alerts = [alert("CertS3Outage", "pending", since=NOW)]
    signals = await passed(world, prometheus)
    assert signals["Outage"]["missing"] == ["CertS3Outage is pending", "the end of the server's warm-up"]
    prometheus.later(200)
    prometheus.alerts = []
    signals = await passed(world, prometheus)
    assert "missing" not in signals["Outage"]
    assert signals["Recovery"]["missing"] == ["saves below 1 % of failures for five minutes"]
    assert signals["DeleteFail"]["missing"] == ["enough deletes within ten minutes"]


async def test_while_reads_are_local_the_policy_says_what_s3_still_has_to_show(prometheus: Prometheus) -> None:
    world = World()
    prometheus.alerts = [alert("CertS3Outage", since=NOW)]
    await passed(world, prometheus)
    prometheus.later(60)
    prometheus.alerts, prometheus.facts = [], int(HEALTHY & ~Fact.RECOVERED & ~Fact.READ_FROM_S3)
    await passed(world, prometheus)
    ready = world.status.conditions[ConditionType.READY]
    assert ready.reason == "OutageReadsLocal"
    assert "saves below 1 % of failures for five minutes" in ready.message


async def test_a_server_that_cannot_be_believed_is_a_condition_and_after_ten_minutes_a_page(
    prometheus: Prometheus,
) -> None:
    world = World()
    await passed(world, prometheus)
    prometheus.edit_rules = lambda _: Failure(Trouble.TLS, "https://prometheus:9090: certificate has expired")
    signals = await passed(world, prometheus)
    assert trusted(world) == (
        ConditionStatus.FALSE,
        "SignalsUnknown",
        "https://prometheus:9090: certificate has expired",
    )
    assert {one["verdict"] for one in signals.values()} == {"Unknown"}
    assert {one["reason"] for one in signals.values()} == {"TlsFailed"}
    assert world.last is not None
    assert list(world.last.alerts) == []

    prometheus.later(UNKNOWN_PAGES_AFTER.total_seconds())
    await passed(world, prometheus)
    (page,) = world.last.alerts
    assert (page.name, page.labels["reason"]) == ("CertStorageActionRequired", "SignalsUnknown")
    assert "certificate has expired" in page.annotations["summary"]
    assert world.writes == []


async def test_a_quiet_night_is_idle_trusted_and_pages_nobody(prometheus: Prometheus) -> None:
    world = World()
    await passed(world, prometheus)
    prometheus.facts, prometheus.points = int(Fact.SCRAPED | Fact.WATCHED), []
    for _ in range(40):
        prometheus.later(15 * 60)
        signals = await passed(world, prometheus)
        assert world.last is not None
        assert world.last.alerts == ()
    assert (signals["Outage"]["verdict"], signals["Recovery"]["verdict"]) == ("Idle", "Idle")
    assert trusted(world)[0] is ConditionStatus.TRUE
    assert [event.reason for event in world.events] == ["ReadsFromS3"]
    assert world.writes == []
