"""Shards that find each other in the bucket: the last one says what one run would have said."""

from __future__ import annotations

import copy
import json

import pytest

from certstorage.validator.check import sampled_part
from certstorage.validator.gather import Gathering, collected, deliver
from certstorage.validator.guards import Limits
from certstorage.validator.mender import Act
from certstorage.validator.reading import Reading
from certstorage.validator.recover import sampled_part as recovered_part
from certstorage.validator.sampling import WHOLE, Shard, Window
from certstorage.validator.settle import Care
from certstorage.validator.store import Fault, StoreError
from certstorage.validator.verdict import Rule
from tests.unit.validator.fakes import OWN, Copies
from tests.unit.validator.runs import Ran, check, recover
from tests.unit.validator.test_check import damage, fill
from tests.unit.validator.test_recover import outage

FOLDER = f"{OWN}reports/parts/nonce/"
SHARDS = [Shard(index, 3) for index in range(3)]
CHECK = Gathering(Reading(Rule(), Care(5)), sampled_part)


def handed_over(copies: Copies, shard: Shard) -> list[dict[str, object]] | None:
    """One shard runs and leaves its report; the reports of all, if it is the last."""
    deliver(copies.store, FOLDER, shard, check(copies, shard=shard, grows=False).report)
    return collected(copies.store, FOLDER, shard)


def test_only_the_last_one_has_them_all(copies: Copies) -> None:
    fill(copies, 30)
    assert handed_over(copies, SHARDS[2]) is None
    assert handed_over(copies, SHARDS[0]) is None
    reports = handed_over(copies, SHARDS[1])
    assert reports is not None
    merged = CHECK.merged(copies.context, reports)
    assert (merged.verdict.status, merged.found.counts.local, merged.found.rest.checked) == ("PASS", 30, 30)


def test_a_shard_that_is_run_again_replaces_its_report(copies: Copies) -> None:
    keys = fill(copies, 30)
    for shard in (SHARDS[0], SHARDS[1]):
        handed_over(copies, shard)
    del copies.store.objects[next(key for key in keys if SHARDS[0].has(key))]
    assert handed_over(copies, SHARDS[0]) is None
    reports = handed_over(copies, SHARDS[2])
    assert reports is not None
    assert CHECK.merged(copies.context, reports).verdict.status == "FAIL"


@pytest.mark.parametrize("text", ["garbage", "{}", '{"schema": "other"}'])
def test_what_is_no_report_of_the_run_is_an_error(copies: Copies, text: str) -> None:
    fill(copies, 30)
    handed_over(copies, SHARDS[0])
    copies.store.write(f"{FOLDER}1-of-3.json", text.encode())
    with pytest.raises(StoreError, match=r"1-of-3\.json"):
        handed_over(copies, SHARDS[2])


def test_the_last_one_reads_on_where_one_run_would(copies: Copies) -> None:
    damage(copies, max(fill(copies, 900), key=Window(0.01).distance))

    def run(shard: Shard, *, grows: bool) -> Ran:
        return check(copies, rate=0.01, least=400, shard=shard, grows=grows)

    alone = run(WHOLE, grows=True)
    assert alone.found.looks > 1
    reports = [json.loads(json.dumps(run(shard, grows=False).report)) for shard in SHARDS]
    merged = CHECK.merged(copies.context, reports)
    assert merged.verdict == alone.verdict
    assert merged.verdict.detail == "BelowThreshold"
    assert merged.found.rest.checked == alone.found.rest.checked
    assert sorted(look.key for look in merged.found.mismatches()) == sorted(
        look.key for look in alone.found.mismatches()
    )
    assert (merged.found.pattern.kind, merged.found.looks) == (alone.found.pattern.kind, alone.found.looks)


def test_a_recovery_by_shards_is_the_recovery_of_one(copies: Copies) -> None:
    since = outage(copies)
    fill(copies, 200, "2025")
    before = copy.deepcopy(copies.store.objects)
    alone = recover(copies, since=since, least=50)
    assert copies.same()
    copies.store.objects = before
    reports = [
        json.loads(json.dumps(recover(copies, since=since, least=50, shard=shard, grows=False).report))
        for shard in SHARDS
    ]
    assert copies.same()
    gathering = Gathering(Reading(Rule(at_risk_clean=True), Care(5)), lambda context, _: recovered_part(context, since))
    merged = gathering.merged(copies.context, reports)
    assert merged.verdict == alone.verdict
    assert merged.found.acted(Act.UPLOADED) == alone.found.acted(Act.UPLOADED) == 5
    assert merged.found.acted(Act.QUARANTINED) == alone.found.acted(Act.QUARANTINED) == 4
    assert sorted(done.key for done in merged.found.at_risk.done) == sorted(
        done.key for done in alone.found.at_risk.done
    )
    assert merged.found.probe is not None
    assert (merged.found.probe.ok, merged.found.probe.rounds) == (True, 3)


@pytest.mark.parametrize("shard", SHARDS)
def test_a_shrunken_tree_is_noticed_by_every_shard(copies: Copies, shard: Shard) -> None:
    """A third of few objects is fewer still: the limits shrink with the part."""
    fill(copies, 120)
    for number in range(60):
        copies.delete_locally(f"2026/cert_{number:04}.pdf")
    before = dict(copies.store.objects)
    ran = recover(copies, shard=shard, limits=Limits().of_part(shard.parts))
    assert (ran.verdict.status, ran.verdict.detail) == ("INCONCLUSIVE", "LocalTreeShrunken")
    assert {key: one for key, one in copies.store.objects.items() if key in before} == before


def test_one_open_object_of_one_shard_fails_them_all(copies: Copies) -> None:
    since = outage(copies)

    def deny(verb: str, key: str) -> None:
        if verb == "put" and key.endswith("new_1.pdf"):
            raise StoreError(Fault.DENIED, "no")

    copies.store.before = deny
    reports = [
        json.loads(json.dumps(recover(copies, since=since, shard=shard, grows=False).report)) for shard in SHARDS
    ]
    assert sorted(report["status"] for report in reports) == ["FAIL", "PASS", "PASS"]
    merged = CHECK.merged(copies.context, reports)
    assert (merged.verdict.status, merged.verdict.detail) == ("FAIL", "AtRiskOpen")
