"""The rule files: one source, nothing stale, and the promises every alert makes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from certstorage.signals.names import ALERT_OF_SIGNAL, OPERATOR_NAMESPACE, VOLUME_COLLAPSE, WATCHDOG, Fact
from certstorage.signals.queries import RECORDED, ReplicaSet, fallback_query
from certstorage.signals.rules import main, prometheus_rule, rule_file, to_yaml
from certstorage.signals.timings import (
    Timings,
    TimingsError,
    parse_duration,
    parse_timings,
    promql,
    write_timings,
)

ROOT = Path(__file__).parents[3]
RULES: list[dict[str, Any]] = rule_file(Timings())["groups"][0]["rules"]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDS = [rule for rule in RULES if "record" in rule]
OF_THE_CONTRACT = {
    "CertS3SaveFailHigh": "warning",
    "CertS3ReadFallbackHigh": "critical",
    "CertS3DeleteFailHigh": "warning",
    "CertS3WriteSuccessLow": "critical",
    "CertBackfillMismatchHigh": "critical",
    "CertS3Outage": "critical",
    "CertS3BlackHole": "critical",
    "CertS3VolumeCollapse": "info",
    "CertS3GetSlow": "warning",
    "CertLocalDiskLow": "critical",
    "CertS3MetricsAbsent": "warning",
    "CertStorageWatchdog": "none",
    "CertStorageOperatorStale": "critical",
    "CertStorageBlocked": "critical",
    "CertStorageSweepOverBudget": "critical",
    "CertStorageFlagMismatch": "critical",
}


def demo_timings() -> Timings:
    return parse_timings(yaml.safe_load((ROOT / "deploy" / "demo" / "values.yaml").read_text())["rules"])


@pytest.mark.parametrize(
    ("path", "timings", "build"),
    [
        ("deploy/rules/cert-s3.yml", Timings, rule_file),
        ("deploy/rules/prometheusrule.yaml", Timings, prometheus_rule),
        ("deploy/demo/generated/cert-s3.yml", demo_timings, rule_file),
    ],
)
def test_what_is_committed_is_what_is_built(path: str, timings: Any, build: Any) -> None:
    wanted = to_yaml(build(timings()), timings())
    assert (ROOT / path).read_text() == wanted, f"{path} is stale: run `make generate`"


def test_the_prometheusrule_holds_the_same_rules() -> None:
    assert prometheus_rule(Timings())["spec"] == rule_file(Timings())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_expression_is_promql(rule: dict[str, Any]) -> None:
    promql_parser.parse(rule["expr"])


def test_the_questions_of_the_reader_are_promql() -> None:
    promql_parser.parse(RECORDED)
    sets = [ReplicaSet("production", "delta.crown", "7d9f8c"), ReplicaSet('o"dd', "x", "y")]
    question = fallback_query(sets)
    promql_parser.parse(question)
    assert r"delta\\.crown\\-7d9f8c" in question or r"delta\\.crown-7d9f8c" in question


def test_the_alerts_and_their_severities() -> None:
    found = {rule["alert"]: rule["labels"]["severity"] for rule in ALERTS if "band" not in rule["labels"]}
    assert found == OF_THE_CONTRACT
    bands = sorted(
        (rule["alert"], rule["labels"]["band"], rule["labels"]["severity"])
        for rule in ALERTS
        if "band" in rule["labels"]
    )
    assert bands == [
        ("CertS3Degraded", "over-20", "critical"),
        ("CertS3Degraded", "over-5", "warning"),
        ("CertS3ReadFallbackElevated", "over-10", "warning"),
        ("CertS3ReadFallbackElevated", "over-30", "critical"),
    ]
    assert {rule["alert"] for rule in ALERTS} >= {*ALERT_OF_SIGNAL.values(), VOLUME_COLLAPSE, WATCHDOG}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_every_alert_says_what_where_and_what_to_read(rule: dict[str, Any]) -> None:
    labels, told = rule["labels"], rule["annotations"]
    assert labels["severity"] in {"critical", "warning", "info", "none"}
    assert re.fullmatch(r"[a-z-]+", labels["scenario"])
    assert told["summary"]
    assert told["description"].endswith(".")
    assert told["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}"
    of_the_operator = labels.get("namespace") == OPERATOR_NAMESPACE
    assert of_the_operator or "{{ $labels.namespace }}/{{ $labels.deployment }}" in told["summary"]


def test_rules_read_only_what_rules_before_them_record() -> None:
    known: set[str] = set()
    for rule in RULES:
        read = set(re.findall(r"\bcert_(?:s3|local):[a-z0-9_]+(?::(?:1m|2m|10m|now))?", rule["expr"]))
        assert read <= known, f"{rule.get('alert') or rule['record']} reads {read - known} too early"
        known |= {rule["record"]} if "record" in rule else set()


def test_no_series_is_recorded_twice() -> None:
    found = Counter((rule["record"], tuple(rule.get("labels", {}).items())) for rule in RECORDS)
    assert max(found.values()) == 1


def test_facts_are_distinct_bits_without_gaps() -> None:
    assert sum(Fact) == 2 * max(Fact) - 1
    (expr,) = [rule["expr"] for rule in RECORDS if rule["record"] == "cert_s3:facts"]
    assert sum(int(bit) for bit in re.findall(r"\((\d+) \*", expr)) + 1 == sum(Fact)


def test_an_outage_leaves_time_in_the_budget() -> None:
    """All phases are tried by promtool (tests/rules/phases.py); this is the arithmetic of the worst one."""
    timings = Timings()
    scrape = timings.interval
    worst = 0.85 * scrape + (timings.outage_window - scrape) + timings.interval + timings.outage_for
    assert worst <= timedelta(seconds=90)
    assert timings.warm_up >= worst


# --- the promtool cases

CASES = ROOT / "tests" / "rules"
COUNTED = {"fires", "silent", "edge", "no traffic", "absent", "rollout", "reset"}
"""Kinds of cases of an alert on counters."""
GAUGED = COUNTED - {"no traffic", "reset"}
"""Of one on gauges, which have neither."""
KINDS = {
    "CertBackfillMismatchHigh": GAUGED,
    "CertLocalDiskLow": GAUGED,
    "CertS3MetricsAbsent": COUNTED - {"absent"},
    "CertStorageOperatorStale": GAUGED,
    "CertStorageBlocked": GAUGED,
    "CertStorageSweepOverBudget": GAUGED,
    "CertStorageFlagMismatch": GAUGED,
    WATCHDOG: {"fires"},
}
"""Of the alerts that cannot have all seven."""


def expected(case: dict[str, Any]) -> dict[str, list[bool]]:
    """Whether each alert that a promtool case asks about must be firing, at each time it asks."""
    found: dict[str, list[bool]] = {}
    for one in case.get("alert_rule_test", ()):
        found.setdefault(one["alertname"], []).append(bool(one.get("exp_alerts")))
    for one in case.get("promql_expr_test", ()):
        fires = any("firing" in sample["labels"] for sample in one["exp_samples"])
        for name in re.findall(r'alertname="(\w+)"', one["expr"]):
            found.setdefault(name, []).append(fires)
    return found


def promtool_cases() -> dict[str, list[set[str]]]:
    """By alert, the kinds that each of its cases is of."""
    found: dict[str, list[set[str]]] = {}
    for path in sorted(CASES.glob("*_test.yml")):
        for case in yaml.load(path.read_text(), yaml.CSafeLoader)["tests"]:
            named = {kind for kind in COUNTED if kind in case["name"]}
            for name, fires in expected(case).items():
                kinds = named | ({"fires"} if any(fires) else set()) | (set() if all(fires) else {"silent"})
                found.setdefault(name, []).append(kinds)
    return found


def test_every_alert_has_four_cases_and_one_of_each_kind() -> None:
    cases = promtool_cases()
    alerts = {rule["alert"] for rule in ALERTS}
    assert cases.keys() == alerts
    assert {name: len(cases[name]) for name in alerts if len(cases[name]) < 4} == {}
    lacking = {name: KINDS.get(name, COUNTED) - set().union(*cases[name]) for name in sorted(alerts)}
    assert {name: kinds for name, kinds in lacking.items() if kinds} == {}


def test_every_alert_is_explained_where_its_link_leads() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text()
    sections = dict(re.findall(r"^### (\w+)\n\n(.+)$", page, re.MULTILINE))
    assert sections.keys() == {rule["alert"] for rule in ALERTS}
    for rule in ALERTS:
        severity = rule["labels"]["severity"]
        assert severity == "none" or severity in sections[rule["alert"]].lower()


# --- timings


def test_timings_survive_writing_and_reading() -> None:
    assert parse_timings(write_timings(Timings())) == Timings()
    assert parse_timings(write_timings(demo_timings())) == demo_timings()
    assert parse_timings({}) == Timings()


@given(st.integers(min_value=1, max_value=10**9))
def test_durations_survive_writing_and_reading(millis: int) -> None:
    duration = timedelta(milliseconds=millis)
    assert parse_duration(promql(duration)) == duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15), ("1m", 60), ("1h30m", 5400), ("250ms", 0.25), ("1d", 86400), ("90s", 90)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "s", "1.5s", "-1s", "1 m", "1w", "15s ", "m15"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(TimingsError, match="is not a Prometheus duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"outagewindow": "1m"}, "rules.outagewindow is not known"),
        ({"interval": 15}, "rules.interval must be a duration"),
        ({"interval": "fast"}, "rules.interval: 'fast' is not"),
        ({"minOperations": "20"}, "rules.minOperations must be a whole number"),
        ({"minOperations": True}, "rules.minOperations must be a whole number"),
        ({"minOperations": 0}, "minOperations must be more than nothing"),
        ({"absentFor": "0s"}, "absentFor must be more than nothing"),
        ({"interval": "20s"}, "outageWindow must hold at least four intervals"),
        ({"window": "90s"}, "must not shrink"),
    ],
)
def test_timings_that_cannot_work_name_the_field(values: dict[str, object], says: str) -> None:
    with pytest.raises(TimingsError, match=re.escape(says)):
        parse_timings(values)


def test_every_timing_reaches_a_rule() -> None:
    """A timing that changes nothing would be a lie in the values file."""
    usual = to_yaml(rule_file(Timings()), Timings())
    for field in fields(Timings):
        value = getattr(Timings(), field.name)
        larger = value + 1 if isinstance(value, int) else value * (0.5 if field.name == "interval" else 1.5)
        change: dict[str, Any] = {} if field.name == "window" else {field.name: larger}
        changed = replace(Timings(), window=timedelta(minutes=20), **change)
        assert (
            rule_file(changed) != rule_file(replace(Timings(), window=timedelta(minutes=20))) or field.name == "window"
        )
    assert "20m" not in usual


# --- the command


def test_the_command_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert main(["--out", str(tmp_path / "new" / "rules.yml")]) == 0
    assert (tmp_path / "new" / "rules.yml").read_text() == printed
    (tmp_path / "values.yaml").write_text("rules: {blockedAfter: 1m}\n")
    assert main(["--values", str(tmp_path / "values.yaml"), "--format", "prometheusrule"]) == 0
    assert "> 60" in capsys.readouterr().out
    assert main(["--runbook", "https://wiki.example.org/runbook"]) == 0
    assert "https://wiki.example.org/runbook#certs3outage" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "rules:", "rules: []", "rules: {interval: x}", "a: [", "- 1"])
def test_the_command_says_what_is_wrong_with_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    assert main(["--values", str(path)]) == 3
    assert str(path) in capsys.readouterr().err


def test_the_command_names_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--values", "/nowhere/values.yaml"]) == 3
    assert "/nowhere/values.yaml" in capsys.readouterr().err
