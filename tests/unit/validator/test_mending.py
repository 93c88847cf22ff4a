"""Repairs never lose what the application writes, never bring back what it deleted, never touch the local tree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from certstorage.validator.facts import Outcome
from certstorage.validator.found import Settled
from certstorage.validator.mender import Act, Mender
from certstorage.validator.settle import Care, settle
from certstorage.validator.store import Fault, StoreError
from tests.unit.validator.fakes import PREFIX, Copies, pdf

QUARANTINE = ".certstorage/quarantine/now/"
KEY = PREFIX + "a.pdf"


def mended(copies: Copies, *keys: str, conditional_delete: bool = True) -> Settled:
    """Settle and mend; the local tree must come out of it as it went in, unless a test writes to it."""
    result = Settled(keys=len(keys))
    context = copies.context
    mender = Mender(context.tree, copies.store, QUARANTINE, conditional_delete)
    settle(keys or [KEY], context, Care(5), result, mender=mender)
    return result


def at(verb: str, act: Callable[[], object], *, number: int = 1) -> Callable[[str, str], None]:
    """Do something right before the n-th request of a kind."""
    seen = 0

    def before(asked: str, key: str) -> None:
        nonlocal seen
        seen += asked == verb
        if asked == verb and seen == number:
            act()

    return before


def acts(result: Settled) -> dict[Act, int]:
    """What was done, by count."""
    return {act: count for act, count in result.acts.items() if count}


def test_uploads_what_is_missing(copies: Copies) -> None:
    copies.save_locally("a.pdf", pdf())
    result = mended(copies)
    assert (acts(result), result.same, copies.same()) == ({Act.UPLOADED: 1}, 1, True)


def test_uploads_over_what_is_stale(copies: Copies) -> None:
    copies.save("a.pdf", pdf("old"), age=7200)
    copies.save_locally("a.pdf", pdf("new"), age=600)
    assert (acts(mended(copies)), copies.same()) == ({Act.UPLOADED: 1}, True)


def test_puts_away_what_was_deleted(copies: Copies) -> None:
    copies.save("a.pdf", pdf("gone"))
    copies.delete_locally("a.pdf")
    result = mended(copies)
    assert (acts(result), result.gone, copies.same()) == ({Act.QUARANTINED: 1}, 1, True)
    assert copies.store.objects[QUARANTINE + KEY].data == pdf("gone")


def test_what_is_the_same_is_left_alone(copies: Copies) -> None:
    copies.save("a.pdf")
    mended(copies)
    assert {verb for verb, _ in copies.store.requests} == {"holds"}


def test_a_dual_write_right_before_the_upload_wins(copies: Copies) -> None:
    copies.save("a.pdf", pdf("old"), age=7200)
    copies.save_locally("a.pdf", pdf("new"), age=600)
    copies.store.before = at("put", lambda: copies.save("a.pdf", pdf("newest")))
    assert mended(copies).same == 1
    assert copies.store.objects[KEY].data == pdf("newest")


def test_an_overwrite_during_the_upload_is_uploaded_next(copies: Copies) -> None:
    """The application wrote locally while its own write to S3 fails: the upload just made is old already."""
    copies.save_locally("a.pdf", pdf("new"))
    copies.store.before = at("put", lambda: copies.save_locally("a.pdf", pdf("newer")))
    result = mended(copies)
    assert (result.same, copies.store.objects[KEY].data) == (1, pdf("newer"))


def test_a_delete_during_the_upload_is_not_undone(copies: Copies) -> None:
    copies.save_locally("a.pdf", pdf())
    copies.store.before = at("put", lambda: copies.delete_locally("a.pdf"))
    result = mended(copies)
    assert (acts(result), copies.same()) == ({Act.TAKEN_BACK: 1}, True)


def test_a_delete_soon_after_the_upload_is_not_undone(copies: Copies) -> None:
    """The application deleted the object first (there was none yet), then the file, both around our upload."""
    copies.save_locally("a.pdf", pdf())

    def delete_at_the_second_wait() -> None:
        if len(copies.waited) == 2:
            copies.delete_locally("a.pdf")

    copies.on_wait = delete_at_the_second_wait
    result = mended(copies)
    assert (acts(result), copies.same()) == ({Act.TAKEN_BACK: 1}, True)


def test_taking_back_spares_what_the_application_saved_again(copies: Copies) -> None:
    copies.save_locally("a.pdf", pdf("one"))

    def delete_and_save() -> None:
        copies.delete_locally("a.pdf")
        copies.store.before = at("delete", lambda: copies.save("a.pdf", pdf("two")))

    copies.store.before = at("put", delete_and_save)
    mended(copies)
    assert copies.same()
    assert copies.store.objects[KEY].data == pdf("two")


def test_putting_away_spares_what_is_saved_again_before_the_copy(copies: Copies) -> None:
    copies.save("a.pdf", pdf("one"))
    copies.delete_locally("a.pdf")
    copies.store.before = at("copy", lambda: copies.save("a.pdf", pdf("two")))
    assert mended(copies).same == 1
    assert copies.same()


def test_putting_away_spares_what_is_saved_again_before_the_delete(copies: Copies) -> None:
    copies.save("a.pdf", pdf("one"))
    copies.delete_locally("a.pdf")
    copies.store.before = at("delete", lambda: copies.save("a.pdf", pdf("two")))
    assert mended(copies).same == 1
    assert copies.same()


def test_the_same_bytes_saved_again_before_the_delete_come_back(copies: Copies) -> None:
    """The ETag is the same, so the condition holds; the local file tells."""
    copies.save("a.pdf", pdf("one"))
    copies.delete_locally("a.pdf")
    copies.store.before = at("delete", lambda: copies.save("a.pdf", pdf("one")))
    assert mended(copies).same == 1
    assert copies.same()


def test_without_conditional_deletes_the_object_is_looked_at_first(copies: Copies) -> None:
    copies.store.honours_conditions = False
    copies.save("a.pdf", pdf("one"))
    copies.delete_locally("a.pdf")
    copies.store.before = at("head", lambda: copies.save("a.pdf", pdf("two")), number=3)
    assert mended(copies, conditional_delete=False).same == 1
    assert copies.same()


def test_a_damaged_file_never_overwrites_a_whole_object(copies: Copies) -> None:
    copies.save("a.pdf", pdf("whole"), age=7200)
    copies.save_locally("a.pdf", pdf("whole")[:12], age=600)
    result = mended(copies)
    assert [look.outcome for look in result.mismatches] == [Outcome.DIFFERENT]
    assert copies.store.objects[KEY].data == pdf("whole")
    assert set(acts(result)) == {Act.LOCAL_SUSPECT}


def test_a_lost_mount_deletes_nothing(copies: Copies) -> None:
    keys = [copies.save(f"{number}.pdf") for number in range(5)]

    def lose_the_mount() -> None:
        if copies.root.with_name("elsewhere").exists():
            return
        copies.store.before = lambda verb, key: None
        copies.root.rename(copies.root.with_name("elsewhere"))
        copies.root.mkdir()

    for number in range(5):
        copies.save_locally(f"{number}.pdf", pdf("changed"))
    copies.on_wait = lose_the_mount
    result = mended(copies, *keys)
    assert len(result.unknown) == 5
    assert set(keys) <= set(copies.store.objects)


@pytest.mark.parametrize("verb", ["put", "copy", "delete"])
def test_what_is_denied_stays_open(copies: Copies, verb: str) -> None:
    if verb == "put":
        copies.save_locally("a.pdf", pdf())
    else:
        copies.save("a.pdf")
        copies.delete_locally("a.pdf")

    def deny(asked: str, key: str) -> None:
        if asked == verb:
            raise StoreError(Fault.DENIED, "no")

    copies.store.before = deny
    result = mended(copies)
    assert (len(result.mismatches), len(result.in_flight)) == (1, 0)
    assert "AccessDenied" in next(iter(result.mismatches)).detail


def test_a_cache_that_keeps_the_old_object_stays_open(copies: Copies) -> None:
    """Every PUT succeeds and nothing changes: at the end that is a mismatch, not something in flight."""
    copies.save("a.pdf", pdf("old"), age=7200)
    copies.save_locally("a.pdf", pdf("new"), age=600)
    stale = copies.store.objects[KEY]
    copies.store.damaged_on_the_way = lambda key, data: stale.data
    result = mended(copies)
    assert (result.same, len(result.mismatches)) == (0, 1)


def test_the_local_tree_is_never_written(copies: Copies) -> None:
    for number in range(9):
        copies.save(f"{number}.pdf", pdf("old"))
        copies.save_locally(f"{number}.pdf", pdf("new"))
    copies.store.write(PREFIX + "extra.pdf", pdf("extra"), age=timedelta(hours=2))
    before = digest(copies)
    mended(copies, *(PREFIX + f"{number}.pdf" for number in range(9)), PREFIX + "extra.pdf")
    assert digest(copies) == before
    assert copies.same()


def digest(copies: Copies) -> str:
    """Every name, content and time of the local tree."""
    found = hashlib.sha256()
    for path in sorted(copies.root.rglob("*")):
        found.update(f"{path} {path.lstat().st_mtime_ns}".encode())
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()
