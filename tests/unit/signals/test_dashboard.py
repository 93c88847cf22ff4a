"""The dashboard: what is committed is what the code builds, and every expression can be asked."""

from __future__ import annotations

import json
import re

import promql_parser
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from certstorage.signals.rules import rule_file
from certstorage.signals.timings import Thresholds, Timings
from certstorage.telemetry import Telemetry
from deploy.dashboard.build import ANNOTATIONS, OUT, ROWS, panels, to_json

EXPRESSIONS = {f"{panel.title}: {legend}": expr for panel in panels() for legend, expr in panel.queries.items()}
EXPRESSIONS |= {f"annotation {name}": expr for name, (expr, _) in ANNOTATIONS.items()}


def test_what_is_committed_is_what_is_built() -> None:
    assert OUT.read_text() == to_json(), f"{OUT.name} is stale: run `make generate`"


def test_grafana_knows_every_field() -> None:
    written = json.loads(OUT.read_text())
    assert json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(written))) == written


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_expression_is_promql_over_what_is_recorded_or_exported(name: str) -> None:
    expr = EXPRESSIONS[name].replace("$__rate_interval", "1m")
    promql_parser.parse(expr)
    recorded = {rule["record"] for rule in rule_file(Timings())["groups"][0]["rules"] if "record" in rule}
    exported: set[str] = set()
    for metric in Telemetry("test", lambda: 0.0).registry.collect():
        kinds = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
        exported |= {metric.name + suffix for suffix in kinds.get(metric.type, [""])}
    used = set(re.findall(r"\b(cert_s3:[\w:]+|cert_local:[\w:]+|certstorage_\w+|cert_backfill_\w+|ALERTS)\b", expr))
    assert used
    assert used <= recorded | exported | {"ALERTS"}


def test_the_runbooks_thresholds_are_drawn() -> None:
    drawn = {panel.title: panel.limits for panel in panels()}
    limit = Thresholds()
    assert drawn["cert.s3.save.fail"][0] == limit.save_fail == 0.05
    assert drawn["cert.s3.read.fallback"][0] == limit.fallback == 0.10
    assert drawn["cert.s3.delete.fail"] == (limit.delete_fail,) == (0.02,)
    assert drawn["cert.s3.write.success"] == (limit.write_success,) == (0.95,)
    assert drawn["Backfill mismatch rate"] == (limit.mismatch_percent,) == (0.5,)
    assert drawn["S3 GET p95"] == (limit.get_p95_seconds,) == (0.5,)


def test_titles_are_unique_and_told_apart() -> None:
    titles = [panel.title for panel in panels()]
    assert len(titles) == len(set(titles)) == sum(len(row.panels) for row in ROWS)
