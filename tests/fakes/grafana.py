"""What Grafana does to an expression of the dashboard before it asks Prometheus."""

from __future__ import annotations


def filled(expr: str, rate_interval: str) -> str:
    """The expression with all namespaces and deployments chosen; `rate_interval` is a Prometheus duration."""
    return expr.replace("$namespace", ".*").replace("$deployment", ".*").replace("$__rate_interval", rate_interval)
