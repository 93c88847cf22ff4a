"""What is believed of a real Prometheus when S3, the workload or Prometheus itself fails, and what is done on it.

Reads go local when an outage is seen, stay so until S3 is proven to be back, and a quiet night changes nothing.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import Callable

import pytest

from certstorage.api.env import FlagState
from certstorage.api.policy import Policy, PolicySpec, PolicyUID, SignalsSpec, Storage, TargetRef
from certstorage.api.signals import SignalName, SignalSet, Verdict
from certstorage.api.status import ReadsFrom, ReadsStatus
from certstorage.signals.failures import Trouble
from certstorage.signals.names import OPERATOR_DEPLOYMENT, OPERATOR_NAMESPACE, WATCHDOG
from certstorage.signals.reader import Reader
from certstorage.signals.rules import rule_file, to_yaml
from certstorage.signals.server import Client
from certstorage.signals.source import SignalSource
from tests.component.signals.conftest import Observer, Start, each
from tests.component.signals.parts import DEPLOYMENT, FAST, NAMESPACE, Exporter, eventually

Observers = tuple[Observer, ...]
OUTAGE, RECOVERY = SignalName.OUTAGE, SignalName.RECOVERY


def verdict(name: SignalName, wanted: Verdict) -> Callable[[SignalSet], bool]:
    return lambda signals: signals.verdict(name) is wanted


async def proven(observer: Observer) -> None:
    """A busy healthy workload, past the warm-up."""
    await eventually(observer.look, verdict(RECOVERY, Verdict.CLEAR_PROVEN), 40, "S3 is proven to be well")
    assert observer.signals is not None
    assert observer.signals.verdict(OUTAGE) is Verdict.CLEAR_PROVEN
    assert observer.untouched


async def firing(observer: Observer, name: SignalName = OUTAGE) -> None:
    """S3 fails, and it is seen."""
    await eventually(observer.look, verdict(name, Verdict.FIRING), 20, f"{name} fires")
    assert observer.reads_local


async def never_clear(observer: Observer, seconds: float, until: Callable[[SignalSet], bool]) -> SignalSet:
    """Look again and again; before `until` the outage must not be proven over at any time, and reads stay local."""

    async def look() -> SignalSet:
        signals = await observer.look()
        assert signals.verdict(OUTAGE) is not Verdict.CLEAR_PROVEN, signals[OUTAGE]
        assert signals.verdict(RECOVERY) not in (Verdict.CLEAR_PROVEN, Verdict.IDLE), signals[RECOVERY]
        assert observer.reads_local
        return signals

    return await eventually(look, until, seconds, "the end of the unproven time")


async def stays_local(observer: Observer, seconds: float) -> None:
    """For some seconds nothing is proven, and reads stay local."""
    end = time.monotonic() + seconds
    await never_clear(observer, seconds + 10, lambda _: time.monotonic() > end)


async def test_an_outage_from_cut_to_return(observers: Observers, exporter: Exporter) -> None:
    workload = exporter.workload
    await each(observers, proven)

    workload.mode = "down"
    await each(observers, firing)
    for one in observers:
        assert (await one.look()).verdict(RECOVERY) is Verdict.FIRING

    workload.restart("bbbb2", reads_local=True)

    async def hidden(observer: Observer) -> None:
        await eventually(
            observer.look, lambda seen: seen.verdict(OUTAGE) is not Verdict.FIRING, 20, "the flip hides it"
        )
        await stays_local(observer, 3)

    await each(observers, hidden)

    workload.mode = "up"

    async def sent_back(observer: Observer) -> None:
        await eventually(observer.look, verdict(RECOVERY, Verdict.CLEAR_PROVEN), 30, "saves prove that S3 is back")
        await eventually(observer.look, lambda _: bool(observer.world.jobs), 10, "a Job is asked to prove it")
        assert observer.world.read_is(FlagState.FALSE)
        observer.world.finish()
        observer.rolling = True
        await observer.look()
        assert observer.world.read_is(FlagState.TRUE)

    await each(observers, sent_back)

    workload.restart("cccc3")
    for one in observers:
        one.rolling = False

    async def over(observer: Observer) -> None:
        await eventually(observer.look, lambda _: observer.world.hold is None, 20, "the new Pods' counters end it")
        assert observer.signals is not None
        assert observer.signals.fallback is not None
        assert observer.signals.fallback.template_hash == "cccc3"
        assert observer.signals.fallback.reads >= 50
        assert observer.world.read_is(FlagState.TRUE)

    await each(observers, over)


async def test_prometheus_killed_and_restarted_while_firing(observers: Observers, exporter: Exporter) -> None:
    await each(observers, proven)
    exporter.workload.mode = "down"
    await each(observers, firing)

    async def killed(observer: Observer) -> None:
        await observer.prometheus.stop(signal.SIGKILL)
        blind = await observer.look()
        assert not blind.trusted
        assert blind.reason == Trouble.UNREACHABLE.value
        assert blind.verdict(OUTAGE) is Verdict.UNKNOWN
        assert observer.reads_local

        await observer.prometheus.start()
        await never_clear(observer, 40, verdict(OUTAGE, Verdict.FIRING))

    await each(observers, killed)


async def test_prometheus_loses_its_disk_while_firing(observers: Observers, exporter: Exporter) -> None:
    exporter.workload.mode = "down"
    await each(observers, firing)

    async def wiped(observer: Observer) -> None:
        await observer.prometheus.stop(signal.SIGKILL)
        await asyncio.to_thread(shutil.rmtree, observer.prometheus.folder / "data")
        await observer.prometheus.start()
        missing: set[str] = set()

        def fires(seen: SignalSet) -> bool:
            missing.update(seen[OUTAGE].missing)
            return seen.verdict(OUTAGE) is Verdict.FIRING

        await never_clear(observer, 40, fires)
        assert any("warm-up" in what for what in missing)

    await each(observers, wiped)


async def test_the_rule_file_is_removed_while_firing(observers: Observers, exporter: Exporter) -> None:
    await each(observers, proven)
    exporter.workload.mode = "down"
    await each(observers, firing)

    async def removed(observer: Observer) -> None:
        observer.prometheus.rules.unlink()
        await observer.prometheus.reload(observer.session)
        gone = await never_clear(observer, 10, lambda seen: not seen.trusted)
        assert gone.reason == Trouble.RULES_MISSING.value

        observer.prometheus.rules.write_text(to_yaml(rule_file(FAST), FAST))
        await observer.prometheus.reload(observer.session)
        await never_clear(observer, 20, verdict(OUTAGE, Verdict.FIRING))

    await each(observers, removed)


async def test_the_exporter_goes_while_firing(observers: Observers, exporter: Exporter) -> None:
    await each(observers, proven)
    exporter.workload.mode = "down"
    await each(observers, firing)

    exporter.workload.gone = True

    async def blind(observer: Observer) -> None:
        seen = await never_clear(observer, 20, lambda seen: not seen.trusted)
        assert seen.reason == Trouble.NO_SERIES.value
        await never_clear(observer, 20, verdict(SignalName.METRICS, Verdict.FIRING))

    await each(observers, blind)

    exporter.workload.gone = False
    await each(observers, lambda one: never_clear(one, 20, verdict(OUTAGE, Verdict.FIRING)))


async def test_a_black_hole_raises_no_ratio_and_is_seen(observers: Observers, exporter: Exporter) -> None:
    await each(observers, proven)
    exporter.workload.mode = "hole"

    async def swallowed(observer: Observer) -> None:
        await firing(observer, SignalName.BLACK_HOLE)
        seen = await observer.look()
        assert seen.verdict(OUTAGE) is not Verdict.FIRING
        assert seen.verdict(OUTAGE) is not Verdict.CLEAR_PROVEN
        assert seen.verdict(RECOVERY) is not Verdict.CLEAR_PROVEN

    await each(observers, swallowed)
    exporter.workload.restart("bbbb2", reads_local=True)
    await each(observers, lambda one: stays_local(one, 4))


async def test_a_quiet_night_raises_nothing(observers: Observers, exporter: Exporter) -> None:
    await each(observers, proven)
    exporter.workload.reads = exporter.workload.saves = 0
    dusk = time.monotonic()

    async def sleeps(observer: Observer) -> None:
        quiet = await eventually(observer.look, verdict(RECOVERY, Verdict.IDLE), 40, "the workload is idle")
        assert quiet.trusted
        assert quiet.verdict(OUTAGE) is Verdict.IDLE
        night = f"{time.monotonic() - dusk:.0f}s"
        alerts = f'count_over_time(ALERTS{{alertname!="CertStorageWatchdog"}}[{night}])'
        assert await observer.prometheus.query(observer.session, alerts) == []
        assert observer.untouched

    await each(observers, sleeps)


async def test_the_operators_own_alerts_are_fed_by_what_it_exports(start: Start, exporter: Exporter) -> None:
    observer = await start()

    async def firing() -> set[tuple[str, str, str]]:
        found = await observer.prometheus.query(observer.session, 'ALERTS{alertname!~"CertS3.*",alertstate="firing"}')
        return {(one["alertname"], one["namespace"], one["deployment"]) for one in (each["metric"] for each in found)}

    watchdog = (WATCHDOG, OPERATOR_NAMESPACE, OPERATOR_DEPLOYMENT)
    exporter.about_policy()
    await eventually(observer.look, lambda seen: seen.verdict(SignalName.MISMATCH) is Verdict.CLEAR_PROVEN, 20, "seen")
    assert await firing() == {watchdog}

    blocked = time.time() - FAST.blocked_after.total_seconds()
    exporter.about_policy(
        reads=ReadsStatus(ReadsFrom.LOCAL, ReadsFrom.LOCAL, pods=3, pods_as_desired=1),
        blocked_reason="AwaitingApproval",
        blocked_since=blocked,
        sweep_deadline=time.time(),
        mismatch_percent=0.7,
    )
    exporter.evaluates = False
    wanted = {"Blocked", "SweepOverBudget", "FlagMismatch"}
    of_the_policy = {(f"CertStorage{name}", NAMESPACE, DEPLOYMENT) for name in wanted}
    of_the_policy.add(("CertBackfillMismatchHigh", NAMESPACE, DEPLOYMENT))
    stale = ("CertStorageOperatorStale", OPERATOR_NAMESPACE, OPERATOR_DEPLOYMENT)
    await eventually(firing, lambda found: found == {watchdog, stale, *of_the_policy}, 60, "each says what is wrong")
    assert (await observer.look())[SignalName.MISMATCH].value == pytest.approx(0.007)


async def test_a_thousand_policies_are_three_requests_at_the_server(observers: Observers) -> None:
    await each(observers, thousand)


async def thousand(observer: Observer) -> None:
    await proven(observer)
    policies = [policy(number) for number in range(1000)]
    woken: set[tuple[str, str]] = set()
    server = observer.prometheus.server
    reader = Reader(Client(observer.session))
    source = SignalSource(reader, {"default": server}, policies=lambda: policies, wake=woken.add)
    for one in policies:
        assert not source.signals(one, "aaaa1").trusted
    before = await observer.prometheus.requests(observer.session)
    sample = await source.poll(server)
    assert await observer.prometheus.requests(observer.session) - before == 3
    assert sample.counters_problem is None
    assert len(woken) == 1000
    for number, one in enumerate(policies):
        signals = source.signals(one, "aaaa1")
        assert signals.verdict(RECOVERY) is Verdict.CLEAR_PROVEN
        # all of them are in their post-flip check, and only the first one's Pods are there
        assert (signals.fallback is not None) is (number == 0)


def policy(number: int) -> Policy:
    """One of many for the same metrics, each with a Deployment of its own."""
    target = TargetRef(DEPLOYMENT if number == 0 else f"{DEPLOYMENT}-{number}")
    spec = PolicySpec(target, Storage("bucket"), signals=SignalsSpec("default", DEPLOYMENT))
    return Policy(NAMESPACE, f"certificates-{number}", PolicyUID(str(number)), 1, spec)
