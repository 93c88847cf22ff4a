"""The alerts: the runbook's table, its scenarios, a watchdog, and alerts on the operator itself.

Every alert carries `namespace`, `deployment`, `severity` and `scenario`. Severity `critical` pages, `warning` is for
the working day, `info` is for the operator alone.
"""

from __future__ import annotations

from typing import Final

from certstorage.signals.names import (
    METRIC_BLOCKED_SINCE,
    METRIC_LAST_EVALUATION,
    METRIC_MISMATCH,
    METRIC_PODS_NOT_AS_DESIRED,
    METRIC_POLICY,
    METRIC_SWEEP_DEADLINE,
    OPERATOR_DEPLOYMENT,
    OPERATOR_NAMESPACE,
    VOLUME_COLLAPSE,
    WATCHDOG,
)
from certstorage.signals.recording_rules import BY, ON, Rule, of_policy
from certstorage.signals.timings import Thresholds, Timings, promql

_WHERE: Final = "{{ $labels.namespace }}/{{ $labels.deployment }}"
_PERCENT: Final = "{{ $value | humanizePercentage }}"
_OPERATOR: Final = {"namespace": OPERATOR_NAMESPACE, "deployment": OPERATOR_DEPLOYMENT}


def alerting_rules(timings: Timings, thresholds: Thresholds, runbook: str) -> list[Rule]:
    """All alerts; `runbook` is the page whose anchors are the alerts' names in lower case."""
    rules = [
        *_runbook_table(thresholds),
        *_outage(timings, thresholds),
        *_bands(timings, thresholds),
        *_surroundings(timings, thresholds),
        *_operator(timings),
    ]
    for rule in rules:
        rule["annotations"]["runbook_url"] = f"{runbook}#{rule['alert'].lower()}"
    return rules


def _alert(
    name: str, expr: str, severity: str, scenario: str, summary: str, *, text: str, wait: str = "", **labels: str
) -> Rule:
    return {
        "alert": name,
        "expr": expr,
        **({"for": wait} if wait else {}),
        "labels": {"severity": severity, "scenario": scenario, **labels},
        "annotations": {"summary": summary, "description": text},
    }


def _runbook_table(limit: Thresholds) -> list[Rule]:
    mismatch = of_policy(METRIC_MISMATCH)
    return [
        _alert(
            "CertS3SaveFailHigh",
            f'cert_s3:fail_ratio:10m{{op="save"}} > {limit.save_fail}',
            "warning",
            "degradation",
            f"{_PERCENT} of S3 saves failed over ten minutes in {_WHERE}",
            text="Check S3 service status, review error logs.",
        ),
        _alert(
            "CertS3ReadFallbackHigh",
            f'cert_s3:fail_ratio:10m{{op="read"}} > {limit.fallback}',
            "critical",
            "read-fallback",
            f"{_PERCENT} of reads fell back to local disk over ten minutes in {_WHERE}",
            text="S3 outage likely, verify flag: CERT_S3_READ_PRIMARY=true. "
            "Goes on for up to ten minutes after reads went local.",
        ),
        _alert(
            "CertS3DeleteFailHigh",
            f'cert_s3:fail_ratio:10m{{op="delete"}} > {limit.delete_fail}',
            "warning",
            "delete-failing",
            f"{_PERCENT} of S3 deletes failed over ten minutes in {_WHERE}",
            text="Check S3 delete permissions, review IAM roles.",
        ),
        _alert(
            "CertS3WriteSuccessLow",
            f"cert_s3:write_success_ratio:10m < {limit.write_success}",
            "critical",
            "write-success-low",
            f"only {_PERCENT} of S3 writes succeeded over ten minutes in {_WHERE}",
            text="Dual-write failing, review logs for network issues. Do not disable dual-write.",
        ),
        _alert(
            "CertBackfillMismatchHigh",
            f"max {BY} ({mismatch}) > {limit.mismatch_percent}",
            "critical",
            "inconsistency",
            f'{{{{ printf "%.2f" $value }}}} % of the certificates of {_WHERE} differ between local disk and S3',
            text="Run integrity sweep, review backfill logs.",
        ),
    ]


def _outage(timings: Timings, limit: Thresholds) -> list[Rule]:
    wait = promql(timings.outage_for)
    hour, ago = promql(timings.baseline_window), promql(timings.check_window)
    baseline = f"avg_over_time(cert_s3:completions:1m[{hour}] offset {ago})"
    return [
        _alert(
            "CertS3Outage",
            f'max {BY} (cert_s3:fail_ratio:now{{op="read"}}) >= {limit.outage}',
            "critical",
            "outage",
            f"S3 is down for {_WHERE}: {_PERCENT} of reads fall back to local disk",
            text="Reads go local (CERT_S3_READ_PRIMARY=false), dual-write stays on. "
            "That this resolves after the flip says nothing about S3: no reads from it are left to fail.",
            wait=wait,
        ),
        _alert(
            "CertS3BlackHole",
            f'max {BY} (cert_s3:hung:1m{{op="read"}}'
            f' or cert_s3:hung:1m{{op="save"}} unless {ON} (cert_s3:successes:1m{{op="read"}} > 0))',
            "critical",
            "outage",
            f"requests of {_WHERE} to S3 hang: {{{{ $value | humanize }}}} in flight, none succeeds",
            text="S3, or the way to it, swallows requests, so that no failure ratio rises. Treated as an outage.",
            wait=wait,
        ),
        _alert(
            VOLUME_COLLAPSE,
            f"cert_s3:completions:1m < {limit.collapse} * ({baseline} >= {timings.min_operations})"
            f" unless {ON} cert_s3:in_flight",
            "info",
            "outage",
            f"S3 requests of {_WHERE} that end fell to {{{{ $value | humanize }}}} in the last minute",
            text="A black hole, or a quiet hour: this workload exports no in-flight gauge to tell which. "
            "Believed only together with a failing probe.",
            wait=wait,
            trust="low",
        ),
    ]


