"""The source: who is woken, when, and for what."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from certstorage.api.policy import Policy, PolicySpec, PolicyUID, SignalsSpec, Storage, TargetRef
from certstorage.api.signals import SignalName, Verdict
from certstorage.signals.failures import Failure, Trouble
from certstorage.signals.names import Fact
from certstorage.signals.reader import Reader
from certstorage.signals.server import Server
from certstorage.signals.source import BLIND_AFTER, BURST, CHECK_FORGOTTEN, SignalSource
from tests.unit.signals.conftest import HEALTHY, SERVER, Prometheus, alert

POLICY_KEY = ("production", "certificates")


def policy(name: str = "certificates", server: str = "default", workload: str = "deltacrown") -> Policy:
    spec = PolicySpec(TargetRef("deltacrown"), Storage("bucket"), signals=SignalsSpec(server, workload))
    return Policy("production", name, PolicyUID(name), 1, spec)


@dataclass
class World:
    """A source on a fake server, and whom it woke."""

    prometheus: Prometheus
    policies: list[Policy] = field(default_factory=lambda: [policy()])
    woken: list[tuple[str, str]] = field(default_factory=list)
    polls: int = 0

    def __post_init__(self) -> None:
        self.source = SignalSource(
            Reader(self.prometheus),
            {"default": SERVER},
            policies=lambda: self.policies,
            wake=self.woken.append,
            poll_seconds=60,
            polled=self._polled,
            clock=lambda: self.prometheus.now,
        )

    def _polled(self) -> None:
        self.polls += 1

    async def poll(self, seconds: float = 15) -> list[tuple[str, str]]:
        """Time passes, one poll; whom it woke."""
        self.prometheus.later(seconds)
        self.woken.clear()
        await self.source.poll(SERVER)
        return list(self.woken)

    def verdict(self, name: SignalName) -> Verdict:
        return self.source.signals(policy(), "").verdict(name)


@pytest.fixture
def world(prometheus: Prometheus) -> World:
    return World(prometheus)


async def test_who_looked_before_the_first_poll_is_woken_by_it(world: World) -> None:
    assert world.source.signals(policy(), "").reason == "NotPolled"
    assert await world.poll() == [POLICY_KEY]
    assert world.verdict(SignalName.OUTAGE) is Verdict.CLEAR_PROVEN


async def test_who_has_not_looked_yet_is_not_woken(world: World) -> None:
    world.prometheus.alerts = [alert("CertS3Outage", since=world.prometheus.now)]
    assert await world.poll() == []


async def test_a_quiet_server_wakes_nobody(world: World) -> None:
    await world.poll()
    assert world.source.signals(policy(), "").trusted
    for _ in range(5):
        assert await world.poll() == []
    assert world.polls == 6


async def test_each_change_of_an_alert_wakes_once(world: World) -> None:
    await world.poll()
    world.source.signals(policy(), "")
    for state in ("pending", "firing", "pending", None):
        began = world.prometheus.now
        world.prometheus.alerts = [] if state is None else [alert("CertS3Outage", state, since=began)]
        assert await world.poll() == [POLICY_KEY]
        assert await world.poll() == []


async def test_traffic_that_comes_and_goes_wakes_nobody_but_a_failing_save_does(world: World) -> None:
    await world.poll()
    world.source.signals(policy(), "")
    world.prometheus.facts = int(HEALTHY & ~Fact.READS & ~Fact.READ_FROM_S3)
    assert await world.poll() == []
    world.prometheus.facts = int(HEALTHY & ~Fact.RECOVERED | Fact.SAVES_FAILING)
    assert await world.poll() == [POLICY_KEY]
    assert world.verdict(SignalName.RECOVERY) is Verdict.FIRING


async def test_one_slow_answer_wakes_nobody_but_blindness_that_lasts_does(world: World) -> None:
    await world.poll()
    world.source.signals(policy(), "")
    world.prometheus.edit_rules = lambda _: Failure(Trouble.TIMED_OUT, "late")
    assert await world.poll(5) == []
    assert world.verdict(SignalName.OUTAGE) is Verdict.UNKNOWN
    assert await world.poll(BLIND_AFTER.total_seconds()) == [POLICY_KEY]
    assert await world.poll() == []
    world.prometheus.edit_rules = lambda answer: answer
    assert await world.poll() == [POLICY_KEY]


async def test_only_the_workload_that_changed_is_woken(world: World) -> None:
    world.policies += [policy("other", workload="other")]
    await world.poll()
    for one in world.policies:
        world.source.signals(one, "")
    world.prometheus.alerts = [alert("CertS3Outage", since=world.prometheus.now, deployment="other")]
    assert await world.poll() == [("production", "other")]


async def test_a_policy_that_is_gone_is_forgotten(world: World) -> None:
    await world.poll()
    world.source.signals(policy(), "")
    gone = world.policies.pop()
    world.prometheus.alerts = [alert("CertS3Outage", since=world.prometheus.now)]
    assert await world.poll() == []
    world.policies.append(gone)
    assert await world.poll() == []


def test_a_server_that_is_not_configured_is_named(world: World) -> None:
    signals = world.source.signals(policy(server="eu"), "")
    assert signals.reason == Trouble.NOT_CONFIGURED.value
    assert "'eu'" in signals.message
    assert "default" in signals.message


async def test_counters_are_asked_for_only_while_somebody_wants_them(world: World) -> None:
    def asked() -> int:
        found = sum("stem" in form.get("query", "") for _, form in world.prometheus.asked)
        world.prometheus.asked.clear()
        return found

    await world.poll()
    assert asked() == 0
    assert world.source.signals(policy(), "7d9f8c").fallback is None
    reads = {"namespace": "production", "stem": "deltacrown-7d9f8c-"}
    world.prometheus.counters = [{"metric": reads | {"what": "reads"}, "value": [1, "60"]}]
    assert await world.poll() == [POLICY_KEY]
    assert asked() == 1
    fallback = world.source.signals(policy(), "7d9f8c").fallback
    assert fallback is not None
    assert fallback.reads == 60
    assert await world.poll() == []
    await world.poll(CHECK_FORGOTTEN.total_seconds() - 20)
    assert asked() == 2
    await world.poll()
    assert asked() == 0


async def test_pods_whose_names_have_lost_the_hash_are_not_judged(world: World) -> None:
    """Kubernetes cuts a Deployment's long name: old Pods and new ones would be summed as one."""
    world.policies = [replace(policy(), spec=replace(policy().spec, target=TargetRef("d" * 50)))]
    assert world.source.signals(world.policies[0], "7d9f8cbb47").fallback is None
    await world.poll()
    assert not any("stem" in form.get("query", "") for _, form in world.prometheus.asked)


