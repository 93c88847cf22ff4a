"""The whole exploration: every world to an empty frontier, every invariant, every seeded bug, every reason."""

from __future__ import annotations

import time

import pytest

from certstorage.api.reasons import Reason
from tests.model import run
from tests.model.diagram import PAGE, page
from tests.model.invariants import INVARIANTS, LIVENESS
from tests.model.seeded import BUGS

pytestmark = pytest.mark.timeout(1800)

NOT_REACHED = frozenset(
    {
        Reason.APPROVAL_TAKEN,
        Reason.APPROVAL_VOID,
        Reason.CLAIM_MISSING,
        Reason.CONTAINER_MISSING,
        Reason.DEBUG_USED,
        Reason.FLAG_DUPLICATED,
        Reason.HOLD_INVALID,
        Reason.INCONSISTENT,
        Reason.JOB_OVERDUE,
        Reason.LOCAL_NOT_SHARED,
        Reason.NO_REPORT,
        Reason.OTHER_WRITERS,
        Reason.OUTAGE_IN_FORCE,
        Reason.OUTSIDE_WINDOW,
        Reason.PATTERN_RANDOM,
        Reason.PLAN_CHANGED,
        Reason.POLICY_INVALID,
        Reason.REPAIR_BY_PERSON,
        Reason.REQUEST_DENIED,
        Reason.REQUEST_EXPIRED,
        Reason.REQUEST_REFUSED,
        Reason.ROLLOUTS_CAPPED,
        Reason.ROLLOUT_PAUSED,
        Reason.ROLLOUT_UNDER_WAY,
        Reason.SCALED_BY_OTHER,
        Reason.SCALED_TO_ZERO,
        Reason.STILL_INCONSISTENT,
        Reason.STRATEGY_RECREATE,
        Reason.SWEEPS_CAPPED,
        Reason.SWEEP_GIVEN_BACK,
        Reason.SWEEP_HELD,
        Reason.SWEEP_INTERRUPTED,
        Reason.SWEEP_UNDER_WAY,
        Reason.TIMEOUTS_UNFIT,
        Reason.TIMEOUTS_UNPROVEN,
        Reason.WAITS_ITS_TURN,
    }
)
"""What the explored worlds do not lead to: said by the shell, about what the abstract cluster has not, or only in
worlds that are not explored to the end (`worlds.LONG`)."""


@pytest.fixture(scope="module")
def explored() -> tuple[list[run.Summary], list[run.Hunt]]:
    """Everything, once; the artifact is written whatever was found."""
    begun = time.monotonic()
    summaries, hunts = run.everything()
    run.write(run.report(summaries, hunts, time.monotonic() - begun))
    print("\n".join(run.lines(summaries, hunts)))
    return summaries, hunts


Everything = tuple[list[run.Summary], list[run.Hunt]]


def test_every_world_is_explored_to_the_end(explored: Everything) -> None:
    assert [one.world for one in explored[0] if one.frontier] == []


@pytest.mark.parametrize("invariant", [*INVARIANTS, LIVENESS])
def test_no_reachable_state_breaks(invariant: str, explored: Everything) -> None:
    broken = [v for one in explored[0] for v in one.violations if v.invariant == invariant]
    assert not broken, "\n".join([broken[0].wrong, *broken[0].trace])


@pytest.mark.parametrize("bug", [bug.name for bug in BUGS])
def test_the_seeded_bug_is_found(bug: str, explored: Everything) -> None:
    hunted = next(one for one in explored[1] if one.bug == bug)
    assert hunted.found is not None
    assert hunted.found.invariant == hunted.invariant
    assert hunted.found.trace


@pytest.mark.parametrize("invariant", [*INVARIANTS, LIVENESS])
def test_every_invariant_has_three_seeded_bugs(invariant: str) -> None:
    assert sum(bug.invariant == invariant for bug in BUGS) >= 3


def test_all_comes_back_within_the_promised_time(explored: Everything) -> None:
    assert 0 < max(one.liveness_seconds for one in explored[0]) <= run.LIVENESS_BOUND_SECONDS


def test_every_other_reason_is_reached(explored: Everything) -> None:
    reached = set().union(*(one.reasons for one in explored[0]))
    assert {one for one in Reason if one.value not in reached} == NOT_REACHED


def test_the_page_of_states_is_what_the_exploration_found(explored: Everything) -> None:
    steps = set().union(*(one.steps for one in explored[0]))
    assert PAGE.read_text() == page(steps), "run `make states`"
