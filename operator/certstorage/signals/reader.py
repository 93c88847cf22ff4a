"""One poll of one Prometheus server, however many policies it serves: at most three requests, and never an exception.

    reader = Reader(Client(session))
    sample = await reader.poll(server, in_check, now, before)       # before: the sample of the last poll, or None
    signals = grade(sample, interest, earlier, now)                 # grading.py; pure, one policy at a time

1. the rules API: state, last evaluation and health of every alert;
2. one query for the facts and ratios of all workloads, left out while the rules have not been evaluated again;
3. one query for the Pods of the policies in a post-flip check, left out while there are none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from certstorage.signals.answers import RulesAnswer, parse_rules, parse_vector
from certstorage.signals.failures import Failure
from certstorage.signals.queries import (
    QUERY_PATH,
    RECORDED,
    RULES_PATH,
    RULES_QUERY,
    ReplicaSet,
    fallback_query,
)
from certstorage.signals.sample import ReadCounters, Sample, Series, assembled, failed, read_counters, recorded
from certstorage.signals.server import Server


class Http(Protocol):
    """Asks servers; the body of an answer, or why there is none. Never raises."""

    async def get(self, server: Server, path: str, query: Mapping[str, str]) -> bytes | Failure:
        """Answer of a GET."""

    async def post(self, server: Server, path: str, form: Mapping[str, str]) -> bytes | Failure:
        """Answer of a POST of a form."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Polls servers; keeps nothing of its own between polls."""

    client: Http

    async def poll(
        self, server: Server, in_check: Collection[ReplicaSet], now: datetime, before: Sample | None = None
    ) -> Sample:
        """Ask one server everything. `now` is UTC; `in_check` are the ReplicaSets whose raw counters are wanted."""
        rules = await self._rules(server)
        if isinstance(rules, Failure):
            return failed(server.name, rules, before, now)
        series = await self._series(server, rules, now, before)
        if isinstance(series, Failure):
            return failed(server.name, series, before, now)
        sample = assembled(server.name, rules, series, before, now)
        if sample.problem is not None or not in_check:
            return sample
        counters = await self._counters(server, in_check)
        if isinstance(counters, Failure):
            return replace(sample, counters_problem=counters)
        return replace(sample, counters=counters)

    async def _rules(self, server: Server) -> RulesAnswer | Failure:
        body = await self.client.get(server, RULES_PATH, RULES_QUERY)
        return body if isinstance(body, Failure) else parse_rules(body)

    async def _series(
        self, server: Server, rules: RulesAnswer, now: datetime, before: Sample | None
    ) -> Series | Failure:
        if before is not None and before.problem is None and before.rules.evaluated_at == rules.evaluated_at:
            return before.series
        body = await self.client.post(server, QUERY_PATH, {"query": RECORDED})
        points = body if isinstance(body, Failure) else parse_vector(body)
        return points if isinstance(points, Failure) else recorded(points, now)

    async def _counters(
        self, server: Server, in_check: Collection[ReplicaSet]
    ) -> Mapping[tuple[str, str], ReadCounters] | Failure:
        body = await self.client.post(server, QUERY_PATH, {"query": fallback_query(in_check)})
        points = body if isinstance(body, Failure) else parse_vector(body)
        return points if isinstance(points, Failure) else read_counters(points)
