"""Planted damage of every kind in a real bucket: all of it found, all of it named, none where there is none."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import packages
from tests.component.validator.faults import Faults
from tests.component.validator.world import BUCKET, World, pdf

WHOLE = pdf("a certificate, longer than one line", 3_000)
MIB = 1 << 20
ROOT = Path(__file__).parents[3]


def multipart(world: World, name: str, data: bytes, part: int) -> None:
    """Upload in parts, as a backfill of large files does."""
    key = world.prefix + name
    upload = world.client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    parts = []
    for number, at in enumerate(range(0, len(data), part), start=1):
        done = world.client.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=data[at : at + part]
        )
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    world.client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


def older(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


DAMAGE: dict[str, Callable[[World, str], object]] = {
    "missing_in_s3": lambda world, name: world.delete_remotely(name),
    "truncated": lambda world, name: world.put(name, WHOLE[:1_500]),
    "empty": lambda world, name: world.put(name, b""),
    "zero_tail": lambda world, name: world.put(name, WHOLE[:1_500] + bytes(len(WHOLE) - 1_500)),
    "trailing_bytes": lambda world, name: world.put(name, WHOLE + b"once more"),
    "aws_chunked": lambda world, name: world.put(
        name, b"%x\r\n" % len(WHOLE) + WHOLE + b"\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    ),
    "error_document": lambda world, name: world.put(name, b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>"),
    "gzipped": lambda world, name: world.put(name, gzip.compress(WHOLE)),
    "line_endings": lambda world, name: world.put(name, WHOLE.replace(b"\n", b"\r\n")),
    "content": lambda world, name: world.put(name, WHOLE[:700] + b"!" + WHOLE[701:]),
    "undeleted": lambda world, name: (world.root / name).unlink(),
}


def test_every_kind_of_damage_is_found_and_named(world: World) -> None:
    names = [f"2026/{reason}.pdf" for reason in DAMAGE]
    for name in [*names, "2026/fine.pdf", "2026/stale.pdf", "2026/local_damaged.pdf"]:
        world.save(name, WHOLE)
    world.age(3600)
    world.put("elsewhere/extra_in_s3.pdf", pdf("nobody's"))
    world.save("2026/swapped.pdf", pdf("one"))
    world.save("2026/other.pdf", pdf("two"))
    world.age(3600)
    world.put("2026/swapped.pdf", pdf("two"))
    for reason, name in zip(DAMAGE, names, strict=True):
        DAMAGE[reason](world, name)
    world.put("2026/stale.pdf", WHOLE.replace(b"certificate", b"Certificate"))
    world.save_locally("2026/local_damaged.pdf", WHOLE[:100])
    future = time.time() + 120
    os.utime(world.root / "2026/stale.pdf", (future, future))
    ran = world.check()
    expected = {f"2026/{reason}.pdf": reason for reason in [*DAMAGE, "stale", "local_damaged", "swapped"]}
    assert ran.reasons == {**expected, "elsewhere/extra_in_s3.pdf": "extra_in_s3"}
    assert ran.verdict == (1, "FAIL", "Mismatches")


def test_multipart_damage_that_rclone_calls_equal_is_found(world: World, s3_port: int, tmp_path: Path) -> None:
    """Same size, no MD5 in the ETag: rclone prints "=" and says that it could not check."""
    good, bad = WHOLE, WHOLE[:700] + b"!" + WHOLE[701:]
    for name in ("2026/good.pdf", "2026/bad.pdf"):
        world.save_locally(name, good)
    multipart(world, "2026/good.pdf", good, 5 * MIB)
    multipart(world, "2026/bad.pdf", bad, 5 * MIB)
    big = pdf("big", 12 * MIB)
    world.save_locally("2026/big.pdf", big)
    multipart(world, "2026/big.pdf", big[:-100] + b"!" + big[-99:], 7 * MIB + 1)
    assert rclone_calls_equal(world, s3_port, tmp_path) == {"2026/good.pdf", "2026/bad.pdf", "2026/big.pdf"}
    ran = world.check()
    assert set(ran.reasons) == {"2026/bad.pdf", "2026/big.pdf"}
    assert ran.report["census"]["methods"]["etag-parts"] == 1


def rclone_calls_equal(world: World, port: int, folder: Path) -> set[str]:
    """What `rclone check` marks with "="."""
    environ = world.environment()
    config = {
        "RCLONE_CONFIG_S_TYPE": "s3",
        "RCLONE_CONFIG_S_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_S_ENV_AUTH": "true",
        "RCLONE_CONFIG_S_ENDPOINT": f"http://127.0.0.1:{port}",
        "RCLONE_CONFIG": str(folder / "none.conf"),
    }
    program = str(Path(sys.executable).with_name("rclone"))
    combined = folder / "combined"
    arguments = ["check", str(world.root), f"S:{BUCKET}/{world.prefix}", "--combined", str(combined)]
    subprocess.run([program, *arguments], env={**environ, **config}, check=False, capture_output=True, timeout=60)
    return {line[2:] for line in combined.read_text().splitlines() if line.startswith("= ")}


def test_multipart_objects_of_common_parts_are_proven_by_listing(world: World) -> None:
    data = pdf("big", 17 * MIB)
    world.save_locally("big.pdf", data)
    multipart(world, "big.pdf", data, 8 * MIB)
    ran = world.check("--sample-rate", "0", "--min-sample", "1")
    assert ran.code == 0
    assert ran.report["census"]["methods"] == {"etag-parts": 1}


@pytest.mark.parametrize(
    ("damaged", "kind", "axis"),
    [
        ([(3, 1)], "single", ""),
        ([(3, number) for number in range(25)], "batch", "prefix"),
        ([(number, number) for number in range(8)], "random", ""),
        ([(2, 5), (6, 9)], "insufficient", ""),
    ],
    ids=["single", "batch", "random", "two"],
)
def test_the_pattern_is_named(world: World, damaged: list[tuple[int, int]], kind: str, axis: str) -> None:
    for folder in range(8):
        world.fill(30, f"2026/{folder:02}")
    for folder, number in damaged:
        world.put(f"2026/{folder:02}/cert_{number:04}.pdf", pdf("rotten"))
    ran = world.check()
    assert (ran.report["pattern"]["kind"], ran.report["pattern"]["axis"]) == (kind, axis)
    assert ran.report["mismatch_count"] == len(damaged)
    assert ran.report["pattern"]["advice"]


def test_damage_in_store_under_the_right_etag_is_found_by_reading(world: World) -> None:
    """A disk that rots below S3: the listing is fine, the same wrong byte comes every time."""
    world.fill(50)
    world.proxy.faults = Faults(flip="always", keys="cert_0007", methods=frozenset({"GET"}))
    ran = world.check()
    assert ran.reasons == {"2026/cert_0007.pdf": "content"}
    assert ran.verdict == (1, "FAIL", "Mismatches")


def test_etags_that_are_no_md5_are_no_mismatch(world: World) -> None:
    world.fill(120)
    world.proxy.faults = Faults(other_etags=True)
    ran = world.check()
    assert ran.verdict == (0, "PASS", "Clean")
    assert (ran.report["total_sampled"], ran.report["census"]["etags_are_md5"]) == (120, False)


def test_names_of_every_kind(world: World) -> None:
    names = [
        "ä ö ü.pdf",
        "a b+c&d=e.pdf",
        "100%.pdf",
        "a%20b.pdf",
        "[x]{y}.pdf",
        "#1?.pdf",
        "日本語/证书.pdf",
        "~tilde*.pdf",
    ]
    for name in names:
        world.save(name, pdf(name))
    ran = world.check()
    assert (ran.verdict, ran.report["population"]["union"]) == ((0, "PASS", "Clean"), len(names))
    for name in names:
        world.delete_remotely(name)
    assert world.recover().code == 0
    assert world.remote() == world.local()


def test_no_false_mismatch_while_the_application_lives(world: World, clean_runs: int) -> None:
    """Saves, overwrites and deletes all the time; not one of them is called a mismatch."""
    world.fill(100)
    with world.living() as done:
        for _ in range(clean_runs):
            ran = world.run("check", "--settle", "0.3", "--min-age", "5", "--sample-rate", "1")
            assert (ran.code, ran.reasons) == (0, {}), json.dumps(ran.report["mismatch_details"])
        assert done() > clean_runs * 5


def test_the_runbooks_lines_run_as_they_stand(world: World, tmp_path: Path) -> None:
    """Word by word as docs/validator.md has them from the runbook, in a shell."""
    names = world.fill(250)
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    block = re.search(r"<!-- runbook -->\n```sh\n(.*?)```", (ROOT / "docs" / "validator.md").read_text(), re.DOTALL)
    assert block is not None
    lines = block[1].splitlines()
    rates = [line.partition("--sample-rate ")[2] for line in lines if "validator.py" in line]
    assert rates == ["0.01", "0.05", "0.10", "0.10 --output artifacts/integrity_sweep.json"]
    said = [shell(world, tmp_path, line) for line in lines if "jq" not in line]
    assert said == [""] * len(rates)
    packages.ensure(["jq"])
    filters = [line for line in lines if "jq" in line]
    none, totals, _ = (shell(world, tmp_path, line) for line in filters)
    assert (none, [json.loads(word) for word in totals.split()]) == ("", ["PASS", 0, 250])
    world.put(names[123], pdf("rotten"))
    for report in ("backfill_report.json", "integrity_sweep.json"):
        world.start("check", "--settle", "0.1", "--min-age", "0", output=tmp_path / "artifacts" / report).communicate(
            timeout=60
        )
    details, totals, again = (shell(world, tmp_path, line) for line in filters)
    assert json.loads(details)["key"] == json.loads(again)["key"] == world.prefix + names[123]
    assert [json.loads(word) for word in totals.split()] == ["PASS", 0.4, 250]


def shell(world: World, folder: Path, line: str) -> str:
    """What a line prints in a shell, where `python` is this one."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = world.environment(PATH=path)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        env=environ,
        cwd=folder,
        check=True,
        timeout=60,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def test_shards_and_their_merge(world: World, tmp_path: Path) -> None:
    world.fill(60)
    world.put("2026/cert_0003.pdf", pdf("rotten"))
    world.delete_remotely("2026/cert_0040.pdf")
    shards = []
    for index in range(3):
        path = tmp_path / f"shard-{index}.json"
        process = world.start("check", "--settle", "0.1", "--min-age", "0", "--shard", f"{index}/3", output=path)
        process.communicate(timeout=60)
        shards.append(str(path))
    merged, whole = world.run("merge", *shards), world.check()
    for field in ("status", "mismatch_rate_percent", "upper_bound_percent", "total_sampled", "population", "pattern"):
        assert merged.report[field] == whole.report[field]
    assert merged.reasons == whole.reasons
    assert (merged.code, merged.receipt["nonce"]) == (1, "nonce-1")


