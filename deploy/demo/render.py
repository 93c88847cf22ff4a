"""Write what depends on timing, from values.yaml and from production's defaults: `make demo-manifests`.

    generated/{prometheus,alertmanager}.yml, generated/policy.yaml, operator/config.yaml      scaled, for the demo
    production-timing/generated/…, production-timing/operator/config.yaml                     nothing scaled

generated/cert-s3.yml is not written here but by `make generate`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from certstorage.signals.timings import parse_duration

HERE = Path(__file__).resolve().parent
DEPLOY = HERE.parent
ENROLLED = ["production"]

RECEIVERS = "http://receivers.monitoring.svc:8080"

_SECTIONS = {"scrape", "rules", "alertmanager", "operator", "policy"}
_WAITS = {"groupWait": "group_wait", "groupInterval": "group_interval", "repeatInterval": "repeat_interval"}
_HEADER = "# Written by `make demo-manifests` from {}: change it there.\n"


class ValuesError(ValueError):
    """values.yaml says something that nothing reads; the message names it."""


def render(values: Mapping[str, Any] | None) -> dict[str, str]:
    """Every file by its path below this folder, or below production-timing with no values.

    Raises:
        ValuesError: a part or a key is not known.
    """
    values = values or {}
    if unknown := values.keys() - _SECTIONS:
        raise ValuesError(f"not known: {', '.join(sorted(unknown))}; known are {', '.join(sorted(_SECTIONS))}")
    rules = "deploy/rules/cert-s3.yml"
    files = {
        "generated/prometheus.yml": _write(_prometheus(values.get("scrape", {})), "monitoring/prometheus.yml", values),
        "generated/alertmanager.yml": _write(
            _alertmanager(values.get("alertmanager", {})), "deploy/alertmanager/alertmanager.yml", values
        ),
        "generated/certstorage.tmpl": (DEPLOY / "alertmanager" / "templates" / "certstorage.tmpl").read_text(),
        "generated/policy.yaml": _write(_policy(values.get("policy", {})), "policy.yaml", values),
        "operator/config.yaml": _write(_operator(values.get("operator", {})), "deploy/operator/config.yaml", values),
    }
    if not values:
        files["generated/cert-s3.yml"] = _HEADER.format(rules) + (DEPLOY / "rules" / "cert-s3.yml").read_text()
    return files


def all_files() -> dict[Path, str]:
    """Both worlds, by absolute path."""
    scaled = render(_read(HERE / "values.yaml"))
    production = render(None)
    return {HERE / name: text for name, text in scaled.items()} | {
        HERE / "production-timing" / name: text for name, text in production.items()
    }


def main() -> int:
    """Write every file; 3 with the reason when values.yaml cannot be used."""
    try:
        files = all_files()
    except ValuesError as error:
        print(f"render: values.yaml: {error}", file=sys.stderr)
        return 3
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def _prometheus(scrape: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := scrape.keys() - {"interval"}:
        raise ValuesError(f"not known: scrape.{', scrape.'.join(sorted(unknown))}")
    config = _read(HERE / "monitoring" / "prometheus.yml")
    if "interval" in scrape:
        config["global"] = {"scrape_interval": scrape["interval"], "evaluation_interval": scrape["interval"]}
    return config


def _alertmanager(longest: Mapping[str, Any]) -> dict[str, Any]:
    """The shipped configuration with the demo's PagerDuty and somebody who hears the watchdog.

    No route waits longer than the values say.
    """
    if unknown := longest.keys() - _WAITS.keys():
        raise ValuesError(f"not known: alertmanager.{', alertmanager.'.join(sorted(unknown))}")
    config = _read(DEPLOY / "alertmanager" / "alertmanager.yml")
    config["global"] = {**config.get("global", {}), "pagerduty_url": f"{RECEIVERS}/v2/enqueue"}
    (watchdog,) = (receiver for receiver in config["receivers"] if receiver["name"] == "watchdog")
    watchdog["webhook_configs"] = [{"url": f"{RECEIVERS}/webhook"}]
    routes = [config["route"]]
    while routes:
        route = routes.pop()
        routes += route.get("routes", [])
        for name, limit in longest.items():
            if (wait := route.get(_WAITS[name])) is not None:
                route[_WAITS[name]] = min(wait, limit, key=parse_duration)
    return config


def _policy(scaled: Mapping[str, Any]) -> dict[str, Any]:
    policy = _read(HERE / "policy.yaml")
    _merge(policy["spec"], scaled)
    return policy


def _operator(scaled: Mapping[str, Any]) -> dict[str, Any]:
    config = _read(DEPLOY / "operator" / "config.yaml")
    if unknown := scaled.keys() - config.keys():
        raise ValuesError(f"not known: operator.{', operator.'.join(sorted(unknown))}")
    return {**config, "enrolledNamespaces": ENROLLED, **scaled}


def _merge(target: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def _write(document: Mapping[str, Any], source: str, values: Mapping[str, Any]) -> str:
    sources = f"{source} and values.yaml" if values else source
    body: str = yaml.safe_dump(dict(document), sort_keys=False, width=120)
    return _HEADER.format(sources) + body


if __name__ == "__main__":
    sys.exit(main())
