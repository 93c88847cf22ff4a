"""A corpus of odd answers: none raises, none is taken for proof, none makes an outage of nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from certstorage.api.env import FlagState
from certstorage.api.signals import SignalName, SignalSet, Verdict
from certstorage.signals.failures import Failure, Trouble
from certstorage.signals.grading import grade
from certstorage.signals.names import WATCHDOG
from tests.unit.runbook.world import World, make_policy
from tests.unit.signals.conftest import HEALTHY, INTEREST, NOW, Prometheus, alert, point, stamp

Edit = Callable[[Any], Any]


def put(*path: str | int, value: object) -> Edit:
    """Replace what stands at a path."""

    def edit(answer: Any) -> Any:
        answer = copy.deepcopy(answer)
        at = answer
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value
        return answer

    return edit


def drop(*path: str | int) -> Edit:
    """Remove what stands at a path."""

    def edit(answer: Any) -> Any:
        answer = copy.deepcopy(answer)
        at = answer
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]
        return answer

    return edit


def every_rule(**fields: object) -> Edit:
    """Change all rules."""

    def edit(answer: Any) -> Any:
        answer = copy.deepcopy(answer)
        for rule in answer["data"]["groups"][0]["rules"]:
            rule.update(fields)
        return answer

    return edit


def more(*series: dict[str, Any]) -> Edit:
    """Add series to a vector."""

    def edit(answer: Any) -> Any:
        answer = copy.deepcopy(answer)
        answer["data"]["result"] += series
        return answer

    return edit


def facts(value: object) -> Edit:
    """The workload's facts are this instead."""
    return put("data", "result", 0, "value", 1, value=value)


def raw(body: bytes) -> Edit:
    """These bytes instead."""
    return lambda _: body


def failing(trouble: Trouble) -> Edit:
    """No answer at all."""
    return lambda _: Failure(trouble, "said the test")


DEEP = b'{"status":"success","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
NESTED = json.loads("[" * 900 + "]" * 900)
HUGE_NUMBER = b'{"status":"success","data":{"groups":[{"interval":' + b"9" * 4000 + b',"rules":[]}]}}'

