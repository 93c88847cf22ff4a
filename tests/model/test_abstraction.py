"""A key that is too coarse is found out: states of one key then go on differently.

That the key in use is not, is checked in every world by test_exploration.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch as replaced

import pytest

from certstorage.api.hold import Hold
from certstorage.api.observed import JobSeen
from certstorage.api.status import Operation, Validation
from tests.model import keys
from tests.model.explore import Explorer
from tests.model.keys import Key
from tests.model.liveness import Path, in_real_time
from tests.model.pairs import Pairs, unlike
from tests.model.worlds import BY_NAME, HEALTH

PAIRS = 400


def _forget() -> None:
    keys._plan.cache_clear()
    keys.flat.clear()


@pytest.fixture(params=[(Hold, "failed_at"), (Operation, "recovered_since"), (JobSeen, "created_at")])
def too_coarse(request: pytest.FixtureRequest) -> Iterator[None]:
    """The key with one more field forgotten."""
    _forget()
    with replaced.object(keys, "_FORGOTTEN", keys._FORGOTTEN | {request.param}):
        yield
    _forget()


@pytest.mark.usefixtures("too_coarse")
def test_a_field_too_few_is_found_out() -> None:
    explorer = Pairs(BY_NAME["return"], PAIRS)
    explorer.run()
    assert unlike(explorer)


def test_a_field_that_nobody_looks_at_is_not_missed() -> None:
    assert (Validation, "message") in keys._FORGOTTEN
    explorer = Pairs(BY_NAME["return"], PAIRS)
    explorer.run()
    assert not unlike(explorer)


def test_a_way_back_that_joins_a_known_one_takes_as_long_as_if_it_were_followed_to_the_end() -> None:
    reached = [in_real_time(state) for state in Explorer(BY_NAME["return"], {}).run().states]
    known: dict[Key, float] = {}
    joined = [Path(state, HEALTH).follow(known) for state in reached]
    assert joined == [Path(state, HEALTH).follow() for state in reached]
    assert len(known) < 2 * len(reached), "most of them join"
