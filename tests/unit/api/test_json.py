"""What is written to the API server is read back as it was, and fits the schemas."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certstorage.api import hold as holds
from certstorage.api.hold import DegradationHold, Hold, InvalidHoldError, ReadsPhase, SweepHold
from certstorage.api.incident_json import read_incident
from certstorage.api.requests import Answer, Approves, RequestPhase, RequestType, Trigger, read_request, status_to_dict

NOW = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
V1 = (
    '{"before":{"CERT_S3_READ_PRIMARY":"true"},"epoch":3,"incident":"certificates-20261123-031000",'
    '"policy":{"name":"certificates","uid":"policy-1"},"reads":"Local","since":"2026-11-23T03:10:00.000Z",'
    '"target":"deployment-1","v":1}'
)
DEGRADED = DegradationHold(
    incident="certificates-degradation-1",
    since=NOW,
    until=NOW + timedelta(hours=1),
    before={"LOG_LEVEL": None, "CERT_S3_READ_TIMEOUT": "5"},
    written={"LOG_LEVEL": "DEBUG", "CERT_S3_READ_TIMEOUT": "30"},
    reverts=1,
    reverted_by="argocd",
)
SWEPT = SweepHold("certificates-sweep-x", "uid-1", "certificates-sweep-1", NOW, "nonce", "ValidationFailed")


def a_hold() -> Hold:
    return Hold("policy-1", "certificates", "deployment-1", "certificates-20261123-031000", NOW, epoch=3)


def test_a_hold_of_version_1_is_read_and_written_again_byte_by_byte() -> None:
    read = holds.load(V1)
    assert read.reads is ReadsPhase.LOCAL
    assert read.degradation is None
    assert holds.dump(read) == V1


@pytest.mark.parametrize(
    "share",
    [
        {"degradation": DEGRADED},
        {"sweep": SWEPT, "replicas": 3, "restore_by": NOW},
        {"sweep": SWEPT, "degradation": DEGRADED, "reads": ReadsPhase.LOCAL},
    ],
)
def test_shares_come_back_whole_as_version_2(share: dict[str, object]) -> None:
    hold = replace(a_hold(), **share)  # type: ignore[arg-type]
    text = holds.dump(hold)
    assert '"v":2' in text
    assert holds.load(text) == hold


@pytest.mark.parametrize("broken", ['"v":3', '"v":"2"', '"v":null'])
def test_another_version_is_refused_and_not_guessed(broken: str) -> None:
    with pytest.raises(InvalidHoldError, match="is not 1 or 2"):
        holds.load(V1.replace('"v":1', broken))


def test_a_request_is_read_with_what_it_approves() -> None:
    body: dict[str, Any] = {
        "metadata": {"name": "yes", "uid": "u", "creationTimestamp": "2026-11-23T03:10:00Z"},
        "spec": {
            "policyName": "certificates",
            "type": "Approval",
            "reason": "agreed",
            "requestedBy": "jane",
            "trigger": "Person",
            "ttlSeconds": 60,
            "approves": {"requestName": "sweep", "planHash": "0123456789abcdef", "decision": "Deny"},
        },
    }
    seen = read_request(body)
    assert seen is not None
    assert seen.approves == Approves("0123456789abcdef", request="sweep", decision=Answer.DENY)
    assert (seen.kind, seen.by, seen.trigger) == (RequestType.APPROVAL, "jane", Trigger.PERSON)
    assert seen.open
    assert seen.expires_at == NOW + timedelta(seconds=60)
    body["metadata"]["deletionTimestamp"] = "2026-11-23T03:11:00Z"
    assert read_request(body) is None


def test_a_condition_of_a_request_moves_only_with_its_status() -> None:
    from certstorage.api.requests import RequestStatus

    pending = RequestStatus(phase=RequestPhase.PENDING, reason="AwaitingApproval", message="waits")
    first = status_to_dict(pending, {}, NOW)
    again = status_to_dict(replace(pending, message="still waits"), first, NOW + timedelta(hours=1))
    assert {one["lastTransitionTime"] for one in again["conditions"]} == {"2026-11-23T03:10:00Z"}  # type: ignore[attr-defined]
    done = status_to_dict(replace(pending, phase=RequestPhase.DONE), again, NOW + timedelta(hours=2))
    complete = next(one for one in done["conditions"] if one["type"] == "Complete")  # type: ignore[attr-defined]
    assert (complete["status"], complete["lastTransitionTime"]) == ("True", "2026-11-23T05:10:00Z")


def test_an_incident_without_a_status_yet_is_seen_with_what_people_wrote() -> None:
    seen = read_incident(
        {
            "metadata": {"name": "i", "uid": "u", "generation": 2},
            "spec": {"rootCause": "a bucket policy", "checklist": ["Thresholds", "Unheard"]},
        }
    )
    assert seen.status is None
    assert seen.notes.root_cause == "a bucket policy"
    assert {item.value for item in seen.notes.checklist} == {"Thresholds"}
