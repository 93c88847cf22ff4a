"""Every default and constant of the core with its source: docs/defaults.md is made of this and of the code's values."""

from __future__ import annotations

import ast
import dataclasses
import importlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from certstorage.api import observed, patience, policy

ROOT = Path(__file__).parents[3]

SOURCES: Mapping[str, str] = {
    "Recovery.hold_seconds": "post-recovery 1: recovery confirmed; long enough that a flapping S3 shows itself",
    "Recovery.max_attempts": "design: a person is asked after as many failed returns",
    "Recovery.sample_rate": "post-recovery 2: 1% sample",
    "Recovery.min_sample": "1 % of a small tree proves nothing: 0 bad of 10 leaves 26 % possible",
    "Recovery.max_mismatch": "post-recovery 3: mismatch rate <0.5%",
    "Recovery.max_fallback": "post-recovery 4: <1%",
    "Recovery.fallback_check_seconds": "post-recovery 4: within 5 minutes",
    "Degradation.max_duration_seconds": "scenario 2, step 2: temporary; at most an hour",
    "Degradation.sample_rate": "scenario 2, post-recovery: 5% sample",
    "Validation.sample_rate": "scenario 3: nightly backfill validator, as post-recovery 2",
    "Validation.timeout_seconds": "sweep, step 2: a run can take 1-2 hours",
    "Validation.shards": "one Pod reads a tree that fits into the timeout",
    "Sweep.after_outage_seconds": "when to run: >30min downtime",
    "Sweep.after_backfill_objects": "when to run: backfill of >10K objects",
    "Sweep.sample_rate": "sweep, step 2: 10% sample",
    "Sweep.max_duration_seconds": "sweep, step 2: can take 1-2 hours",
    "Fleet.most_rollouts": "design: a cap against mass action; maxConcurrentRollouts of the operator's configuration",
    "Fleet.most_sweeps": "design: one application is stopped at a time; maxConcurrentSweeps",
    "Patience.first_breath": "the outage alert needs 75 s plus scrape and evaluation (measured)",
    "Patience.linger": "a ten-minute window fires on nine minutes after a flip back (measured)",
    "Patience.cool_down": "recovered saves must hold for five minutes, too",
    "aftermath.REMEMBERED": "as long as a request for a sweep lives",
    "aftermath.SAME_INCIDENT": "flapping is one incident: the back-off of the way back goes on",
    "asked.LOOK_AGAIN": "what is refused is looked at again every minute",
    "bands.MISMATCH": "scenario 3: >0.5%; the edge itself fails",
    "borrowing.CONNECT_SECONDS": "scenario 2, step 3: connect_timeout=10",
    "borrowing.READ_SECONDS": "scenario 2, step 3: read_timeout=30",
    "borrowing.DEBUG_PAUSE": "design: verbose logging once a day",
    "causes.SLOW_GET_SECONDS": "scenario 4, cause 1: p95 >500ms",
    "checklist.POST_MORTEM_AFTER": "checklist: downtime >15min",
    "decide.LOOK_AGAIN": "a Deployment that is missing is looked for twice a minute",
    "degradation.MOST_VALIDATIONS": "as recovery.maxAttempts",
    "degradation.VALIDATION_PAUSE": "as recovery.holdSeconds",
    "errands.STUCK_PATIENCE": "an image is pulled in this time, or not at all",
    "recovery.OVERDUE": "the Job's own deadline comes first",
    "held.LOOK_AGAIN": "one scrape interval",
    "incident.LINE": "what the schema takes of one line",
    "inconsistency.SAMPLE_RATE": "scenario 3, step 4: --sample-rate 0.10",
    "inconsistency.MOST_VALIDATIONS": "as recovery.maxAttempts",
    "milder.LOOK_AGAIN": "two scrape intervals; a change of a signal wakes sooner",
    "milder.FINDINGS_SECONDS": "a probe looks at single objects and settings",
    "outage.IDLE_LOOK_AGAIN": "a change of a signal wakes sooner",
    "outage.REASSERT_INTERVAL": "design: at most one rollout in ten minutes against a foreign writer",
    "recovery.BACKOFF_CAP": "design: exponential, and a person is asked long before",
    "recovery.RECEIPT_MAX_AGE": "an old proof proves nothing about now",
    "recovery.AT_RISK_MARGIN": "detection by the ten-minute windows takes up to ten minutes",
    "recovery.PROBES": "design: k probes when idle",
    "recovery.PROBE_SPREAD_SECONDS": "design: over 5 minutes",
    "report.UNKNOWN_PAGES_AFTER": "design: unknown pages after a while",
    "returning.MIN_READS": "1 % of 50 reads is half a read: less says nothing",
    "routine.LOOK_AGAIN": "two scrape intervals",
    "routine.MOST_TRIES": "the next night tries again",
    "sweep.LOOK_AGAIN": "one scrape interval",
    "sweep.JOB_MARGIN": "the Job ends before its deadline gives replicas back",
    "sweep_request.RESTORED_WITHIN": "a Deployment's own progress deadline",
    "wants.SECOND": "times of the API are RFC 3339, whole seconds",
    "triggers.QUARTERLY_TTL_SECONDS": "two weeks to find a maintenance window",
}


def constants() -> Iterator[tuple[str, object]]:
    """Every number and length of time that stands in the core or is a default of the vocabulary."""
    for kind in (
        policy.Recovery,
        policy.Degradation,
        policy.Validation,
        policy.Sweep,
        observed.Fleet,
        patience.Patience,
    ):
        for field in dataclasses.fields(kind):
            if isinstance(field.default, int | float | timedelta):
                yield f"{kind.__name__}.{field.name}", field.default
    for path in sorted((ROOT / "operator/certstorage/runbook").glob("*.py")):
        module = importlib.import_module(f"certstorage.runbook.{path.stem}")
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = getattr(module, node.targets[0].id)
                if isinstance(value, int | float | timedelta) and not isinstance(value, bool):
                    yield f"{path.stem}.{node.targets[0].id}", value


def shown(name: str, value: object) -> str:
    """A value as people read it."""
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
    elif name.lower().endswith("seconds"):
        if isinstance(value, float):
            return f"{value:g} s"
        seconds = int(str(value))
    elif isinstance(value, float):
        return f"{value * 100:g} %"
    else:
        return f"{value:,}" if isinstance(value, int) else str(value)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def defaults_page() -> str:
    """docs/defaults.md."""
    lines = [
        "# Defaults",
        "",
        "Every number in the core's decisions, and where it comes from: the runbook, the design, or a measurement.",
        "`Recovery`, `Degradation`, `Validation` and `Sweep` are defaults of the policy; `Fleet` and `Patience`",
        "are of the operator's configuration; the rest are constants of `operator/certstorage/runbook`. Thresholds of",
        "alerts are in the rules (docs/alerts.md). Written by `make core-docs`.",
        "",
        "| name | value | source |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | {shown(name, value)} | {SOURCES.get(name, '')} |" for name, value in constants()]
    return "\n".join(lines) + "\n"
