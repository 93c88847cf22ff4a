"""The Grafana dashboard of the runbook, as code: `make generate` writes certstorage.json beside this file.

The runbook's five metrics with their thresholds drawn, what an outage is judged by, the certificates' disk, and the
operator's own state; flips, incidents and outages as annotations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphTresholdsStyleMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

from certstorage.signals.names import (
    METRIC_BLOCKED_SINCE,
    METRIC_LAST_EVALUATION,
    METRIC_MISMATCH,
    METRIC_PODS_NOT_AS_DESIRED,
    METRIC_POLICY,
    METRIC_READS_LOCAL,
)
from certstorage.signals.timings import Thresholds

OUT = Path(__file__).with_name("certstorage.json")
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
APP = 'namespace=~"$namespace",deployment=~"$deployment"'
POLICY = 'policy_namespace=~"$namespace",workload=~"$deployment"'
LIMIT = Thresholds()


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph. `limits` are drawn as lines; `bad_below` says on which side of them trouble is."""

    title: str
    queries: dict[str, str]
    """Legend and expression of each curve."""
    unit: str = "percentunit"
    text: str = ""
    limits: tuple[float, ...] = ()
    bad_below: bool = False
    span: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...] = field(default_factory=tuple)


def _ratio(op: str) -> str:
    return f'cert_s3:fail_ratio:10m{{{APP},op="{op}"}}'


ROWS = (
    Row(
        "The runbook's metrics, over ten minutes",
        (
            Panel(
                "cert.s3.save.fail",
                {"{{namespace}}/{{deployment}}": _ratio("save")},
                text="Above 5 %: WARNING. Check S3 service status, review error logs.",
                limits=(LIMIT.save_fail, LIMIT.save_fail_page),
            ),
            Panel(
                "cert.s3.read.fallback",
                {"{{namespace}}/{{deployment}}": _ratio("read")},
                text="Above 10 %: CRITICAL. S3 outage likely, verify flag: CERT_S3_READ_PRIMARY=true.",
                limits=(LIMIT.fallback, LIMIT.fallback_page),
            ),
            Panel(
                "cert.s3.delete.fail",
                {"{{namespace}}/{{deployment}}": _ratio("delete")},
                text="Above 2 %: WARNING. Check S3 delete permissions, review IAM roles.",
                limits=(LIMIT.delete_fail,),
            ),
            Panel(
                "cert.s3.write.success",
                {"{{namespace}}/{{deployment}}": f"cert_s3:write_success_ratio:10m{{{APP}}}"},
                text="Below 95 %: CRITICAL. Dual-write failing, review logs for network issues.",
                limits=(LIMIT.write_success,),
                bad_below=True,
            ),
            Panel(
                "Backfill mismatch rate",
                {"{{policy_namespace}}/{{policy}}": f"{METRIC_MISMATCH}{{{POLICY}}}"},
                unit="percent",
                text="Of the last receipt. Above 0.5 %: CRITICAL. Run integrity sweep, review backfill logs.",
                limits=(LIMIT.mismatch_percent,),
            ),
            Panel(
                "S3 GET p95",
                {"{{namespace}}/{{deployment}}": f"cert_s3:get_seconds_p95:10m{{{APP}}}"},
                unit="s",
                text="Above 500 ms: latency spike, network path, or a bucket in another region.",
                limits=(LIMIT.get_p95_seconds,),
            ),
        ),
    ),
    Row(
        "What an outage is judged by",
        (
            Panel(
                "Failures now",
                {"{{op}} {{namespace}}/{{deployment}}": f"cert_s3:fail_ratio:now{{{APP}}}"},
                text="Over one minute, with little traffic over two or ten. Reads at 95 %: an outage.",
                limits=(LIMIT.outage,),
            ),
            Panel(
                "Operations in the last minute",
                {"{{op}} {{namespace}}/{{deployment}}": f"cert_s3:attempts:1m{{{APP}}}"},
                unit="short",
            ),
            Panel(
                "In flight",
                {"{{op}} {{namespace}}/{{deployment}}": f"cert_s3:in_flight{{{APP}}}"},
                unit="short",
                text="High, while nothing succeeds: a black hole.",
            ),
            Panel(
                "S3 takes saves again",
                {
                    "recovered {{namespace}}/{{deployment}}": f"cert_s3:recovered{{{APP}}}",
                    "failing {{namespace}}/{{deployment}}": f"cert_s3:saves_failing{{{APP}}}",
                },
                unit="bool_yes_no",
                text="Recovered: under 1 % of saves failed for five minutes. The way back needs it, or probes.",
            ),
            Panel(
                "Free on the certificates' disk",
                {"{{resource}} {{namespace}}/{{deployment}}": f"cert_local:disk_free_ratio{{{APP}}}"},
                text="Below 10 %: CRITICAL, in an outage certificates are nowhere else.",
                limits=(LIMIT.disk_free,),
                bad_below=True,
            ),
            Panel(
                "Alerts that fire",
                {"{{alertname}}": 'count by (alertname) (ALERTS{alertstate="firing"})'},
                unit="short",
                text="The watchdog always does.",
            ),
        ),
    ),
    Row(
        "The operator",
        (
            Panel(
                "Reads are held local",
                {"{{policy_namespace}}/{{policy}}": f"{METRIC_READS_LOCAL}{{{POLICY}}}"},
                unit="bool_yes_no",
            ),
            Panel(
                "Read flag: wanted and written",
                {
                    "wanted {{policy_namespace}}/{{policy}}": f"certstorage_flag_wanted{{{POLICY}}}",
                    "written {{policy_namespace}}/{{policy}}": f"certstorage_flag_actual{{{POLICY}}}",
                },
                unit="short",
                text="1: from S3. 0: local. -1: neither.",
            ),
            Panel(
                "Pods with another flag than wanted",
                {"{{policy_namespace}}/{{policy}}": f"{METRIC_PODS_NOT_AS_DESIRED}{{{POLICY}}}"},
                unit="short",
            ),
            Panel(
                "Waiting for a person",
                {
                    "{{reason}} {{policy_namespace}}/{{policy}}": f"time() - {METRIC_BLOCKED_SINCE}{{{POLICY}}}",
                },
                unit="s",
                limits=(1800.0,),
            ),
            Panel(
                "Incidents that are not closed",
                {"{{scenario}} {{phase}}": f"sum by (scenario, phase) (certstorage_incidents{{{POLICY}}})"},
                unit="short",
            ),
            Panel(
                "Since the signals were last gone through",
                {"age": f"time() - max({METRIC_LAST_EVALUATION})"},
                unit="s",
                limits=(120.0,),
            ),
            Panel(
                "Policies in care",
                {"{{policy_namespace}}": f"count by (policy_namespace) ({METRIC_POLICY}{{{POLICY}}})"},
                unit="short",
            ),
            Panel(
                "Writes to the cluster",
                {
                    "{{action}} {{result}}": "sum by (action, result) "
                    "(increase(certstorage_actions_total[$__rate_interval]))"
                },
                unit="short",
            ),
            Panel(
                "Passes",
                {"{{result}}": "sum by (result) (rate(certstorage_passes_total[$__rate_interval]))"},
                unit="ops",
            ),
            Panel(
                "Time of a pass, p95",
                {
                    "p95": "histogram_quantile(0.95, sum by (le) (increase(certstorage_pass_seconds_bucket[1h])))",
                },
                unit="s",
                text="Over an hour: an operator with nothing to do makes no pass for minutes.",
            ),
        ),
    ),
)

