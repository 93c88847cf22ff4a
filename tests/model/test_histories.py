"""Long random histories in real time over the abstract cluster: every invariant after every step.

The exploration knows few timers and few values; here clocks jump by seconds and days, Jobs end in every way, operators
die between any two calls and writes land late, and the status goes through its JSON every time.
"""

from __future__ import annotations

from datetime import timedelta

import hypothesis.strategies as st
from hypothesis import HealthCheck, note, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from certstorage.api.policy import Approval
from certstorage.api.status_json import from_dict, to_dict
from tests.model import environment as env
from tests.model import shell
from tests.model.environment import Move, tidy
from tests.model.invariants import INVARIANTS, Call, Pass, violations
from tests.model.liveness import Path
from tests.model.state import REAL, Program, State
from tests.model.worlds import BASIC, CHECKS, DEGRADED, HEALTH, LEVELLED, MILD, NIGHT, OBSTACLES, VALUES, VERDICTS

MOVES: tuple[Move, ...] = (
    env.pods_roll,
    env.jobs_go_on(*env.ALL_ENDINGS),
    env.foreign_job,
    env.others_write,
    env.dual_write_changes,
    env.level_written,
    env.people_edit,
    env.approval_edited,
    env.policy_goes,
    env.target_goes,
    env.status_is_lost,
    env.sweeps_asked(1),
    env.pods_go,
    env.replicas_set,
    env.requests_come,
)
GIVENS = {one.name: one for one in (*BASIC, *CHECKS, *VERDICTS, *OBSTACLES, DEGRADED, NIGHT, *MILD)}
STARTS = (State(), LEVELLED, *VALUES)
GIVEN = st.sampled_from(sorted(GIVENS))
SECONDS = st.sampled_from([0, 1, 14, 15, 61, 299, 300, 599, 600, 601, 1799, 1801, 3600, 7201, 14_400, 90_000])


class Histories(RuleBasedStateMachine):
    """One history."""

    @initialize(start=st.integers(0, len(STARTS) - 1), approval=st.sampled_from(Approval))
    def begin(self, start: int, approval: Approval) -> None:
        self.state = STARTS[start]._replace(timing=REAL, approval=approval)
        self.wrong: list[str] = []

    def _to(self, state: State) -> None:
        self.state = tidy(state._replace(status=from_dict(to_dict(state.status))))

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        kept = self.state.programs if seconds < 30 else ()
        self._to(self.state._replace(now=self.state.now + timedelta(seconds=seconds), programs=kept))

    @rule(move=st.integers(0, len(MOVES) - 1), which=st.integers(0, 40))
    def something_happens(self, move: int, which: int) -> None:
        found = list(MOVES[move](self.state))
        if found:
            label, after = found[which % len(found)]
            note(label)
            self._to(after)

    @precondition(lambda self: self.state.policy_uid)
    @rule(given=GIVEN, calls=st.integers(1, 12))
    def a_pass(self, given: str, calls: int) -> None:
        """A pass, which may die after some of its calls."""
        before = self.state
        seen = GIVENS[given]
        decision = shell.decide(before, seen)
        if decision is None:
            return
        left: Program | None = shell.program(before, decision, seen)
        at = before
        while left is not None and calls:
            act, running, since = left.acts[0], left, at
            at, left = shell.perform(at, left)
            self._check(Call(since, act, running, at))
            calls -= 1
        if left is None:
            self._check(Pass(before, seen, decision, at))
        self._to(at)

    @precondition(lambda self: self.state.policy_uid and not self.state.programs)
    @rule(given=GIVEN)
    def a_slow_pass_begins(self, given: str) -> None:
        decision = shell.decide(self.state, GIVENS[given])
        if decision is not None:
            program = shell.program(self.state, decision, GIVENS[given])
            self._to(self.state._replace(programs=(program,)))

    @precondition(lambda self: self.state.programs)
    @rule()
    def a_slow_pass_goes_on(self) -> None:
        running = self.state.programs[0]
        after, left = shell.perform(self.state, running)
        self._check(Call(self.state, running.acts[0], running, after))
        self._to(after._replace(programs=() if left is None else (left,)))

    def _check(self, step: Call | Pass) -> None:
        self.wrong += [f"{name}: {wrong}" for name, wrong in violations(step, INVARIANTS)]

    @invariant()
    def nothing_is_broken(self) -> None:
        assert not getattr(self, "wrong", []), self.wrong

    def teardown(self) -> None:
        """Whatever happened, all comes back."""
        if hasattr(self, "state"):
            Path(self.state._replace(programs=()), HEALTH).follow()


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=300,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
