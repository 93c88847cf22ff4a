"""Whatever bytes a server sends: no exception, no proof, nothing turned on that the alerts do not say."""

from __future__ import annotations

import copy
import json
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from certstorage.api.signals import SignalName, Verdict
from certstorage.signals.answers import parse_rules, parse_vector
from certstorage.signals.failures import Failure
from certstorage.signals.grading import grade
from certstorage.signals.sample import read_counters, recorded
from tests.unit.signals.conftest import HEALTHY, INTEREST, NOW, Prometheus, alert, point

T = TypeVar("T")
WORDS = st.sampled_from(
    [
        "status",
        "success",
        "data",
        "groups",
        "rules",
        "name",
        "alerts",
        "labels",
        "state",
        "firing",
        "activeAt",
        "value",
        "metric",
        "result",
        "resultType",
        "vector",
        "warnings",
        "NaN",
        "+Inf",
        "CertS3Outage",
        "CertStorageWatchdog",
        "health",
        "ok",
        "interval",
        "lastEvaluation",
        "namespace",
        "deployment",
        "__name__",
        "cert_s3:facts",
        "1e+00",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)
GOOD = Prometheus()
RULES, VECTOR = GOOD.rules(), GOOD.vector()


def paths(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    inside: list[tuple[Any, ...]] = [at] if at else []
    steps = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, value in steps:
        inside += paths(value, (*at, step))
    return inside


def mangled(document: Any, place: tuple[Any, ...], value: Any) -> bytes:
    """The document with another value at a place."""
    changed = copy.deepcopy(document)
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return json.dumps(changed).encode()


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits, without a loop for each of thousands."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waited")


def read(rules: bytes, vector: bytes) -> dict[SignalName, Verdict]:
    """What is believed of these two answers."""
    prometheus = Prometheus(edit_rules=lambda _: rules, edit_vector=lambda _: vector)
    sample = at_once(prometheus.poll())
    signals = grade(sample, INTEREST, None, NOW)
    return {name: signals.verdict(name) for name in SignalName}


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_to_a_value(body: bytes) -> None:
    rules, points = parse_rules(body), parse_vector(body)
    assert isinstance(rules, Failure) or rules.rules is not None
    if not isinstance(points, Failure):
        recorded(points, NOW)
        read_counters(points)


@given(JSON.map(lambda value: json.dumps({"status": "success", "data": value}).encode()))
def test_any_json_is_no_proof_and_no_outage(body: bytes) -> None:
    for rules, vector in ((body, json.dumps(VECTOR).encode()), (json.dumps(RULES).encode(), body), (body, body)):
        found = set(read(rules, vector).values())
        assert Verdict.CLEAR_PROVEN not in found
        assert Verdict.FIRING not in found


@given(st.sampled_from(paths(RULES)), JSON)
def test_one_place_of_the_rules_changed_never_fires_anything(place: tuple[Any, ...], value: Any) -> None:
    assert Verdict.FIRING not in read(mangled(RULES, place, value), json.dumps(VECTOR).encode()).values()


@given(st.sampled_from(paths(VECTOR)), JSON)
def test_one_place_of_the_series_changed_neither_fires_nor_proves_more(place: tuple[Any, ...], value: Any) -> None:
    before, after = (
        read(*(json.dumps(one).encode() for one in (RULES, VECTOR))),
        read(json.dumps(RULES).encode(), mangled(VECTOR, place, value)),
    )
    proven = {name for name, verdict in before.items() if verdict is Verdict.CLEAR_PROVEN}
    assert {name for name, verdict in after.items() if verdict is Verdict.CLEAR_PROVEN} <= proven
    assert Verdict.FIRING not in after.values()


@given(st.sampled_from(paths(RULES)), JSON)
def test_a_firing_outage_is_never_read_as_proven_well(place: tuple[Any, ...], value: Any) -> None:
    down = Prometheus(alerts=[alert("CertS3Outage", since=NOW - timedelta(minutes=1))])
    rules = down.rules()
    if "CertS3Outage" in json.dumps(_at(rules, place)) or _inside_outage(rules, place):
        return  # the change is of what says that it fires
    found = read(mangled(rules, place, value), json.dumps(VECTOR).encode())
    assert found[SignalName.OUTAGE] in (Verdict.FIRING, Verdict.UNKNOWN)


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        document = document[step]
    return document


def _inside_outage(rules: Any, place: tuple[Any, ...]) -> bool:
    return len(place) > 5 and _at(rules, place[:5]).get("name") == "CertS3Outage"


@given(st.integers(min_value=0, max_value=int(HEALTHY) * 4), st.booleans())
def test_any_facts_without_an_alert_make_no_outage(facts: int, warming: bool) -> None:
    began = NOW if warming else NOW - timedelta(days=1)
    server = Prometheus(facts=facts, began=began)
    found = read(json.dumps(server.rules()).encode(), json.dumps(server.vector()).encode())
    assert found[SignalName.OUTAGE] is not Verdict.FIRING
    assert not warming or Verdict.CLEAR_PROVEN not in found.values()


@given(st.lists(st.sampled_from(["firing", "pending", "inactive", "blind", "gone", "restart"]), max_size=8))
def test_between_firing_and_proven_there_is_always_a_sound_evaluation(history: list[str]) -> None:
    """Whatever happens after an outage fired: only a warm, seeing server that says inactive proves its end."""

    async def live() -> None:
        server = Prometheus(alerts=[alert("CertS3Outage", since=NOW)])
        await server.poll()
        signals = None
        for event in history:
            server.later(15)
            server.alerts, server.facts, server.edit_rules = [], int(HEALTHY), lambda answer: answer
            if event in ("firing", "pending"):
                server.alerts = [alert("CertS3Outage", event, since=NOW)]
            elif event == "blind":
                server.edit_rules = lambda _: b""
            elif event == "gone":
                server.facts = None
            elif event == "restart":
                server.began = server.now
            signals = grade(await server.poll(), INTEREST, signals, server.now)
            proven = signals.verdict(SignalName.OUTAGE) is Verdict.CLEAR_PROVEN
            warm = server.now - server.began >= timedelta(seconds=105)
            assert proven is (event in ("inactive",) and warm)

    at_once(live())


def test_points_of_nobody_are_nobodys() -> None:
    series = recorded(parse_vector(json.dumps(VECTOR).encode()), NOW)  # type: ignore[arg-type]
    assert not isinstance(series, Failure)
    assert list(series.recorded) == [("production", "deltacrown")]
    stray = point("cert_s3:facts", 1)
    del stray["metric"]["deployment"]
    answer = {"status": "success", "data": {"resultType": "vector", "result": [stray, VECTOR["data"]["result"][-1]]}}
    series = recorded(parse_vector(json.dumps(answer).encode()), NOW)  # type: ignore[arg-type]
    assert not isinstance(series, Failure)
    assert series.recorded == {}
