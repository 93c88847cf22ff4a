"""Throttle, pool, marks: under load, after a kill, when asked to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.validator.census import Row
from certstorage.validator.facts import RemoteFacts
from certstorage.validator.marks import SIZE, Marks, RunId, mark
from certstorage.validator.pool import ahead, spread
from certstorage.validator.report import Json
from certstorage.validator.s3errors import NotThereError, from_status, translated
from certstorage.validator.store import Fault, StoreError
from certstorage.validator.throttle import Bucket, Cancelled, Patience, Throttle
from tests.unit.validator.fakes import Copies
from tests.unit.validator.runs import NOW, check
from tests.unit.validator.test_check import damage, fill


class Clock:
    """Moves when someone waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Waiting(threading.Event):
    """A stop that is never asked for; waiting moves the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.now += timeout or 0.0
        return self.is_set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def throttle(clock: Clock, requests: Bucket | None = None) -> Throttle:
    return Throttle(stop=Waiting(clock), clock=clock, requests=requests)


def failing(times: int, fault: Fault = Fault.THROTTLED, retry_after: float | None = None) -> Callable[[], str]:
    """Fails so many times, then answers."""
    left = times

    def attempt() -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            raise StoreError(fault, "no", retry_after)
        return "yes"

    return attempt


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.UNAVAILABLE])
def test_repeats_what_may_pass(clock: Clock, fault: Fault) -> None:
    found = throttle(clock)
    assert found.run(failing(5, fault)) == "yes"
    assert found.repeats == 5


@pytest.mark.parametrize("fault", [Fault.DENIED, Fault.CHANGED, Fault.NO_BUCKET, Fault.CREDENTIALS, Fault.CLOCK])
def test_repeats_nothing_that_stays(clock: Clock, fault: Fault) -> None:
    with pytest.raises(StoreError):
        throttle(clock).run(failing(1, fault))
    assert clock.now == 0


def test_gives_up_in_the_end(clock: Clock) -> None:
    with pytest.raises(StoreError) as raised:
        throttle(clock).run(failing(1000))
    assert raised.value.fault is Fault.THROTTLED


def test_an_endpoint_that_only_fails_counts_as_gone(clock: Clock) -> None:
    found = throttle(clock)
    faults = []
    while Fault.SILENT not in faults:
        with pytest.raises(StoreError) as raised:
            found.run(failing(1000))
        faults.append(raised.value.fault)
    assert set(faults[:-1]) <= {Fault.THROTTLED}
    assert Patience().silence_seconds <= clock.now < Patience().silence_seconds + 60


def test_one_object_that_cannot_be_read_is_no_endpoint_that_cannot_be_reached(clock: Clock) -> None:
    found = throttle(clock)
    for _ in range(5):
        with pytest.raises(StoreError, match="Throttled"):
            found.run(failing(1000))
        clock.now += 15


def test_retry_after_is_honoured_by_every_request(clock: Clock) -> None:
    found = throttle(clock)
    found.run(failing(1, retry_after=30))
    assert clock.now >= 30
    with pytest.raises(StoreError):
        found.run(failing(1, Fault.DENIED, retry_after=7))


def test_fewer_at_once_when_pushed_back_and_more_again(clock: Clock) -> None:
    found = throttle(clock)
    for _ in range(5_000):
        found.run(lambda: None)
    assert found.limit == 64
    for _ in range(10):
        found.run(failing(1, retry_after=1.5))
    assert found.limit == 4
    for _ in range(300):
        found.run(lambda: None)
    assert found.limit > 20


@given(st.integers(1, 100), st.lists(st.floats(0, 2), min_size=1, max_size=50))
def test_a_bucket_never_gives_more_than_its_rate(rate: int, steps: list[float]) -> None:
    clock = Clock()
    bucket = Bucket(rate, clock)
    for given_tokens, step in enumerate(steps):
        clock.now += step
        ready = clock.now + bucket.take(1)
        assert given_tokens + 1 <= rate * (ready + 1) + 1e-6


def test_a_bucket_without_a_rate_never_waits(clock: Clock) -> None:
    assert Bucket(0, clock).take(10**9) == 0


def test_requests_are_held_to_their_rate(clock: Clock) -> None:
    found = throttle(clock, requests=Bucket(10, clock))
    for _ in range(100):
        found.run(lambda: None)
    assert clock.now == pytest.approx(9, abs=0.2)


@pytest.mark.parametrize("batch", [1, 7])
def test_work_is_done_once_for_each(batch: int) -> None:
    done = spread(lambda number: number * 2, range(1_000), Throttle(8), workers=8, batch=batch)
    assert sorted(done) == list(range(0, 2_000, 2))


def test_more_threads_come_and_go_with_the_limit() -> None:
    limit, together, most = Throttle(8), 0, 0
    lock = threading.Lock()
    met = threading.Barrier(8)

    def work(number: int) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        if number < 8:
            met.wait(10)
        with lock:
            together -= 1

    assert len(list(spread(work, range(100), limit, workers=16, batch=1))) == 100
    assert most == 8


def test_an_error_in_the_work_reaches_the_caller() -> None:
    def work(number: int) -> int:
        if number == 50:
            raise StoreError(Fault.NO_BUCKET, "gone")
        return number

    with pytest.raises(StoreError, match="gone"):
        list(spread(work, range(10_000), Throttle(8), workers=8))


def test_an_error_in_the_source_reaches_the_caller() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise StoreError(Fault.UNAVAILABLE, "broken listing")

    with pytest.raises(StoreError, match="broken listing"):
        list(spread(str, source(), Throttle(8), workers=8))
    with pytest.raises(StoreError, match="broken listing"):
        list(ahead(source(), Throttle(8)))


def test_a_stop_ends_the_wait_even_while_requests_hang() -> None:
    found, hangs = Throttle(4), threading.Event()
    found.stop.set()
    with pytest.raises(Cancelled):
        list(spread(lambda _: hangs.wait(60), range(10), found, workers=4))
    hangs.set()


def test_who_stops_reading_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    results = spread(str, iter(int, 1), Throttle(4), workers=4)
    next(results)
    assert isinstance(results, Generator)
    results.close()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and "_labour" in thread.name:
            thread.join(10)
    assert threading.active_count() <= before


ROW = Row("certificates/a.pdf", 3, 1_000, RemoteFacts(3, "etag", NOW))


def test_a_mark_is_of_one_state() -> None:
    changed = [
        ROW._replace(key="certificates/b.pdf"),
        ROW._replace(local_size=4),
        ROW._replace(local_changed_ns=1_001),
        ROW._replace(remote=RemoteFacts(3, "other", NOW)),
    ]
    marks = {mark("body", ROW), mark("etag", ROW), *(mark("body", row) for row in changed)}
    assert len(marks) == 6
    assert all(len(one) == SIZE for one in marks)


def marks(path: Path | None, digest: str = "run", later: timedelta = timedelta(0)) -> Marks:
    return Marks(path, RunId(digest, NOW + later))


def test_marks_outlive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "marks"
    ones = [bytes([number]) * SIZE for number in range(100)]
    with marks(path) as first:
        for one in ones[:60]:
            first.add(one)
    with path.open("ab") as torn:
        torn.write(b"half")
    with marks(path, later=timedelta(hours=1)) as second:
        assert [one in second for one in ones] == [True] * 60 + [False] * 40
        assert (second.resumed, second.run.started) == (60, NOW)
        second.add(ones[70])
    with marks(path) as third:
        assert ones[70] in third
        assert third.resumed == 61


@pytest.mark.parametrize(
    ("digest", "later"), [("other", timedelta(0)), ("run", timedelta(hours=25)), ("run", -timedelta(hours=1))]
)
def test_marks_of_another_run_are_not_believed(tmp_path: Path, digest: str, later: timedelta) -> None:
    path = tmp_path / "marks"
    with marks(path) as first:
        first.add(b"x" * SIZE)
    with marks(path, digest, later) as second:
        assert second.resumed == 0


@pytest.mark.parametrize("garbage", [b"", b"\n", b"{}\n12345678", b"[]\n", b"\xff\xff"], ids=repr)
def test_garbage_is_no_mark(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "marks"
    path.write_bytes(garbage)
    with marks(path) as found:
        assert found.resumed == 0


def test_a_finished_run_leaves_no_marks(tmp_path: Path) -> None:
    with marks(tmp_path / "marks") as found:
        found.finish()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damaged", [0, 4])
def test_a_killed_check_goes_on_where_it_was(copies: Copies, tmp_path: Path, damaged: int) -> None:
    """Stopped while it reads; the second run reads only the others and reports the same as one that was left alone."""
    for key in fill(copies, 200)[:damaged]:
        damage(copies, key)
    alone = check(copies).report
    reads = 0

    def die(verb: str, key: str) -> None:
        nonlocal reads
        reads += verb == "holds"
        if reads > 160:
            raise StoreError(Fault.SILENT, "killed")

    copies.store.before = die
    with pytest.raises(StoreError):
        check(copies, checkpoint=tmp_path / "marks")
    copies.store.before = lambda verb, key: None
    copies.store.requests.clear()
    resumed = check(copies, checkpoint=tmp_path / "marks")
    assert resumed.found.rest.checked == 200
    assert resumed.found.resumed > 280
    assert damaged or sum(verb == "holds" for verb, _ in copies.store.requests) < 120
    assert comparable(resumed.report) == comparable(alone)


def comparable(report: Json) -> Json:
    """Without what two undisturbed runs may differ in."""
    details, sampling = report["mismatch_details"], report["sampling"]
    assert isinstance(details, list)
    assert isinstance(sampling, dict)
    ordered = sorted(details, key=lambda one: str(one["key"]))
    return {**report, "mismatch_details": ordered, "sampling": {**sampling, "resumed": 0}}


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (404, "NoSuchBucket", Fault.NO_BUCKET),
        (403, "RequestTimeTooSkewed", Fault.CLOCK),
        (403, "SignatureDoesNotMatch", Fault.CREDENTIALS),
        (400, "ExpiredToken", Fault.CREDENTIALS),
        (403, "AccessDenied", Fault.DENIED),
        (401, "", Fault.DENIED),
        (412, "PreconditionFailed", Fault.CHANGED),
        (409, "ConditionalRequestConflict", Fault.CHANGED),
        (503, "SlowDown", Fault.THROTTLED),
        (503, "", Fault.THROTTLED),
        (429, "", Fault.THROTTLED),
        (500, "InternalError", Fault.UNAVAILABLE),
        (504, "", Fault.UNAVAILABLE),
        (400, "RequestTimeout", Fault.UNAVAILABLE),
        (404, "", Fault.UNAVAILABLE),
        (400, "InvalidRequest", Fault.REFUSED),
        (301, "PermanentRedirect", Fault.REFUSED),
    ],
)
def test_what_a_status_means(status: int, code: str, fault: Fault) -> None:
    error = from_status(status, f"<Error><Code>{code}</Code><Message>why</Message></Error>" if code else "<html>", None)
    assert error.fault is fault
    assert str(status) in error.detail


@pytest.mark.parametrize(("header", "seconds"), [(None, None), ("7", 7.0), ("soon", None), ("", None)])
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    assert from_status(503, "", header).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    assert from_status(503, "", "Mon, 23 Nov 2020 04:00:00 GMT").retry_after == 0.0


def test_a_404_is_an_answer_only_with_an_error_document() -> None:
    text = "Object at location x not found: - Server returned non-2xx status code: 404 Not Found: "
    assert isinstance(translated(FileNotFoundError(text + "<Error><Code>NoSuchKey</Code>")), NotThereError)
    assert isinstance(translated(FileNotFoundError(text), headless=True), NotThereError)
    proxy = translated(FileNotFoundError(text + "<html>no route</html>"))
    assert isinstance(proxy, StoreError)
    assert proxy.fault is Fault.UNAVAILABLE
