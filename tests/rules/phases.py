"""The outage alert against every phase between cut, scrape and evaluation, with production timings.

Fifteen seconds between scrapes and between evaluations leave 225 ways to be cut; `document()` makes promtool cases for
a grid of them. The whole budget from cut to PATCH is 105 s. The alert may take `FIRING_WITHIN` of it, with the retries
of the application, which make its failures count late; the rest is for group_wait, the poll and the flip.
"""

from __future__ import annotations

from typing import Any

SCRAPE = 15
CUT = 180
FIRING_WITHIN = 90
RETRIES = 2
"""Seconds between an attempt and the failure that is counted for it."""
LABELS = 'namespace="production",deployment="deltacrown",pod="a"'
END = CUT + SCRAPE + FIRING_WITHIN + SCRAPE


def _scraped(first: int, counter: list[float]) -> str:
    """A counter that grows each second, seen only at scrapes: one value each fifteen seconds, from `first` on."""
    seen = [f"{counter[at]:g}" for at in range(first, END, SCRAPE)]
    return ("_ " * first) + f" _x{SCRAPE - 1} ".join(seen)


def _case(scrape_at: int, cut: int, rate: float, born: bool) -> dict[str, Any]:
    total = [rate * at for at in range(END)]
    failed = [rate * max(0, at - cut - RETRIES) for at in range(END)]
    failures = _scraped(scrape_at, failed)
    if born:
        failures = " ".join("_" if value == "0" else value for value in failures.split(" "))
    firing = 'count(ALERTS{alertname="CertS3Outage",alertstate="firing"})'
    return {
        "name": f"scraped {scrape_at} s after an evaluation, cut {cut - CUT} s after one, {rate:g} reads/s"
        + (", counter born with the outage" if born else ""),
        "interval": "1s",
        "input_series": [
            {"series": f"cert_s3_read_total{{{LABELS}}}", "values": _scraped(scrape_at, total)},
            {"series": f"cert_s3_read_fallback_total{{{LABELS}}}", "values": failures},
        ],
        "promql_expr_test": [
            {"expr": firing, "eval_time": f"{cut}s", "exp_samples": []},
            {"expr": firing, "eval_time": f"{cut + FIRING_WITHIN}s", "exp_samples": [{"labels": "{}", "value": 1}]},
        ],
    }


def document(rule_file: str) -> dict[str, Any]:
    """A promtool test file; `rule_file` is relative to where it will be written, or absolute."""
    grid = [(scrape_at, CUT + cut) for scrape_at in range(1, SCRAPE, 6) for cut in range(SCRAPE)]
    cases = [_case(scrape_at, cut, 5, born=False) for scrape_at, cut in grid]
    cases += [_case(scrape_at, CUT + 7, 5, born=True) for scrape_at in (1, 8, 14)]
    return {"rule_files": [rule_file], "evaluation_interval": f"{SCRAPE}s", "tests": cases}
