"""Messages in the words of their service."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.story.receivers import message

SLACK = {"channel": "#sre-oncall", "attachments": [{"title": "[RESOLVED] CertS3Outage", "text": "reads are local"}]}
PAGE = {
    "routing_key": "key",
    "event_action": "trigger",
    "payload": {"summary": "S3 is down", "custom_details": {"description": "Command: kubectl"}},
}
HOOK = {"receiver": "watchdog", "status": "firing", "alerts": [{"labels": {"alertname": "CertStorageWatchdog"}}]}


@pytest.mark.parametrize(
    ("service", "body", "to", "action", "words"),
    [
        ("slack", SLACK, "#sre-oncall", "resolved", "reads are local"),
        ("slack", {"channel": "#x", "text": "hello"}, "#x", "firing", ""),
        ("pagerduty", PAGE, "key", "trigger", "Command: kubectl"),
        ("pagerduty", {"routing_key": "key", "event_action": "resolve"}, "key", "resolve", ""),
        ("webhook", HOOK, "watchdog", "firing", "CertStorageWatchdog"),
        ("slack", None, "", "firing", ""),
    ],
)
def test_a_message_is_read(service: str, body: Any, to: str, action: str, words: str) -> None:
    got = {"at": "2026-11-23T03:10:00.000Z", "service": service, "status": 200, "problems": ["odd"], "body": body}
    found = message(got)
    assert (found.service, found.to, found.action, found.status, found.problems) == (service, to, action, 200, ("odd",))
    assert words in found.text
