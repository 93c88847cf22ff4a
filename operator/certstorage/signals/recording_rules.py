"""The recording rules: what is counted, by namespace and deployment, over one, two and ten minutes.

Never divided by Pod: a Pod that is gone keeps its ratio for the whole window, and every flip is a rollout. A failure
counter that is absent before its first failure counts as 0, but only while the attempts are there. A ratio exists only
above `min_operations`, so 0/0 and one failure of two make none.

All rules stand in one group and in order: a rule reads what the rules before it recorded at the same evaluation.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from certstorage.signals.names import METRIC_MISMATCH, Fact
from certstorage.signals.timings import Thresholds, Timings, promql

BY: Final = "by (namespace, deployment)"
ON: Final = "on (namespace, deployment)"

_OPERATIONS: Final = {
    "save": ("cert_s3_save_total", "cert_s3_save_fail_total"),
    "read": ("cert_s3_read_total", "cert_s3_read_fallback_total"),
    "delete": ("cert_s3_delete_total", "cert_s3_delete_fail_total"),
}
_SUCCESSES: Final = {"save": "cert_s3_write_success_total", "read": "cert_s3_get_seconds_count"}

FACTS: Final = "cert_s3:facts"

Rule = dict[str, Any]
"""One rule as the rule file writes it."""


def record(name: str, expr: str, **labels: str) -> Rule:
    """One recording rule."""
    return {"record": name, "expr": expr} | ({"labels": labels} if labels else {})


def increase(counter: str, window: timedelta) -> str:
    """What a counter grew by in a window, summed over the Pods of a deployment."""
    return f"sum {BY} (increase({counter}[{promql(window)}]))"


def recording_rules(timings: Timings, thresholds: Thresholds) -> list[Rule]:
    """All recording rules in the order in which they depend on each other."""
    rules = [
        record(
            "cert_s3:last_scrape_timestamp_seconds",
            f"max {BY} (timestamp(cert_s3_save_total)) or max {BY} (timestamp(cert_s3_read_total))",
        )
    ]
    windows = {"1m": timings.outage_window, "2m": timings.check_window, "10m": timings.window}
    for suffix, window in windows.items():
        rules += _ratio_rules(suffix, window, timings.min_operations)
    # a longer window speaks where a shorter one had too little traffic to speak for itself
    rules.append(
        record("cert_s3:fail_ratio:now", "cert_s3:fail_ratio:1m or cert_s3:fail_ratio:2m or cert_s3:fail_ratio:10m")
    )
    rules += _write_rules(timings)
    rules += _hang_rules(timings)
    rules += _recovery_rules(timings, thresholds)
    rules += _gauge_rules(timings)
    rules.append(record(FACTS, _facts(timings)))
    return rules


def _ratio_rules(suffix: str, window: timedelta, minimum: int) -> list[Rule]:
    attempts, failures = f"cert_s3:attempts:{suffix}", f"cert_s3:failures:{suffix}"
    rules: list[Rule] = []
    for operation, (total, failed) in _OPERATIONS.items():
        rules.append(record(attempts, increase(total, window), op=operation))
        counted = f"{increase(failed, window)} or {ON} 0 * {attempts}{{op={operation!r}}}".replace("'", '"')
        rules.append(record(failures, counted, op=operation))
    ratio = f"round(clamp_max({failures} / ({attempts} >= {minimum}), 1), 0.0001)"
    rules.append(record(f"cert_s3:fail_ratio:{suffix}", ratio))
    return rules


def _write_rules(timings: Timings) -> list[Rule]:
    return [
        record("cert_s3:writes:10m", increase("cert_s3_write_total", timings.window)),
        record(
            "cert_s3:write_success_ratio:10m",
            f"round(clamp_max(({increase('cert_s3_write_success_total', timings.window)} or 0 * cert_s3:writes:10m)"
            f" / (cert_s3:writes:10m >= {timings.min_operations}), 1), 0.0001)",
        ),
    ]


def _hang_rules(timings: Timings) -> list[Rule]:
    window = promql(timings.outage_window)
    throughout = timings.evaluations(timings.outage_window)
    slow = round(timings.outage_window / timings.hang)
    rules = [record("cert_s3:in_flight", "sum by (namespace, deployment, op) (cert_s3_in_flight)")]
    rules += [
        record("cert_s3:successes:1m", increase(counter, timings.outage_window), op=operation)
        for operation, counter in _SUCCESSES.items()
    ]
    rules.append(record("cert_s3:writes:1m", increase("cert_s3_write_total", timings.outage_window), op="save"))
    # In flight at every evaluation of the window, none succeeded, and those that failed took longer than a quarter of
    # it on average. An attempt within ten minutes, or the gauge only leaks. Where there is no gauge: S3 writes were
    # tried and none of them ended.
    rules.append(
        record(
            "cert_s3:hung:1m",
            f"(min_over_time(cert_s3:in_flight[{window}]) > 0"
            f" and count_over_time(cert_s3:in_flight[{window}]) >= {throughout}"
            f" and cert_s3:successes:1m == 0"
            f" and cert_s3:failures:1m < {slow} * min_over_time(cert_s3:in_flight[{window}])"
            f" and cert_s3:attempts:10m > 0)"
            f" or (cert_s3:writes:1m >= {timings.min_operations} and cert_s3:successes:1m == 0"
            f" and cert_s3:failures:1m == 0)",
        )
    )
    rules.append(
        record(
            "cert_s3:completions:1m",
            f"sum {BY} (cert_s3:failures:1m) + {ON} sum {BY} (cert_s3:successes:1m)",
        )
    )
    return rules


def _recovery_rules(timings: Timings, thresholds: Thresholds) -> list[Rule]:
    window = promql(timings.recovered_window)
    saves, limit = 'cert_s3:fail_ratio:2m{op="save"}', thresholds.recovered
    written = increase("cert_s3_write_success_total", timings.recovered_window)
    tried = increase("cert_s3_write_total", timings.recovered_window)
    return [
        record("cert_s3:saves_failing", f'max {BY} (cert_s3:fail_ratio:now{{op="save"}}) >= bool {limit}'),
        # 1 if no two minutes of the last five had 1 % of failed saves, and nearly every evaluation had saves to judge
        # by; or, with less traffic, if the last ten minutes had less than that. And what was tried at S3 must have been
        # written there: while requests hang nothing has failed yet.
        record(
            "cert_s3:recovered_in_five_minutes",
            f"(max {BY} (max_over_time({saves}[{window}])) < bool {limit})"
            f" * {ON} (max {BY} (count_over_time({saves}[{window}]))"
            f" >= bool {timings.evaluations(timings.recovered_window)})"
            f" * {ON} ({written} / ({tried} >= {timings.min_operations}) >= bool {thresholds.write_success})",
        ),
        record(
            "cert_s3:recovered_in_ten_minutes",
            f'(max {BY} (cert_s3:fail_ratio:10m{{op="save"}}) < bool {limit})'
            f" * {ON} (cert_s3:write_success_ratio:10m >= bool {thresholds.write_success})",
        ),
        record(
            "cert_s3:recovered",
            f"cert_s3:recovered_in_ten_minutes == 1 or {ON} cert_s3:recovered_in_five_minutes"
            f" or {ON} cert_s3:recovered_in_ten_minutes",
        ),
    ]


def _gauge_rules(timings: Timings) -> list[Rule]:
    window = promql(timings.window)
    return [
        record(
            "cert_s3:get_seconds_p95:10m",
            f"round(histogram_quantile(0.95,"
            f" sum by (namespace, deployment, le) (increase(cert_s3_get_seconds_bucket[{window}]))), 0.001)"
            f" and {ON} sum {BY} (increase(cert_s3_get_seconds_count[{window}])) >= {timings.min_operations}",
        ),
        record(
            "cert_local:disk_free_ratio",
            f"min {BY} (cert_local_disk_free_bytes / (cert_local_disk_size_bytes > 0))",
            resource="bytes",
        ),
        record(
            "cert_local:disk_free_ratio",
            f"min {BY} (cert_local_disk_free_inodes / (cert_local_disk_inodes > 0))",
            resource="inodes",
        ),
    ]


def _facts(timings: Timings) -> str:
    """One number a workload instead of a dozen series: what the reader needs of a workload on which no alert fires."""
    per_operation = {
        "read": (Fact.READS, Fact.READS_JUDGED, Fact.READ_FROM_S3),
        "save": (Fact.SAVES, Fact.SAVES_JUDGED, Fact.WRITTEN_TO_S3),
        "delete": (Fact.DELETES, Fact.DELETES_JUDGED, None),
    }
    truths = {}
    for operation, (tried, judged, succeeded) in per_operation.items():
        truths[tried] = f'cert_s3:attempts:1m{{op="{operation}"}} > bool 0'
        truths[judged] = f'cert_s3:fail_ratio:10m{{op="{operation}"}} >= bool 0'
        if succeeded is not None:
            truths[succeeded] = f'cert_s3:successes:1m{{op="{operation}"}} > bool 0'
    truths[Fact.WRITES_JUDGED] = "cert_s3:write_success_ratio:10m >= bool 0"
    truths[Fact.SAVES_FAILING] = "cert_s3:saves_failing"
    truths[Fact.RECOVERED] = "cert_s3:recovered"
    truths[Fact.SAVE_FAILED_LATELY] = 'cert_s3:failures:10m{op="save"} > bool 0'
    truths[Fact.VALIDATED] = f"max {BY} ({of_policy(METRIC_MISMATCH)}) >= bool 0"
    watched = f"count_over_time(cert_s3:last_scrape_timestamp_seconds[{promql(timings.outage_window)}])"
    truths[Fact.WATCHED] = f"{watched} >= bool {timings.evaluations(timings.outage_window)}"
    none = f"{ON} 0 * cert_s3:last_scrape_timestamp_seconds"
    scraped = f"0 * cert_s3:last_scrape_timestamp_seconds + {Fact.SCRAPED.value}"
    terms = [f"({fact.value} * ({truth}) or {none})" for fact, truth in truths.items()]
    return f" + {ON} ".join([scraped, *terms])


def of_policy(metric: str) -> str:
    """A metric of the operator about a policy, under the policy's namespace and deployment, not the scraped ones."""
    moved = f'label_replace({metric}, "namespace", "$1", "policy_namespace", "(.+)")'
    return f'label_replace({moved}, "deployment", "$1", "workload", "(.+)")'
