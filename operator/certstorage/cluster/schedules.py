"""When cron schedules fire, in their own time zone. Pure: the time is a parameter."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from certstorage.api.observed import FireTimes, Schedules
from certstorage.api.policy import Policy

LONGEST_GAP = timedelta(days=366)
"""A schedule that fired longer ago never fired, as far as a policy is concerned."""

log = logging.getLogger(__name__)


def schedules_of(policy: Policy, now: datetime) -> Schedules:
    """The fire times of a policy's schedules as of now (UTC)."""
    validation, window = policy.spec.validation, policy.spec.sweep.window
    return Schedules(
        validation=fire_times(validation.schedule, validation.time_zone, now),
        window=FireTimes() if window is None else fire_times(window.schedule, window.time_zone, now),
    )


def fire_times(schedule: str, time_zone: str, now: datetime) -> FireTimes:
    """When a cron line of five fields fired last, at `now` at the latest, and fires next, after it (UTC).

    A time that a change of clocks skips fires right after the gap, one that comes twice fires once, as cron has it.
    What cannot be read never fires; it is logged once.
    """
    zone = _zone(schedule, time_zone)
    if zone is None:
        return FireTimes()
    soon = (now + timedelta(minutes=1)).astimezone(zone)
    past = (time.astimezone(UTC) for time in CronSim(schedule, soon, reverse=True))
    return FireTimes(
        last=_near(next((time for time in past if time <= now), None), now),
        next=_near(next((time.astimezone(UTC) for time in CronSim(schedule, now.astimezone(zone))), None), now),
    )


def _near(time: datetime | None, now: datetime) -> datetime | None:
    return time if time is not None and abs(time - now) <= LONGEST_GAP else None


@lru_cache(maxsize=1024)
def _zone(schedule: str, time_zone: str) -> ZoneInfo | None:
    """The time zone, if both it and the schedule can be read."""
    try:
        zone = ZoneInfo(time_zone)
        CronSim(schedule, datetime(2026, 1, 1, tzinfo=zone))
    except (CronSimError, ZoneInfoNotFoundError, ValueError, OSError) as error:
        log.warning("schedule %r in time zone %r never fires: %s", schedule, time_zone, error)
        return None
    return zone
