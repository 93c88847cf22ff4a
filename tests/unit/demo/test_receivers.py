"""What the receivers of the demo take, and what Slack, PagerDuty and a webhook would refuse."""

from typing import Any

import pytest

from deploy.demo.receivers.payloads import Service, problems

SLACK = {
    "channel": "#sre-oncall",
    "attachments": [{"title": "S3 is down", "text": "reads are local", "color": "danger"}],
}
PAGERDUTY: dict[str, Any] = {
    "routing_key": "k" * 32,
    "event_action": "trigger",
    "dedup_key": "incident-1",
    "client": "Alertmanager",
    "links": [{"href": "http://alertmanager", "text": "see"}],
    "payload": {
        "summary": "S3 is down",
        "source": "Alertmanager",
        "severity": "critical",
        "timestamp": "2026-11-23T03:10:00Z",
        "custom_details": {"firing": "1"},
    },
}
ALERT = {
    "status": "firing",
    "labels": {"alertname": "CertS3Outage"},
    "annotations": {},
    "startsAt": "2026-11-23T03:10:00.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "",
    "fingerprint": "0123456789abcdef",
}
WEBHOOK: dict[str, Any] = {
    "version": "4",
    "groupKey": "{}",
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "watchdog",
    "groupLabels": {},
    "commonLabels": {"alertname": "CertS3Outage"},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager",
    "alerts": [ALERT],
}


def event(**changes: object) -> dict[str, Any]:
    return {**PAGERDUTY, "payload": {**PAGERDUTY["payload"], **changes}}


def alert(**changes: object) -> dict[str, Any]:
    return {**WEBHOOK, "alerts": [{**ALERT, **changes}]}


@pytest.mark.parametrize(
    ("service", "body"),
    [
        (Service.SLACK, SLACK),
        (Service.SLACK, {"text": "hello"}),
        (Service.PAGERDUTY, PAGERDUTY),
        (Service.PAGERDUTY, {"routing_key": "k" * 32, "event_action": "resolve", "dedup_key": "incident-1"}),
        (Service.WEBHOOK, WEBHOOK),
    ],
)
def test_a_message_as_documented_is_taken(service: Service, body: object) -> None:
    assert problems(service, body) == ()


@pytest.mark.parametrize(
    ("service", "body", "named"),
    [
        (Service.SLACK, [], "not a JSON object"),
        (Service.SLACK, {"channel": "#sre-oncall"}, "no_text"),
        (Service.SLACK, {"attachments": [{}]}, "attachments[0]: nothing to show"),
        (Service.SLACK, {"attachments": [{"title": 1}]}, "attachments[0].title: not text"),
        (Service.SLACK, {"attachments": "none"}, "attachments: not a list"),
        (Service.SLACK, {"text": "x", "attachments": [{"text": "x"}] * 101}, "attachments: more than 100"),
        (Service.PAGERDUTY, {**PAGERDUTY, "routing_key": "key-sre"}, "routing_key"),
        (Service.PAGERDUTY, {**PAGERDUTY, "event_action": "page"}, "event_action"),
        (Service.PAGERDUTY, {**PAGERDUTY, "event_action": "resolve", "dedup_key": ""}, "dedup_key: needed to resolve"),
        (Service.PAGERDUTY, {**PAGERDUTY, "dedup_key": "d" * 256}, "dedup_key"),
        (Service.PAGERDUTY, {**PAGERDUTY, "payload": None}, "payload: not an object"),
        (Service.PAGERDUTY, {**PAGERDUTY, "links": [{"text": "no address"}]}, "links"),
        (Service.PAGERDUTY, event(summary=""), "payload.summary"),
        (Service.PAGERDUTY, event(summary="s" * 1025), "payload.summary"),
        (Service.PAGERDUTY, event(source=None), "payload.source"),
        (Service.PAGERDUTY, event(severity=""), "payload.severity"),
        (Service.PAGERDUTY, event(timestamp="yesterday"), "payload.timestamp"),
        (Service.PAGERDUTY, event(component=7), "payload.component"),
        (Service.WEBHOOK, {**WEBHOOK, "version": "3"}, "version"),
        (Service.WEBHOOK, {**WEBHOOK, "status": ""}, "status"),
        (Service.WEBHOOK, {**WEBHOOK, "groupLabels": {"a": 1}}, "groupLabels"),
        (Service.WEBHOOK, {**WEBHOOK, "receiver": None}, "receiver"),
        (Service.WEBHOOK, {**WEBHOOK, "truncatedAlerts": "0"}, "truncatedAlerts"),
        (Service.WEBHOOK, {**WEBHOOK, "alerts": []}, "alerts"),
        (Service.WEBHOOK, {**WEBHOOK, "alerts": ["one"]}, "alerts[0]: not an object"),
        (Service.WEBHOOK, alert(status="gone"), "alerts[0].status"),
        (Service.WEBHOOK, alert(startsAt="2026-11-23"), "alerts[0].startsAt"),
        (Service.WEBHOOK, alert(labels=None), "alerts[0].labels"),
        (Service.WEBHOOK, alert(fingerprint=None), "alerts[0].fingerprint"),
    ],
)
def test_anything_else_is_named(service: Service, body: object, named: str) -> None:
    (line,) = problems(service, body)
    assert line.startswith(named)
