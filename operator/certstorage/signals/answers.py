"""Prometheus' answers, from bytes to typed values. Pure, and total: whatever the bytes are, a value or a Failure.

Only what is ours is looked at, so that somebody else's rules cannot break the reading of these.
"""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from certstorage.signals.failures import Failure, Trouble
from certstorage.signals.names import ALERT_OF_SIGNAL, VOLUME_COLLAPSE, WARM_UP_ANNOTATION, WATCHDOG

Workload = tuple[str, str]
"""The labels `namespace` and `deployment`."""

FIRING: Final = "firing"
PENDING: Final = "pending"
OUR_ALERTS: Final = frozenset({*ALERT_OF_SIGNAL.values(), VOLUME_COLLAPSE})
_ERROR_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """One alert's rules: two bands are two rules of one name, and the worse of them counts."""

    name: str
    last_evaluation: datetime
    interval: timedelta
    error: str = ""
    """Why it cannot be evaluated; empty when it can."""


class AlertSeen(NamedTuple):
    """One alert that is pending or firing for a workload. A tuple, since there may be ten thousand at once."""

    name: str
    state: str
    active_at: datetime
    value: float | None
    severity: str
    summary: str


@dataclass(frozen=True, slots=True)
class Watchdog:
    """The alert that always fires: since when this server evaluates, and how long its quiet proves nothing."""

    active_at: datetime
    warm_up: timedelta


@dataclass(frozen=True, slots=True)
class RulesAnswer:
    """What the rules API says of our alerts."""

    rules: Mapping[str, RuleSeen]
    alerts: Mapping[Workload, Sequence[AlertSeen]]
    watchdog: Watchdog | None

    @property
    def evaluated_at(self) -> datetime | None:
        """The oldest last evaluation of ours; None without rules."""
        return min((rule.last_evaluation for rule in self.rules.values()), default=None)


class Point(NamedTuple):
    """One series of an instant vector. Labels are as they came; `value` may be NaN or infinite."""

    labels: Mapping[str, object]
    value: float


class _OddError(Exception):
    """Another shape than the API's; the message says where."""


def parse_rules(body: bytes) -> RulesAnswer | Failure:
    """Read an answer of `/api/v1/rules`."""
    try:
        with uncollected():
            data = _data(body)
            return data if isinstance(data, Failure) else _rules(data)
    except (_OddError, RecursionError) as error:
        return Failure(Trouble.MALFORMED, f"rules: {error}")


def parse_vector(body: bytes) -> tuple[Point, ...] | Failure:
    """Read an answer of `/api/v1/query` that must be an instant vector."""
    try:
        with uncollected():
            data = _data(body)
            return data if isinstance(data, Failure) else _vector(data)
    except (_OddError, RecursionError) as error:
        return Failure(Trouble.MALFORMED, f"query: {error}")


@contextmanager
def uncollected() -> Iterator[None]:
    """No cyclic garbage collection meanwhile: JSON makes no cycles, and the search for some doubles its time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _data(body: bytes) -> dict[str, Any] | Failure:
    """The `data` of an answer with status success and without warnings."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        start = body[:40].decode("utf-8", "replace")
        return Failure(Trouble.NOT_JSON, f"the answer is no JSON ({str(error)[:80]}); it starts with {start!r}")
    if not isinstance(answer, dict):
        return Failure(Trouble.MALFORMED, f"expected an object, found {type(answer).__name__}")
    if answer.get("status") != "success":
        told = f"{answer.get('errorType')}: {answer.get('error')}"[:_ERROR_CHARACTERS]
        return Failure(Trouble.REFUSED, f"Prometheus answered {str(answer.get('status'))[:40]!r}: {told}")
    if answer.get("warnings"):
        return Failure(Trouble.PARTIAL, f"Prometheus warns: {answer['warnings']}"[:_ERROR_CHARACTERS])
    data = answer.get("data")
    return data if isinstance(data, dict) else Failure(Trouble.MALFORMED, "there is no data in the answer")


def _rules(data: dict[str, Any]) -> RulesAnswer:
    rules: dict[str, RuleSeen] = {}
    alerts: dict[Workload, list[AlertSeen]] = {}
    watchdog: Watchdog | None = None
    for group in _of(data, "groups", list):
        if not isinstance(group, dict):
            raise _OddError("a group is no object")
        for rule in _of(group, "rules", list):
            name = rule.get("name") if isinstance(rule, dict) else None
            if not isinstance(name, str):
                continue
            if name == WATCHDOG:
                watchdog = _watchdog(rule) or watchdog
            if name == WATCHDOG or name in OUR_ALERTS:
                seen = _rule(name, rule, group)
                rules[name] = _worse(rules.get(name), seen)
            if name in OUR_ALERTS:
                _collect(name, rule, alerts)
    return RulesAnswer(rules, alerts, watchdog)


