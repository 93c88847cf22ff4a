"""Given what a server says now and said before, this is believed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certstorage.api.signals import SignalName, SignalSet, Verdict
from certstorage.signals.failures import Failure, Trouble
from certstorage.signals.grading import MAX_AGE, grade
from certstorage.signals.names import ALERT_OF_SIGNAL, Fact
from certstorage.signals.sample import FORGOTTEN
from tests.unit.signals.conftest import (
    HEALTHY,
    INTEREST,
    NOW,
    WORKLOAD,
    Prometheus,
    alert,
    point,
    stamp,
)

MINUTE = timedelta(minutes=1)
ALL = tuple(SignalName)


async def look(prometheus: Prometheus, earlier: SignalSet | None = None) -> SignalSet:
    return grade(await prometheus.poll(), INTEREST, earlier, prometheus.now)


def test_before_the_first_poll_nothing_is_known() -> None:
    signals = grade(None, INTEREST, None, NOW)
    assert not signals.trusted
    assert signals.reason == "NotPolled"
    assert {signals.verdict(name) for name in ALL} == {Verdict.UNKNOWN}


async def test_a_busy_healthy_workload_is_proven(prometheus: Prometheus) -> None:
    signals = await look(prometheus)
    assert signals.trusted
    assert {name: signals[name].value for name in ALL} == {
        SignalName.OUTAGE: 0.0,
        SignalName.BLACK_HOLE: None,
        SignalName.RECOVERY: 0.0,
        SignalName.SAVE_FAIL: 0.0,
        SignalName.READ_FALLBACK: 0.0,
        SignalName.DELETE_FAIL: 0.0,
        SignalName.WRITE_SUCCESS: 1.0,
        SignalName.MISMATCH: None,
        SignalName.DEGRADED: 0.0,
        SignalName.FALLBACK_ELEVATED: 0.0,
        SignalName.GET_SLOW: 0.04,
        SignalName.LOCAL_DISK: 0.6,
        SignalName.METRICS: None,
    }
    assert all(signals[name].since == NOW for name in ALL)


async def test_imperfect_ratios_are_shown(prometheus: Prometheus) -> None:
    prometheus.points += [
        point("cert_s3:fail_ratio:10m", 0.03, op="save"),
        point("cert_s3:fail_ratio:now", 0.02, op="save"),
        point("cert_s3:write_success_ratio:10m", 0.97),
    ]
    signals = await look(prometheus)
    assert signals[SignalName.SAVE_FAIL].value == 0.03
    assert signals[SignalName.WRITE_SUCCESS].value == 0.97
    assert signals[SignalName.RECOVERY].value == 0.02


@pytest.mark.parametrize("name", ALERT_OF_SIGNAL)
async def test_a_firing_alert_fires_its_signal_and_no_other(prometheus: Prometheus, name: SignalName) -> None:
    prometheus.alerts = [alert(ALERT_OF_SIGNAL[name], since=NOW - MINUTE, value="9.7e-01")]
    signals = await look(prometheus)
    assert [one for one in ALL if signals.verdict(one) is Verdict.FIRING] == [name]
    fired = signals[name]
    assert (fired.since, fired.reason) == (NOW - MINUTE, "AlertFiring")
    assert "production/deltacrown" in fired.message


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        (SignalName.OUTAGE, "9.7e-01", 0.97),
        (SignalName.MISMATCH, "7.5e-01", 0.0075),
        (SignalName.GET_SLOW, "2.5e+00", 2.5),
        (SignalName.LOCAL_DISK, "0", 0.0),
        (SignalName.BLACK_HOLE, "3e+01", None),
        (SignalName.METRICS, "1e+00", None),
        (SignalName.OUTAGE, "1e+300", None),
        (SignalName.OUTAGE, "-1", None),
        (SignalName.OUTAGE, "NaN", None),
        (SignalName.GET_SLOW, "1e+09", None),
    ],
)
async def test_an_alerts_value_is_shown_as_a_ratio_or_in_seconds(
    prometheus: Prometheus, name: SignalName, value: str, shown: float | None
) -> None:
    prometheus.alerts = [alert(ALERT_OF_SIGNAL[name], since=NOW, value=value)]
    signal = (await look(prometheus))[name]
    assert signal.verdict is Verdict.FIRING
    assert signal.value == (shown if shown is None else pytest.approx(shown))


async def test_the_page_is_shown_rather_than_the_warning(prometheus: Prometheus) -> None:
    prometheus.alerts = [
        alert("CertS3Degraded", since=NOW - MINUTE, severity="warning", value="0.2"),
        alert("CertS3Degraded", since=NOW, severity="critical", value="0.3"),
    ]
    assert (await look(prometheus))[SignalName.DEGRADED].value == 0.3


async def test_an_alert_of_another_workload_is_not_ours(prometheus: Prometheus) -> None:
    prometheus.alerts = [
        alert("CertS3Outage", since=NOW, deployment="other"),
        alert("CertS3Outage", since=NOW, namespace="staging"),
    ]
    assert (await look(prometheus)).verdict(SignalName.OUTAGE) is Verdict.CLEAR_PROVEN


async def test_pending_is_not_firing_and_not_clear(prometheus: Prometheus) -> None:
    prometheus.alerts = [alert("CertS3Outage", "pending", since=NOW)]
    signal = (await look(prometheus))[SignalName.OUTAGE]
    assert signal.verdict is Verdict.CLEAR_UNPROVEN
    assert signal.missing == ("CertS3Outage is pending",)


async def test_from_firing_back_to_pending_is_no_recovery(prometheus: Prometheus) -> None:
    prometheus.alerts = [alert("CertS3Outage", since=NOW)]
    first = await look(prometheus)
    prometheus.later(15)
    prometheus.alerts = [alert("CertS3Outage", "pending", since=NOW)]
    second = await look(prometheus, first)
    assert second.verdict(SignalName.OUTAGE) is Verdict.FIRING
    assert second[SignalName.OUTAGE].reason == "AlertPendingAgain"
    assert second[SignalName.OUTAGE].since == first[SignalName.OUTAGE].since


async def test_resolved_and_evaluated_since_is_clear_again(prometheus: Prometheus) -> None:
    prometheus.alerts = [alert("CertS3Outage", since=NOW)]
    await look(prometheus)
    prometheus.alerts = []
    unseen = await look(prometheus)
    assert unseen[SignalName.OUTAGE].missing == ("an evaluation of CertS3Outage since it fired",)
    prometheus.later(15)
    assert (await look(prometheus)).verdict(SignalName.OUTAGE) is Verdict.CLEAR_PROVEN
    prometheus.alerts = [alert("CertS3Outage", "pending", since=prometheus.now)]
    prometheus.later(15)
    assert (await look(prometheus)).verdict(SignalName.OUTAGE) is Verdict.CLEAR_UNPROVEN


async def test_a_server_that_restarts_while_firing_resolves_nothing(prometheus: Prometheus) -> None:
    prometheus.alerts = [alert("CertS3Outage", since=NOW)]
    await look(prometheus)
    prometheus.later(20)
    prometheus.began, prometheus.alerts = prometheus.now - timedelta(seconds=5), []
    signal = (await look(prometheus))[SignalName.OUTAGE]
    assert signal.verdict is Verdict.CLEAR_UNPROVEN
    assert signal.missing == ("the end of the server's warm-up",)
    prometheus.later(15)
    prometheus.alerts = [alert("CertS3Outage", "pending", since=prometheus.now)]
    assert (await look(prometheus)).verdict(SignalName.OUTAGE) is Verdict.FIRING


async def test_a_warming_server_proves_nothing_about_recovery(prometheus: Prometheus) -> None:
    prometheus.began = NOW - timedelta(seconds=60)
    signals = await look(prometheus)
    assert signals.trusted
    assert signals[SignalName.RECOVERY].missing == ("the end of the server's warm-up",)
    assert Verdict.CLEAR_PROVEN not in {signals.verdict(name) for name in ALL}


async def test_an_exporter_that_goes_while_firing_is_no_recovery(prometheus: Prometheus) -> None:
    prometheus.alerts = [alert("CertS3Outage", since=NOW)]
    await look(prometheus)
    prometheus.later(15)
    prometheus.alerts, prometheus.facts = [], None
    blind = await look(prometheus)
    assert not blind.trusted
    assert blind.reason == Trouble.NO_SERIES.value
    assert blind.verdict(SignalName.OUTAGE) is Verdict.UNKNOWN
    prometheus.later(15)
    prometheus.facts = int(HEALTHY)
    prometheus.alerts = [alert("CertS3Outage", "pending", since=prometheus.now)]
    assert (await look(prometheus)).verdict(SignalName.OUTAGE) is Verdict.FIRING


async def test_a_rule_file_removed_while_firing_is_no_recovery(prometheus: Prometheus) -> None:
    prometheus.alerts = [alert("CertS3Outage", since=NOW)]
    await look(prometheus)
    prometheus.later(15)
    prometheus.alerts = []

    def without_outage(answer: dict) -> dict:  # type: ignore[type-arg]
        rules = answer["data"]["groups"][0]["rules"]
        answer["data"]["groups"][0]["rules"] = [rule for rule in rules if rule["name"] != "CertS3Outage"]
        return answer

    prometheus.edit_rules = without_outage
    signals = await look(prometheus)
    assert signals.verdict(SignalName.OUTAGE) is Verdict.UNKNOWN
    assert signals[SignalName.OUTAGE].reason == Trouble.RULES_MISSING.value
    assert not signals.trusted
    assert signals.verdict(SignalName.SAVE_FAIL) is Verdict.CLEAR_PROVEN


async def test_one_failing_rule_blinds_only_its_own_signal(prometheus: Prometheus) -> None:
    def failing(answer: dict) -> dict:  # type: ignore[type-arg]
        for rule in answer["data"]["groups"][0]["rules"]:
            if rule["name"] == "CertS3DeleteFailHigh":
                rule |= {"health": "err", "lastError": "found duplicate series"}
        return answer

    prometheus.edit_rules = failing
    signals = await look(prometheus)
    assert signals.verdict(SignalName.DELETE_FAIL) is Verdict.UNKNOWN
    assert "found duplicate series" in signals[SignalName.DELETE_FAIL].message
    assert [name for name in ALL if signals.verdict(name) is Verdict.UNKNOWN] == [SignalName.DELETE_FAIL]


async def test_what_fired_is_remembered_through_polls_that_fail(prometheus: Prometheus) -> None:
    prometheus.alerts = [alert("CertS3Outage", since=NOW)]
    await look(prometheus)
    prometheus.later(5)
    prometheus.edit_rules = lambda _: Failure(Trouble.UNREACHABLE, "gone")
    assert (await look(prometheus)).verdict(SignalName.OUTAGE) is Verdict.UNKNOWN
    prometheus.later(15)
    prometheus.edit_rules = lambda answer: answer
    prometheus.alerts = [alert("CertS3Outage", "pending", since=prometheus.now)]
    assert (await look(prometheus)).verdict(SignalName.OUTAGE) is Verdict.FIRING


async def test_a_workload_gone_for_a_day_is_forgotten(prometheus: Prometheus) -> None:
    prometheus.alerts = [alert("CertS3Outage", since=NOW)]
    assert (await prometheus.poll()).unresolved
    prometheus.alerts, prometheus.facts = [], None
    prometheus.later(FORGOTTEN.total_seconds() - 20)
    assert (await prometheus.poll()).unresolved
    prometheus.later(60)
    assert not (await prometheus.poll()).unresolved


async def test_an_old_poll_says_nothing(prometheus: Prometheus) -> None:
    sample = await prometheus.poll()
    assert grade(sample, INTEREST, None, NOW + MAX_AGE).trusted
    late = grade(sample, INTEREST, None, NOW + MAX_AGE + timedelta(seconds=1))
    assert (late.trusted, late.reason) == (False, Trouble.POLL_STALE.value)


async def test_since_stays_while_the_verdict_does(prometheus: Prometheus) -> None:
    first = await look(prometheus)
    prometheus.later(60)
    second = await look(prometheus, first)
    assert second[SignalName.RECOVERY].since == NOW
    prometheus.facts = int(HEALTHY & ~Fact.RECOVERED | Fact.SAVES_FAILING)
    prometheus.later(60)
    third = await look(prometheus, second)
    assert third[SignalName.RECOVERY].verdict is Verdict.FIRING
    assert third[SignalName.RECOVERY].since == prometheus.now


QUIET = Fact.SCRAPED | Fact.WATCHED


@pytest.mark.parametrize(
    ("facts", "verdict", "missing"),
    [
        (HEALTHY, Verdict.CLEAR_PROVEN, ""),
        (HEALTHY | Fact.SAVES_FAILING, Verdict.CLEAR_PROVEN, ""),
        (HEALTHY & ~Fact.RECOVERED | Fact.SAVES_FAILING, Verdict.FIRING, ""),
        (HEALTHY & ~Fact.RECOVERED, Verdict.CLEAR_UNPROVEN, "saves below 1 % of failures for five minutes"),
        (QUIET | Fact.SAVE_FAILED_LATELY, Verdict.CLEAR_UNPROVEN, "ten minutes without a failed save"),
        (QUIET | Fact.SAVES, Verdict.IDLE, ""),
        (QUIET, Verdict.IDLE, ""),
        (QUIET | Fact.READS | Fact.READ_FROM_S3, Verdict.IDLE, ""),
        (Fact.SCRAPED, Verdict.CLEAR_UNPROVEN, "a minute of scrapes without a gap"),
    ],
)
async def test_recovery_is_read_from_saves(prometheus: Prometheus, facts: Fact, verdict: Verdict, missing: str) -> None:
    prometheus.facts = int(facts)
    signal = (await look(prometheus))[SignalName.RECOVERY]
    assert signal.verdict is verdict
    assert ", ".join(signal.missing) == missing


@pytest.mark.parametrize(
    ("name", "facts", "verdict"),
    [
        (SignalName.OUTAGE, QUIET, Verdict.IDLE),
        (SignalName.OUTAGE, QUIET | Fact.READS, Verdict.CLEAR_UNPROVEN),
        (SignalName.OUTAGE, QUIET | Fact.READS | Fact.READ_FROM_S3, Verdict.CLEAR_PROVEN),
        (SignalName.OUTAGE, QUIET | Fact.SAVES | Fact.WRITTEN_TO_S3, Verdict.CLEAR_PROVEN),
        (SignalName.BLACK_HOLE, QUIET, Verdict.IDLE),
        (SignalName.BLACK_HOLE, QUIET | Fact.SAVES, Verdict.CLEAR_UNPROVEN),
        (SignalName.READ_FALLBACK, QUIET | Fact.READS | Fact.READS_JUDGED, Verdict.CLEAR_UNPROVEN),
        (SignalName.READ_FALLBACK, QUIET | Fact.READS | Fact.READ_FROM_S3, Verdict.CLEAR_PROVEN),
        (SignalName.SAVE_FAIL, QUIET | Fact.SAVES, Verdict.CLEAR_UNPROVEN),
        (SignalName.SAVE_FAIL, QUIET | Fact.SAVES_JUDGED, Verdict.CLEAR_PROVEN),
        (SignalName.DELETE_FAIL, QUIET, Verdict.IDLE),
        (SignalName.DELETE_FAIL, QUIET | Fact.DELETES, Verdict.CLEAR_UNPROVEN),
        (SignalName.WRITE_SUCCESS, QUIET | Fact.SAVES, Verdict.CLEAR_UNPROVEN),
        (SignalName.MISMATCH, QUIET, Verdict.CLEAR_UNPROVEN),
        (SignalName.METRICS, QUIET, Verdict.CLEAR_PROVEN),
        (SignalName.OUTAGE, Fact.SCRAPED, Verdict.CLEAR_UNPROVEN),
        (SignalName.SAVE_FAIL, Fact.SCRAPED, Verdict.CLEAR_UNPROVEN),
        (SignalName.GET_SLOW, Fact.SCRAPED, Verdict.CLEAR_UNPROVEN),
    ],
)
async def test_what_proves_quiet(prometheus: Prometheus, name: SignalName, facts: Fact, verdict: Verdict) -> None:
    prometheus.facts, prometheus.points = int(facts), []
    signal = (await look(prometheus))[name]
    assert signal.verdict is verdict
    assert bool(signal.missing) is (verdict is Verdict.CLEAR_UNPROVEN)


async def test_too_few_reads_make_no_ratio(prometheus: Prometheus) -> None:
    prometheus.facts = int(QUIET | Fact.READS | Fact.READ_FROM_S3)
    signals = await look(prometheus)
    assert signals.verdict(SignalName.READ_FALLBACK) is Verdict.CLEAR_PROVEN
    assert signals[SignalName.READ_FALLBACK].value is None
    assert signals[SignalName.OUTAGE].value is None


async def test_reads_that_are_local_prove_nothing_about_s3(prometheus: Prometheus) -> None:
    prometheus.facts = int(HEALTHY & ~Fact.READ_FROM_S3 & ~Fact.WRITTEN_TO_S3)
    signals = await look(prometheus)
    for name in (SignalName.OUTAGE, SignalName.BLACK_HOLE, SignalName.READ_FALLBACK, SignalName.FALLBACK_ELEVATED):
        assert signals.verdict(name) is Verdict.CLEAR_UNPROVEN


async def test_a_quiet_night_is_idle_and_fires_nothing(prometheus: Prometheus) -> None:
    prometheus.facts, prometheus.points = int(QUIET | Fact.VALIDATED), prometheus.points[1:]
    signals = await look(prometheus)
    assert signals.trusted
    assert {signals.verdict(name) for name in ALL} == {Verdict.IDLE, Verdict.CLEAR_PROVEN}
    assert [name for name in ALL if signals.verdict(name) is Verdict.CLEAR_PROVEN] == [
        SignalName.MISMATCH,
        SignalName.LOCAL_DISK,
        SignalName.METRICS,
    ]


async def test_disk_and_latency_need_their_gauges(prometheus: Prometheus) -> None:
    prometheus.points = []
    signals = await look(prometheus)
    assert signals.verdict(SignalName.LOCAL_DISK) is Verdict.CLEAR_UNPROVEN
    assert signals.verdict(SignalName.GET_SLOW) is Verdict.CLEAR_UNPROVEN


async def test_a_volume_collapse_makes_no_outage_but_no_proof_either(prometheus: Prometheus) -> None:
    prometheus.alerts = [alert("CertS3VolumeCollapse", since=NOW, severity="info")]
    signals = await look(prometheus)
    assert [name for name in ALL if signals.verdict(name) is Verdict.FIRING] == []
    assert signals.verdict(SignalName.BLACK_HOLE) is Verdict.CLEAR_UNPROVEN
    assert "probe" in signals[SignalName.BLACK_HOLE].missing[0]


def counters(reads: object, fallbacks: object, pods: object, stem: str = "deltacrown-7d9f8c-") -> list:  # type: ignore[type-arg]
    values = {"reads": reads, "fallbacks": fallbacks, "pods": pods}
    return [
        {"metric": {"namespace": "production", "stem": stem, "what": what}, "value": [1, str(value)]}
        for what, value in values.items()
        if value is not None
    ]


async def test_the_new_pods_counters_are_passed_on(prometheus: Prometheus) -> None:
    prometheus.counters = counters(120, 3, 2) + counters(9, 9, 9, "other-123-")
    fallback = (await look(prometheus)).fallback
    assert fallback is not None
    assert (fallback.template_hash, fallback.reads, fallback.fallbacks, fallback.pods) == ("7d9f8c", 120, 3, 2)
    assert fallback.at == NOW


@pytest.mark.parametrize(
    "answer",
    [
        [],
        counters("NaN", 0, 3),
        counters(100, "+Inf", 3),
        counters(100, -1, 3),
        counters(None, 0, 3),
        counters(100, 0, 3) * 2,
        counters(100, 0, 3, "deltacrown-other-"),
    ],
)
async def test_odd_counters_are_no_sample(prometheus: Prometheus, answer: list) -> None:  # type: ignore[type-arg]
    prometheus.counters = answer
    signals = await look(prometheus)
    assert signals.fallback is None
    assert signals.trusted


async def test_a_counter_absent_before_its_first_failure_is_nought(prometheus: Prometheus) -> None:
    prometheus.counters = counters(100, None, 3)
    fallback = (await look(prometheus)).fallback
    assert fallback is not None
    assert fallback.fallbacks == 0


async def test_counters_that_cannot_be_had_harm_nothing_else(prometheus: Prometheus) -> None:
    prometheus.edit_counters = lambda _: Failure(Trouble.TIMED_OUT, "late")
    signals = await look(prometheus)
    assert signals.fallback is None
    assert signals.trusted
    assert prometheus.sample is not None
    assert prometheus.sample.counters_problem == Failure(Trouble.TIMED_OUT, "late")


async def test_at_most_three_requests_and_one_while_nothing_was_evaluated(prometheus: Prometheus) -> None:
    await look(prometheus)
    assert len(prometheus.asked) == 3
    prometheus.asked.clear()
    prometheus.now += timedelta(seconds=5)
    prometheus.evaluated = NOW - timedelta(seconds=5)
    await look(prometheus)
    assert [path for path, _ in prometheus.asked] == ["/api/v1/rules", "/api/v1/query"]
    assert "stem" in prometheus.asked[1][1]["query"]
    assert WORKLOAD in prometheus.sample.series.recorded  # type: ignore[union-attr]
    assert stamp(prometheus.evaluated)
