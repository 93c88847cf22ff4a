"""The signals of all policies, kept fresh: one loop a server, polls on time or when nudged, wakes whom it concerns.

source = SignalSource(reader, servers, policies=registry, wake=queue.wake)
source.signals(policy, template_hash)      # graded now, from the last poll
source.nudge()                             # somebody says that something changed: poll at once
await source.run()                         # for ever
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from certstorage.api.policy import Policy
from certstorage.api.signals import SignalSet
from certstorage.signals.failures import Trouble
from certstorage.signals.grading import Interest, grade
from certstorage.signals.names import Fact
from certstorage.signals.queries import ReplicaSet
from certstorage.signals.reader import Reader
from certstorage.signals.sample import ReadCounters, Sample
from certstorage.signals.server import Server

Key = tuple[str, str]
"""Namespace and name of a policy."""

CHECK_FORGOTTEN = timedelta(seconds=60)
"""A ReplicaSet whose counters nobody wanted for so long is no longer in a post-flip check."""
BLIND_AFTER = timedelta(seconds=30)
"""A server must be unreadable for so long before its policies are woken for it: one slow answer wakes nobody."""
BURST = 5
"""Nudged polls that may follow each other at once; after that one a second."""

_WAKING = Fact.SCRAPED | Fact.SAVES_FAILING | Fact.RECOVERED
"""Facts that matter to a policy at once; the others come and go with traffic."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Glance:
    """What wakes a policy when it changes; cheaper than grading ten thousand of them at each poll."""

    blind: str = Trouble.NOT_POLLED.value
    alerts: tuple[tuple[str, str], ...] = ()
    facts: int = 0
    counters: ReadCounters | None = None


class SignalSource:
    """Samples by server, graded on demand. `policies` yields those in care; `polled` is called after each poll."""

    def __init__(
        self,
        reader: Reader,
        servers: Mapping[str, Server],
        *,
        policies: Callable[[], Iterable[Policy]],
        wake: Callable[[Key], None],
        poll_seconds: float = 5.0,
        polled: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._reader, self._servers, self._policies = reader, servers, policies
        self._wake, self._polled, self._clock, self._poll_seconds = wake, polled, clock, poll_seconds
        self._samples: dict[str, Sample] = {}
        self._readable_at: dict[str, datetime] = {}
        self._graded: dict[Key, SignalSet] = {}
        self._glances: dict[Key, _Glance] = {}
        self._checks: dict[Key, tuple[Interest, datetime]] = {}
        self._bells = {name: asyncio.Event() for name in servers}

    def signals(self, policy: Policy, template_hash: str) -> SignalSet:
        """Grade a policy from the last poll of its server.

        With a `template_hash` the raw counters of that template's Pods are asked for from the next poll on, until a
        minute after the last such call: pass it only while the policy is in its post-flip check.
        """
        interest = _interest(policy, template_hash)
        if interest.server not in self._servers:
            known = ", ".join(sorted(self._servers)) or "none"
            text = f"spec.signals.prometheus: no server {interest.server!r} is configured; there are: {known}"
            return SignalSet(reason=Trouble.NOT_CONFIGURED.value, message=text)
        if interest.replica_set is not None:
            self._checks[policy.key] = (interest, self._clock())
        sample = self._samples.get(interest.server)
        if policy.key not in self._glances:
            self._glances[policy.key] = _Glance() if sample is None else self._glance(policy, sample)
        graded = grade(sample, interest, self._graded.get(policy.key), self._clock())
        self._graded[policy.key] = graded
        return graded

    def nudge(self) -> bool:
        """Poll every server at once, whatever the nudge said. True: it is queued."""
        for bell in self._bells.values():
            bell.set()
        return True

    async def run(self) -> None:
        """Poll for ever; ends only by cancellation."""
        async with asyncio.TaskGroup() as group:
            for server in self._servers.values():
                group.create_task(self._poll_for_ever(server))

    async def _poll_for_ever(self, server: Server) -> None:
        bell, tokens, refilled = self._bells[server.name], float(BURST), time.monotonic()
        while True:
            bell.clear()
            await self.poll(server)
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await bell.wait()
            except TimeoutError:
                continue
            now = time.monotonic()
            tokens, refilled = min(BURST, tokens + now - refilled), now
            if tokens < 1:
                await asyncio.sleep(1 - tokens)
            tokens -= 1

    async def poll(self, server: Server) -> Sample:
        """Poll one server once, and wake the policies for which something changed."""
        now = self._clock()
        sample = await self._reader.poll(server, self._in_check(server.name), now, self._samples.get(server.name))
        self._samples[server.name] = sample
        if sample.problem is None:
            self._readable_at[server.name] = now
        self._wake_changed(server.name, sample)
        self._polled()
        return sample

    def _in_check(self, server: str) -> set[ReplicaSet]:
        oldest = self._clock() - CHECK_FORGOTTEN
        for key in [key for key, (_, at) in self._checks.items() if at < oldest]:
            del self._checks[key]
        return {one.replica_set for one, _ in self._checks.values() if one.server == server and one.replica_set}

    def _wake_changed(self, server: str, sample: Sample) -> None:
        """A policy that has not passed yet is not woken: its first pass sees this sample."""
        last = self._readable_at.get(server)
        if sample.problem is not None and last is not None and sample.polled_at - last < BLIND_AFTER:
            return
        known: set[Key] = set()
        for policy in self._policies():
            known.add(policy.key)
            old = self._glances.get(policy.key)
            if old is None or policy.spec.signals.prometheus != server:
                continue
            new = self._glance(policy, sample)
            if new != old:
                self._glances[policy.key] = new
                self._wake(policy.key)
        for gone in self._glances.keys() - known:
            del self._glances[gone]
            self._graded.pop(gone, None)

    def _glance(self, policy: Policy, sample: Sample) -> _Glance:
        if sample.problem is not None:
            return _Glance(sample.problem.reason.value)
        workload = (policy.namespace, policy.spec.signals.workload)
        alerts = sample.rules.alerts.get(workload, ())
        found = sample.series.recorded.get(workload)
        facts = found.facts & _WAKING if found is not None and found.facts is not None else 0
        check = self._checks.get(policy.key)
        counters = sample.counters_of(check[0].replica_set) if check is not None and check[0].replica_set else None
        return _Glance("", tuple(sorted((one.name, one.state) for one in alerts)), int(facts), counters)


def _interest(policy: Policy, template_hash: str) -> Interest:
    signals, target = policy.spec.signals, policy.spec.target.name
    replica_set = ReplicaSet(policy.namespace, target, template_hash) if template_hash else None
    if replica_set is not None and not replica_set.told_apart:
        replica_set = None
    return Interest(signals.prometheus, (policy.namespace, signals.workload), replica_set)