ANYWHERE: dict[str, Edit] = {
    "no connection": failing(Trouble.UNREACHABLE),
    "too late": failing(Trouble.TIMED_OUT),
    "a login page, redirected to": failing(Trouble.STATUS),
    "more bytes than are read": failing(Trouble.TOO_LARGE),
    "nothing": raw(b""),
    "white space": raw(b" \n"),
    "HTML": raw(b"<!doctype html><title>Sign in</title>"),
    "plain text": raw(b"upstream connect error"),
    "cut off": lambda answer: json.dumps(answer).encode()[:-40],
    "two documents": lambda answer: json.dumps(answer).encode() * 2,
    "not UTF-8": raw(b'{"status":"\xff\xfe"}'),
    "UTF-16": lambda answer: json.dumps(answer).encode("utf-16-le")[2:],
    "nested deeper than one can read": raw(DEEP),
    "null": raw(b"null"),
    "a list": raw(b"[]"),
    "a number": raw(b"12"),
    "a string": raw(b'"success"'),
    "an empty object": raw(b"{}"),
    "an error": raw(b'{"status":"error","errorType":"timeout","error":"query timed out"}'),
    "an error without words": raw(b'{"status":"error"}'),
    "status of a wrong type": put("status", value=["success"]),
    "another status": put("status", value="partial"),
    "warnings": put("warnings", value=["could not reach all stores"]),
    "no data": drop("data"),
    "data null": put("data", value=None),
    "data a list": put("data", value=[]),
    "data nested": put("data", value=NESTED),
}
RULES: dict[str, Edit] = {
    "no groups": drop("data", "groups"),
    "groups an object": put("data", "groups", value={}),
    "no rules loaded": put("data", "groups", value=[]),
    "only somebody else's rules": put("data", "groups", 0, "rules", value=[{"name": "Other", "alerts": "x"}]),
    "a group that is a string": put("data", "groups", 0, value="cert-s3"),
    "rules null": put("data", "groups", 0, "rules", value=None),
    "no interval": drop("data", "groups", 0, "interval"),
    "interval zero": put("data", "groups", 0, "interval", value=0),
    "interval negative": put("data", "groups", 0, "interval", value=-15),
    "interval text": put("data", "groups", 0, "interval", value="15s"),
    "interval true": put("data", "groups", 0, "interval", value=True),
    "a huge number": raw(HUGE_NUMBER),
    "interval infinite": lambda answer: json.dumps(answer).replace('"interval": 15', '"interval": Infinity').encode(),
    "rules failing": every_rule(health="err", lastError="many-to-many matching not allowed"),
    "rules of unknown health": every_rule(health="unknown"),
    "health missing": every_rule(health=None),
    "never evaluated": every_rule(lastEvaluation="0001-01-01T00:00:00Z"),
    "evaluated minutes ago": every_rule(lastEvaluation=stamp(NOW - timedelta(minutes=5))),
    "last evaluation no time": every_rule(lastEvaluation="yesterday"),
    "last evaluation without zone": every_rule(lastEvaluation="2026-11-23T03:10:00"),
    "last evaluation a number": every_rule(lastEvaluation=1795403409),
    "last evaluation missing": every_rule(lastEvaluation=None),
    "alerts a number": every_rule(alerts=7),
    "alerts of strings": every_rule(alerts=["CertS3Outage"]),
    "alerts nested": every_rule(alerts=[{"state": NESTED, "labels": {}}]),
    "a state nobody knows": every_rule(alerts=[{"labels": {}, "state": "paused", "activeAt": stamp(NOW)}]),
    "alert without labels": every_rule(alerts=[{"state": "firing", "activeAt": stamp(NOW)}]),
    "alert labels a list": every_rule(alerts=[{"labels": [], "state": "firing", "activeAt": stamp(NOW)}]),
    "active since no time": every_rule(alerts=[{"labels": {}, "state": "firing", "activeAt": "soon"}]),
    "watchdog not loaded": drop("data", "groups", 0, "rules", -1),
    "watchdog inactive": put("data", "groups", 0, "rules", -1, "alerts", value=[]),
    "watchdog null": put("data", "groups", 0, "rules", -1, "alerts", value=None),
    "watchdog without warm-up": put("data", "groups", 0, "rules", -1, "alerts", 0, "annotations", value={}),
    "warm-up no number": put(
        "data", "groups", 0, "rules", -1, "alerts", 0, "annotations", value={"warm_up_seconds": "soon"}
    ),
    "warm-up negative": put(
        "data", "groups", 0, "rules", -1, "alerts", 0, "annotations", value={"warm_up_seconds": "-1"}
    ),
    "warm-up NaN": put("data", "groups", 0, "rules", -1, "alerts", 0, "annotations", value={"warm_up_seconds": "NaN"}),
    "watchdog began a moment ago": put("data", "groups", 0, "rules", -1, "alerts", 0, "activeAt", value=stamp(NOW)),
}
VECTOR: dict[str, Edit] = {
    "a matrix": put("data", "resultType", value="matrix"),
    "a scalar": put("data", value={"resultType": "scalar", "result": [1795403287.798, "0.5"]}),
    "no result": drop("data", "result"),
    "result null": put("data", "result", value=None),
    "empty": put("data", "result", value=[]),
    "only the clock": drop("data", "result", 0),
    "no clock": drop("data", "result", -1),
    "clock an hour ahead": put("data", "result", -1, "value", 1, value=str(NOW.timestamp() + 3600)),
    "clock an hour behind": put("data", "result", -1, "value", 1, value=str(NOW.timestamp() - 3600)),
    "clock NaN": put("data", "result", -1, "value", 1, value="NaN"),
    "clock beyond time": put("data", "result", -1, "value", 1, value="1e300"),
    "a series that is a string": put("data", "result", 0, value="up"),
    "a series without labels field": drop("data", "result", 0, "metric"),
    "a series without value": drop("data", "result", 0, "value"),
    "value of one part": put("data", "result", 0, "value", value=[1]),
    "value a number": facts(4095),
    "value no number": facts("lots"),
    "value empty": facts(""),
    "facts NaN": facts("NaN"),
    "facts infinite": facts("+Inf"),
    "facts negative": facts("-1"),
    "facts zero": facts("0"),
    "facts a fraction": facts(str(int(HEALTHY) + 0.5)),
    "facts too large": facts("1e30"),
    "facts twice": more(point("cert_s3:facts", int(HEALTHY), replica="b")),
    "a ratio twice": more(
        point("cert_s3:fail_ratio:10m", 0.1, op="save"), point("cert_s3:fail_ratio:10m", 0.2, op="save", replica="b")
    ),
    "a ratio NaN": more(point("cert_s3:fail_ratio:10m", "NaN", op="save")),
    "a ratio infinite": more(point("cert_s3:write_success_ratio:10m", "-Inf")),
    "labels of wrong types": put("data", "result", 0, "metric", value={"__name__": ["x"], "namespace": {}, "op": 3}),
    "another workload's facts": put("data", "result", 0, "metric", "deployment", value="other"),
}
CORPUS = {
    **{f"rules: {name}": ("rules", edit) for name, edit in {**ANYWHERE, **RULES}.items()},
    **{f"query: {name}": ("vector", edit) for name, edit in {**ANYWHERE, **VECTOR}.items()},
}


