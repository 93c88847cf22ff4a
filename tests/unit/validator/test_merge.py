"""The shards together say what one run says."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certstorage.validator.merge import Json, load, merge
from certstorage.validator.sampling import Shard
from certstorage.validator.settings import UsageError
from tests.unit.validator.fakes import Copies, pdf
from tests.unit.validator.runs import Ran, check
from tests.unit.validator.test_check import damage, fill

MOST = 0.005


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), count=st.integers(2, 5))
def test_shards_merge_to_the_report_of_one_run(copies: Copies, seed: int, count: int) -> None:
    dice = random.Random(seed)
    spoil(copies, dice)
    rate, least, epoch = dice.choice([0.0, 0.05, 0.3, 1.0]), dice.choice([1, 20, 60, 500]), dice.randrange(50)

    def run(shard: Shard) -> Ran:
        return check(copies, rate=rate, least=least, epoch=epoch, grows=False, shard=shard)

    whole = run(Shard())
    merged = merge([json.loads(json.dumps(run(Shard(index, count)).report)) for index in range(count)], MOST)
    assert merged.verdict == whole.verdict
    assert vars(merged.found.counts) == vars(whole.found.counts)
    assert merged.found.census_methods == whole.found.census_methods
    for ours, theirs in ((merged.found.at_risk, whole.found.at_risk), (merged.found.rest, whole.found.rest)):
        assert (ours.keys, ours.same, ours.checked) == (theirs.keys, theirs.same, theirs.checked)
        assert sorted(look.key for look in ours.mismatches) == sorted(look.key for look in theirs.mismatches)
    assert sorted(look.key for look in merged.found.mismatches()) == sorted(
        look.key for look in whole.found.mismatches()
    )
    told, expected = merged.found.pattern, whole.found.pattern
    assert (told.kind, told.axis, told.value) == (expected.kind, expected.axis, expected.value)


def spoil(copies: Copies, dice: random.Random) -> None:
    """Some certificates, some of them damaged in every way there is."""
    for path in copies.root.rglob("*.pdf"):
        path.unlink()
    copies.store.objects.clear()
    keys = [key for folder in range(3) for key in fill(copies, dice.randrange(1, 40), f"{folder}")]
    for key in dice.sample(keys, dice.randrange(len(keys) // 4 + 1)):
        kind = dice.choice(["missing", "different", "rotten", "extra"])
        if kind == "missing":
            del copies.store.objects[key]
        elif kind == "different":
            copies.store.write(key, pdf("other"))
        elif kind == "extra":
            copies.delete_locally(key.partition("/")[2])
        else:
            damage(copies, key)


@pytest.fixture
def shards(copies: Copies) -> list[Json]:
    """The reports of two shards."""
    fill(copies, 10)
    return [json.loads(json.dumps(check(copies, shard=Shard(index, 2)).report)) for index in range(2)]


def written(shards: list[Json], folder: Path) -> list[Path]:
    paths = [folder / f"{number}.json" for number in range(len(shards))]
    for path, shard in zip(paths, shards, strict=True):
        path.write_text(json.dumps(shard))
    return paths


def test_reports_of_one_run_are_taken(shards: list[Json], tmp_path: Path) -> None:
    assert len(load(written(shards, tmp_path))) == 2


def test_a_shard_that_could_not_decide_decides_nothing(shards: list[Json]) -> None:
    shards[1]["shard"]["judged"] = False
    shards[1] |= {"verdict_detail": "EndpointSilent", "message": "nothing but failures"}
    verdict = merge(shards, MOST).verdict
    assert (verdict.status, verdict.detail) == ("INCONCLUSIVE", "EndpointSilent")


def test_a_missing_shard_is_noticed(shards: list[Json], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 shards"):
        load(written(shards[:1], tmp_path))


def test_a_shard_twice_is_noticed(shards: list[Json], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 shards"):
        load(written([shards[0], shards[0]], tmp_path))


@pytest.mark.parametrize("change", [{"bucket": "other"}, {"nonce": "other"}, {"shard": None}, {"schema": "other"}])
def test_a_report_of_another_run_is_noticed(shards: list[Json], tmp_path: Path, change: Json) -> None:
    with pytest.raises(UsageError):
        load(written([shards[0], shards[1] | change], tmp_path))


def test_another_sample_is_noticed(shards: list[Json], tmp_path: Path) -> None:
    shards[1]["sampling"]["epoch"] += 1
    with pytest.raises(UsageError, match="epoch"):
        load(written(shards, tmp_path))
