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

NOT_REACHED = {
    Reason.POLICY_INVALID: "said by the shell, which cannot read such a policy and decides nothing (tests/unit/shell)",
}
"""Reasons that the explored worlds do not lead to, and why."""


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


def test_states_of_one_key_go_on_alike(explored: Everything) -> None:
    assert {one.world: one.unlike for one in explored[0] if one.unlike} == {}
    assert min(one.pairs for one in explored[0]) > 0


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
    assert {one for one in Reason if one.value not in reached} == NOT_REACHED.keys()


def test_the_page_of_states_is_what_the_exploration_found(explored: Everything) -> None:
    steps = set().union(*(one.steps for one in explored[0]))
    assert PAGE.read_text() == page(steps), "run `make states`"