def test_the_corpus_is_large() -> None:
    assert len({**ANYWHERE, **RULES, **VECTOR}) >= 60


async def graded(prometheus: Prometheus) -> SignalSet:
    return grade(await prometheus.poll(), INTEREST, None, prometheus.now)


def odd(prometheus: Prometheus, case: str) -> None:
    where, edit = CORPUS[case]
    if where == "rules":
        prometheus.edit_rules = edit
    else:
        prometheus.edit_vector = edit


async def test_the_server_without_an_edit_is_believed(prometheus: Prometheus) -> None:
    signals = await graded(prometheus)
    assert signals.trusted
    assert {signals.verdict(name) for name in SignalName} == {Verdict.CLEAR_PROVEN}


@pytest.mark.parametrize("case", CORPUS)
async def test_nothing_odd_is_proof(prometheus: Prometheus, case: str) -> None:
    firing = alert("CertS3Outage", since=NOW - timedelta(minutes=1))
    prometheus.alerts = [firing]
    assert (await graded(prometheus)).verdict(SignalName.OUTAGE) is Verdict.FIRING

    odd(prometheus, case)
    after = await graded(prometheus)
    # still firing beside the odd part, or nothing is believed at all
    assert after.verdict(SignalName.OUTAGE) in (Verdict.FIRING, Verdict.UNKNOWN, Verdict.CLEAR_UNPROVEN)

    prometheus.alerts = []
    resolved = await graded(prometheus)
    assert resolved.verdict(SignalName.OUTAGE) in (Verdict.UNKNOWN, Verdict.CLEAR_UNPROVEN)

    prometheus.sample = None
    quiet = await graded(prometheus)
    for name in SignalName:
        signal = quiet[name]
        assert signal.verdict in (Verdict.UNKNOWN, Verdict.CLEAR_UNPROVEN)
        assert signal.reason.isalnum()
        assert signal.reason[0].isupper()
        assert signal.message
        assert "\n" not in signal.message
        assert len(signal.message) < 600


async def held_local(prometheus: Prometheus) -> World:
    """An outage was seen and reads are local; the way back opens after one second of proof."""
    world = World(make_policy(recovery={"holdSeconds": 1}))
    prometheus.alerts = [alert("CertS3Outage", since=NOW)]
    await go_on(world, prometheus)
    assert world.read_is(FlagState.FALSE)
    prometheus.alerts = []
    return world


async def go_on(world: World, prometheus: Prometheus) -> None:
    """Half a minute: polls, and passes on what they say."""
    for _ in range(6):
        prometheus.later(5)
        world.now = prometheus.now
        world.signals = grade(await prometheus.poll(), INTEREST, world.signals, prometheus.now)
        world.settle()


async def test_the_way_back_opens_on_sound_answers(prometheus: Prometheus) -> None:
    world = await held_local(prometheus)
    await go_on(world, prometheus)
    assert world.jobs


@pytest.mark.parametrize("case", CORPUS)
async def test_nothing_odd_turns_anything_on(prometheus: Prometheus, case: str) -> None:
    world = await held_local(prometheus)
    odd(prometheus, case)
    await go_on(world, prometheus)
    assert world.read_is(FlagState.FALSE)
    assert not world.jobs

    calm = World()
    await go_on(calm, prometheus)
    assert calm.writes == []


async def test_a_watchdog_in_another_group_is_found(prometheus: Prometheus) -> None:
    def split(answer: Any) -> Any:
        rules = answer["data"]["groups"][0]["rules"]
        dog = [rule for rule in rules if rule["name"] == WATCHDOG]
        answer["data"]["groups"][0]["rules"] = [rule for rule in rules if rule["name"] != WATCHDOG]
        answer["data"]["groups"].append({"name": "other", "interval": 15, "rules": dog})
        return answer

    prometheus.edit_rules = split
    assert (await graded(prometheus)).trusted
