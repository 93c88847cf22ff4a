"""Requests and incidents as a pass writes them: once, under a precondition, and never in the way of the safe side."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from certstorage.api.alerts import Severity
from certstorage.api.decision import Decision
from certstorage.api.incidents import Entry, IncidentPhase, IncidentStatus, IncidentWanted
from certstorage.api.observed import Observation
from certstorage.api.policy import Policy
from certstorage.api.requests import RequestAnswer, RequestPhase, RequestStatus, RequestType, RequestWanted, Trigger
from certstorage.api.scenarios import Scenario
from certstorage.api.status import Status
from certstorage.cluster.papers import REQUESTS_KEPT
from certstorage.cluster.port import (
    INCIDENTS,
    POLICIES,
    REQUESTS,
    ConflictError,
    ForbiddenError,
    Json,
    NotFoundError,
    UnavailableError,
    UnprocessableError,
)
from certstorage.runbook.decide import decide
from tests.fakes.cluster import START, Call
from tests.fakes.scene import NAMESPACE, POLICY, Killed, Scene, outage

LABEL = "storage.deltacrown.io/policy"
FILED = RequestWanted("certificates-quarterly-2026q4", RequestType.SWEEP, Trigger.QUARTERLY, "the quarter is over")


class Core:
    """The real core, and what a test wants on top: said only while it is news, as the core says it."""

    def __init__(self) -> None:
        self.request: RequestWanted | None = None
        self.answers: dict[str, RequestStatus] = {}
        self.incident: IncidentWanted | None = None

    def __call__(self, policy: Policy, seen: Observation, before: Status, now: datetime) -> Decision:
        decision = decide(policy, seen, before, now)
        if seen.glance:
            return decision
        requests = {one.name: one for one in seen.requests}
        incidents = {one.name: one for one in seen.incidents}
        filed = self.request
        told = self.incident
        return replace(
            decision,
            requests=() if filed is None or filed.name in requests else (filed,),
            answers=tuple(
                RequestAnswer(name, requests[name].uid, status)
                for name, status in self.answers.items()
                if name in requests and requests[name].status != status
            ),
            incidents=()
            if told is None or (told.name in incidents and incidents[told.name].status == told.status)
            else (told,),
        )


def told(
    *words: str, phase: IncidentPhase = IncidentPhase.OPEN, name: str = "certificates-20261123-0310"
) -> IncidentWanted:
    entries = tuple(Entry(START + timedelta(minutes=i), "Said", word) for i, word in enumerate(words))
    status = IncidentStatus(Scenario.OUTAGE, Severity.CRITICAL, phase, "S3 is down", START, timeline=entries)
    return IncidentWanted(name, status)


class Staged(Scene):
    """A scene whose operators decide with `core`."""

    def __init__(self) -> None:
        self.core = Core()
        super().__init__()

    def start(self, instance: str = "operator-0") -> Any:
        operator = super().start(instance)
        operator.decide = self.core
        return operator

    def one(self, resource: Any, name: str) -> Json:
        return self.cluster.stored(resource, NAMESPACE, name)

    def add_request(self, name: str = "by-hand", **spec: Any) -> Json:
        body = {
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"policyName": POLICY, "type": "Validation", "reason": "to see", **spec},
        }
        return self.cluster.add(REQUESTS, body)


@pytest.fixture
def scene() -> Staged:
    return Staged()


async def test_a_request_is_filed_once_and_goes_with_its_policy(scene: Staged) -> None:
    scene.core.request = FILED
    await scene.settle()
    body = scene.one(REQUESTS, FILED.name)
    assert body["spec"] == {
        "policyName": POLICY,
        "type": "Sweep",
        "trigger": "Quarterly",
        "reason": "the quarter is over",
        "ttlSeconds": 86_400,
    }
    assert body["metadata"]["labels"] == {LABEL: POLICY}
    assert [one["uid"] for one in body["metadata"]["ownerReferences"]] == [scene.policy()["metadata"]["uid"]]
    writes = len(scene.cluster.writes())
    scene.start()
    await scene.settle()
    assert len(scene.cluster.writes()) == writes, "a fresh operator has nothing to add"


async def test_a_request_of_that_name_that_came_meanwhile_is_the_one(scene: Staged) -> None:
    scene.core.request = FILED

    def meanwhile(call: Call) -> None:
        if call.verb == "create" and call.plural == REQUESTS.plural:
            scene.cluster.before = lambda _: None
            scene.add_request(FILED.name, type="Sweep")

    scene.cluster.before = meanwhile
    await scene.step()
    assert scene.one(REQUESTS, FILED.name)["spec"]["reason"] == "to see"
    assert scene.ledger.failures == []


async def test_a_request_is_answered_with_conditions_and_not_again(scene: Staged) -> None:
    scene.add_request()
    scene.core.answers["by-hand"] = RequestStatus(RequestPhase.PENDING, reason="AwaitingApproval", plan=("do it",))
    await scene.settle()
    status = scene.one(REQUESTS, "by-hand")["status"]
    assert (status["phase"], status["plan"]) == ("Pending", ["do it"])
    assert {one["type"]: one["status"] for one in status["conditions"]} == {"Approved": "Unknown", "Complete": "False"}
    scene.core.answers["by-hand"] = RequestStatus(RequestPhase.DONE, reason="DataVerified", finished_at=START)
    await scene.settle(60)
    conditions = {one["type"]: one for one in scene.one(REQUESTS, "by-hand")["status"]["conditions"]}
    assert conditions["Complete"]["status"] == "True"
    assert conditions["Complete"]["lastTransitionTime"] == "2026-11-23T03:11:00Z"
    assert scene.ledger.paperwork == Counter({("Answer", "done"): 2})


async def test_an_answer_is_for_the_request_that_was_read_and_for_no_other_of_its_name(scene: Staged) -> None:
    scene.add_request()
    scene.core.answers["by-hand"] = RequestStatus(RequestPhase.PENDING)

    def replaced(call: Call) -> None:
        if call.verb == "replace" and call.plural == REQUESTS.plural:
            scene.cluster.before = lambda _: None
            scene.cluster.remove(REQUESTS, NAMESPACE, "by-hand")
            scene.add_request()

    scene.cluster.before = replaced
    await scene.step()
    assert "status" not in scene.one(REQUESTS, "by-hand")
    assert scene.ledger.failures == ["conflict"]
    await scene.settle()
    assert scene.one(REQUESTS, "by-hand")["status"]["phase"] == "Pending"


async def test_an_incident_is_opened_told_and_closed_and_peoples_fields_stay(scene: Staged) -> None:
    scene.core.incident = told("it began")
    await scene.settle()
    body = scene.one(INCIDENTS, "certificates-20261123-0310")
    assert body["metadata"]["labels"] == {LABEL: POLICY}
    assert "ownerReferences" not in body["metadata"], "it outlives its policy"
    assert body["status"]["policyUID"] == scene.policy()["metadata"]["uid"]
    assert body["status"]["targetUID"] == scene.deployment()["metadata"]["uid"]

    def write(found: Json) -> None:
        found["spec"]["notes"] = "seen by Ann"
        found["status"]["deliveries"] = [{"channel": "am", "state": "Delivered"}]

    scene.cluster.touch(INCIDENTS, NAMESPACE, "certificates-20261123-0310", write)
    scene.core.incident = told("it began", "it ended", phase=IncidentPhase.RESOLVED)
    await scene.settle()
    body = scene.one(INCIDENTS, "certificates-20261123-0310")
    assert body["spec"]["notes"] == "seen by Ann"
    assert body["status"]["deliveries"] == [{"channel": "am", "state": "Delivered"}], "these are the shell's"
    assert [one["message"] for one in body["status"]["timeline"]] == ["it began", "it ended"]
    writes = len(scene.cluster.writes())
    await scene.settle(30)
    assert len(scene.cluster.writes()) == writes


async def test_a_person_who_writes_at_the_same_time_loses_nothing(scene: Staged) -> None:
    scene.core.incident = told("it began")
    await scene.settle()
    scene.core.incident = told("it began", "and went on")

    def person(call: Call) -> None:
        if call.verb == "replace" and call.plural == INCIDENTS.plural:
            scene.cluster.before = lambda _: None
            name = "certificates-20261123-0310"
            scene.cluster.touch(INCIDENTS, NAMESPACE, name, lambda found: found["spec"].update(notes="mine"))

    scene.cluster.before = person
    await scene.step()
    assert scene.ledger.failures == ["conflict"]
    await scene.settle()
    body = scene.one(INCIDENTS, "certificates-20261123-0310")
    assert body["spec"]["notes"] == "mine"
    assert len(body["status"]["timeline"]) == 2


@pytest.mark.parametrize("line", range(4))
async def test_a_kill_between_any_two_of_its_writes_tells_nothing_twice(scene: Staged, line: int) -> None:
    scene.add_request()
    scene.core.request, scene.core.incident = FILED, told("it began")
    scene.core.answers["by-hand"] = RequestStatus(RequestPhase.PENDING)
    writes = 0

    def kill(call: Call) -> None:
        nonlocal writes
        if call.plural in (REQUESTS.plural, INCIDENTS.plural) and call.writes:
            writes += 1
            if writes == line + 1:
                raise Killed

    scene.cluster.after = kill
    with pytest.raises(Killed):
        await scene.step()
    scene.start()
    await scene.settle()
    assert len(scene.one(INCIDENTS, "certificates-20261123-0310")["status"]["timeline"]) == 1
    assert len(scene.cluster.every(REQUESTS)) == 2
    assert len(scene.cluster.every(INCIDENTS)) == 1
    assert scene.one(REQUESTS, "by-hand")["status"]["phase"] == "Pending"


@pytest.mark.parametrize("error", [ForbiddenError, NotFoundError, UnprocessableError])
async def test_what_the_api_server_refuses_of_it_holds_up_nothing_else(scene: Staged, error: type[Exception]) -> None:
    scene.core.request, scene.core.incident = FILED, told("it began")
    await scene.settle()
    scene.core.request, scene.core.incident = replace(FILED, name="another"), told("it began", "and went on")

    def refuse(call: Call) -> None:
        if call.plural in (REQUESTS.plural, INCIDENTS.plural) and call.writes:
            raise error("not here")

    scene.cluster.before = refuse
    scene.source.current = outage()
    await scene.step()
    await scene.step()
    assert scene.env() == "false"
    assert scene.reason().startswith("Outage")
    assert [one.name for one in scene.operator.board.alerts(START)] == ["CertStorageIncident"]
    assert scene.ledger.paperwork["Incident", "refused"] == 1
    assert scene.ledger.paperwork["Request", "refused"] == 1


async def test_no_answer_ends_the_pass_and_it_is_made_again(scene: Staged) -> None:
    scene.core.incident = told("it began")

    def lost(call: Call) -> None:
        if call.plural == INCIDENTS.plural and call.writes:
            scene.cluster.after = lambda _: None
            raise UnavailableError("no answer")

    scene.cluster.after = lost
    await scene.step()
    assert scene.ledger.failures == ["unavailable"]
    await scene.settle()
    assert len(scene.one(INCIDENTS, "certificates-20261123-0310")["status"]["timeline"]) == 1


async def test_a_conflict_is_no_refusal(scene: Staged) -> None:
    scene.core.incident = told("it began")

    def conflict(call: Call) -> None:
        if call.plural == INCIDENTS.plural and call.verb == "replace":
            scene.cluster.before = lambda _: None
            raise ConflictError("modified")

    scene.cluster.before = conflict
    await scene.step()
    assert scene.ledger.failures == ["conflict"]


async def test_what_was_kept_long_enough_is_deleted_and_only_that(scene: Staged) -> None:
    old, other = scene.add_request("old"), scene.add_request("other", policyName="somebody-elses")
    for body in (old, other):
        body["status"] = {"phase": "Done", "finishedAt": "2026-11-23T03:10:00Z"}
    scene.add_request("open")
    await scene.settle(REQUESTS_KEPT.total_seconds())
    assert len(scene.cluster.every(REQUESTS)) == 3
    await scene.settle(1)
    assert [one["metadata"]["name"] for one in scene.cluster.every(REQUESTS)] == ["open", "other"]
    assert scene.ledger.paperwork["Cleanup", "done"] == 1


async def test_incidents_stay_when_their_policy_goes_and_requests_do_not(scene: Staged) -> None:
    scene.core.request, scene.core.incident = FILED, told("it began")
    await scene.settle()
    scene.cluster.remove(POLICIES, NAMESPACE, POLICY)
    assert scene.cluster.every(REQUESTS) == []
    assert len(scene.cluster.every(INCIDENTS)) == 1
