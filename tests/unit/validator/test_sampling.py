"""The same keys for everyone, every key in turn, shards without coordination."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certstorage.validator.sampling import Sampler, Shard, Window

KEYS = [f"certificates/2026/{number // 100:03}/cert_{number:05}.pdf" for number in range(5_000)]

keys = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), unique=True, max_size=200)
few = settings(max_examples=30)
windows = st.builds(Window, st.floats(0, 1), st.integers(0, 10_000), st.sampled_from(["", "salt"]))


def chosen(sampler: Sampler) -> set[str]:
    """The keys of a sample."""
    return {one.key for one in sampler.sample()}


def offered(window: Window, least: int, some: list[str]) -> Sampler:
    """A sampler that has seen these keys."""
    sampler = Sampler(window, least)
    for key in some:
        sampler.offer(key)
    return sampler


@few
@given(keys, windows, st.integers(1, 50), st.randoms(use_true_random=False))
def test_order_does_not_matter(some: list[str], window: Window, least: int, order: random.Random) -> None:
    shuffled = list(some)
    order.shuffle(shuffled)
    assert offered(window, least, some).sample() == offered(window, least, shuffled).sample()


@few
@given(keys, windows, st.integers(1, 50))
def test_a_sample_has_the_window_and_no_less_than_the_least(some: list[str], window: Window, least: int) -> None:
    sampler = offered(window, least, some)
    inside = {key for key in some if window.distance(key) < window.rate}
    assert inside <= chosen(sampler)
    assert len(chosen(sampler)) == max(len(inside), min(least, len(some)))


@few
@given(keys, windows, st.integers(1, 50))
def test_a_sample_is_all_keys_within_its_reach(some: list[str], window: Window, least: int) -> None:
    """So that a larger sample can be grown by reach alone, without remembering which keys were read."""
    sampler = offered(window, least, some)
    within = {key for key in some if window.distance(key) <= sampler.reach}
    assert chosen(sampler) == within or sampler.reach == window.rate


def test_every_key_is_read_once_in_a_hundred_epochs_of_one_percent() -> None:
    some = KEYS[:500]
    seen = Counter(key for epoch in range(100) for key in some if Window(0.01, epoch).distance(key) < 0.01)
    assert set(seen) == set(some)
    assert sum(count != 1 for count in seen.values()) < len(some) * 0.01


def test_a_smaller_rate_is_part_of_a_larger_one() -> None:
    one, five = ({key for key in KEYS if Window(rate).distance(key) < rate} for rate in (0.01, 0.05))
    assert one < five


def test_windows_are_random_on_sequential_names() -> None:
    """No evener and no more uneven than chance: the bounds rest on it."""
    sizes = [sum(Window(0.05, epoch).distance(key) < 0.05 for key in KEYS) for epoch in range(20)]
    mean = sum(sizes) / len(sizes)
    variance = sum((size - mean) ** 2 for size in sizes) / len(sizes)
    assert mean == pytest.approx(250, rel=0.02)
    assert 0.4 < variance / (5_000 * 0.05 * 0.95) < 2.0


@few
@given(keys, st.integers(1, 8))
def test_every_key_belongs_to_one_shard(some: list[str], count: int) -> None:
    for key in some:
        assert sum(Shard(index, count).has(key) for index in range(count)) == 1
