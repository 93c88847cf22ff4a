"""The canary tells which permission is missing, and leaves nothing behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certstorage.validator.findings import (
    judge_clock,
    judge_lifecycle,
    judge_location,
    judge_logging,
    judge_path,
)
from certstorage.validator.probe import Probe, probe
from certstorage.validator.settings import Settings
from certstorage.validator.store import Fault, StoreError
from tests.unit.validator.fakes import OWN, FakeStore

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def flown(store: FakeStore, rounds: int = 1) -> tuple[Probe, list[float]]:
    waited: list[float] = []
    return probe(store, OWN, rounds=rounds, interval_seconds=100, wait=waited.append), waited


def denying(*verbs: str, fault: Fault = Fault.DENIED) -> Any:
    def deny(verb: str, key: str) -> None:
        if verb in verbs:
            raise StoreError(fault, f"{verb} is not allowed")

    return deny


def test_a_canary_comes_back_and_is_gone() -> None:
    store = FakeStore()
    found, waited = flown(store, rounds=3)
    assert (found.ok, found.rounds, waited, store.objects) == (True, 3, [100, 100], {})
    assert found.conditional_put
    assert found.conditional_delete
    assert found.get_p95 is not None
    assert len(found.get_seconds) == 3


@pytest.mark.parametrize(
    ("verb", "step"), [("list", "ListBucket"), ("put", "PutObject"), ("get", "GetObject"), ("head", "HeadObject")]
)
def test_names_the_permission_that_is_missing(verb: str, step: str) -> None:
    store = FakeStore()
    store.before = denying(verb)
    found, _ = flown(store)
    assert not found.ok
    assert "AccessDenied" in found.steps[step]
    assert found.failures[0].startswith(step)


def test_a_missing_right_to_delete_is_found_by_deleting() -> None:
    store = FakeStore()
    store.before = denying("delete")
    found, _ = flown(store)
    assert not found.ok
    assert (found.steps["PutObject"], found.steps["GetObject"]) == ("ok", "ok")
    assert "AccessDenied" in found.steps["ConditionalDelete"]


def test_ignored_conditions_are_told_and_fail_nothing() -> None:
    store = FakeStore()
    store.honours_conditions = False
    found, _ = flown(store)
    assert found.ok
    assert not found.conditional_put
    assert not found.conditional_delete
    assert "ignored" in found.steps["ConditionalPut"]
    assert store.objects == {}


def test_damage_on_the_way_is_a_failure() -> None:
    store = FakeStore()
    store.damaged_on_the_way = lambda key, data: b"!" + data[1:]
    found, _ = flown(store)
    assert not found.ok
    assert "GetObject" in found.failures[0]
    assert store.objects == {}


def test_what_is_hopeless_is_tried_once() -> None:
    store = FakeStore()
    store.bucket = False
    found, waited = flown(store, rounds=5)
    assert (found.rounds, waited) == (1, [])
    assert [verb for verb, _ in store.requests] == ["list"]


def test_what_may_pass_is_tried_to_the_end() -> None:
    store = FakeStore()
    store.before = denying("put", fault=Fault.UNAVAILABLE)
    found, _ = flown(store, rounds=3)
    assert (found.rounds, found.failed, found.json()["result"]) == (3, 3, "failed")


def test_no_round_is_no_proof() -> None:
    assert not Probe().ok


@pytest.mark.parametrize(("skew", "state"), [(0, "ok"), (60, "ok"), (-60, "ok"), (120, "warning"), (-1200, "warning")])
def test_clock(skew: int, state: str) -> None:
    answer = {"ResponseMetadata": {"HTTPHeaders": {"date": "Mon, 23 Nov 2026 04:00:00 GMT"}}}
    found = judge_clock(answer, NOW + timedelta(seconds=skew))
    assert (found.state, f"{skew:+d} s" in found.detail) == (state, True)


def test_a_server_without_a_date() -> None:
    assert judge_clock({"ResponseMetadata": {"HTTPHeaders": {}}}, NOW).state == "unknown"


@pytest.mark.parametrize(
    ("constraint", "expected", "state"),
    [
        (None, "us-east-1", "ok"),
        ("eu-west-1", "eu-west-1", "ok"),
        ("EU", "eu-west-1", "ok"),
        ("eu-central-1", "us-east-1", "warning"),
    ],
)
def test_location(constraint: str | None, expected: str, state: str) -> None:
    assert judge_location({"LocationConstraint": constraint}, expected).state == state


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ({"Status": "Enabled", "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]}, "warning"),
        ({"Status": "Enabled", "Filter": {"Prefix": "certificates/2020/"}, "Expiration": {"Days": 1}}, "warning"),
        ({"Status": "Enabled", "Filter": {"And": {"Prefix": "cert"}}, "Expiration": {"Date": "2027"}}, "warning"),
        ({"Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}, "ok"),
        ({"Status": "Disabled", "Expiration": {"Days": 1}}, "ok"),
        ({"Status": "Enabled", "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}]}, "ok"),
        ({"Status": "Enabled", "Expiration": {"ExpiredObjectDeleteMarker": True}}, "ok"),
    ],
)
def test_lifecycle(rule: dict[str, Any], state: str) -> None:
    assert judge_lifecycle([rule], "certificates/").state == state


def test_logging() -> None:
    assert judge_logging({}).state == "warning"
    target = {"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "s3/"}}
    assert judge_logging(target).detail == "s3://logs/s3/"


def test_a_path_that_leads_nowhere() -> None:
    found = judge_path("http://127.0.0.1:1", Settings("b", "", Path("/"), connect_seconds=1))
    assert (found.state, "127.0.0.1:1" in found.detail) == ("warning", True)
