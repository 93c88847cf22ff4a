"""What the reader asks of Prometheus, asked by promtool: the post-flip check's raw counters, and the one question."""

from __future__ import annotations

from typing import Any

from certstorage.signals.names import Fact
from certstorage.signals.queries import RECORDED, ReplicaSet, fallback_query

NEW = ReplicaSet("production", "deltacrown", "7d9f8cbb47")


def _counters(pod: str, reads: str, fallbacks: str = "", namespace: str = "production") -> list[dict[str, str]]:
    labels = f'{{namespace="{namespace}",deployment="deltacrown",pod="{pod}"}}'
    found = [{"series": f"cert_s3_read_total{labels}", "values": reads}]
    return [*found, {"series": f"cert_s3_read_fallback_total{labels}", "values": fallbacks}] if fallbacks else found


def _answer(**values: float) -> list[dict[str, Any]]:
    labels = f'namespace="production",stem="{NEW.stem}"'
    return [{"labels": f'{{{labels},what="{what}"}}', "value": value} for what, value in values.items()]


def _post_flip() -> dict[str, Any]:
    """Every 15 s a scrape; the second new Pod is first scraped at 30 s, the old template's last Pod is gone then."""
    series = [
        *_counters("deltacrown-7d9f8cbb47-aaaaa", "10 20 30 40", "0 1 1 1"),
        *_counters("deltacrown-7d9f8cbb47-bbbbb", "_ _ 5 9"),
        *_counters("deltacrown-6c5b4d8f9-ccccc", "100 200 stale", "90 190 stale"),
        *_counters("deltacrown-7d9f8cbb47-ddddd", "500 600 stale", "500 600 stale"),
        *_counters("deltacrown-7d9f8cbb47-worker-aaaaa", "7 8 9 9"),
        *_counters("deltacrown-7d9f8cbb47-aaaaa", "70 80 90 90", namespace="staging"),
    ]
    expr = fallback_query([NEW])
    return {
        "name": "counters of the new Pods alone, and how many were scraped twice",
        "interval": "15s",
        "input_series": series,
        "promql_expr_test": [
            {"expr": expr, "eval_time": "30s", "exp_samples": _answer(reads=35, fallbacks=1, pods=1)},
            {"expr": expr, "eval_time": "45s", "exp_samples": _answer(reads=49, fallbacks=1, pods=2)},
        ],
    }


def _one_question() -> dict[str, Any]:
    """A ratio is told only where it is not perfect: of 20 reads each 15 s one falls back, saves all succeed."""
    labels = 'namespace="production",deployment="deltacrown"'
    series = [
        *_counters("a", "0+20x80", "0+1x80"),
        {"series": f'cert_s3_save_total{{{labels},pod="a"}}', "values": "0+20x80"},
        {"series": f'cert_s3_save_fail_total{{{labels},pod="a"}}', "values": "0x80"},
    ]
    facts = Fact.SCRAPED | Fact.READS | Fact.SAVES | Fact.READS_JUDGED | Fact.SAVES_JUDGED | Fact.WATCHED
    told = [
        {"labels": f"cert_s3:facts{{{labels}}}", "value": facts.value},
        {"labels": f'cert_s3:fail_ratio:10m{{{labels},op="read"}}', "value": 0.05},
        {"labels": f'cert_s3:fail_ratio:now{{{labels},op="read"}}', "value": 0.05},
        {"labels": "{}", "value": 1200},
    ]
    return {
        "name": "facts, imperfect ratios, and the server's clock",
        "interval": "15s",
        "input_series": series,
        "promql_expr_test": [{"expr": RECORDED, "eval_time": "20m", "exp_samples": told}],
    }


def document(rule_file: str) -> dict[str, Any]:
    """A promtool test file; `rule_file` is relative to where it will be written, or absolute."""
    return {"rule_files": [rule_file], "evaluation_interval": "15s", "tests": [_post_flip(), _one_question()]}
