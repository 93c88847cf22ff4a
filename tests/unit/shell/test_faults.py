"""A crash, a lost answer, a conflict or a refusal at every single call of the whole outage: the story still ends.

An operator that dies is started again without memory. The end is always the same: the Deployment's spec as its owner
wrote it, nothing of ours on it, one Job for the one attempt, every Event told once.
"""

from __future__ import annotations

import collections
from collections.abc import Callable

import pytest

from certstorage.cluster.port import ConflictError, ForbiddenError, UnavailableError
from tests.fakes.cluster import Call
from tests.fakes.scene import READ, Killed, Scene, healthy, hidden, outage

TICK = 10
DOWN_SECONDS = 30
JOB_SECONDS = 10
MOST_TICKS = 100
MAY_ALSO_BE_TOLD = collections.Counter(["PermissionDenied", "JobStuck", "ReadsFromS3"])
"""What was refused; and that reads come from S3, where the pass that let the hold go did not live to tell of it."""


class Story(Scene):
    """The world goes its way: S3 is down for a while, Jobs end, Pods serve reads; the operator passes every tick."""

    def __init__(self) -> None:
        super().__init__(recovery={"holdSeconds": 30})
        self.begun = self.cluster.now

    def world(self) -> None:
        """What happens outside the operator."""
        age = (self.cluster.now - self.begun).total_seconds()
        if age < DOWN_SECONDS:
            self.source.current = outage() if self.env(READ) == "true" else hidden()
        else:
            self.source.current = healthy()
        self.source.reads = 500.0
        for job in self.jobs():
            if not job.get("status") and job["metadata"].get("seen", 0) * TICK >= JOB_SECONDS:
                self.finish()
            job["metadata"]["seen"] = job["metadata"].get("seen", 0) + 1

    async def tick(self) -> None:
        """Time passes; passes follow until one ends as it should, through any number of deaths."""
        self.cluster.advance(TICK)
        self.world()
        for _ in range(20):
            try:
                outcome = await self.operator(("production", "certificates"))
            except Killed:
                self.start(f"operator-{len(self.ledger.failures)}")
                continue
            if not outcome.failed and outcome.again_seconds != 0:
                return
        raise AssertionError("the operator is caught in a loop")

    def over(self) -> bool:
        """Whether the incident came and went."""
        return bool(self.jobs()) and self.hold() is None and self.reason() in ("Returned", "ReadsFromS3")

    async def run(self) -> int:
        """Until it is over and quiet; the number of calls that were made."""
        for _ in range(MOST_TICKS):
            await self.tick()
            if self.over() and "certstorage-operator" not in self.managers():
                await self.tick()
                return len(self.cluster.calls)
        raise AssertionError(f"the story does not end: {self.reason()} {self.condition()}")


Fault = Callable[[Call], None]


def killed(_: Call) -> None:
    raise Killed


def unavailable(call: Call) -> None:
    raise UnavailableError(f"{call.verb} {call.plural}: no answer")


def conflict(call: Call) -> None:
    raise ConflictError(f"{call.verb} {call.plural}: modified")


def forbidden(call: Call) -> None:
    raise ForbiddenError(f"{call.verb} {call.plural}: forbidden")


def at(index: int, fault: Fault, *, writes_only: bool) -> Fault:
    """The fault at the index-th call (or write) only."""
    seen = -1

    def hook(call: Call) -> None:
        nonlocal seen
        if writes_only and not call.writes:
            return
        seen += 1
        if seen == index:
            fault(call)

    return hook


def told(story: Story) -> collections.Counter[str]:
    return collections.Counter(story.events())


async def quiet_story() -> Story:
    story = Story()
    await story.run()
    return story


async def check(story: Story, quiet: Story) -> None:
    await story.run()
    assert story.deployment()["spec"] == quiet.deployment()["spec"]
    assert story.policy()["metadata"].get("finalizers", []) == []
    assert len(story.jobs()) == 1
    assert not told(story) - told(quiet) - MAY_ALSO_BE_TOLD


@pytest.mark.parametrize("fault", [conflict, forbidden], ids=lambda f: f.__name__)
async def test_a_fault_before_every_write(fault: Fault) -> None:
    quiet = await quiet_story()
    for index in range(len(quiet.cluster.writes())):
        story = Story()
        story.cluster.before = at(index, fault, writes_only=True)
        await check(story, quiet)


@pytest.mark.parametrize("fault", [killed, unavailable], ids=lambda f: f.__name__)
async def test_a_write_that_lands_and_whose_answer_is_lost(fault: Fault) -> None:
    """Dying right after one write is dying right before the next: nothing but reads lies between."""
    quiet = await quiet_story()
    for index in range(len(quiet.cluster.writes())):
        story = Story()
        story.cluster.after = at(index, fault, writes_only=True)
        await check(story, quiet)


async def test_every_call_killed_once_in_one_story() -> None:
    """The process dies at each kind of call in turn, again and again: each seventh of a kind is its last."""
    quiet, story = await quiet_story(), Story()
    deaths: collections.Counter[tuple[str, str]] = collections.Counter()

    def hook(call: Call) -> None:
        deaths[call.verb, call.plural] += 1
        if deaths[call.verb, call.plural] % 7 == 1:
            raise Killed

    story.cluster.before = hook
    await check(story, quiet)


async def test_a_storm_of_conflicts_changes_no_condition() -> None:
    quiet, story = await quiet_story(), Story()
    count = 0

    def hook(call: Call) -> None:
        nonlocal count
        if call.verb in ("patch", "replace"):
            count += 1
            if count % 3:
                conflict(call)

    story.cluster.before = hook
    await check(story, quiet)
    reasons = {c.body["reason"] for c in story.cluster.calls if c.verb == "create" and c.plural == "events"}
    assert "PermissionDenied" not in reasons
