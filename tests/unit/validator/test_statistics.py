"""The exact bounds agree with scipy, and hold as often as they say."""

from __future__ import annotations

import itertools
import math
import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from certstorage.validator.statistics import (
    alpha_of_look,
    hypergeometric_cdf,
    hypergeometric_tail,
    most_bad,
)

bound = cache(most_bad)
POPULATIONS = (1, 2, 10, 100, 1_000, 10_000, 1_000_000)


def grid() -> list[tuple[int, int, int]]:
    """(seen, sample, population) over sizes that occur."""
    samples = (1, 2, 10, 59, 100, 500, 598, 2_000, 10_000)
    seen = (0, 1, 2, 4, 10, 100)
    points = itertools.product(seen, samples, POPULATIONS)
    return [(k, n, size) for k, n, size in points if k <= n <= size]


@pytest.mark.parametrize("alpha", [0.05, 0.04, 0.005])
def test_hypergeometric_bound_is_scipys(alpha: float) -> None:
    for seen, sample, population in grid():
        check_bound(seen, sample, population, alpha)


def check_bound(seen: int, sample: int, population: int, alpha: float) -> None:
    """The bound is the last number of bad ones that scipy finds likely enough."""
    most = most_bad(seen, sample, population, alpha)
    within = stats.hypergeom.cdf(seen, population, most, sample)
    assert hypergeometric_cdf(seen, population, most, sample) == pytest.approx(within, abs=1e-9)
    assert within > alpha - 1e-9
    if most < population - (sample - seen):
        assert stats.hypergeom.cdf(seen, population, most + 1, sample) <= alpha + 1e-9


@given(st.data())
def test_tail_is_the_other_end_of_the_distribution(data: st.DataObject) -> None:
    population = data.draw(st.integers(1, 5_000))
    bad, sample = data.draw(st.integers(0, population)), data.draw(st.integers(0, population))
    seen = data.draw(st.integers(0, population))
    expected = stats.hypergeom.sf(seen - 1, population, bad, sample)
    assert hypergeometric_tail(seen, population, bad, sample) == pytest.approx(expected, abs=1e-9)


@given(st.data())
def test_bound_of_a_census_is_what_was_seen(data: st.DataObject) -> None:
    population = data.draw(st.integers(1, 10_000))
    seen = data.draw(st.integers(0, population))
    assert most_bad(seen, population, population, 0.05) == seen


@given(st.data())
def test_more_evidence_never_raises_the_bound(data: st.DataObject) -> None:
    population = data.draw(st.integers(10, 5_000))
    sample = data.draw(st.integers(1, population - 1))
    seen = data.draw(st.integers(0, min(sample, 20)))
    most = most_bad(seen, sample, population, 0.05)
    assert most_bad(seen, sample + 1, population, 0.05) <= most
    assert most <= most_bad(min(seen + 1, sample), sample, population, 0.05)
    assert seen <= most <= population - (sample - seen)


@pytest.mark.parametrize(("population", "bad", "sample"), [(1_000, 5, 450), (10_000, 49, 2_000), (2_000, 20, 300)])
def test_bound_covers_the_truth_as_often_as_it_says(population: int, bad: int, sample: int) -> None:
    random_keys = random.Random(7)
    runs, covered = 2_000, 0
    for _ in range(runs):
        seen = sum(place < sample for place in random_keys.sample(range(population), bad))
        covered += bound(seen, sample, population, 0.05) >= bad
    sure = 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)
    assert covered / runs >= sure


def test_a_growing_sample_covers_the_truth_as_often_as_it_says() -> None:
    """Stop at the first look whose bound is below 0.5 %: that must not be wrong in more than 5 % of all runs."""
    random_keys = random.Random(11)
    population, bad, runs, wrong = 4_000, 20, 1_000, 0
    for _ in range(runs):
        places = random_keys.sample(range(population), bad)
        for look, sample in enumerate((600, 1_200, 2_400), start=1):
            seen = sum(place < sample for place in places)
            if bound(seen, sample, population, alpha_of_look(look, 0.05)) < 0.005 * population:
                wrong += 1
                break
    assert wrong / runs <= 0.05


def test_looks_spend_no_more_than_there_is() -> None:
    assert math.fsum(alpha_of_look(look, 0.05) for look in range(1, 60)) <= 0.05


@pytest.mark.parametrize(("seen", "sample", "population"), [(2, 1, 10), (-1, 1, 10), (0, 11, 10)])
def test_impossible_counts_are_refused(seen: int, sample: int, population: int) -> None:
    with pytest.raises(ValueError, match="seen"):
        most_bad(seen, sample, population, 0.05)