def _rule(name: str, rule: dict[str, Any], group: dict[str, Any]) -> RuleSeen:
    health = rule.get("health")
    error = "" if health == "ok" else f"{health}: {rule.get('lastError') or 'not evaluated yet'}"[:_ERROR_CHARACTERS]
    interval = _number(group.get("interval"), "interval")
    if not 0 < interval < 86400:
        raise _OddError(f"interval {interval}")
    return RuleSeen(name, _time(rule.get("lastEvaluation")), timedelta(seconds=interval), error)


def _worse(one: RuleSeen | None, other: RuleSeen) -> RuleSeen:
    if one is None:
        return other
    return RuleSeen(
        one.name,
        min(one.last_evaluation, other.last_evaluation),
        max(one.interval, other.interval),
        one.error or other.error,
    )


def _collect(name: str, rule: dict[str, Any], alerts: dict[Workload, list[AlertSeen]]) -> None:
    """Add a rule's alerts to their workloads'. Written out in one loop: there may be ten thousand."""
    for alert in _alerts(name, rule):
        get = alert.get
        state, labels = get("state"), get("labels")
        if (state != FIRING and state != PENDING) or type(labels) is not dict:  # noqa: PLR1714
            raise _OddError(f"an alert of {name} has no labels, or is {str(state)[:40]!r}")
        since, told = _time(get("activeAt")), get("annotations")
        namespace, deployment, severity = labels.get("namespace"), labels.get("deployment"), labels.get("severity")
        if type(namespace) is not str or type(deployment) is not str:
            continue  # for no workload: nobody's
        summary = told.get("summary") if type(told) is dict else None
        seen = AlertSeen(
            name,
            state,
            since,
            _value(get("value")),
            severity if type(severity) is str else "",
            summary[:_ERROR_CHARACTERS] if type(summary) is str else "",
        )
        found = alerts.get((namespace, deployment))
        if found is None:
            alerts[namespace, deployment] = [seen]
        else:
            found.append(seen)


def _alerts(name: str, rule: dict[str, Any]) -> list[dict[str, Any]]:
    found = rule.get("alerts") or []  # null where 3.x leaves them out
    if not isinstance(found, list) or set(map(type, found)) - {dict}:
        raise _OddError(f"the alerts of {name} are no list of objects")
    return found


def _watchdog(rule: dict[str, Any]) -> Watchdog | None:
    """The watchdog if it fires and says how long the warm-up is."""
    for alert in _alerts(WATCHDOG, rule):
        if alert.get("state") == FIRING:
            told = alert.get("annotations")
            warm_up = _value(told.get(WARM_UP_ANNOTATION)) if isinstance(told, dict) else None
            if warm_up is None or not 0 <= warm_up < 86400:
                raise _OddError(f"{WATCHDOG} has no readable {WARM_UP_ANNOTATION}")
            return Watchdog(_time(alert.get("activeAt")), timedelta(seconds=warm_up))
    return None


def _vector(data: dict[str, Any]) -> tuple[Point, ...]:
    """All series. Written out in one loop: there may be a hundred thousand."""
    if data.get("resultType") != "vector":
        raise _OddError(f"expected a vector, found {str(data.get('resultType'))[:40]!r}")
    points = []
    for item in _of(data, "result", list):
        if type(item) is not dict:
            raise _OddError("a series is no object")
        labels, pair = item.get("metric"), item.get("value")
        if type(labels) is not dict or type(pair) is not list or len(pair) != 2 or type(pair[1]) is not str:
            raise _OddError("a series is not labels and one value")
        try:
            points.append(Point(labels, float(pair[1])))
        except ValueError:
            raise _OddError(f"a value is {pair[1][:40]!r}") from None
    return tuple(points)


def _value(text: object) -> float | None:
    """A number written as text; None when it is none, or not finite."""
    return _parsed_number(text) if isinstance(text, str) else None


@lru_cache(maxsize=1024)
def _parsed_number(text: str) -> float | None:
    """Alerts that fire together have much the same value."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _number(value: object, what: str) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise _OddError(f"{what} is no number")


def _time(text: object) -> datetime:
    """An RFC 3339 time with up to nine decimals, in UTC."""
    try:
        if isinstance(text, str):
            return _parsed_time(text)
    except (ValueError, OverflowError):
        pass
    raise _OddError(f"{str(text)[:40]!r} is no time")


@lru_cache(maxsize=1024)
def _parsed_time(text: str) -> datetime:
    """Alerts that fire together began together."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(text)
    return parsed.astimezone(UTC)


def _of(container: dict[str, Any], key: str, kind: type) -> Any:
    value = container.get(key)
    if not isinstance(value, kind):
        raise _OddError(f"{key} is no {kind.__name__}")
    return value
