"""The rule file, plain and as a PrometheusRule, from one source.

`python -m certstorage.signals.rules --out FILE` writes it; `make generate` writes all that are committed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from certstorage.signals.alerting_rules import alerting_rules
from certstorage.signals.names import RULE_GROUP, WARM_UP_ANNOTATION, WATCHDOG
from certstorage.signals.recording_rules import recording_rules
from certstorage.signals.timings import Thresholds, Timings, TimingsError, parse_timings, promql, write_timings

RUNBOOK = "docs/alerts.md"
_HEADER = "# Written by `make generate` from operator/certstorage/signals: change it there.\n# Timings: {}\n"


def rule_file(timings: Timings, *, thresholds: Thresholds | None = None, runbook: str = RUNBOOK) -> dict[str, Any]:
    """A Prometheus rule file as data: one group, since a rule reads what those before it recorded."""
    limits = thresholds or Thresholds()
    alerts = alerting_rules(timings, limits, runbook)
    for alert in alerts:
        if alert["alert"] == WATCHDOG:
            alert["annotations"][WARM_UP_ANNOTATION] = f"{timings.warm_up.total_seconds():g}"
    rules = [*recording_rules(timings, limits), *alerts]
    return {"groups": [{"name": RULE_GROUP, "interval": promql(timings.interval), "rules": rules}]}


def prometheus_rule(
    timings: Timings, *, thresholds: Thresholds | None = None, runbook: str = RUNBOOK
) -> dict[str, Any]:
    """The same as an object for the Prometheus operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "certstorage",
            "namespace": "monitoring",
            "labels": {"app.kubernetes.io/part-of": "certstorage"},
        },
        "spec": rule_file(timings, thresholds=thresholds, runbook=runbook),
    }


def to_yaml(document: dict[str, Any], timings: Timings) -> str:
    """The committed form: stable, one rule's expression a line, headed by the timings it was made with."""
    body: str = yaml.safe_dump(document, sort_keys=False, width=100_000, allow_unicode=True)
    written = ", ".join(f"{key}: {value}" for key, value in write_timings(timings).items())
    return _HEADER.format(written) + body


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one rule file. Returns 0, or 3 with a message when the values cannot be used."""
    parser = argparse.ArgumentParser(prog="certstorage-rules", description="Write the Prometheus rules of certstorage.")
    parser.add_argument("--values", type=Path, help="YAML file whose `rules:` part scales the timings")
    parser.add_argument("--format", choices=("plain", "prometheusrule"), default="plain")
    parser.add_argument("--runbook", default=RUNBOOK, help="page that runbook_url points into (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file to write (default: standard output)")
    given = parser.parse_args(arguments)
    try:
        timings = _read_timings(given.values)
    except (OSError, TimingsError, yaml.YAMLError) as error:
        print(f"certstorage-rules: {given.values}: {error}", file=sys.stderr)  # noqa: T201
        return 3
    build = rule_file if given.format == "plain" else prometheus_rule
    text = to_yaml(build(timings, runbook=given.runbook), timings)
    if given.out is None:
        sys.stdout.write(text)
    else:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text, encoding="utf-8")
    return 0


def _read_timings(path: Path | None) -> Timings:
    if path is None:
        return Timings()
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    rules = values.get("rules") if isinstance(values, dict) else None
    if not isinstance(rules, dict):
        raise TimingsError("there is no `rules:` part")
    return parse_timings(rules)


if __name__ == "__main__":
    sys.exit(main())
