"""One pass over one policy: observe → decide → act → record. Level-triggered: a crash at any line costs a repeat.

A pass starts by reading the policy, trusts nothing that a watch said, and ends within PASS_SECONDS. What went wrong
decides only when it is tried again; conditions change on facts alone, never because of a conflict.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from certstorage.api.conditions import ConditionStatus, ConditionType, set_condition
from certstorage.api.decision import Decision, EventType, EventWanted
from certstorage.api.observed import Problem
from certstorage.api.policy import InvalidPolicyError, Policy, PolicyUID, parse
from certstorage.api.reasons import Reason
from certstorage.api.status_json import from_dict
from certstorage.board import AlertBoard
from certstorage.cluster.act import Lesson, act, let_policy_go
from certstorage.cluster.observe import Given, Snapshot, glance, observe
from certstorage.cluster.paperwork import Deliveries, do_paperwork, nothing_told
from certstorage.cluster.port import (
    DEPLOYMENTS,
    POLICIES,
    Cluster,
    ClusterError,
    ConflictError,
    ForbiddenError,
    Json,
    NotFoundError,
    UnavailableError,
)
from certstorage.cluster.record import record
from certstorage.cluster.together import Together
from certstorage.fleet import Roster
from certstorage.ports import Decide, Settings, SignalSource, Witness
from certstorage.questions import attempt_unseen, fires, goes_local, judged_template, taught
from certstorage.registry import Key, Registry
from certstorage.workqueue import Outcome

PASS_SECONDS = 30.0
LESSON_LOOK_AGAIN = timedelta(seconds=30)
"""What the API server refused is tried again this often, so that a mended permission is found."""
CONFLICT_RETRY_SECONDS = 1.0
"""The longest wait after a conflict; the first retry comes at once."""
INVALID_LOOK_AGAIN_SECONDS = 600.0
FIRST_POLL_PATIENCE = timedelta(seconds=15)
UNPOLLED_LOOK_AGAIN_SECONDS = 0.5
CLEAR_TO_FLIP = frozenset({Reason.READS_FROM_S3, Reason.RETURNED, Reason.RETURN_UNVERIFIED, Reason.SIGNALS_UNKNOWN})
"""Reasons of the last pass with which nothing stood against a flip."""

# What a malformed object or a mistake in the program may raise in a pass over one policy. It must not end the process:
# the other policies still need their operator. It is logged with its traceback, counted, and tried again with back-off.
DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The time of day, for decisions and what is written down."""
    return datetime.now(UTC)


