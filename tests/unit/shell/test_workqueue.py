"""The queue: one pass of a key at a time, nothing lost, urgent first, back-off while it fails."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.workqueue import FIRST_RETRY_SECONDS, MOST_RETRY_SECONDS, Outcome, Schedule, WorkQueue

DONE = Outcome()


def test_a_key_that_waits_is_not_queued_twice() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake("a")
    schedule.wake("a")
    assert schedule.take(0) == "a"
    assert schedule.take(0) is None


def test_a_key_that_is_woken_at_work_runs_once_more() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake("a")
    schedule.take(0)
    schedule.wake("a")
    schedule.wake("a")
    assert schedule.take(0) is None, "never two passes of one key at once"
    schedule.done("a", 1, DONE)
    assert schedule.take(1) == "a"
    schedule.done("a", 2, DONE)
    assert schedule.take(2) is None


def test_urgent_keys_overtake_and_are_not_served_twice() -> None:
    schedule: Schedule[str] = Schedule()
    for key in "abc":
        schedule.wake(key)
    schedule.wake("c", urgent=True)
    schedule.wake("d", urgent=True)
    assert [schedule.take(0) for _ in range(5)] == ["c", "d", "a", "b", None]


def test_an_urgent_wake_at_work_stays_urgent() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake("a")
    schedule.take(0)
    schedule.wake("a", urgent=True)
    schedule.wake("a")
    schedule.wake("b")
    schedule.done("a", 0, DONE)
    assert schedule.take(0) == "a"


def test_a_timer_rings_once_at_the_earliest_time() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake_at("a", 10)
    schedule.wake_at("a", 5)
    schedule.wake_at("a", 7)
    assert schedule.next_due() == 5
    assert schedule.take(4.9) is None
    assert schedule.take(5) == "a"
    schedule.done("a", 5, DONE)
    assert schedule.take(100) is None
    assert schedule.next_due() is None


def test_a_pass_clears_the_timer_that_it_replaces() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake_at("a", 10)
    schedule.wake("a")
    schedule.take(0)
    schedule.done("a", 1, Outcome(again_seconds=60))
    assert schedule.next_due() == 61


def test_failures_back_off_and_a_good_pass_forgets_them() -> None:
    schedule: Schedule[str] = Schedule()
    now, delays = 0.0, []
    schedule.wake("a")
    for _ in range(14):
        assert schedule.take(now) == "a"
        schedule.done("a", now, Outcome(failed=True))
        due = schedule.next_due()
        assert due is not None
        delays.append(due - now)
        now = due
    assert delays[0] == pytest.approx(FIRST_RETRY_SECONDS)
    assert delays[1] == pytest.approx(2 * FIRST_RETRY_SECONDS)
    assert delays[-1] == pytest.approx(MOST_RETRY_SECONDS)
    schedule.take(now)
    schedule.done("a", now, DONE)
    schedule.wake("a")
    schedule.take(now)
    schedule.done("a", now, Outcome(failed=True))
    assert schedule.next_due() == pytest.approx(now + FIRST_RETRY_SECONDS)


def test_a_failure_with_a_short_patience_is_retried_soon_for_ever() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake("a")
    now = 0.0
    for _ in range(40):
        schedule.take(now)
        schedule.done("a", now, Outcome(failed=True, most_retry_seconds=1.0))
        due = schedule.next_due()
        assert due is not None
        assert due - now <= 1.0 + 1e-6
        now = due


KEYS = st.sampled_from("abc")
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("wake"), KEYS),
        st.tuples(st.just("urgent"), KEYS),
        st.tuples(st.just("at"), KEYS),
        st.tuples(st.just("take"), KEYS),
        st.tuples(st.just("done"), KEYS),
        st.tuples(st.just("fail"), KEYS),
    ),
    max_size=60,
)


@given(MOVES)
def test_no_wake_is_ever_lost(moves: list[tuple[str, str]]) -> None:
    """Whatever happens in whatever order: a key that was woken is passed over after that, and never twice at once."""
    schedule: Schedule[str] = Schedule()
    owed: set[str] = set()
    busy: set[str] = set()
    now = 0.0
    for move, key in moves:
        now += 1
        match move:
            case "wake" | "urgent":
                schedule.wake(key, urgent=move == "urgent")
                owed.add(key)
            case "at":
                schedule.wake_at(key, now + 2)
                owed.add(key)
            case "take":
                taken = schedule.take(now)
                if taken is not None:
                    assert taken not in busy
                    busy.add(taken)
                    owed.discard(taken)
            case _:
                if key in busy:
                    busy.discard(key)
                    schedule.done(key, now, Outcome(failed=move == "fail"))
                    if move == "fail":
                        owed.add(key)
    for key in list(busy):
        schedule.done(key, now, DONE)
    now += 2 * MOST_RETRY_SECONDS
    while (taken := schedule.take(now)) is not None:
        owed.discard(taken)
        schedule.done(taken, now, DONE)
    assert owed == set()


async def test_workers_share_the_keys_and_a_timer_wakes_them() -> None:
    queue: WorkQueue[int] = WorkQueue()
    most = running = 0
    passes: dict[int, int] = {}
    finished = asyncio.Event()

    async def work(key: int) -> Outcome:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        passes[key] = passes.get(key, 0) + 1
        if len(passes) == 20 and all(count == 2 for count in passes.values()):
            finished.set()
        return Outcome(again_seconds=0.01) if passes[key] < 2 else Outcome()

    for key in range(20):
        queue.wake(key)
    runner = asyncio.ensure_future(queue.run(work, workers=4))
    await asyncio.wait_for(finished.wait(), 5)
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)
    assert most == 4


async def test_a_worker_that_dies_ends_the_queue() -> None:
    queue: WorkQueue[str] = WorkQueue()

    async def work(_: str) -> Outcome:
        raise OSError("dead")

    queue.wake("a")
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(queue.run(work, workers=2), 5)
