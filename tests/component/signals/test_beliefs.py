"""What is believed of a real Prometheus when S3, the workload or Prometheus itself fails: never a recovery unproven."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Callable

import pytest

from certstorage.api.policy import Policy, PolicySpec, SignalsSpec, Storage, TargetRef
from certstorage.api.signals import SignalName, SignalSet, Verdict
from certstorage.signals.failures import Trouble
from certstorage.signals.reader import Reader
from certstorage.signals.rules import rule_file, to_yaml
from certstorage.signals.server import Client
from certstorage.signals.source import SignalSource
from tests.component.signals.conftest import Observer, Start
from tests.component.signals.parts import DEPLOYMENT, FAST, NAMESPACE, PROMETHEUS_PROGRAMS, Exporter, eventually

VERSIONS = sorted(PROMETHEUS_PROGRAMS)
OUTAGE, RECOVERY = SignalName.OUTAGE, SignalName.RECOVERY


def verdict(name: SignalName, wanted: Verdict) -> Callable[[SignalSet], bool]:
    return lambda signals: signals.verdict(name) is wanted


async def proven(observer: Observer) -> None:
    """A busy healthy workload, past the warm-up."""
    await eventually(observer.look, verdict(RECOVERY, Verdict.CLEAR_PROVEN), 40, "S3 is proven to be well")
    assert observer.signals is not None
    assert observer.signals.verdict(OUTAGE) is Verdict.CLEAR_PROVEN


async def firing(observer: Observer, name: SignalName = OUTAGE) -> None:
    """S3 fails, and it is seen."""
    await eventually(observer.look, verdict(name, Verdict.FIRING), 20, f"{name} fires")


async def never_clear(observer: Observer, seconds: float, until: Callable[[SignalSet], bool]) -> SignalSet:
    """Look again and again; the outage must not be proven over at any time before `until`."""

    async def look() -> SignalSet:
        signals = await observer.look()
        assert signals.verdict(OUTAGE) is not Verdict.CLEAR_PROVEN, signals[OUTAGE]
        assert signals.verdict(RECOVERY) not in (Verdict.CLEAR_PROVEN, Verdict.IDLE), signals[RECOVERY]
        return signals

    return await eventually(look, until, seconds, "the end of the unproven time")


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_outage_from_cut_to_return(start: Start, exporter: Exporter, version: str) -> None:
    observer = await start(version)
    workload = exporter.workload
    await proven(observer)

    workload.mode = "down"
    await firing(observer)
    assert (await observer.look()).verdict(RECOVERY) is Verdict.FIRING

    workload.restart("bbbb2", reads_local=True)
    await eventually(observer.look, lambda seen: seen.verdict(OUTAGE) is not Verdict.FIRING, 20, "the flip hides it")
    for _ in range(30):
        seen = await observer.look()
        assert seen.verdict(OUTAGE) is not Verdict.CLEAR_PROVEN
        assert seen.verdict(RECOVERY) not in (Verdict.CLEAR_PROVEN, Verdict.IDLE)
        await asyncio.sleep(0.1)

    workload.mode = "up"
    await eventually(observer.look, verdict(RECOVERY, Verdict.CLEAR_PROVEN), 30, "saves prove that S3 is back")

    workload.restart("cccc3")
    judged = await eventually(
        observer.look,
        lambda seen: seen.fallback is not None and seen.fallback.pods >= 1 and seen.fallback.reads >= 50,
        20,
        "the new Pods' counters",
    )
    assert judged.fallback is not None
    assert judged.fallback.template_hash == "cccc3"
    assert judged.fallback.fallbacks == 0


@pytest.mark.parametrize("version", VERSIONS)
async def test_prometheus_killed_and_restarted_while_firing(start: Start, exporter: Exporter, version: str) -> None:
    observer = await start(version)
    await proven(observer)
    exporter.workload.mode = "down"
    await firing(observer)

    await observer.prometheus.stop(signal.SIGKILL)
    blind = await observer.look()
    assert not blind.trusted
    assert blind.reason == Trouble.UNREACHABLE.value
    assert blind.verdict(OUTAGE) is Verdict.UNKNOWN

    await observer.prometheus.start()
    await never_clear(observer, 40, verdict(OUTAGE, Verdict.FIRING))


async def test_prometheus_loses_its_disk_while_firing(start: Start, exporter: Exporter) -> None:
    observer = await start()
    exporter.workload.mode = "down"
    await firing(observer)
    await observer.prometheus.stop(signal.SIGKILL)
    shutil.rmtree(observer.prometheus.folder / "data")
    await observer.prometheus.start()

    missing: set[str] = set()

    def fires(seen: SignalSet) -> bool:
        missing.update(seen[OUTAGE].missing)
        return seen.verdict(OUTAGE) is Verdict.FIRING

    await never_clear(observer, 40, fires)
    assert any("warm-up" in what for what in missing)


async def test_the_rule_file_is_emptied_while_firing(start: Start, exporter: Exporter) -> None:
    observer = await start()
    await proven(observer)
    exporter.workload.mode = "down"
    await firing(observer)

    observer.prometheus.rules.write_text("groups: []\n")
    await observer.prometheus.reload(observer.session)
    gone = await never_clear(observer, 10, lambda seen: not seen.trusted)
    assert gone.reason == Trouble.RULES_MISSING.value

    observer.prometheus.rules.write_text(to_yaml(rule_file(FAST), FAST))
    await observer.prometheus.reload(observer.session)
    await never_clear(observer, 20, verdict(OUTAGE, Verdict.FIRING))


async def test_the_exporter_goes_while_firing(start: Start, exporter: Exporter) -> None:
    observer = await start()
    await proven(observer)
    exporter.workload.mode = "down"
    await firing(observer)

    exporter.workload.gone = True
    blind = await never_clear(observer, 20, lambda seen: not seen.trusted)
    assert blind.reason == Trouble.NO_SERIES.value
    await never_clear(observer, 20, verdict(SignalName.METRICS, Verdict.FIRING))

    exporter.workload.gone = False
    await never_clear(observer, 20, verdict(OUTAGE, Verdict.FIRING))


async def test_a_black_hole_raises_no_ratio_and_is_seen(start: Start, exporter: Exporter) -> None:
    observer = await start()
    await proven(observer)
    exporter.workload.mode = "hole"
    await firing(observer, SignalName.BLACK_HOLE)
    seen = await observer.look()
    assert seen.verdict(OUTAGE) is not Verdict.FIRING
    assert seen.verdict(OUTAGE) is not Verdict.CLEAR_PROVEN
    assert seen.verdict(RECOVERY) is not Verdict.CLEAR_PROVEN

    exporter.workload.restart("bbbb2", reads_local=True)
    for _ in range(40):
        seen = await observer.look()
        assert seen.verdict(RECOVERY) not in (Verdict.CLEAR_PROVEN, Verdict.IDLE)
        await asyncio.sleep(0.1)


async def test_a_quiet_night_raises_nothing(start: Start, exporter: Exporter) -> None:
    observer = await start()
    await proven(observer)
    exporter.workload.reads = exporter.workload.saves = 0
    quiet = await eventually(observer.look, verdict(RECOVERY, Verdict.IDLE), 40, "the workload is idle")
    assert quiet.trusted
    assert quiet.verdict(OUTAGE) is Verdict.IDLE
    active = await observer.prometheus.query(observer.session, 'ALERTS{alertname!="CertStorageWatchdog"}')
    assert active == []


async def test_a_thousand_policies_are_three_requests_at_the_server(start: Start, exporter: Exporter) -> None:
    observer = await start()
    await proven(observer)
    policies = [policy(f"certificates-{number}") for number in range(1000)]
    woken: set[tuple[str, str]] = set()
    server = observer.prometheus.server
    reader = Reader(Client(observer.session))
    source = SignalSource(reader, {"default": server}, policies=lambda: policies, wake=woken.add)
    for one in policies:
        assert not source.signals(one, "aaaa1").trusted
    before = await observer.prometheus.requests(observer.session)
    await source.poll(server)
    assert await observer.prometheus.requests(observer.session) - before == 3
    assert len(woken) == 1000
    for one in policies:
        assert source.signals(one, "aaaa1").verdict(RECOVERY) is Verdict.CLEAR_PROVEN


def policy(name: str) -> Policy:
    return Policy(
        namespace=NAMESPACE,
        name=name,
        uid=name,
        generation=1,
        created="2026-11-23T00:00:00Z",
        spec=PolicySpec(TargetRef(DEPLOYMENT), Storage("bucket"), signals=SignalsSpec("default", DEPLOYMENT)),
    )
