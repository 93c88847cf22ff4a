"""Which requests and incidents a policy has, and which have been kept for long enough."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from certstorage.api.incidents import IncidentPhase
from certstorage.api.reading import rfc3339
from certstorage.api.requests import RequestType
from certstorage.cluster.papers import INCIDENTS_KEPT, REQUESTS_KEPT, Outdated, left_behind, papers_of
from certstorage.cluster.port import INCIDENTS, REQUESTS, Json
from tests.unit.cluster.objects import NOW, make_policy


def request(
    name: str = "sweep-1", *, policy: str = "certificates", status: Json | None = None, **metadata: Any
) -> Json:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": rfc3339(NOW), **metadata},
        "spec": {"policyName": policy, "type": "Sweep", "reason": "why", "ttlSeconds": 3600},
        "status": status or {},
    }


def incident(
    name: str = "incident-1", *, policy: str = "certificates", labels: Json | None = None, **status: Any
) -> Json:
    told = {
        "policyName": policy,
        "scenario": "Outage",
        "severity": "critical",
        "phase": "Open",
        "detectedAt": rfc3339(NOW),
    }
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels or {}},
        "spec": {"notes": "by a person"},
        "status": {**told, **status} if policy else {},
    }


def test_all_of_this_policy_in_any_phase_and_no_other() -> None:
    every = [
        request("new"),
        request("done", status={"phase": "Done", "finishedAt": rfc3339(NOW)}),
        request("other", policy="another"),
        request("going", deletionTimestamp=rfc3339(NOW)),
        {"metadata": {"name": "odd"}, "spec": {"policyName": "certificates", "type": "Nonsense"}},
        {"metadata": {"name": "empty"}},
    ]
    found = papers_of(make_policy(), every, (), NOW)
    assert [one.name for one in found.requests] == ["new", "done"]
    assert found.requests[0].kind is RequestType.SWEEP
    assert found.request_bodies["done"] is every[1]
    assert found.outdated == ()


def test_incidents_by_their_status_or_by_their_label_while_they_have_none() -> None:
    ours = {"storage.deltacrown.io/policy": "certificates"}
    every = [
        incident("told"),
        incident("fresh", policy="", labels=ours),
        incident("theirs", policy="another", labels=ours),
        incident("nobodys", policy=""),
        incident("closed", phase="Closed", closedAt=rfc3339(NOW)),
    ]
    found = papers_of(make_policy(), (), every, NOW)
    assert [one.name for one in found.incidents] == ["told", "fresh"]
    assert found.incidents[0].notes.notes == "by a person"
    assert found.incidents[1].status is None
    assert set(found.incident_bodies) == {"told", "fresh", "closed"}, "a closed one may still be adopted by its name"


@pytest.mark.parametrize(
    ("status", "age", "gone"),
    [
        ({"phase": "Done", "finishedAt": rfc3339(NOW)}, REQUESTS_KEPT, False),
        ({"phase": "Done", "finishedAt": rfc3339(NOW)}, REQUESTS_KEPT + timedelta(seconds=1), True),
        ({"phase": "Denied"}, REQUESTS_KEPT + timedelta(hours=1), False),
        ({"phase": "Denied"}, REQUESTS_KEPT + timedelta(hours=1, seconds=1), True),
        ({"phase": "Expired"}, REQUESTS_KEPT + timedelta(hours=2), True),
        ({"phase": "Running"}, 2 * REQUESTS_KEPT, False),
        ({}, 2 * REQUESTS_KEPT, False),
    ],
)
def test_an_ended_request_is_kept_for_a_while(status: Json, age: timedelta, gone: bool) -> None:
    found = papers_of(make_policy(), [request(status=status)], (), NOW + age)
    assert [(one.resource, one.name, one.uid) for one in found.outdated] == (
        [(REQUESTS, "sweep-1", "uid-sweep-1")] if gone else []
    )
    assert [one.name for one in found.requests] == ([] if gone else ["sweep-1"])


@pytest.mark.parametrize("phase", list(IncidentPhase))
def test_an_incident_is_kept_for_over_a_year_after_it_was_closed(phase: IncidentPhase) -> None:
    body = incident(phase=phase.value, closedAt=rfc3339(NOW))
    assert papers_of(make_policy(), (), [body], NOW + INCIDENTS_KEPT).outdated == ()
    late = papers_of(make_policy(), (), [body], NOW + INCIDENTS_KEPT + timedelta(seconds=1)).outdated
    assert [(one.resource, one.uid) for one in late] == (
        [(INCIDENTS, "uid-incident-1")] if phase is IncidentPhase.CLOSED else []
    ), "what people still owe something to stays"


@pytest.mark.parametrize("phase", IncidentPhase)
def test_what_a_policy_that_is_gone_has_left_goes_by_its_age_closed_or_not(phase: IncidentPhase) -> None:
    policies = {("production", "certificates")}
    every = [incident("kept", phase=phase), incident("left", policy="gone", phase=phase)]
    for body in every:
        body["metadata"]["namespace"] = "production"
    elsewhere = incident("elsewhere", phase=phase)
    elsewhere["metadata"]["namespace"] = "staging"
    odd = {"metadata": {"name": "odd", "namespace": "staging"}, "status": {"policyName": "x", "phase": "Nonsense"}}
    every += [elsewhere, odd]
    assert list(left_behind(every, policies, NOW + INCIDENTS_KEPT)) == []
    assert list(left_behind(every, policies, NOW + INCIDENTS_KEPT + timedelta(seconds=1))) == [
        ("production", Outdated(INCIDENTS, "left", "uid-left")),
        ("staging", Outdated(INCIDENTS, "elsewhere", "uid-elsewhere")),
    ]
