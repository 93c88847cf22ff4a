"""Since when a milder signal counts: not in an outage, not while an alert of before its end lingers, not at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from certstorage.api.observed import Target
from certstorage.api.requests import RequestPhase, RequestSeen, RequestStatus, RequestType
from certstorage.api.scenarios import Scenario, ScenarioState, Step
from certstorage.api.signals import Signal, SignalName, Verdict
from certstorage.api.status import Status
from certstorage.runbook.asked import answered
from certstorage.runbook.wants import Context
from certstorage.runbook.watch import Sight, look, looked_again, outage_ended
from tests.unit.runbook.world import START, World, healthy, outage

BREATH, LINGER = timedelta(minutes=2), timedelta(minutes=12)


def context(now: datetime, ended: datetime | None = None, **changes: Any) -> Context:
    """A pass now; the last outage ended then, by the status alone."""
    world = World(now=now, **changes)
    seen = world.see()
    assert isinstance(seen.target, Target)
    assert (seen.patience.first_breath, seen.patience.linger) == (BREATH, LINGER)
    over = ScenarioState(Scenario.OUTAGE, Step.DONE, START, START, marks={} if ended is None else {"endedAt": ended})
    return Context(world.policy, seen, seen.target, None, None, Status(scenarios=(over,)), now)


def firing(since: datetime | None) -> Signal:
    return Signal(SignalName.DEGRADED, Verdict.FIRING, 0.1, since)


@pytest.mark.parametrize(
    ("verdict", "sight"),
    [
        (Verdict.CLEAR_PROVEN, Sight.QUIET),
        (Verdict.IDLE, Sight.QUIET),
        (Verdict.CLEAR_UNPROVEN, Sight.UNSURE),
        (Verdict.UNKNOWN, Sight.UNSURE),
    ],
)
def test_only_what_is_proven_or_idle_is_quiet(verdict: Verdict, sight: Sight) -> None:
    assert look(context(START), Signal(SignalName.DEGRADED, verdict)) is sight


@pytest.mark.parametrize(
    ("seconds", "sight"), [(None, Sight.BREATH), (0, Sight.BREATH), (119, Sight.BREATH), (120, Sight.REAL)]
)
def test_a_signal_counts_from_its_second_minute_on(seconds: int | None, sight: Sight) -> None:
    since = None if seconds is None else START - timedelta(seconds=seconds)
    assert look(context(START), firing(since)) is sight
    expected = (START if since is None else since) + BREATH
    assert looked_again(context(START), firing(since)) == max(expected, START + timedelta(seconds=1))


def test_in_an_outage_every_milder_signal_is_ignored() -> None:
    assert look(context(START, signals=outage()), firing(START - timedelta(hours=1))) is Sight.IGNORED


@pytest.mark.parametrize(
    ("began", "now", "sight"),
    [
        (0, LINGER - timedelta(seconds=1), Sight.IGNORED),
        (0, LINGER, Sight.BREATH),
        (0, LINGER + BREATH - timedelta(seconds=1), Sight.BREATH),
        (0, LINGER + BREATH, Sight.REAL),
        (-3600, LINGER - timedelta(seconds=1), Sight.IGNORED),
        (1, BREATH, Sight.BREATH),
        (1, BREATH + timedelta(seconds=1), Sight.REAL),
    ],
)
def test_what_began_before_the_end_of_an_outage_lingers(began: int, now: timedelta, sight: Sight) -> None:
    ended = START
    signal = firing(ended + timedelta(seconds=began))
    seen = context(ended + now, ended)
    assert look(seen, signal) is sight
    counts = ended + (LINGER if began <= 0 else timedelta(seconds=began)) + BREATH
    assert looked_again(seen, signal) == max(counts, seen.now + timedelta(seconds=1))


def test_the_end_of_an_outage_is_in_the_status_or_nowhere() -> None:
    assert outage_ended(context(START, START - BREATH)) == START - BREATH
    assert outage_ended(context(START)) is None
    assert healthy()[SignalName.DEGRADED].verdict is Verdict.CLEAR_PROVEN


@pytest.mark.parametrize("name", ["started_at", "finished_at"])
def test_fractions_of_a_second_are_no_news_in_an_answer(name: str) -> None:
    """Times are stored in whole seconds."""
    marks: dict[str, Any] = {name: START}
    status = RequestStatus(RequestPhase.RUNNING, expires_at=START + timedelta(days=1), **marks)
    request = replace(RequestSeen("ask", "uid", RequestType.SWEEP, START), status=status)
    assert request.expires_at == START + timedelta(days=1)
    assert answered(request, **{name: START + timedelta(seconds=0.9)}) == ()
    assert len(answered(request, **{name: START + timedelta(seconds=1)})) == 1
