"""The recovery after an outage, as the operator's Job runs it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.component.validator.world import World, pdf


def outage(world: World) -> None:
    """Saves, overwrites and deletes that S3 never heard of."""
    world.fill(60)
    for number in range(4):
        world.save_locally(f"2026/new_{number}.pdf", pdf(f"new {number}"))
    for number in range(3):
        world.save_locally(f"2026/cert_{number:04}.pdf", pdf(f"2026/cert_{number:04}.pdF"))
    for number in range(10, 15):
        (world.root / f"2026/cert_{number:04}.pdf").unlink()


def digest(root: Path) -> str:
    """Names, bytes and times of a tree."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        found.update(f"{path} {path.lstat().st_mtime_ns} {path.lstat().st_mode}".encode())
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()


def test_mends_and_proves(world: World) -> None:
    outage(world)
    before = digest(world.root)
    ran = world.recover("--probes", "2", "--probe-interval", "0.1")
    assert ran.verdict == (0, "PASS", "Clean")
    assert digest(world.root) == before
    assert world.remote() == world.local()
    assert len(world.own_keys("quarantine/")) == 5
    assert world.own_keys("probe/") == []
    receipt = ran.receipt
    assert (receipt["verdict"], receipt["nonce"], receipt["inputsHash"]) == ("PASS", "nonce-1", "hash-1")
    assert (receipt["uploaded"], receipt["resolved"], receipt["atRiskOpen"], receipt["probe"]) == (7, 5, 0, "ok")
    assert ran.report["probe"]["steps"]["ConditionalPut"] == "ok"
    assert ran.report["probe"]["steps"]["ConditionalDelete"] == "ok"


def test_what_was_put_away_is_still_there(world: World) -> None:
    world.fill(20)
    (world.root / "2026/cert_0003.pdf").unlink()
    world.recover()
    (key,) = world.own_keys("quarantine/")
    assert key.endswith(f"{world.prefix}2026/cert_0003.pdf")
    assert world.get(key) == pdf("2026/cert_0003.pdf")


def test_a_second_recovery_finds_nothing_to_do(world: World) -> None:
    outage(world)
    world.recover()
    ran = world.recover()
    assert (ran.code, ran.receipt["uploaded"], ran.receipt["resolved"]) == (0, 0, 0)


def test_only_what_changed_since_is_at_risk(world: World) -> None:
    world.fill(30)
    soon = datetime.now(UTC) + timedelta(minutes=14)
    ran = world.recover(since=soon)
    at_risk, rest = ran.report["strata"]
    assert ran.code == 0
    assert at_risk["checked"] + rest["checked"] == 30
    assert rest["checked"] > 0 or at_risk["checked"] == 30


def test_the_report_goes_into_the_bucket(world: World) -> None:
    world.fill(5)
    ran = world.run("recover", "--settle", "0.1", "--output", "bucket")
    assert ran.code == 0
    process = world.start("recover", "--settle", "0.1", "--output", "bucket")
    process.communicate(timeout=60)
    (key,) = world.own_keys("reports/")
    assert json.loads(world.get(key))["status"] == "PASS"


def test_nothing_but_the_report_is_written_locally(world: World) -> None:
    """As in a Pod: the tree is read-only, and so is everything else but the termination message."""
    outage(world)
    world.root.chmod(0o555)
    process = world.start("recover", "--settle", "0.1", HOME="/nonexistent", TMPDIR="/nonexistent")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said


def test_while_the_application_lives(world: World) -> None:
    """In-flight objects are no mismatch, no update is lost and no deleted object comes back."""
    outage(world)
    with world.living() as done:
        for _ in range(3):
            ran = world.recover()
            assert ran.code == 0, ran.report["message"]
        assert done() > 100
    assert world.remote() == world.local()


def test_reconcile_mends_without_reading_the_rest(world: World) -> None:
    outage(world)
    ran = world.run("reconcile", "--settle", "0.1")
    assert ran.verdict == (0, "PASS", "Clean")
    assert world.remote() == world.local()


def test_a_missing_bucket_stays_missing(world: World) -> None:
    world.fill(3)
    ran = world.recover(CERT_S3_BUCKET="not-there-at-all")
    assert ran.verdict == (2, "INCONCLUSIVE", "ProbeFailed")
    assert "NoSuchBucket" in ran.report["message"]
    names = [one["Name"] for one in world.client.list_buckets()["Buckets"]]
    assert "not-there-at-all" not in names


def test_an_empty_mount_deletes_nothing(world: World, tmp_path: Path) -> None:
    world.fill(5)
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = world.recover(CERT_LOCAL_PATH=str(empty))
    assert ran.verdict == (2, "INCONCLUSIVE", "LocalTreeEmpty")
    assert len(world.remote()) == 5


def test_a_shrunken_tree_deletes_nothing(world: World) -> None:
    world.fill(120)
    for number in range(60):
        (world.root / f"2026/cert_{number:04}.pdf").unlink()
    ran = world.recover()
    assert ran.verdict == (2, "INCONCLUSIVE", "LocalTreeShrunken")
    assert len(world.remote()) == 120
