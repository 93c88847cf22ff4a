"""After an outage both copies are the same again, or the verdict says why not."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certstorage.validator.guards import Limits
from certstorage.validator.mender import Act
from certstorage.validator.store import Fault, StoreError
from tests.unit.validator.fakes import OWN, PREFIX, Copies, pdf
from tests.unit.validator.runs import recover
from tests.unit.validator.test_check import damage, fill


def outage(copies: Copies) -> datetime:
    """Three missed saves, two missed overwrites, four missed deletes, an hour ago; returns when it began."""
    fill(copies, 60)
    for path in copies.root.rglob("*.pdf"):
        key = PREFIX + str(path.relative_to(copies.root))
        copies.store.objects[key].modified -= timedelta(days=1)
    for number in range(3):
        copies.save_locally(f"2026/new_{number}.pdf", pdf("new"), age=1800)
    for number in range(2):
        copies.save_locally(f"2026/cert_{number:04}.pdf", pdf(f"2026/cert_{number:04}.pdF"), age=1800)
    for number in range(10, 14):
        copies.delete_locally(f"2026/cert_{number:04}.pdf")
    return datetime.now(UTC) - timedelta(hours=1)


def test_mends_what_an_outage_left_behind(copies: Copies) -> None:
    ran = recover(copies, since=outage(copies))
    assert (ran.verdict.status, ran.verdict.detail) == ("PASS", "Clean")
    assert (ran.found.acted(Act.UPLOADED), ran.found.acted(Act.QUARANTINED)) == (5, 4)
    assert copies.same()
    assert sum(key.startswith(f"{OWN}quarantine/now/{PREFIX}") for key in copies.store.objects) == 4
    assert not any(key.startswith(f"{OWN}probe/") for key in copies.store.objects)
    # what was put away is no longer anything to compare: all that is left was
    assert (ran.found.counts.union, ran.found.judged) == (63, 59)
    assert ran.found.at_risk.checked + ran.found.rest.checked == 59


def test_reconcile_does_the_same_without_a_sample(copies: Copies) -> None:
    ran = recover(copies, since=outage(copies), sample=False)
    assert (ran.verdict.status, ran.found.rest.checked) == ("PASS", 0)
    assert copies.same()


def test_what_was_not_at_risk_is_sampled(copies: Copies) -> None:
    since = datetime.now(UTC) + timedelta(minutes=20)
    damage(copies, fill(copies, 100)[3])
    ran = recover(copies, since=since)
    assert (ran.found.at_risk.checked, ran.found.rest.checked) == (0, 100)
    assert (ran.verdict.status, ran.verdict.detail) == ("FAIL", "Mismatches")


def test_one_open_object_at_risk_fails(copies: Copies) -> None:
    since = outage(copies)

    def deny(verb: str, key: str) -> None:
        if verb == "put" and key.endswith("new_1.pdf"):
            raise StoreError(Fault.DENIED, "no")

    copies.store.before = deny
    ran = recover(copies, since=since)
    assert (ran.verdict.status, ran.verdict.detail) == ("FAIL", "AtRiskOpen")


def test_one_unknown_object_at_risk_is_inconclusive(copies: Copies) -> None:
    since = outage(copies)

    def fail(verb: str, key: str) -> None:
        if key.endswith("new_1.pdf"):
            raise StoreError(Fault.UNAVAILABLE, "HTTP 500")

    copies.store.before = fail
    ran = recover(copies, since=since)
    assert (ran.verdict.status, ran.verdict.detail) == ("INCONCLUSIVE", "AtRiskUnknown")


def test_nothing_is_written_before_the_canary_came_back(copies: Copies) -> None:
    since = outage(copies)

    def deny(verb: str, key: str) -> None:
        if verb == "delete":
            raise StoreError(Fault.DENIED, "no")

    copies.store.before = deny
    ran = recover(copies, since=since)
    assert (ran.verdict.status, ran.verdict.detail) == ("INCONCLUSIVE", "ProbeFailed")
    assert "delete" in ran.verdict.message.lower()
    assert not any(verb == "put" and key.startswith(PREFIX) for verb, key in copies.store.requests)


def test_nothing_is_written_where_conditions_are_ignored(copies: Copies) -> None:
    since = outage(copies)
    copies.store.honours_conditions = False
    ran = recover(copies, since=since)
    assert (ran.verdict.status, ran.verdict.detail) == ("INCONCLUSIVE", "NoConditionalWrites")
    assert not any(verb == "put" and key.startswith(PREFIX) for verb, key in copies.store.requests)


def test_a_missing_bucket_is_not_brought_to_life(copies: Copies) -> None:
    since = outage(copies)
    copies.store.bucket = False
    ran = recover(copies, since=since)
    assert (ran.verdict.status, ran.verdict.detail) == ("INCONCLUSIVE", "ProbeFailed")
    assert not any(verb == "put" for verb, _ in copies.store.requests)


@pytest.mark.parametrize(
    ("limits", "detail"),
    [(Limits(few=1, extra_share=0.01), "LocalTreeShrunken"), (Limits(few=1, missing_share=0.01), "MostMissing")],
)
def test_a_tree_that_looks_wrong_is_left_alone(copies: Copies, limits: Limits, detail: str) -> None:
    since = outage(copies)
    ran = recover(copies, since=since, limits=limits)
    assert (ran.verdict.status, ran.verdict.detail) == ("INCONCLUSIVE", detail)
    assert not any(verb in ("copy", "put") and PREFIX in key[:13] for verb, key in copies.store.requests)


def test_more_to_put_away_than_allowed_is_refused(copies: Copies) -> None:
    since = outage(copies)
    ran = recover(copies, since=since, limits=Limits(most_extra=3))
    assert ran.verdict.detail == "TooManyExtra"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_no_lost_update_and_no_resurrection_whatever_the_application_does(copies: Copies, seed: int) -> None:
    """The application saves, overwrites and deletes, both copies at a time, ahead of any request of ours."""
    dice = random.Random(seed)
    for path in list(copies.root.rglob("*.pdf")):
        path.unlink()
    copies.store.objects.clear()
    copies.workers = 1
    copies.save("always-there.pdf")
    names = [f"{number}.pdf" for number in range(6)]
    for name in names:
        missed = dice.choice([copies.save, copies.save_locally, copies.save_remotely])
        missed(name, pdf(str(dice.random())))
    left, touched = dice.randrange(20), set()

    def live(verb: str, key: str) -> None:
        nonlocal left
        if left and verb != "list" and not key.startswith(f"{OWN}probe"):
            left -= 1
            touched.add(name := dice.choice(names))
            act(copies, dice, name)

    copies.store.before = live
    recover(copies, limits=Limits(few=100))
    for name in touched:
        path, stored = copies.root / name, copies.store.objects.get(PREFIX + name)
        assert (path.read_bytes() if path.exists() else None) == (stored.data if stored else None)
    copies.store.before = lambda verb, key: None
    recover(copies, limits=Limits(few=100))
    assert copies.same()


def act(copies: Copies, dice: random.Random, name: str) -> None:
    """What an application with a working dual write does: local first, then S3."""
    if dice.random() < 0.6:
        copies.save(name, pdf(dice.choice("abc")), age=0)
    elif (copies.root / name).exists():
        copies.delete_locally(name)
        copies.store.objects.pop(PREFIX + name, None)