def test_shards_that_find_each_other_in_the_bucket(world: World, tmp_path: Path) -> None:
    """As the Pods of an Indexed Job, all at once: one of them speaks for all, and its verdict is the run's."""
    world.fill(60)
    for number in range(4):
        world.save_locally(f"2026/new_{number}.pdf", pdf(f"new {number}"))
    processes = [
        world.start(
            "recover", "--settle", "0.1", "--shard", f"{index}/3", "--output", "bucket", receipt=tmp_path / f"{index}"
        )
        for index in range(3)
    ]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    receipts = [json.loads((tmp_path / f"{index}").read_text()) for index in range(3)]
    speakers = [receipt for receipt in receipts if not receipt["shard"]]
    assert speakers
    for receipt in speakers:
        assert (receipt["verdict"], receipt["population"], receipt["uploaded"]) == ("PASS", 64, 4)
        report = json.loads(world.get(receipt["report"].removeprefix(f"s3://{BUCKET}/")))
        assert (report["shard"], report["population"]["local"], report["probe"]["rounds"]) == (None, 64, 3)
    assert world.remote() == world.local()


def test_a_shard_that_cannot_know_ends_the_run(world: World, tmp_path: Path) -> None:
    world.fill(10)
    world.proxy.faults = Faults(status=403, code="AccessDenied", methods=frozenset({"PUT"}))
    process = world.start(
        "recover", "--settle", "0.1", "--shard", "1/3", "--output", "bucket", receipt=tmp_path / "receipt"
    )
    process.communicate(timeout=60)
    receipt = json.loads((tmp_path / "receipt").read_text())
    assert (process.returncode, receipt["verdict"], receipt["shard"]) == (2, "INCONCLUSIVE", "1/3")
    assert receipt["probe"] == "failed"


def test_repair_of_what_a_check_found(world: World, tmp_path: Path) -> None:
    world.fill(40)
    world.put("2026/cert_0001.pdf", pdf("rotten"))
    world.delete_remotely("2026/cert_0002.pdf")
    report = tmp_path / "backfill.json"
    process = world.start("check", "--settle", "0.1", "--min-age", "0", output=report)
    process.communicate(timeout=60)
    dry = world.run("repair", "--from-report", str(report), "--settle", "0.1")
    assert dry.verdict == (1, "FAIL", "DryRun")
    done = world.run("repair", "--from-report", str(report), "--settle", "0.1", "--apply")
    assert (done.verdict, done.receipt["uploaded"]) == ((0, "PASS", "Clean"), 2)
    assert world.remote() == world.local()


def test_probe_looks_around(world: World) -> None:
    ran = world.run("probe", "--probes", "2", "--probe-interval", "0.1")
    assert ran.verdict == (0, "PASS", "ProbeOk")
    states = {one["name"]: one["state"] for one in ran.report["findings"]}
    assert states == {"clock": "ok", "location": "ok", "lifecycle": "ok", "logging": "warning", "path": "ok"}
    assert set(ran.report["probe"]["steps"].values()) == {"ok"}
