"""What Slack, PagerDuty and a webhook of Alertmanager document of the messages they take. Pure.

Slack         incoming webhooks, https://api.slack.com/messaging/webhooks
PagerDuty     Events API v2, https://developer.pagerduty.com/docs/send-alert-event
webhook       version 4, https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum

_SUMMARY_CHARACTERS = 1024
_DEDUP_CHARACTERS = 255
_ROUTING_KEY_CHARACTERS = 32
_MOST_ATTACHMENTS = 100
_SEVERITIES = ("critical", "error", "warning", "info")
_ACTIONS = ("trigger", "acknowledge", "resolve")
_SHOWN = ("text", "pretext", "title", "fallback", "fields")


class Service(StrEnum):
    """Who is told."""

    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    WEBHOOK = "webhook"


def problems(service: Service, body: object) -> tuple[str, ...]:
    """What is wrong with a message, a line each, named by its field; empty when the service would take it."""
    if not isinstance(body, dict):
        return ("not a JSON object",)
    return tuple(_CHECKS[service](body))


def _slack(body: Mapping[str, object]) -> Iterator[str]:
    yield from _texts(body, "", ("text", "channel", "username", "icon_emoji", "icon_url"))
    attachments = body.get("attachments", [])
    if not isinstance(attachments, list):
        yield "attachments: not a list"
        return
    if not (body.get("text") or body.get("blocks") or attachments):
        yield "no_text: neither text nor blocks nor attachments"
    if len(attachments) > _MOST_ATTACHMENTS:
        yield f"attachments: more than {_MOST_ATTACHMENTS}"
    for number, attachment in enumerate(attachments):
        where = f"attachments[{number}]"
        if not isinstance(attachment, dict):
            yield f"{where}: not an object"
        elif not any(attachment.get(name) for name in _SHOWN):
            yield f"{where}: nothing to show"
        else:
            yield from _texts(attachment, f"{where}.", ("text", "pretext", "title", "title_link", "fallback", "color"))


def _pagerduty(body: Mapping[str, object]) -> Iterator[str]:
    key = body.get("routing_key")
    if not isinstance(key, str) or len(key) != _ROUTING_KEY_CHARACTERS:
        yield f"routing_key: not {_ROUTING_KEY_CHARACTERS} characters"
    action = body.get("event_action")
    if action not in _ACTIONS:
        yield f"event_action: not one of {', '.join(_ACTIONS)}"
    dedup = body.get("dedup_key", "")
    if not isinstance(dedup, str) or len(dedup) > _DEDUP_CHARACTERS:
        yield f"dedup_key: not text of at most {_DEDUP_CHARACTERS} characters"
    elif action in ("acknowledge", "resolve") and not dedup:
        yield f"dedup_key: needed to {action}"
    payload = body.get("payload")
    if isinstance(payload, dict):
        yield from _event(payload)
    elif action == "trigger" or payload is not None:
        yield "payload: not an object"
    for name in ("links", "images"):
        entries = body.get(name, [])
        needed = "href" if name == "links" else "src"
        if not isinstance(entries, list) or not all(isinstance(one, dict) and one.get(needed) for one in entries):
            yield f"{name}: not a list of objects with {needed}"


def _event(payload: Mapping[str, object]) -> Iterator[str]:
    summary = payload.get("summary")
    if not isinstance(summary, str) or not summary or len(summary) > _SUMMARY_CHARACTERS:
        yield f"payload.summary: not text of 1 to {_SUMMARY_CHARACTERS} characters"
    if not isinstance(payload.get("source"), str) or not payload.get("source"):
        yield "payload.source: missing"
    if payload.get("severity") not in _SEVERITIES:
        yield f"payload.severity: not one of {', '.join(_SEVERITIES)}"
    if "timestamp" in payload and not _is_time(payload["timestamp"]):
        yield "payload.timestamp: not an ISO 8601 time"
    yield from _texts(payload, "payload.", ("component", "group", "class"))


def _webhook(body: Mapping[str, object]) -> Iterator[str]:
    if body.get("version") != "4":
        yield "version: not 4"
    if body.get("status") not in ("firing", "resolved"):
        yield "status: neither firing nor resolved"
    for name in ("groupKey", "receiver", "externalURL"):
        if not isinstance(body.get(name), str):
            yield f"{name}: not text"
    if not isinstance(body.get("truncatedAlerts"), int):
        yield "truncatedAlerts: not a number"
    for name in ("groupLabels", "commonLabels", "commonAnnotations"):
        if not _is_labels(body.get(name)):
            yield f"{name}: not an object of texts"
    alerts = body.get("alerts")
    if not isinstance(alerts, list) or not alerts:
        yield "alerts: not a list of one or more"
        return
    for number, alert in enumerate(alerts):
        yield from _alert(alert, f"alerts[{number}]")


def _alert(alert: object, where: str) -> Iterator[str]:
    if not isinstance(alert, dict):
        yield f"{where}: not an object"
        return
    if alert.get("status") not in ("firing", "resolved"):
        yield f"{where}.status: neither firing nor resolved"
    for name in ("labels", "annotations"):
        if not _is_labels(alert.get(name)):
            yield f"{where}.{name}: not an object of texts"
    for name in ("startsAt", "endsAt"):
        if not _is_time(alert.get(name)):
            yield f"{where}.{name}: not an RFC 3339 time"
    for name in ("generatorURL", "fingerprint"):
        if not isinstance(alert.get(name), str):
            yield f"{where}.{name}: not text"


def _texts(table: Mapping[str, object], where: str, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if not isinstance(table.get(name, ""), str):
            yield f"{where}{name}: not text"


def _is_labels(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_CHECKS: Mapping[Service, Callable[[Mapping[str, object]], Iterator[str]]] = {
    Service.SLACK: _slack,
    Service.PAGERDUTY: _pagerduty,
    Service.WEBHOOK: _webhook,
}
