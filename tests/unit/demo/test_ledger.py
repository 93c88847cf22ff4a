"""The clients' bookkeeping: what a read may show, and what an observer may hold the copies against."""

import random

import pytest

from deploy.demo.loadgen.ledger import ABSENT, Finding, Ledger, Snapshot, settled

RNG = random.Random(0)


def ledger(remembered: int = 10, **stored: str) -> Ledger:
    made = Ledger(remembered_deletes=remembered)
    for name, digest in stored.items():
        put(made, name, digest)
    return made


def put(ledger: Ledger, name: str, digest: str, *, confirmed: bool = True) -> None:
    ledger.end_write(ledger.begin_write(name, digest), confirmed=confirmed)


def look(ledger: Ledger, name: str, seen: str) -> Finding:
    return ledger.end_read(ledger.begin_read(name), seen)


@pytest.mark.parametrize(
    ("seen", "finding"),
    [
        ("v2", Finding.RIGHT),
        ("v1", Finding.STALE),
        ("other", Finding.WRONG_BYTES),
        (ABSENT, Finding.MISSING),
    ],
)
def test_what_a_read_of_a_stored_certificate_comes_to(seen: str, finding: Finding) -> None:
    known = ledger(a="v1")
    put(known, "a", "v2")
    assert look(known, "a", seen) is finding


def test_a_deleted_certificate_that_is_back_is_resurrected() -> None:
    known = ledger(a="v1")
    put(known, "a", ABSENT)
    assert look(known, "a", ABSENT) is Finding.RIGHT
    assert look(known, "a", "v1") is Finding.RESURRECTED


@pytest.mark.parametrize("seen", ["v1", "v2"])
@pytest.mark.parametrize("read_begins", ["before", "during"])
def test_a_read_that_overlaps_a_write_may_see_either(seen: str, read_begins: str) -> None:
    known = ledger(a="v1")
    if read_begins == "before":
        reading = known.begin_read("a")
        writing = known.begin_write("a", "v2")
    else:
        writing = known.begin_write("a", "v2")
        reading = known.begin_read("a")
    known.end_write(writing, confirmed=True)
    assert known.end_read(reading, seen) is Finding.RIGHT
    assert look(known, "a", "v1") is Finding.STALE


def test_after_an_unanswered_write_both_are_right_until_the_next_that_succeeds() -> None:
    known = ledger(a="v1")
    put(known, "a", "v2", confirmed=False)
    assert look(known, "a", "v1") is Finding.RIGHT
    assert look(known, "a", "v2") is Finding.RIGHT
    assert known.snapshot() == Snapshot({}, (), ("a",))
    put(known, "a", "v3")
    assert look(known, "a", "v1") is Finding.STALE
    assert look(known, "a", "v2") is Finding.STALE
    assert known.snapshot() == Snapshot({"a": "v3"}, (), ())


def test_after_an_unanswered_delete_it_may_be_gone_and_can_be_stored_again() -> None:
    known = ledger(a="v1")
    assert not known.may_be_absent("a")
    put(known, "a", ABSENT, confirmed=False)
    assert known.may_be_absent("a")
    assert look(known, "a", ABSENT) is Finding.RIGHT
    assert len(known) == 1
    put(known, "a", "v2")
    assert look(known, "a", ABSENT) is Finding.MISSING


def test_an_unanswered_first_write_leaves_a_name_that_is_written_again() -> None:
    known = ledger()
    put(known, "a", "v1", confirmed=False)
    assert known.pick_writable(RNG) == "a"
    assert look(known, "a", ABSENT) is Finding.RIGHT


def test_nobody_reads_what_was_never_stored_yet() -> None:
    known = ledger()
    writing = known.begin_write("a", "v1")
    assert (len(known), known.pick_live(RNG)) == (1, None)
    known.end_write(writing, confirmed=True)
    assert (len(known), known.pick_live(RNG)) == (1, "a")


def test_a_name_has_one_writer() -> None:
    known = ledger(a="v1")
    known.begin_write("a", "v2")
    assert known.pick_writable(RNG) is None
    with pytest.raises(ValueError, match="writer"):
        known.begin_write("a", "v3")


def test_only_the_last_deleted_names_are_remembered() -> None:
    known = ledger(remembered=2, a="1", b="2", c="3", d="4")
    for name in ("a", "b", "c"):
        put(known, name, ABSENT)
    assert known.snapshot() == Snapshot({"d": "4"}, ("b", "c"), ())
    assert known.pick_deleted(RNG) in ("b", "c")
    assert known.pick_live(RNG) == "d"
    assert len(known) == 1


def test_a_read_may_end_after_its_name_was_forgotten() -> None:
    known = ledger(remembered=1, a="1", b="2")
    reading = known.begin_read("a")
    put(known, "a", ABSENT)
    put(known, "b", ABSENT)
    assert known.end_read(reading, "1") is Finding.RIGHT


def test_a_read_that_saw_nothing_says_nothing() -> None:
    known = ledger(a="v1")
    known.abandon(known.begin_read("a"))
    assert look(known, "a", "v1") is Finding.RIGHT


def test_a_snapshot_leaves_out_what_is_being_written() -> None:
    known = ledger(a="v1", b="v1")
    known.begin_write("a", "v2")
    assert known.snapshot() == Snapshot({"b": "v1"}, (), ("a",))


def test_settled_is_what_both_snapshots_agree_on() -> None:
    known = ledger(same="1", changed="1", deleted="1", gone="1")
    put(known, "gone", ABSENT)
    before = known.snapshot()
    put(known, "changed", "2")
    put(known, "deleted", ABSENT)
    put(known, "new", "1")
    after = known.snapshot()
    assert settled(before, after) == Snapshot({"same": "1"}, ("gone",), ("changed", "deleted", "new"))


def test_a_shelved_name_is_told_and_never_picked() -> None:
    known = ledger(kept="1", other="2", third="3")
    known.shelve("kept")
    rng = random.Random(1)
    assert {known.pick_live(rng) for _ in range(100)} == {"other", "third"}
    assert {known.pick_writable(rng) for _ in range(100)} == {"other", "third"}
    assert len(known) == 2
    put(known, "other", ABSENT)
    assert len(known) == 1
    assert known.snapshot().expected == {"kept": "1", "third": "3"}


def test_a_long_random_life_of_a_correct_store_has_no_findings() -> None:
    """The ledger against a store that does what it should, in any order of operations."""
    rng = random.Random(7)
    known, store, version = ledger(remembered=5), dict[str, str](), 0
    for _ in range(5000):
        name = known.pick_live(rng)
        kind = rng.choice(("save", "save", "read", "read", "delete", "lost"))
        if name is None or (kind == "save" and len(known) < 20):
            version += 1
            name = f"n{version}"
            store[name] = f"v{version}"
            put(known, name, store[name])
        elif kind == "save":
            version += 1
            store[name] = f"v{version}"
            put(known, name, store[name])
        elif kind == "delete":
            store.pop(name, None)
            put(known, name, ABSENT)
        elif kind == "lost":
            version += 1
            if rng.random() < 0.5:
                store[name] = f"v{version}"
            put(known, name, f"v{version}", confirmed=False)
        else:
            name = known.pick_deleted(rng) or name if rng.random() < 0.2 else name
            assert look(known, name, store.get(name, ABSENT)) is Finding.RIGHT
    now = known.snapshot()
    assert {name: store[name] for name in now.expected} == now.expected
    assert not store.keys() & set(now.absent)
    assert len(now.absent) <= 5
