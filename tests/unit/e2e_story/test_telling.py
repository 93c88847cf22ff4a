"""What the stories ask of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim

from tests.e2e.story.telling import DIFFERENCES_COUNT_AFTER, tonight


@pytest.mark.parametrize("second", range(0, 60, 3))
def test_the_nightly_validation_is_due_soon_but_not_before_differences_count(second: int) -> None:
    now = datetime(2026, 11, 23, 23, 59, second, tzinfo=UTC)
    due = next(CronSim(tonight(now, now), now))
    assert DIFFERENCES_COUNT_AFTER <= due - now <= DIFFERENCES_COUNT_AFTER + timedelta(minutes=1)
    old = now - 2 * DIFFERENCES_COUNT_AFTER
    due = next(CronSim(tonight(old, now), now))
    assert timedelta(seconds=5) <= due - now <= timedelta(seconds=65)
