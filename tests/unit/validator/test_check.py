"""A check finds what differs, says what it knows, and writes nothing."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from certstorage.validator.facts import Cause, Outcome
from certstorage.validator.guards import Limits
from certstorage.validator.pattern import Kind
from certstorage.validator.sampling import Window
from certstorage.validator.store import Fault, StoreError
from tests.unit.validator.fakes import OWN, PREFIX, Copies, pdf
from tests.unit.validator.runs import check


def fill(copies: Copies, count: int, folder: str = "2026") -> list[str]:
    """Some certificates, the same on both sides."""
    return [copies.save(f"{folder}/cert_{number:04}.pdf") for number in range(count)]


def damage(copies: Copies, key: str, data: bytes = b"%PDF-1.7 rotten\n%%EOF\n") -> None:
    """Other bytes in the bucket, under the ETag of the right ones: what only reading them shows."""
    good = copies.store.objects[key]
    padded = data.ljust(len(good.data), b".")[: len(good.data)]
    copies.store.write(key, padded, etag=good.etag)


def test_two_equal_copies_pass(copies: Copies) -> None:
    fill(copies, 30)
    ran = check(copies)
    assert (ran.verdict.status, ran.verdict.rate, ran.verdict.upper) == ("PASS", 0, 0)
    assert ran.report["total_sampled"] == 30
    assert ran.found.census_methods == {"etag-md5": 30}


def test_nothing_on_either_side_is_no_proof(copies: Copies) -> None:
    assert check(copies).verdict.status == "INCONCLUSIVE"


def test_a_check_writes_nothing(copies: Copies) -> None:
    fill(copies, 5)
    copies.save_locally("new.pdf", pdf())
    check(copies)
    assert {verb for verb, _ in copies.store.requests} == {"list", "get", "holds"}


def test_finds_every_difference_of_the_listing(copies: Copies) -> None:
    keys = fill(copies, 40)
    del copies.store.objects[keys[0]]
    copies.delete_locally("2026/cert_0001.pdf")
    copies.store.write(keys[2], pdf("longer than it was"), age=timedelta(minutes=1))
    copies.store.write(keys[3], copies.store.objects[keys[3]].data.replace(b"cert", b"CERT"), age=timedelta(minutes=1))
    ran = check(copies, rate=0.0, least=1)
    assert (ran.verdict.status, ran.verdict.detail) == ("FAIL", "Mismatches")
    assert {look.key: look.outcome for look in ran.found.mismatches()} == {
        keys[0]: Outcome.MISSING,
        keys[1]: Outcome.EXTRA,
        keys[2]: Outcome.DIFFERENT,
        keys[3]: Outcome.DIFFERENT,
    }
    assert ran.report["mismatch_rate_percent"] == 10.0


def test_an_etag_that_lies_is_found_by_reading(copies: Copies) -> None:
    keys = fill(copies, 100)
    damage(copies, keys[7])
    ran = check(copies)
    assert [look.key for look in ran.found.rest.mismatches] == [keys[7]]
    assert (ran.verdict.status, ran.found.pattern.kind) == ("FAIL", Kind.SINGLE)


def test_what_was_written_since_a_proof_is_read_in_full(copies: Copies) -> None:
    keys = fill(copies, 700)
    for name in ("new.pdf", "overwritten.pdf"):
        copies.save(name, age=-3600)  # nothing sets the time of a file's last change, so the proof lies ahead
    damage(copies, f"{PREFIX}new.pdf")
    copies.store.objects[f"{PREFIX}new.pdf"].modified += timedelta(hours=2)
    ran = check(copies, rate=0.01, least=1, since=datetime.now(UTC) + timedelta(minutes=30), grows=False)
    assert ran.found.at_risk.checked == 2
    assert [look.key for look in ran.found.at_risk.mismatches] == [f"{PREFIX}new.pdf"]
    assert ran.found.rest.keys == len(keys)


def test_each_stratum_has_a_verdict_of_its_own(copies: Copies) -> None:
    keys = fill(copies, 700)
    del copies.store.objects[keys[0]]
    ran = check(copies, rate=0.01, least=10, grows=False)
    strata = {one["name"]: one["status"] for one in ran.report["strata"]}  # type: ignore[attr-defined]
    assert (strata, ran.verdict.status) == ({"at_risk": "FAIL", "rest": "INCONCLUSIVE"}, "INCONCLUSIVE")
    assert check(copies, rate=1.0).report["status"] == "PASS"
    copies.store.write(keys[0], pdf("2026/cert_0000.pdf"))
    strata = {one["name"]: one["status"] for one in check(copies).report["strata"]}  # type: ignore[attr-defined]
    assert strata == {"at_risk": None, "rest": "PASS"}


def test_etags_that_are_no_md5_are_no_mismatch(copies: Copies) -> None:
    """SSE-KMS: 32 hex digits that have nothing to do with the bytes."""
    for number in range(300):
        key = copies.save(f"cert_{number:04}.pdf")
        copies.store.objects[key].etag = f"{number:032x}"
    ran = check(copies)
    assert (ran.verdict.status, ran.found.etags_trusted) == ("PASS", False)
    assert ran.report["total_sampled"] == 300


def test_multipart_etags_are_rebuilt(copies: Copies) -> None:
    for number in range(10):
        key = copies.save(f"cert_{number:04}.pdf")
        data = copies.store.objects[key].data
        copies.store.objects[key].etag = hashlib.md5(hashlib.md5(data).digest()).hexdigest() + "-1"
    ran = check(copies, rate=0.0, least=1)
    assert ran.found.census_methods == {"etag-parts": 10}


def test_a_small_tree_is_not_passed_on_one_object(copies: Copies) -> None:
    keys = fill(copies, 100)
    damage(copies, keys[50])
    ran = check(copies, rate=0.01)
    assert (ran.verdict.status, ran.report["total_sampled"]) == ("FAIL", 100)


def test_what_is_deleted_before_the_sample_grows_is_not_missing_from_it(copies: Copies) -> None:
    keys = fill(copies, 160)
    last = max(keys, key=Window(0.01).distances())
    lists = 0

    def delete_before_the_second_census(verb: str, key: str) -> None:
        nonlocal lists
        lists += verb == "list"
        if lists == 2 and last in copies.store.objects:
            copies.delete_locally(last.removeprefix(PREFIX))
            del copies.store.objects[last]

    copies.store.before = delete_before_the_second_census
    ran = check(copies, rate=0.01, least=50)
    assert (ran.verdict.status, ran.found.rest.checked, ran.found.judged) == ("PASS", 159, 159)


def test_a_sample_that_decides_nothing_grows(copies: Copies) -> None:
    fill(copies, 700)
    ran = check(copies, rate=0.01, least=10)
    assert ran.verdict.status == "PASS"
    assert ran.found.looks > 1
    assert 10 < ran.found.rest.checked <= 700


def test_unless_it_must_not(copies: Copies) -> None:
    fill(copies, 700)
    ran = check(copies, rate=0.01, least=10, grows=False)
    assert (ran.verdict.status, ran.verdict.detail) == ("INCONCLUSIVE", "SampleTooSmall")


def test_a_damaged_batch_is_expanded_and_named(copies: Copies) -> None:
    for folder in range(20):
        fill(copies, 50, f"2026/{folder:02}")
    for number in range(40):
        damage(copies, f"{PREFIX}2026/07/cert_{number:04}.pdf")
    ran = check(copies, rate=0.2, least=1)
    pattern = ran.found.pattern
    assert (ran.verdict.status, pattern.kind, pattern.axis, pattern.value) == (
        "FAIL",
        Kind.BATCH,
        "prefix",
        PREFIX + "2026/07",
    )
    assert len(list(ran.found.mismatches())) == 40
    assert len(ran.found.expanded.mismatches) > 0
    assert ran.report["mismatch_rate_percent"] == pytest.approx(4.0, abs=2.5)


def test_scattered_damage_is_random(copies: Copies) -> None:
    for folder in range(20):
        fill(copies, 20, f"2026/{folder:02}")
    for folder in range(0, 20, 2):
        damage(copies, f"{PREFIX}2026/{folder:02}/cert_{folder:04}.pdf")
    assert check(copies).found.pattern.kind is Kind.RANDOM


def test_swapped_objects_are_named(copies: Copies) -> None:
    fill(copies, 20)
    one, two = copies.save("one.pdf", pdf("one")), copies.save("two.pdf", pdf("two"))
    first, second = copies.store.objects[one].data, copies.store.objects[two].data
    copies.store.write(one, second)
    copies.store.write(two, first)
    found = {look.key: look for look in check(copies).found.mismatches()}
    assert {look.cause for look in found.values()} == {Cause.SWAPPED}
    assert two in found[one].detail


def test_own_and_hidden_names_are_no_certificates(copies: Copies) -> None:
    fill(copies, 3)
    copies.store.write(OWN + "quarantine/x", b"x")
    copies.store.write(PREFIX + ".hidden", b"x")
    (copies.root / ".nfs0001").write_bytes(b"deleted while open")
    (copies.root / "2026" / ".cert_0001.pdf.1f2e").write_bytes(b"half written")
    ran = check(copies)
    assert (ran.verdict.status, ran.found.counts.union) == ("PASS", 3)


def test_directory_markers_are_no_certificates(copies: Copies) -> None:
    fill(copies, 3)
    copies.store.write(PREFIX + "2026", b"")
    assert check(copies).found.counts.extra == 0


def test_keys_no_file_can_have_are_extra(copies: Copies) -> None:
    fill(copies, 3)
    copies.store.write(PREFIX + "a//b.pdf", pdf())
    copies.store.write(PREFIX + "../outside.pdf", pdf())
    ran = check(copies)
    assert {look.outcome for look in ran.found.mismatches()} == {Outcome.EXTRA}


@pytest.mark.parametrize(
    ("local", "remote", "detail"),
    [(0, 60, "LocalTreeEmpty"), (10, 100, "LocalTreeShrunken"), (100, 10, "MostMissing"), (100, 0, "MostMissing")],
)
def test_a_wrong_mount_or_bucket_is_no_mismatch(copies: Copies, local: int, remote: int, detail: str) -> None:
    for number in range(local):
        copies.save_locally(f"{number}.pdf", pdf())
    for number in range(remote):
        copies.store.write(f"{PREFIX}{number}.pdf", pdf())
    verdict = check(copies, limits=Limits(missing_share=0.5, extra_share=0.5)).verdict
    assert (verdict.status, verdict.detail) == ("INCONCLUSIVE", detail)


def test_an_unreadable_directory_is_no_missing_file(copies: Copies) -> None:
    fill(copies, 3)
    (copies.root / "loop").symlink_to(copies.root)
    verdict = check(copies).verdict
    assert (verdict.status, verdict.detail) == ("INCONCLUSIVE", "LocalTreeUnreadable")


def test_a_listing_that_breaks_is_no_missing_object(copies: Copies) -> None:
    fill(copies, 3)

    def fail(verb: str, key: str) -> None:
        if verb == "list":
            raise StoreError(Fault.UNAVAILABLE, "HTTP 500")

    copies.store.before = fail
    with pytest.raises(StoreError):
        check(copies)


def test_too_many_errors_are_inconclusive(copies: Copies) -> None:
    keys = set(fill(copies, 100)[:5])

    def fail(verb: str, key: str) -> None:
        if verb in ("get", "holds") and key in keys:
            raise StoreError(Fault.UNAVAILABLE, "HTTP 503")

    copies.store.before = fail
    ran = check(copies)
    assert (ran.verdict.status, ran.verdict.detail) == ("INCONCLUSIVE", "Errors")
    assert (ran.report["error_count"], ran.report["mismatch_count"]) == (5, 0)


def test_checksums_judge_what_etags_cannot(copies: Copies) -> None:
    """A multipart upload with parts of a size nobody knows, and a checksum of the whole."""
    keys = [copies.save(f"cert_{number:04}.pdf") for number in range(100)]
    for key in keys:
        stored = copies.store.objects[key]
        stored.etag = "0" * 32 + "-3"
        digest = base64.b64encode(hashlib.sha256(stored.data).digest()).decode()
        copies.store.kept_checksums[key] = {"SHA256": digest}
    damage(copies, keys[3])
    copies.store.kept_checksums[keys[3]] = {"CRC32": "AAAAAA=="}
    ran = check(copies, rate=0.0, least=1, grows=False)
    assert ran.found.census_methods == {"checksum": 99}
    assert [look.key for look in ran.found.at_risk.mismatches] == [keys[3]]


def test_where_no_checksum_is_kept_none_is_asked_for_long(copies: Copies) -> None:
    for number in range(200):
        copies.store.objects[copies.save(f"cert_{number:04}.pdf")].etag = "0" * 32 + "-3"
    ran = check(copies)
    assert (ran.verdict.status, ran.found.census_methods) == ("PASS", {"none": 200})
    assert sum(verb == "checksums" for verb, _ in copies.store.requests) == 32