def _bands(timings: Timings, limit: Thresholds) -> list[Rule]:
    """Degradation and high fallback, by the ten-minute ratio: not in an outage, and not in the wake of one.

    The higher band fires beside the lower one, so that nothing resolves on the way up.
    """
    rules = []
    for name, scenario, op, low, high, what in (
        ("CertS3Degraded", "degradation", "save", limit.save_fail, limit.save_fail_page, "of S3 saves fail"),
        (
            "CertS3ReadFallbackElevated",
            "read-fallback",
            "read",
            limit.fallback,
            limit.fallback_page,
            "of reads fall back",
        ),
    ):
        for floor, severity, wait in ((low, "warning", promql(timings.degraded_for)), (high, "critical", "")):
            expr = (
                f'max {BY} (cert_s3:fail_ratio:10m{{op="{op}"}} > {floor})'
                f' unless {ON} (cert_s3:fail_ratio:2m{{op="{op}"}} <= {low})'
                f' unless {ON} (cert_s3:fail_ratio:now{{op="read"}} >= {limit.outage})'
            )
            rules.append(
                _alert(
                    name,
                    expr,
                    severity,
                    scenario,
                    f"{_PERCENT} {what} in {_WHERE}, and S3 is not down",
                    text="Dual-write stays on: local fallback handles errors gracefully."
                    if op == "save"
                    else "Fallback is safe. Look at GET latency, the network path and the bucket's region.",
                    wait=wait,
                    band=f"over-{floor * 100:.0f}",
                )
            )
    return rules


def _surroundings(timings: Timings, limit: Thresholds) -> list[Rule]:
    baseline = promql(timings.baseline_window)
    scraped = f"count {BY} (cert_s3_save_total)"
    return [
        _alert(
            "CertS3GetSlow",
            f"cert_s3:get_seconds_p95:10m > {limit.get_p95_seconds}",
            "warning",
            "read-fallback",
            f"S3 GET p95 of {_WHERE} is {{{{ $value | humanizeDuration }}}}",
            text="Look at the network path and the bucket's region. A spike: monitor and wait, fallback is safe.",
            wait=promql(timings.degraded_for),
        ),
        _alert(
            "CertLocalDiskLow",
            f"cert_local:disk_free_ratio < {limit.disk_free}",
            "critical",
            "outage",
            f"{_PERCENT} of {{{{ $labels.resource }}}} free on the certificates' disk of {_WHERE}",
            text="Certificates are written here first, and in an outage only here. Free some, or grow the volume.",
        ),
        _alert(
            "CertS3MetricsAbsent",
            f"(max {BY} ({of_policy(METRIC_POLICY)})"
            f" or max {BY} (0 * last_over_time(cert_s3:last_scrape_timestamp_seconds[{baseline}])) + 1)"
            f" unless {ON} ({scraped})"
            # a sweep has stopped the application on purpose
            f" unless {ON} ({of_policy(METRIC_SWEEP_DEADLINE)})",
            "warning",
            "signals",
            f"no certificate metrics of {_WHERE} are scraped",
            text="The operator is blind here: it brings nothing back. Look at the Pods and the scrape job.",
            wait=promql(timings.absent_for),
        ),
        _alert(
            WATCHDOG,
            "vector(1)",
            "none",
            "signals",
            "always fires: alerts are evaluated and delivered",
            text="Its absence says that the rules are not evaluated.",
            **_OPERATOR,
        ),
    ]


def _operator(timings: Timings) -> list[Rule]:
    stale = round(timings.stale_after.total_seconds())
    blocked = round(timings.blocked_after.total_seconds())
    by_policy = "by (namespace, deployment, policy)"
    return [
        _alert(
            "CertStorageOperatorStale",
            f"time() - max({METRIC_LAST_EVALUATION}) > {stale} or absent({METRIC_LAST_EVALUATION})",
            "critical",
            "operator",
            "the operator has stopped looking at its policies",
            text="Nobody acts on an S3 outage: do it by hand, as the runbook says, and look at the operator's Pod.",
            wait=promql(timings.stale_after),
            **_OPERATOR,
        ),
        _alert(
            "CertStorageBlocked",
            f"time() - min by (namespace, deployment, policy, reason) ({of_policy(METRIC_BLOCKED_SINCE)}) > {blocked}",
            "critical",
            "operator",
            f"policy {{{{ $labels.policy }}}} of {_WHERE} is blocked for {{{{ $value | humanizeDuration }}}}: "
            "{{ $labels.reason }}",
            text="A person is needed: the policy's conditions say for what.",
        ),
        _alert(
            "CertStorageSweepOverBudget",
            f"time() - min {by_policy} ({of_policy(METRIC_SWEEP_DEADLINE)}) > 0",
            "critical",
            "sweep",
            f"the integrity sweep of {_WHERE} is {{{{ $value | humanizeDuration }}}} over its time, with no replicas",
            text="The application is down for it. Give the replicas back, by hand if the operator does not.",
        ),
        _alert(
            "CertStorageFlagMismatch",
            f"max {by_policy} ({of_policy(METRIC_PODS_NOT_AS_DESIRED)}) > 0",
            "critical",
            "operator",
            f"{{{{ $value | humanize }}}} Pods of {_WHERE} run with another read flag than policy "
            "{{ $labels.policy }} wants",
            text="The rollout is stuck, or somebody writes the flag back: the policy's Events name the writer.",
            wait=promql(timings.flag_mismatch_for),
        ),
    ]