ANNOTATIONS = {
    "Flips": (f"changes({METRIC_READS_LOCAL}{{{POLICY}}}[1m]) > 0", "blue"),
    "Incidents": (f"certstorage_incident_active{{{POLICY}}} == 1", "red"),
    "Outages": (f'ALERTS{{alertname=~"CertS3Outage|CertS3BlackHole",alertstate="firing",{APP}}}', "orange"),
}


def panels() -> Iterator[Panel]:
    """All panels, in order."""
    for row in ROWS:
        yield from row.panels


def build() -> dashboard.Dashboard:
    """The dashboard as a builder of Grafana's own SDK."""
    board = (
        dashboard.Dashboard("Certificates in S3")
        .uid("certstorage")
        .description("The runbook's metrics and what the CertStoragePolicy operator does about them")
        .tags(["certstorage", "s3"])
        .editable()
        .refresh("15s")
        .time("now-3h", "now")
        .timezone("utc")
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(_variable("namespace", "label_values(cert_s3:facts, namespace)"))
        .with_variable(_variable("deployment", 'label_values(cert_s3:facts{namespace=~"$namespace"}, deployment)'))
    )
    for name, (expr, color) in ANNOTATIONS.items():
        board = board.annotation(
            dashboard.AnnotationQuery().name(name).datasource(SOURCE).expr(expr).enable(True).icon_color(color)
        )
    for row in ROWS:
        board = board.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            board = board.with_panel(_graph(panel))
    return board


def to_json() -> str:
    """The committed form."""
    return JSONEncoder(sort_keys=True, indent=2).encode(build().build()) + "\n"


def _variable(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
    )


def _graph(panel: Panel) -> timeseries.Panel:
    graph = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.text)
        .datasource(SOURCE)
        .unit(panel.unit)
        .min(-1 if "flag" in panel.title else 0)
        .span(panel.span)
        .height(7)
        .fill_opacity(5)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .thresholds(_thresholds(panel))
    )
    if panel.limits:
        graph = graph.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.LINE))
    for legend, expr in panel.queries.items():
        graph = graph.with_target(prometheus.Dataquery().expr(expr).legend_format(legend))
    return graph


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    calm, colors = ("red", ["green"]) if panel.bad_below else ("green", ["orange", "red"])
    if len(panel.limits) == 1 and not panel.bad_below:
        colors = ["red"]
    steps = [Threshold(value=None, color=calm)]
    steps += [Threshold(value=limit, color=color) for limit, color in zip(panel.limits, colors, strict=False)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


if __name__ == "__main__":
    OUT.write_text(to_json())
