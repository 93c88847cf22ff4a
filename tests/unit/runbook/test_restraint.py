"""What holds the operator back, and what never does: caps, and reasons that always say what unblocks them."""

from __future__ import annotations

import ast
import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from certstorage.api import reasons
from certstorage.api.env import FlagState
from certstorage.api.observed import Busy, BusyWith, Fleet
from certstorage.api.reasons import Reason
from certstorage.api.signals import Verdict
from tests.unit.runbook.stories import HOLD, message, ready
from tests.unit.runbook.world import START, World, healthy, outage


def busy(minutes: int, count: int = 10) -> Fleet:
    return Fleet(
        tuple(Busy(f"production/p{n}", BusyWith.ROLLOUT, START + timedelta(minutes=minutes)) for n in range(count))
    )


def proven(fleet: Fleet) -> World:
    """The receipt of attempt 1 has passed."""
    world = World(signals=outage(), fleet=fleet)
    world.step()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.finish()
    world.step(15)
    return world


@pytest.mark.runbook("scenario-1/step-2")
def test_going_local_is_never_held_up_by_a_cap() -> None:
    world = World(signals=outage(), fleet=busy(600, 500))
    world.step()
    assert world.read_is(FlagState.FALSE)


def test_the_way_back_waits_for_its_turn_and_says_until_when() -> None:
    world = proven(busy(15))
    assert world.read_is(FlagState.FALSE)
    assert ready(world) == Reason.ROLLOUTS_CAPPED
    assert world.status.blocked_until == START + timedelta(minutes=15)
    assert "production/p0" in message(world)
    world.step(300)
    assert world.read_is(FlagState.TRUE), "past its deadline a holder is stuck and holds nobody up"


def test_nine_of_ten_leave_room_for_one() -> None:
    assert proven(busy(15, 9)).read_is(FlagState.TRUE)


def test_sweeps_of_others_do_not_hold_up_the_way_back() -> None:
    others = tuple(Busy(f"p{n}", BusyWith.SWEEP, START + timedelta(hours=9)) for n in range(9))
    assert proven(Fleet(others)).read_is(FlagState.TRUE)


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.CLEAR_UNPROVEN])
def test_unknown_outage_signals_let_nothing_back(verdict: Verdict) -> None:
    world = proven(busy(15))
    world.signals = healthy(OUTAGE=verdict, RECOVERY=Verdict.UNKNOWN)
    world.step(300)
    assert world.read_is(FlagState.FALSE)


def test_every_reason_is_documented_with_what_unblocks_it() -> None:
    """docs/reasons.md is made of the same text; `why` prints it."""
    tree = ast.parse(Path(reasons.__file__).read_text("utf-8"))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Reason").body
    documented = {
        first.targets[0].id  # type: ignore[attr-defined]
        for first, second in itertools.pairwise(body)
        if isinstance(first, ast.Assign) and isinstance(second, ast.Expr) and isinstance(second.value, ast.Constant)
    }
    assert documented == {reason.name for reason in Reason}