@dataclass
class Reconciler:
    """Passes over policies. `wake` lets the queue look at another key soon."""

    cluster: Cluster
    source: SignalSource
    decide: Decide
    settings: Settings
    registry: Registry
    board: AlertBoard
    witness: Witness
    wake: Callable[[Key], None]
    deliveries: Deliveries = nothing_told
    clock: Callable[[], datetime] = utc_now
    token: Callable[[], str] = secrets.token_hex

    def __post_init__(self) -> None:
        self._begun = self.clock()
        self._together = Together(self.cluster)
        self._roster = Roster(self.settings.max_rollouts, self.settings.max_sweeps)
        self._lessons: dict[Key, Lesson] = {}
        self._flipped: dict[PolicyUID, Decision] = {}
        """Decisions whose flip is written and which are told by the next pass; a crash loses only the words."""
        self._free: set[Key] = set()
        """Policies whose last pass found nothing held and nothing in the way of a flip."""
        self._out: set[Key] = set()
        """Policies that may not be read."""
        self._refused_since: dict[tuple[Key, str], datetime] = {}

    async def __call__(self, key: Key) -> Outcome:
        """Make one pass. Never raises but for cancellation; the outcome says when to look again."""
        try:
            async with asyncio.timeout(PASS_SECONDS):
                return await self._pass(key)
        except (ConflictError, NotFoundError) as error:
            return self._again(key, "conflict", error, logging.DEBUG, CONFLICT_RETRY_SECONDS)
        except (UnavailableError, TimeoutError) as error:
            return self._again(key, "unavailable", error, logging.WARNING)
        except ClusterError as error:
            return self._again(key, "refused", error, logging.ERROR)
        except DEFECTS as error:
            log.exception("a defect met in the pass over %s/%s", *key)
            return self._again(key, "defect", error, logging.DEBUG)

    def _again(self, key: Key, kind: str, error: BaseException, level: int, most: float | None = None) -> Outcome:
        log.log(level, "pass over %s/%s ended early (%s): %s", *key, kind, error or type(error).__name__)
        self.witness.failed(key, kind)
        return Outcome(failed=True) if most is None else Outcome(failed=True, most_retry_seconds=most)

    async def _pass(self, key: Key) -> Outcome:
        try:
            body, early = await self._read(key)
        except ForbiddenError as error:
            return self._left_out(key, error)
        self._out.discard(key)
        if body is None:
            self.forget(key)
            return Outcome()
        try:
            policy = parse(body)
        except InvalidPolicyError as error:
            return await self._invalid(key, body, error)
        self.know(policy)
        if self._too_early(policy):
            return Outcome(again_seconds=UNPOLLED_LOOK_AGAIN_SECONDS)
        lesson = self._lessons.pop(key, None)
        told = self._flipped.get(policy.uid)
        if told is not None:
            body = await self._record(body, told)
            del self._flipped[policy.uid]
        elif early is not None and lesson is None and await self._flip_first(policy, body, early):
            return Outcome(again_seconds=0.0)
        snapshot = self._taught(await observe(self.cluster, self._together, policy, body, self._given(policy)), lesson)
        decision = self._decide(snapshot)
        self._roster.note(snapshot, decision)
        if attempt_unseen(snapshot) and not goes_local(decision, policy):
            raise ForbiddenError(f"an attempt is open and cannot be seen: {snapshot.seen.blind[0].message}")
        acted = await act(self.cluster, snapshot, decision, self.settings.validator_image)
        self.witness.acted(snapshot, decision, acted)
        if acted.lesson is not None:
            self._learn(key, acted.lesson, snapshot.now)
            return Outcome(again_seconds=0.0)
        tell = self.board.put_last if snapshot.seen.deleting else self.board.put
        tell(key, decision.alerts)
        self.witness.wrote(await do_paperwork(self.cluster, snapshot, decision, self.deliveries))
        body = await self._record(acted.body, decision)
        self._remember(snapshot, decision)
        self.witness.passed(snapshot, decision)
        if snapshot.seen.has_finalizer and not decision.finalizer:
            await let_policy_go(self.cluster, snapshot, body)
        look = decision.look_again_at
        if lesson is not None:
            look = min(look, snapshot.now + LESSON_LOOK_AGAIN)
        return Outcome(again_seconds=(look - self.clock()).total_seconds())

    def _left_out(self, key: Key, error: ForbiddenError) -> Outcome:
        """Its namespace is not enrolled any more: nothing is known of it but what its last pass had to say."""
        if key not in self._out:
            log.warning("policy %s/%s is left alone until it may be read again: %s", *key, error)
            self.forget(key)
            self.witness.failed(key, "refused")
            self._out.add(key)
        return Outcome(again_seconds=LESSON_LOOK_AGAIN.total_seconds())

    def _too_early(self, policy: Policy) -> bool:
        """Whether the first poll may still come: a start is no reason to say that signals are unknown."""
        young = self.clock() - self._begun < FIRST_POLL_PATIENCE
        return young and self.source.signals(policy, "").polled_at is None

    async def _read(self, key: Key) -> tuple[Json | None, Json | None]:
        """The policy, or nothing if it is gone; and with it its Deployment when an outage fires and time counts."""
        known = self.registry.get(key) if key in self._free else None
        if known is None or not fires(self.source.signals(known, "")):
            return await _if_there(self.cluster.get(POLICIES, *key)), None
        target = self.cluster.get(DEPLOYMENTS, known.namespace, known.spec.target.name)
        body, deployment = await asyncio.gather(_if_there(self.cluster.get(POLICIES, *key)), _if_readable(target))
        return body, deployment

    async def _flip_first(self, policy: Policy, body: Json, deployment: Json) -> bool:
        """Go local on two reads alone, if that is all it takes; whether it was done.

        The way to the safe side needs no Pods, Jobs or requests to be known. In a mass outage every policy is flipped
        before anything is recorded for any. Whatever stood against it at the last pass is left to a whole pass.
        """
        snapshot = self._taught(glance(policy, body, deployment, self._given(policy)), None)
        target = snapshot.seen.target
        decision = self._decide(snapshot)
        if isinstance(target, Problem) or target.hold is not None or not goes_local(decision, policy):
            return False
        begun = Decision(decision.status, decision.look_again_at, patch=decision.patch)
        acted = await act(self.cluster, snapshot, begun, self.settings.validator_image)
        self.witness.acted(snapshot, begun, acted)
        self._free.discard(policy.key)
        if acted.lesson is not None:
            self._learn(policy.key, acted.lesson, snapshot.now)
        else:
            self.board.put(policy.key, decision.alerts)
            self._flipped[policy.uid] = decision
        return True

    def _remember(self, snapshot: Snapshot, decision: Decision) -> None:
        """Whether the next outage may flip first and look around after."""
        target, ready = snapshot.seen.target, decision.status.conditions.get(ConditionType.READY)
        free = not isinstance(target, Problem) and target.hold is None and decision.patch is None
        if free and ready is not None and ready.reason in CLEAR_TO_FLIP:
            self._free.add(snapshot.policy.key)
        else:
            self._free.discard(snapshot.policy.key)

    def _decide(self, snapshot: Snapshot) -> Decision:
        before = from_dict(snapshot.body.get("status") or {})
        seen = replace(snapshot.seen, fleet=self._roster.others(snapshot.policy.key))
        return self.decide(snapshot.policy, seen, before, snapshot.now)

    async def _record(self, body: Json, decision: Decision) -> Json:
        now, instance = self.clock(), self.settings.instance
        return await record(self.cluster, body, decision.status, decision.events, now=now, instance=instance)

    def _given(self, policy: Policy) -> Given:
        return Given(
            now=self.clock(),
            token=self.token(),
            image=self.settings.validator_image,
            neighbours=self.registry.neighbours(policy),
            patience=self.settings.patience,
            problems=self._not_allowed(policy),
        )

    def _taught(self, snapshot: Snapshot, lesson: Lesson | None) -> Snapshot:
        """The snapshot with the signals, and with what acting taught about this very Deployment."""
        target = snapshot.seen.target
        if not isinstance(target, Problem):
            self.registry.saw(snapshot.policy.namespace, snapshot.policy.spec.target.name, target.resource_version)
        seen = replace(snapshot.seen, signals=self.source.signals(snapshot.policy, judged_template(target)))
        if lesson is not None and not isinstance(target, Problem) and target.uid == lesson.target_uid:
            seen = taught(seen, lesson)
        return replace(snapshot, seen=seen)

    def _not_allowed(self, policy: Policy) -> tuple[Problem, ...]:
        refused = [name for name in policy.spec.env.all() if name not in self.settings.allowed_env]
        if not refused:
            return ()
        names = ", ".join(refused)
        text = f"spec.env names {names}, not on the operator's list of variables it may patch (allowedEnv)"
        return (Problem(Reason.ENV_NOT_ALLOWED, text),)

    def _learn(self, key: Key, lesson: Lesson, now: datetime) -> None:
        """Keep what acting taught for the next pass; a Job that is refused is refused since the first time."""
        if lesson.job is not None and lesson.job.ours:
            since = self._refused_since.setdefault((key, lesson.job.name), now)
            lesson = replace(lesson, job=replace(lesson.job, created_at=since))
        self._lessons[key] = lesson
        told = lesson.problem.message if lesson.problem is not None else lesson.job.problem if lesson.job else ""
        log.warning("policy %s/%s: %s", *key, told)

    async def _invalid(self, key: Key, body: Json, error: InvalidPolicyError) -> Outcome:
        """A stored policy that cannot be read: said in its status, and nothing is done."""
        for other in self.registry.drop(key):
            self.wake(other)
        self.board.drop(key)
        before, now, generation = from_dict(body.get("status") or {}), self.clock(), body["metadata"]["generation"]
        reason = Reason.POLICY_INVALID.value
        ready = set_condition(
            before.conditions,
            ConditionType.READY,
            ConditionStatus.FALSE,
            reason,
            str(error),
            generation=generation,
            now=now,
        )
        old = before.conditions.get(ConditionType.READY)
        news = old is None or old.reason != reason
        events = (EventWanted(EventType.WARNING, reason, str(error)),) if news else ()
        status = replace(before, conditions={**before.conditions, ConditionType.READY: ready})
        await record(self.cluster, body, status, events, now=now, instance=self.settings.instance)
        return Outcome(again_seconds=INVALID_LOOK_AGAIN_SECONDS)

    def know(self, policy: Policy) -> None:
        """Remember a policy, and let those look again whom it concerns."""
        for other in self.registry.put(policy):
            self.wake(other)

    def forget(self, key: Key) -> None:
        """The policy is gone: nothing of it stays but what its last pass had to say."""
        known = self.registry.get(key)
        if known is not None:
            self._flipped.pop(known.uid, None)
        for other in self.registry.drop(key):
            self.wake(other)
        self.board.leave(key, self.clock())
        self.witness.forget(key)
        self._lessons.pop(key, None)
        self._roster.forget(key)
        self._free.discard(key)
        for one in [one for one in self._refused_since if one[0] == key]:
            del self._refused_since[one]


async def _if_there(read: Awaitable[Json]) -> Json | None:
    try:
        return await read
    except NotFoundError:
        return None


async def _if_readable(read: Awaitable[Json]) -> Json | None:
    """An early read that fails is left to the whole pass, which knows what to make of it."""
    try:
        return await read
    except (NotFoundError, ForbiddenError):
        return None
