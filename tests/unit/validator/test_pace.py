"""How many requests at once: an endpoint of a known capacity is asked by as many as it serves, and by no more."""

from __future__ import annotations

import pytest

from certstorage.validator.pace import Pace

ALONE_SECONDS = 0.03


class Endpoint:
    """Answers in 30 ms, or as late as its capacity (requests a second) makes those wait that are under way."""

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.now = 0.0

    def serve(self, pace: Pace, requests: int) -> set[int]:
        """Serve so many requests; which limits they met."""
        met = set()
        for _ in range(requests):
            takes = max(ALONE_SECONDS, pace.limit / self.capacity)
            self.now += takes / pace.limit
            met.add(pace.limit)
            pace.went_well(takes, self.now)
        return met


@pytest.mark.parametrize("most", [1, 3, 8, 64, 200])
def test_an_endpoint_that_bears_everything_gets_the_most(most: int) -> None:
    pace = Pace(most)
    met = Endpoint(1e9).serve(pace, 2_000)
    assert pace.limit == most == max(met)


@pytest.mark.parametrize("best", [9, 15, 30, 50])
def test_more_at_once_than_pays_is_not_kept(best: int) -> None:
    pace, endpoint = Pace(64), Endpoint(best / ALONE_SECONDS)
    endpoint.serve(pace, 1_000)
    assert best / 1.5 <= pace.limit < best * 1.5


def test_what_has_its_fill_at_once_is_not_asked_for_more() -> None:
    """A step is tried every five seconds and taken back."""
    pace, endpoint = Pace(64), Endpoint(100)
    assert endpoint.serve(pace, 10_000) == {8, 12}
    assert pace.limit == 8
    steps = sum(pace.limit == 12 for _ in range(10_000) if endpoint.serve(pace, 1))
    assert steps < 10_000 / 10


def test_an_endpoint_that_grows_is_found_to_have_grown() -> None:
    pace, endpoint = Pace(64), Endpoint(100)
    endpoint.serve(pace, 1_000)
    endpoint.capacity = 1e9
    endpoint.serve(pace, 5_000)
    assert pace.limit == 64


def test_what_an_endpoint_pushes_back_is_halved_once_a_second() -> None:
    pace = Pace(64)
    endpoint = Endpoint(1e9)
    endpoint.serve(pace, 1_000)
    pace.pushed_back(endpoint.now)
    pace.pushed_back(endpoint.now + 0.9)
    assert pace.limit == 32
    for second in range(1, 9):
        pace.pushed_back(endpoint.now + second)
    assert pace.limit == 4
    endpoint.serve(pace, 1_000)
    assert pace.limit == 64


@pytest.mark.parametrize("most", [1, 2, 4])
def test_few_are_not_made_fewer(most: int) -> None:
    pace = Pace(most)
    pace.pushed_back(0.0)
    assert pace.limit == most
