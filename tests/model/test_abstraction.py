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
from tests.model.pairs import Pairs, unlike
from tests.model.worlds import BY_NAME

PAIRS = 400


def _forget() -> None:
    keys._plan.cache_clear()
    keys._KNOWN.clear()


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
