"""Invariant 10: from every reachable state, with all well from now on, reads and replicas come back within a bound.

All well: S3 answers and is seen to; a rollout completes, a Job passes, each in its time; nobody else writes; dead
operators are replaced at once; people do at once what they are asked. The path is then determined, and is followed in
real time with the runbook's own timers, from what was reached in scaled time. A counter of failures that the
exploration no longer tells apart counts as so many that the back-off waits its longest.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from certstorage.api.decision import Decision
from certstorage.api.env import FlagState
from certstorage.api.hold import dump
from certstorage.api.observed import JobPhase
from certstorage.api.policy import Mode
from certstorage.api.reasons import Reason
from certstorage.api.requests import RequestSeen, RequestType
from tests.model import shell
from tests.model.environment import job_ends, tidy
from tests.model.keys import Key, exact_key
from tests.model.shell import Given
from tests.model.state import ON, READ, REAL, REPLICAS, State, hold_of

ROLLOUT, JOB = timedelta(seconds=60), timedelta(seconds=120)
"""How long a rollout and a Job take; the bound is given for these."""
MANY = 16
MOST_EVENTS = 200
LONGER_WAIT = frozenset({Reason.RETURN_ATTEMPTS_EXHAUSTED, Reason.AWAITING_APPROVAL})
PERSON_TURNS_ON = frozenset({Reason.READS_OFF_BY_OTHER, Reason.RETURN_YIELDED, Reason.POLICY_DELETED})
PERSON_LETS_ACT = frozenset({Reason.MODE_OBSERVE, Reason.MODE_PROTECT_ONLY})
PERSON_REMOVES_HOLD = frozenset({Reason.HOLD_FOREIGN, Reason.HOLD_INVALID})


class StuckError(AssertionError):
    """A state from which nothing comes back; the message is the last events of the path."""


@dataclass
class Path:
    """One way back: the state, and what is under way in real time."""

    state: State
    given: Given
    rolled_at: datetime | None = None

    def __post_init__(self) -> None:
        self.begun = self.state.now
        self.told: list[str] = []
        if not self.state.rolled or self.state.terminating:
            self.rolled_at = self.state.now + ROLLOUT

    def follow(self, known: MutableMapping[Key, float] | None = None) -> float:
        """The seconds until reads and replicas are back and nothing is held.

        `known` says how long it takes from states that were met before; those of this path are noted in it.
        """
        known = {} if known is None else known
        met: list[tuple[Key, float]] = []
        for _ in range(MOST_EVENTS):
            gone, here = self._gone(), self._key()
            if here in known:
                return self._noted(known, met, gone + known[here])
            met.append((here, gone))
            decision = self._settle()
            if self._is_back():
                return self._noted(known, met, self._gone())
            if self._people(decision):
                continue
            self._wait(decision)
        raise StuckError("; ".join(self.told[:12]))

    def _gone(self) -> float:
        return (self.state.now - self.begun).total_seconds()

    def _key(self) -> Key:
        """All that the rest of the path hangs on; time counts from the last second."""
        rolls = None if self.rolled_at is None else self.rolled_at - self.state.now
        return (rolls, *exact_key(self.state))

    @staticmethod
    def _noted(known: MutableMapping[Key, float], met: Iterable[tuple[Key, float]], seconds: float) -> float:
        known.update((here, seconds - gone) for here, gone in met)
        return seconds

    def _is_back(self) -> bool:
        state = self.state
        released = not state.owns or state.mode is Mode.OBSERVE or not state.policy_uid
        well = state.hold is None and released and state.reads() is not FlagState.FALSE
        return well and state.replicas == REPLICAS and state.rolled

    def _settle(self) -> Decision | None:
        """Passes without time until one changes nothing."""
        decision = None
        for _ in range(12):
            if not self.state.uid:
                self._to("the Deployment is made anew", self.state._replace(uid=self.state.uids + 1, env={READ: ON}))
            if not self.state.policy_uid:
                return None
            decision = shell.decide(self.state, self.given)
            if decision is None:
                raise StuckError("an open attempt cannot be seen")
            after = shell.run(self.state, shell.program(self.state, decision, self.given))
            if after is self.state:
                return decision
            reason = decision.status.conditions[shell.READY].reason
            self._to(f"a pass: {reason}", after)
        raise StuckError("the operator does not settle")

    def _to(self, what: str, state: State) -> None:
        self.told.append(what)
        self.state = tidy(state)
        if self.state.rolled and not self.state.terminating:
            self.rolled_at = None
        elif self.rolled_at is None:
            self.rolled_at = self.state.now + ROLLOUT

    def _people(self, decision: Decision | None) -> bool:
        """Somebody does what is asked; whether there was anything to do."""
        state = self.state
        if decision is None:
            if state.reads() is not FlagState.FALSE and state.hold is None:
                return False
            self._to("a person turns reads on", self._turned_on()._replace(hold=None, owns=False))
            return True
        asked = {alert.labels.get("reason", "") for alert in decision.alerts}
        asked.add(decision.status.conditions[shell.READY].reason)
        if asked & PERSON_LETS_ACT and state.mode is not Mode.ENFORCE:
            self._to("the mode is set to Enforce", state._replace(mode=Mode.ENFORCE))
        elif asked & PERSON_REMOVES_HOLD and state.hold is not None:
            self._to("a person removes the hold", state._replace(hold=None))
        elif asked & PERSON_TURNS_ON and state.reads() is FlagState.FALSE:
            self._to("a person turns reads on", self._turned_on())
        elif asked & LONGER_WAIT and not self._requested():
            request = RequestSeen(f"ask-{state.uids}", f"request-{state.uids}", RequestType.RETURN, state.now)
            self._to(
                "a person requests the return", state._replace(requests=(*state.requests, request), uids=state.uids + 1)
            )
        else:
            return False
        return True

    def _requested(self) -> bool:
        hold = hold_of(self.state.hold)
        since = None if hold is None else hold.failed_at or hold.since
        now = self.state.now
        return since is not None and any(
            one.kind is RequestType.RETURN and one.open and one.created_at >= since and now < one.expires_at
            for one in self.state.requests
        )

    def _turned_on(self) -> State:
        state = self.state
        return shell.rolling(state, state._replace(env={**state.env, READ: ON}, rv=state.rv + 1))

    def _wait(self, decision: Decision | None) -> None:
        """On to the next thing that happens by itself."""
        state = self.state
        ends = [job.seen.created_at + JOB for job in state.jobs if job.seen.phase is JobPhase.RUNNING]
        times = [time for time in (self.rolled_at, *ends) if time is not None]
        until = None if decision is None else decision.status.blocked_until
        if until is not None:
            times.append(until)
        if decision is not None and not times:
            times.append(decision.look_again_at)
        now = max(min(times), state.now)
        state = state._replace(now=now)
        if self.rolled_at is not None and self.rolled_at <= now:
            self._to("the rollout completes", state._replace(rolled=True, stuck=False, terminating=False))
            return
        jobs = tuple(
            job_ends(job, state, "passes")
            if job.seen.phase is JobPhase.RUNNING and job.seen.created_at + JOB <= now
            else job
            for job in state.jobs
        )
        self._to("the Job passes" if jobs != state.jobs else "time passes", state._replace(jobs=jobs))


def in_real_time(state: State) -> State:
    """A state that was reached in scaled time, with the runbook's own timers and its worst counters."""
    hold = hold_of(state.hold)
    text = state.hold
    if hold is not None and hold.retries >= state.timing.retries:
        text = dump(replace(hold, retries=MANY))
    return state._replace(timing=REAL, programs=(), hold=text)


@dataclass
class Bound:
    """The worst way back, in seconds, and the path that takes it."""

    seconds: float = 0.0
    states: int = 0
    path: tuple[str, ...] = ()


def bound(states: Iterable[State], given: Given) -> Bound:
    """Follow the way back from every state.

    Raises:
        StuckError: from one of them nothing comes back.
    """
    worst, known = Bound(), dict[Key, float]()
    for reached in states:
        path = Path(in_real_time(reached), given)
        seconds = path.follow(known)
        worst.states += 1
        if seconds > worst.seconds:
            worst.seconds, farthest = seconds, reached
    if worst.states:
        path = Path(in_real_time(farthest), given)
        worst.seconds, worst.path = path.follow(), tuple(path.told)
    return worst
