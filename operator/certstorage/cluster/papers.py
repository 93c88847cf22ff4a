"""Requests and incidents as JSON → what the decision may know of them, and which were kept long enough. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from certstorage.api.incident_json import read_incident
from certstorage.api.incidents import IncidentPhase, IncidentSeen
from certstorage.api.policy import Policy
from certstorage.api.reading import Fields, InvalidFieldError
from certstorage.api.requests import RequestSeen, read_request
from certstorage.cluster.jobs import LABEL_POLICY
from certstorage.cluster.port import INCIDENTS, REQUESTS, Json, Resource

REQUESTS_KEPT = timedelta(days=30)
"""How long a request is kept after nothing more can become of it."""
INCIDENTS_KEPT = timedelta(days=400)
"""How long an incident is kept after it was closed: over a year, for the review after the next one. What is not closed
stays, since people still owe it something."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """One object whose time is over; the UID is the precondition of its deletion."""

    resource: Resource
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Papers:
    """The requests and incidents of one policy: `requests` and `incidents` as read, the bodies by name beside them."""

    requests: tuple[RequestSeen, ...] = ()
    incidents: tuple[IncidentSeen, ...] = ()
    request_bodies: Mapping[str, Json] = field(default_factory=dict)
    incident_bodies: Mapping[str, Json] = field(default_factory=dict)
    outdated: tuple[Outdated, ...] = ()


def papers_of(policy: Policy, requests: Iterable[Json], incidents: Iterable[Json], now: datetime) -> Papers:
    """Pick the policy's own of a namespace's; what cannot be read asks for nothing, and tells nothing."""
    asked: dict[str, Json] = {}
    told: dict[str, Json] = {}
    seen: list[RequestSeen] = []
    known: list[IncidentSeen] = []
    outdated: list[Outdated] = []
    for body in requests:
        request = _request(body, policy.name)
        if request is None:
            continue
        if not request.open and now - (request.status.finished_at or request.expires_at) > REQUESTS_KEPT:
            outdated.append(Outdated(REQUESTS, request.name, request.uid))
            continue
        seen.append(request)
        asked[request.name] = body
    for body in incidents:
        incident = _incident(body, policy.name)
        if incident is None:
            continue
        told[incident.name] = body
        status = incident.status
        if status is None or status.phase is not IncidentPhase.CLOSED:
            known.append(incident)
        elif now - (status.closed_at or status.resolved_at or status.detected_at) > INCIDENTS_KEPT:
            outdated.append(Outdated(INCIDENTS, incident.name, incident.uid))
    return Papers(tuple(seen), tuple(known), asked, told, tuple(outdated))


def left_behind(
    incidents: Iterable[Json], policies: Set[tuple[str, str]], now: datetime
) -> Iterator[tuple[str, Outdated]]:
    """Incidents of policies that are gone and whose time is over, each with its namespace.

    Nothing more becomes of them, closed or not. `policies` are all that there are, by namespace and name.
    """
    for body in incidents:
        metadata = body["metadata"]
        if metadata.get("deletionTimestamp") or (metadata["namespace"], _policy_of(body)) in policies:
            continue
        try:
            incident = read_incident(body)
        except InvalidFieldError:
            continue
        status = incident.status
        if status is not None and now - (status.closed_at or status.resolved_at or status.detected_at) > INCIDENTS_KEPT:
            yield metadata["namespace"], Outdated(INCIDENTS, incident.name, incident.uid)


def _policy_of(incident: Json) -> str:
    name: str = (incident.get("status") or {}).get("policyName") or incident["metadata"].get("labels", {}).get(
        LABEL_POLICY, ""
    )
    return name


def _request(body: Json, policy_name: str) -> RequestSeen | None:
    try:
        if Fields(body, "request").table("spec").text("policyName") != policy_name:
            return None
        return read_request(body)
    except InvalidFieldError:
        return None


def _incident(body: Json, policy_name: str) -> IncidentSeen | None:
    if _policy_of(body) != policy_name or body["metadata"].get("deletionTimestamp"):
        return None
    try:
        return read_incident(body)
    except InvalidFieldError:
        return None