class Slow:
    """A server that answers when it is let."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.prometheus, self.may, self.asked = prometheus, asyncio.Event(), 0
        self._changed = asyncio.Condition()

    async def get(self, server: Server, path: str, query: Mapping[str, str]) -> bytes | Failure:
        self.asked += 1
        async with self._changed:
            self._changed.notify_all()
        await self.may.wait()
        return await self.prometheus.get(server, path, query)

    async def post(self, server: Server, path: str, form: Mapping[str, str]) -> bytes | Failure:
        return await self.prometheus.post(server, path, form)

    async def reached(self, wanted: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.asked >= wanted)


async def until(slow: Slow, wanted: int) -> None:
    """Wait until a server was asked so often."""
    async with asyncio.timeout(5):
        await slow.reached(wanted)


async def test_a_nudge_polls_at_once_and_one_during_a_poll_is_not_lost(prometheus: Prometheus) -> None:
    slow = Slow(prometheus)
    source = SignalSource(
        Reader(slow),
        {"default": SERVER},
        policies=list,
        wake=lambda _: None,
        poll_seconds=3600,
        clock=lambda: prometheus.now,
    )
    running = asyncio.ensure_future(source.run())
    await until(slow, 1)
    assert source.nudge()
    slow.may.set()
    await until(slow, 2)
    source.nudge()
    await until(slow, 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_nudges_that_do_not_stop_poll_once_a_second(prometheus: Prometheus) -> None:
    slow = Slow(prometheus)
    slow.may.set()
    source = SignalSource(
        Reader(slow),
        {"default": SERVER},
        policies=list,
        wake=lambda _: None,
        poll_seconds=3600,
        clock=lambda: prometheus.now,
    )
    running = asyncio.ensure_future(source.run())
    async with asyncio.timeout(10):
        while slow.asked <= BURST:
            source.nudge()
            await asyncio.sleep(0.001)
    for _ in range(100):
        source.nudge()
        await asyncio.sleep(0.001)
    assert slow.asked <= BURST + 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_servers_do_not_wait_for_each_other(prometheus: Prometheus) -> None:
    slow, quick = Slow(prometheus), Slow(prometheus)
    quick.may.set()

    class Both:
        async def get(self, server: Server, path: str, query: Mapping[str, str]) -> bytes | Failure:
            return await (slow if server.name == "slow" else quick).get(server, path, query)

        async def post(self, server: Server, path: str, form: Mapping[str, str]) -> bytes | Failure:
            return await quick.post(server, path, form)

    servers = {name: Server(name, "http://x") for name in ("slow", "quick")}
    source = SignalSource(
        Reader(Both()), servers, policies=list, wake=lambda _: None, poll_seconds=0.01, clock=lambda: prometheus.now
    )
    running = asyncio.ensure_future(source.run())
    await until(quick, 5)
    assert slow.asked == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
