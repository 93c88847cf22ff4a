"""Repair what a report names, no more than asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from certstorage.validator import repair as repairing
from certstorage.validator.facts import Outcome
from certstorage.validator.found import Found
from certstorage.validator.mender import Act
from certstorage.validator.settings import Settings, UsageError
from certstorage.validator.settle import Care
from certstorage.validator.store import BIG
from certstorage.validator.verdict import Verdict
from tests.unit.validator.fakes import OWN, PREFIX, Copies, pdf
from tests.unit.validator.runs import check
from tests.unit.validator.test_check import fill

UPLOADS = frozenset({Outcome.MISSING, Outcome.DIFFERENT})


@pytest.fixture
def report(copies: Copies, tmp_path: Path) -> Path:
    """The report of a check that found two missing, one different and one extra object."""
    keys = fill(copies, 20)
    for key in keys[:2]:
        del copies.store.objects[key]
    copies.store.write(keys[2], pdf("other"))
    copies.delete_locally("2026/cert_0003.pdf")
    path = tmp_path / "report.json"
    path.write_text(json.dumps(check(copies).report))
    return path


def named(copies: Copies, report: Path, *, outcomes: frozenset[Outcome] = UPLOADS, prefix: str = "") -> repairing.Named:
    settings = Settings("bucket", PREFIX, copies.root)
    text = repairing.fetched(str(report), settings, copies.store)
    return repairing.named_in(text, str(report), settings, outcomes=outcomes, prefix=prefix)


def repair(copies: Copies, found: repairing.Named, *, apply: bool = True, most: int = 100) -> tuple[Verdict, Found]:
    mending = repairing.Mending(UPLOADS, most, Care(5), OWN, f"{OWN}quarantine/now/")
    plan = repairing.Plan(found, apply, mending)
    result = Found()
    return repairing.repair(copies.context, plan, result), result


def test_only_the_keys_that_are_named(copies: Copies, report: Path) -> None:
    settings = Settings("bucket", PREFIX, copies.root)
    key = f"{PREFIX}2026/cert_0001.pdf"
    found = repairing.named_in(
        report.read_bytes(), str(report), settings, outcomes=UPLOADS, only={key, f"{PREFIX}2026/cert_0009.pdf"}
    )
    assert found.keys == [key]


def test_without_apply_nothing_is_written(copies: Copies, report: Path) -> None:
    before = dict(copies.store.objects)
    verdict, _ = repair(copies, named(copies, report), apply=False)
    assert (verdict.status, verdict.detail, verdict.message[:19]) == ("FAIL", "DryRun", "3 would be repaired")
    assert copies.store.objects == before


def test_uploads_what_the_report_names_and_leaves_the_extra_one(copies: Copies, report: Path) -> None:
    verdict, found = repair(copies, named(copies, report))
    assert (verdict.status, found.acted(Act.UPLOADED)) == ("PASS", 3)
    assert PREFIX + "2026/cert_0003.pdf" in copies.store.objects


def test_puts_the_extra_one_away_when_asked_to(copies: Copies, report: Path) -> None:
    verdict, _ = repair(copies, named(copies, report, outcomes=UPLOADS | {Outcome.EXTRA}))
    assert verdict.status == "PASS"
    assert copies.same()


@pytest.mark.parametrize(
    ("outcomes", "prefix", "count"),
    [
        (frozenset({Outcome.MISSING}), "", 2),
        (frozenset({Outcome.DIFFERENT}), "", 1),
        (UPLOADS, PREFIX + "2026/cert_0001", 1),
        (UPLOADS, "elsewhere", 0),
    ],
)
def test_takes_only_what_was_asked_for(
    copies: Copies, report: Path, outcomes: frozenset[Outcome], prefix: str, count: int
) -> None:
    assert len(named(copies, report, outcomes=outcomes, prefix=prefix).keys) == count


def test_no_more_than_allowed_in_one_run_and_the_next_goes_on(copies: Copies, report: Path) -> None:
    verdict, found = repair(copies, named(copies, report), most=2)
    assert (verdict.detail, found.acted(Act.UPLOADED)) == ("MoreToRepair", 2)
    verdict, found = repair(copies, named(copies, report))
    assert (verdict.status, found.acted(Act.UPLOADED)) == ("PASS", 1)


def test_a_shrunken_tree_repairs_nothing(copies: Copies, report: Path) -> None:
    for number in range(4, 16):
        copies.delete_locally(f"2026/cert_{number:04}.pdf")
    verdict, _ = repair(copies, named(copies, report))
    assert (verdict.status, verdict.detail) == ("INCONCLUSIVE", "LocalTreeShrunken")


def test_an_endpoint_without_conditions_is_not_written_to(copies: Copies, report: Path) -> None:
    copies.store.honours_conditions = False
    assert repair(copies, named(copies, report))[0].detail == "NoConditionalWrites"


@pytest.mark.parametrize(
    "change", [{"schema": "other"}, {"bucket": "other"}, {"prefix": "other/"}, {"root": "/other"}, {"population": None}]
)
def test_another_policys_report_is_refused(copies: Copies, report: Path, change: dict[str, object]) -> None:
    report.write_text(json.dumps(json.loads(report.read_text()) | change))
    with pytest.raises(UsageError, match=str(report)):
        named(copies, report)


@pytest.mark.parametrize("text", ["", "[]", "null", "{"])
def test_garbage_is_refused(copies: Copies, report: Path, text: str) -> None:
    report.write_text(text)
    with pytest.raises(UsageError):
        named(copies, report)


def test_a_report_that_is_not_there_is_refused(copies: Copies, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        named(copies, tmp_path / "none.json")


def test_a_report_in_the_bucket_is_read_from_there(copies: Copies, report: Path) -> None:
    settings = Settings("bucket", PREFIX, copies.root)
    copies.store.write(f"{OWN}reports/1.json", report.read_bytes())
    assert repairing.fetched(f"s3://bucket/{OWN}reports/1.json", settings, copies.store) == report.read_bytes()


def test_a_report_of_many_mebibytes_is_read_too(copies: Copies, report: Path) -> None:
    large = report.read_bytes().ljust(BIG + 1)
    copies.store.write(f"{OWN}reports/1.json", large)
    settings = Settings("bucket", PREFIX, copies.root)
    assert repairing.fetched(f"s3://bucket/{OWN}reports/1.json", settings, copies.store) == large


@pytest.mark.parametrize("place", ["s3://bucket/nowhere", "s3://other/x", "/nowhere"])
def test_a_report_that_is_nowhere_is_wrong_usage(copies: Copies, place: str) -> None:
    with pytest.raises(UsageError, match=place):
        repairing.fetched(place, Settings("bucket", PREFIX, copies.root), copies.store)


@pytest.mark.parametrize(
    ("outcomes", "uploaded"),
    [({Outcome.MISSING}, 2), ({Outcome.DIFFERENT}, 1), (set(UPLOADS), 3), ({Outcome.EXTRA}, 0)],
)
def test_a_check_may_mend_what_it_found(copies: Copies, report: Path, outcomes: set[Outcome], uploaded: int) -> None:
    assert report.exists()
    ran = check(copies)
    mending = repairing.Mending(frozenset(outcomes), 100, Care(5), OWN, f"{OWN}quarantine/now/")
    repairing.mend_found(copies.context, mending, ran.found)
    assert (ran.verdict.status, ran.found.acted(Act.UPLOADED)) == ("FAIL", uploaded)
    assert len(list(check(copies).found.mismatches())) == 4 - uploaded - (outcomes == {Outcome.EXTRA})
