"""When schedules fire: minutes, years, and the two nights in which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.api.observed import FireTimes
from certstorage.cluster.schedules import fire_times, schedules_of
from tests.unit.cluster.objects import make_policy


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "last", "following"),
    [
        ("0 3 * * *", "Etc/UTC", "2026-11-23 02:59:59", "2026-11-22 03:00", "2026-11-23 03:00"),
        ("0 3 * * *", "Etc/UTC", "2026-11-23 03:00:00", "2026-11-23 03:00", "2026-11-24 03:00"),
        ("0 3 * * *", "Etc/UTC", "2026-11-23 03:00:59", "2026-11-23 03:00", "2026-11-24 03:00"),
        ("0 3 * * *", "Asia/Tokyo", "2026-11-23 03:00:00", "2026-11-22 18:00", "2026-11-23 18:00"),
        ("0 2 * * 6", "Etc/UTC", "2026-11-23 12:00:00", "2026-11-21 02:00", "2026-11-28 02:00"),
        # Berlin, the night to summer: 02:30 does not exist, cron fires right after the gap
        ("30 2 * * *", "Europe/Berlin", "2026-03-29 00:59:00", "2026-03-28 01:30", "2026-03-29 01:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29 03:30:00", "2026-03-29 01:00", "2026-03-30 00:30"),
        # the night to winter: 02:30 comes twice, and once is enough
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 00:45:00", "2026-10-25 00:30", "2026-10-26 01:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 03:30:00", "2026-10-25 00:30", "2026-10-26 01:30"),
    ],
)
def test_last_and_next(schedule: str, zone: str, now: str, last: str, following: str) -> None:
    assert fire_times(schedule, zone, at(now)) == FireTimes(at(last), at(following))


def test_what_fires_less_than_once_a_year_is_left_out() -> None:
    assert fire_times("0 3 29 2 *", "Etc/UTC", at("2026-11-23 12:00")) == FireTimes()
    assert fire_times("0 3 29 2 *", "Etc/UTC", at("2028-02-29 12:00")) == FireTimes(at("2028-02-29 03:00"), None)


@pytest.mark.parametrize(
    ("schedule", "zone"),
    [
        ("0 3 * * *", "Mars/Base"),
        ("61 3 * * *", "Etc/UTC"),
        ("0 3 31 2 *", "Etc/UTC"),
        ("", "Etc/UTC"),
        ("0 3 * * *", "../x"),
    ],
)
def test_what_cannot_be_read_never_fires(schedule: str, zone: str) -> None:
    assert fire_times(schedule, zone, at("2026-11-23 12:00")) == FireTimes()


@given(
    minutes=st.integers(0, 3 * 366 * 24 * 60), zone=st.sampled_from(["Etc/UTC", "Europe/Berlin", "Australia/Lord_Howe"])
)
def test_now_lies_between_last_and_next_and_nothing_does_between_them(minutes: int, zone: str) -> None:
    now = at("2025-01-01 00:00") + timedelta(minutes=minutes, seconds=7)
    found = fire_times("15 */6 * * *", zone, now)
    assert found.last is not None
    assert found.next is not None
    assert found.last <= now < found.next
    assert found.next - found.last <= timedelta(hours=7)
    assert fire_times("15 */6 * * *", zone, found.next).last == found.next
    assert fire_times("15 */6 * * *", zone, found.next - timedelta(minutes=1)).last == found.last


def test_a_policy_without_a_window_has_one_schedule() -> None:
    now = at("2026-11-23 12:00")
    assert schedules_of(make_policy(), now).window == FireTimes()
    assert schedules_of(make_policy(), now).validation.last == at("2026-11-23 03:00")
    window = {"schedule": "0 2 * * 6", "timeZone": "Europe/Berlin", "durationSeconds": 7200}
    assert schedules_of(make_policy(sweep={"window": window}), now).window.next == at("2026-11-28 01:00")
