"""The watch wakes keys and is believed in nothing: own writes and re-lists say nothing new, ghosts are found."""

from __future__ import annotations

from typing import Any

import pytest

from certstorage.registry import Key, Registry
from certstorage.wakes import Wakes
from tests.fakes.scene import KEY, NAMESPACE, POLICY, TARGET, policy_body


def stored(name: str = POLICY, **metadata: Any) -> dict[str, Any]:
    body = policy_body(name, TARGET if name == POLICY else name)
    body["metadata"] |= {"uid": f"uid-{name}", "generation": 1, "resourceVersion": "1", **metadata}
    return body


@pytest.fixture
def woken() -> list[Key]:
    return []


@pytest.fixture
def wakes(woken: list[Key]) -> Wakes:
    return Wakes(Registry(), woken.append)


def test_a_new_policy_wakes_and_its_own_status_write_does_not(wakes: Wakes, woken: list[Key]) -> None:
    wakes.policy("ADDED", stored())
    wakes.policy("MODIFIED", stored(resourceVersion="2"))
    wakes.policy(None, stored(resourceVersion="3"))
    assert woken == [KEY]


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"annotations": {"a": "b"}},
        {"deletionTimestamp": "2026-11-23T00:00:00Z"},
        {"finalizers": ["x/y"]},
        {"uid": "another"},
    ],
)
def test_what_somebody_else_changed_wakes(wakes: Wakes, woken: list[Key], change: dict[str, Any]) -> None:
    wakes.policy(None, stored())
    wakes.policy("MODIFIED", stored(**change))
    assert woken == [KEY, KEY]


def test_a_deletion_wakes_and_a_new_one_of_that_name_too(wakes: Wakes, woken: list[Key]) -> None:
    wakes.policy(None, stored())
    wakes.policy("DELETED", stored())
    wakes.policy("ADDED", stored())
    assert woken == [KEY] * 3


def test_jobs_and_deployments_wake_whom_they_concern(wakes: Wakes, woken: list[Key]) -> None:
    wakes.policy(None, stored())
    woken.clear()
    wakes.job({"metadata": {"namespace": NAMESPACE, "labels": {"storage.deltacrown.io/policy": POLICY}}})
    wakes.job({"metadata": {"namespace": NAMESPACE}})
    wakes.deployment({"metadata": {"namespace": NAMESPACE, "name": TARGET, "resourceVersion": "5"}})
    wakes.deployment({"metadata": {"namespace": NAMESPACE, "name": "another", "resourceVersion": "5"}})
    assert woken == [KEY] * 2


def request(**metadata: Any) -> dict[str, Any]:
    there = {"namespace": NAMESPACE, "name": "sweep-1", "uid": "uid-1", "generation": 1}
    return {"metadata": {**there, **metadata}, "spec": {"policyName": POLICY}}


def incident(**metadata: Any) -> dict[str, Any]:
    labels = {"storage.deltacrown.io/policy": POLICY}
    there = {"namespace": NAMESPACE, "name": "sweep-1", "uid": "uid-1", "generation": 1, "labels": labels}
    return {"metadata": {**there, **metadata}, "spec": {}}


@pytest.mark.parametrize("what", ["request", "incident"])
def test_what_people_ask_and_write_wakes_and_our_own_answer_does_not(wakes: Wakes, woken: list[Key], what: str) -> None:
    tell = getattr(wakes, what)
    made = {"request": request, "incident": incident}[what]
    tell("ADDED", made(resourceVersion="1"))
    assert woken == [KEY]
    tell("MODIFIED", made(resourceVersion="2"))
    tell(None, made(resourceVersion="2"))
    assert woken == [KEY], "a status, and a list after the watch was down"
    tell("MODIFIED", made(generation=2))
    tell("MODIFIED", made(generation=2, deletionTimestamp="2026-11-23T00:00:00Z"))
    tell("DELETED", made(generation=2))
    tell("ADDED", made(uid="another"))
    assert woken == [KEY] * 5


def test_a_request_and_an_incident_of_one_name_are_two(wakes: Wakes, woken: list[Key]) -> None:
    wakes.request("ADDED", request())
    wakes.incident("ADDED", incident())
    assert woken == [KEY] * 2


def test_what_names_no_policy_wakes_nobody(wakes: Wakes, woken: list[Key]) -> None:
    wakes.request("ADDED", {"metadata": {"namespace": NAMESPACE, "name": "x"}})
    wakes.incident("ADDED", incident(labels={}))
    assert woken == []


def test_a_version_of_a_deployment_that_a_pass_has_read_is_no_news(woken: list[Key]) -> None:
    registry = Registry()
    wakes = Wakes(registry, woken.append)
    wakes.policy(None, stored())
    woken.clear()
    registry.saw(NAMESPACE, TARGET, "5")
    wakes.deployment({"metadata": {"namespace": NAMESPACE, "name": TARGET, "resourceVersion": "5"}})
    assert woken == []
    wakes.deployment({"metadata": {"namespace": NAMESPACE, "name": TARGET, "resourceVersion": "6"}})
    assert woken == [KEY]
    registry.saw(NAMESPACE, "nobody's", "7")
    assert registry.seen(NAMESPACE, "nobody's") == ""
    registry.drop(KEY)
    assert registry.seen(NAMESPACE, TARGET) == ""


def test_a_policy_that_cannot_be_read_is_left_to_its_pass(wakes: Wakes, woken: list[Key]) -> None:
    body = stored()
    del body["spec"]["targetRef"]
    wakes.policy(None, body)
    assert woken == [KEY]


def test_a_list_wakes_what_is_new_and_the_ghosts_that_the_watch_missed(wakes: Wakes, woken: list[Key]) -> None:
    wakes.policy(None, stored())
    wakes.policy(None, stored("ghost"))
    woken.clear()
    wakes.listed({KEY: stored(), (NAMESPACE, "new"): stored("new")})
    assert set(woken) == {(NAMESPACE, "new"), (NAMESPACE, "ghost")}
    woken.clear()
    wakes.listed({KEY: stored(), (NAMESPACE, "new"): stored("new")})
    assert set(woken) == {(NAMESPACE, "ghost")}, "until its pass has forgotten it"
