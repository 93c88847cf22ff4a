"""A difference counts when it was seen twice; what the application is doing meanwhile never does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from certstorage.validator.facts import Cause, Look, Outcome
from certstorage.validator.found import Settled
from certstorage.validator.settle import Care, settle
from certstorage.validator.store import Fault, StoreError
from tests.unit.validator.fakes import PREFIX, Copies, pdf

CARE = Care(pause_seconds=5)


def settled(copies: Copies, *keys: str, care: Care = CARE) -> Settled:
    """Settle without mending."""
    result = Settled(keys=len(keys))
    settle(keys, copies.context, care, result)
    return result


def only(result: Settled) -> Look:
    """The one mismatch."""
    (found,) = result.mismatches
    return found


def test_equal_keys_need_one_look_and_no_waiting(copies: Copies) -> None:
    keys = [copies.save(f"{number}.pdf") for number in range(20)]
    result = settled(copies, *keys)
    assert (result.same, result.checked, copies.waited) == (20, 20, [])
    assert result.methods == {"body": 20}


@pytest.mark.parametrize(
    ("damage", "outcome", "cause"),
    [
        ("missing", Outcome.MISSING, Cause.MISSING),
        ("different", Outcome.DIFFERENT, Cause.CONTENT),
        ("extra", Outcome.EXTRA, Cause.UNDELETED),
        ("foreign", Outcome.EXTRA, Cause.EXTRA),
    ],
)
def test_names_what_differs(copies: Copies, damage: str, outcome: Outcome, cause: Cause) -> None:
    key = copies.save("2026/a.pdf")
    if damage == "missing":
        del copies.store.objects[key]
    elif damage == "different":
        copies.store.write(key, pdf("something else"), age=timedelta(minutes=5))
    elif damage == "extra":
        copies.delete_locally("2026/a.pdf")
    else:
        key = PREFIX + "elsewhere/b.pdf"
        copies.store.write(key, pdf())
    found = only(settled(copies, key))
    assert (found.key, found.outcome, found.cause) == (key, outcome, cause)


def test_an_overwrite_that_did_not_arrive_is_stale(copies: Copies) -> None:
    key = copies.save("a.pdf", pdf("first"), age=7200)
    copies.save_locally("a.pdf", pdf("second"), age=600)
    assert only(settled(copies, key)).cause is Cause.STALE


def test_a_dual_write_that_ends_in_time_is_no_mismatch(copies: Copies) -> None:
    key = copies.save_locally("a.pdf", pdf("new"))
    copies.on_wait = lambda: copies.store.write(key, pdf("new"))
    result = settled(copies, key)
    assert (result.same, len(result.mismatches)) == (1, 0)


def test_a_delete_that_ends_in_time_is_no_mismatch(copies: Copies) -> None:
    key = copies.save("a.pdf")
    copies.delete_locally("a.pdf")
    copies.on_wait = lambda: copies.store.objects.pop(key, None)
    assert settled(copies, key).gone == 1


def test_what_is_younger_than_the_least_age_is_in_flight(copies: Copies) -> None:
    key = copies.save_locally("a.pdf", pdf(), age=10)
    result = settled(copies, key, care=Care(5, timedelta(seconds=60)))
    assert (len(result.in_flight), len(result.mismatches)) == (1, 0)


def test_what_is_written_all_the_time_is_in_flight(copies: Copies) -> None:
    key = copies.save_locally("a.pdf", pdf("0"))
    versions = iter(range(1, 100))
    copies.on_wait = lambda: copies.save_locally("a.pdf", pdf(str(next(versions))))
    result = settled(copies, key)
    assert (len(result.in_flight), result.checked) == (1, 0)


def test_a_file_written_during_the_look_is_looked_at_again(copies: Copies) -> None:
    key = copies.save("a.pdf", pdf("old"))

    def overwrite(verb: str, _: str) -> None:
        copies.store.before = lambda verb, key: None
        copies.save("a.pdf", pdf("new"))

    copies.store.before = overwrite
    assert settled(copies, key).same == 1


def test_a_byte_flipped_on_the_way_once_is_no_mismatch(copies: Copies) -> None:
    key = copies.save("a.pdf")
    copies.store.damaged_on_the_way = lambda key, data: b"!" + data[1:]
    copies.on_wait = lambda: setattr(copies.store, "damaged_on_the_way", lambda key, data: data)
    assert settled(copies, key).same == 1


def test_bytes_that_change_with_every_transfer_are_an_error(copies: Copies) -> None:
    key = copies.save("a.pdf")
    flips = iter(range(1000))
    copies.store.damaged_on_the_way = lambda key, data: data + str(next(flips)).encode()
    result = settled(copies, key)
    assert (len(result.mismatches), len(result.unknown)) == (0, 1)


@pytest.mark.parametrize(
    ("fault", "unverified"), [(Fault.UNAVAILABLE, 0), (Fault.DENIED, 0), (Fault.UNADDRESSABLE, 1), (Fault.REFUSED, 1)]
)
def test_a_failing_request_is_neither_equal_nor_missing(copies: Copies, fault: Fault, unverified: int) -> None:
    key = copies.save("a.pdf")
    copies.store.before = failing(fault)
    result = settled(copies, key)
    assert (result.same, len(result.mismatches), len(result.unknown)) == (0, 0, 1)
    assert result.unverified == unverified


def test_a_request_that_fails_once_is_made_again(copies: Copies) -> None:
    key = copies.save("a.pdf")
    copies.store.before = failing(Fault.UNAVAILABLE)
    copies.on_wait = lambda: setattr(copies.store, "before", lambda verb, key: None)
    assert settled(copies, key).same == 1


@pytest.mark.parametrize("fault", [Fault.NO_BUCKET, Fault.CREDENTIALS, Fault.CLOCK, Fault.SILENT])
def test_a_fault_of_everything_ends_the_run(copies: Copies, fault: Fault) -> None:
    keys = [copies.save(f"{number}.pdf") for number in range(50)]
    copies.store.before = failing(fault)
    with pytest.raises(StoreError) as raised:
        settled(copies, *keys)
    assert raised.value.fault is fault


def test_a_file_that_cannot_be_read_is_an_error(copies: Copies) -> None:
    key = copies.save("a.pdf")
    (copies.root / "a.pdf").unlink()
    (copies.root / "a.pdf").mkdir()
    result = settled(copies, key)
    assert (len(result.mismatches), len(result.unknown)) == (0, 1)


def test_a_link_is_never_followed(copies: Copies) -> None:
    key = copies.save("a.pdf")
    (copies.root / "a.pdf").unlink()
    (copies.root / "a.pdf").symlink_to("/etc/passwd")
    result = settled(copies, key)
    assert [look.outcome for look in result.unknown] == [Outcome.ERROR]


def test_big_objects_are_compared_piece_by_piece(copies: Copies) -> None:
    data = pdf("big", 9 << 20)
    same, cut, grown = (copies.save(f"{name}.pdf", data) for name in ("same", "cut", "grown"))
    copies.store.write(cut, data[: 9 << 20])
    copies.store.write(grown, data + b"x" * (1 << 20))
    result = settled(copies, same, cut, grown)
    assert result.same == 1
    assert {look.key: look.cause for look in result.mismatches} == {cut: Cause.TRUNCATED, grown: Cause.CONTENT}
    assert ("chunks", same) in copies.store.requests


def failing(fault: Fault) -> Callable[[str, str], None]:
    """Every request fails."""

    def fail(verb: str, key: str) -> None:
        raise StoreError(fault, f"{verb} {key}")

    return fail
