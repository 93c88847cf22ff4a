"""Whatever the way to S3 does: no false PASS, no false "missing", a clear reason, and code 2 where it cannot know."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.component.validator.faults import Faults
from tests.component.validator.world import World, pdf

READS = frozenset({"GET", "HEAD"})


def test_a_fifth_of_all_requests_refused(world: World) -> None:
    world.fill(150)
    world.delete_remotely("2026/cert_0003.pdf")
    world.proxy.faults = Faults(share=0.2, status=503)
    ran = world.check()
    assert ran.reasons == {"2026/cert_0003.pdf": "missing_in_s3"}
    assert (ran.report["error_count"], ran.report["unverified_count"]) == (0, 0)
    assert world.proxy.faults.hits > 20


def test_a_recovery_under_refusals(world: World) -> None:
    world.fill(40)
    for number in range(10):
        world.save_locally(f"2026/new_{number}.pdf", pdf(f"new {number}"))
    (world.root / "2026/cert_0001.pdf").unlink()
    world.proxy.faults = Faults(share=0.2, status=503)
    ran = world.recover()
    assert ran.verdict == (0, "PASS", "Clean")
    assert world.remote() == world.local()


def test_everything_refused(world: World) -> None:
    world.fill(5)
    world.proxy.faults = Faults(status=503)
    ran = world.recover()
    assert ran.code == 2
    assert "503" in ran.report["message"]
    assert (ran.receipt["verdict"], ran.receipt["probe"]) == ("INCONCLUSIVE", "failed")


def test_bodies_refused_after_a_good_listing(world: World) -> None:
    world.fill(12)
    world.proxy.faults = Faults(status=500, keys="cert_", methods=READS)
    ran = world.check()
    assert ran.verdict == (2, "INCONCLUSIVE", "Errors")
    assert (ran.report["mismatch_count"], ran.report["error_count"]) == (0, 12)


def test_retry_after_is_honoured(world: World) -> None:
    """It shows in the second refusal: after the first the request goes the plain way."""
    refused = world.fill(30)[7]
    world.proxy.faults = Faults(status=429, code="TooManyRequests", retry_after=1, keys=refused, first=2)
    ran = world.check()
    assert ran.verdict == (0, "PASS", "Clean")
    assert world.proxy.faults.hits == 2
    _, told, again = (at for at, _, target in world.proxy.requests if refused in target)
    assert again - told >= 1


def test_connections_reset(world: World) -> None:
    world.fill(100)
    world.proxy.faults = Faults(share=0.1, reset=True)
    ran = world.check()
    assert ran.verdict == (0, "PASS", "Clean")
    assert world.proxy.faults.hits > 5


def test_slow_answers(world: World) -> None:
    world.fill(200)
    world.proxy.faults = Faults(latency=0.02)
    ran = world.check()
    assert ran.verdict == (0, "PASS", "Clean")


def test_a_black_hole_is_told_in_time(world: World) -> None:
    world.fill(5)
    world.proxy.faults = Faults(swallow=True)
    ran = world.recover(CERT_S3_READ_TIMEOUT="1")
    assert ran.code == 2
    assert ran.receipt["verdict"] == "INCONCLUSIVE"


def test_a_run_in_a_black_hole_can_be_stopped(world: World) -> None:
    world.fill(50)
    world.proxy.faults = Faults(swallow=True, keys="cert_")
    output, receipt = world.root.with_name("report.json"), world.root.with_name("receipt.json")
    process = world.start("check", output=output, receipt=receipt)
    await_requests(world, "cert_")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=15)
    report = json.loads(output.read_text())
    assert (process.returncode, report["partial"], report["verdict_detail"]) == (2, True, "Interrupted")
    assert json.loads(receipt.read_text())["detail"] == "Interrupted"
    assert "Traceback" not in said


def await_requests(world: World, part: str, count: int = 1) -> None:
    """Until so many requests for such keys were made."""
    deadline = time.monotonic() + 60
    while sum(part in target for _, _, target in list(world.proxy.requests)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_bytes_flipped_on_the_way_are_no_mismatch(world: World) -> None:
    world.fill(60)
    world.proxy.faults = Faults(share=0.05, flip="once", methods=frozenset({"GET"}))
    ran = world.check()
    assert (ran.report["status"], ran.reasons) == ("PASS", {})


def test_bytes_flipped_in_every_transfer_are_an_error(world: World) -> None:
    world.fill(3)
    big = pdf("large enough never to be flipped twice at one place", 200_000)
    world.save("big.pdf", big)
    world.proxy.faults = Faults(flip="once", keys="big", methods=frozenset({"GET"}))
    ran = world.check()
    assert (ran.code, ran.report["mismatch_count"], ran.report["error_count"]) == (2, 0, 1)


@pytest.mark.parametrize(
    ("status", "code", "detail"),
    [
        (400, "ExpiredToken", "BadCredentials"),
        (403, "RequestTimeTooSkewed", "ClockSkewed"),
        (403, "AccessDenied", "AccessDenied"),
        (404, "NoSuchBucket", "NoSuchBucket"),
    ],
)
def test_what_everything_meets_has_its_own_reason(world: World, status: int, code: str, detail: str) -> None:
    world.fill(5)
    world.proxy.faults = Faults(status=status, code=code)
    ran = world.check()
    assert ran.verdict == (2, "INCONCLUSIVE", detail)
    assert code in ran.report["message"]
    assert ran.report["mismatch_count"] == 0


@pytest.mark.parametrize("minutes", [20, -20])
def test_a_probe_says_how_far_the_clock_is_off(world: World, minutes: int) -> None:
    there = datetime.now(UTC) - timedelta(minutes=minutes)
    world.proxy.faults = Faults(status=403, code="RequestTimeTooSkewed", date=format_datetime(there, usegmt=True))
    ran = world.run("probe")
    (clock,) = [one for one in ran.report["findings"] if one["name"] == "clock"]
    assert (ran.code, clock["state"]) == (1, "warning")
    assert abs(int(clock["detail"].split(" s ")[0]) - 60 * minutes) < 30


def test_credentials_that_expire_during_the_run(world: World) -> None:
    world.fill(60)
    world.proxy.faults = Faults(status=400, code="ExpiredToken", keys="cert_005")
    ran = world.check()
    assert ran.verdict == (2, "INCONCLUSIVE", "BadCredentials")


def test_wrong_credentials_for_real(world: World) -> None:
    world.fill(3)
    ran = world.check(AWS_SECRET_ACCESS_KEY="wrong")
    assert ran.verdict == (2, "INCONCLUSIVE", "BadCredentials")
    assert "SignatureDoesNotMatch" in ran.report["message"]


def test_a_bucket_that_goes_during_the_run(world: World) -> None:
    world.fill(60)
    world.proxy.faults = Faults(status=404, code="NoSuchBucket", keys="cert_003", methods=frozenset({"GET"}))
    ran = world.check()
    assert ran.verdict == (2, "INCONCLUSIVE", "NoSuchBucket")


def test_a_404_of_a_proxy_is_no_missing_object(world: World) -> None:
    world.fill(30)
    world.proxy.faults = Faults(status=404, code="no route", keys="cert_0007", methods=frozenset({"GET"}))
    ran = world.check()
    assert (ran.code, ran.reasons, ran.report["error_count"]) == (2, {}, 1)


def test_a_right_that_is_missing_is_named(world: World) -> None:
    world.fill(3)
    world.proxy.faults = Faults(status=403, code="AccessDenied", methods=frozenset({"DELETE"}))
    ran = world.run("probe", "--no-findings")
    assert (ran.code, ran.report["probe"]["steps"]["PutObject"]) == (1, "ok")
    assert "AccessDenied" in ran.report["probe"]["steps"]["ConditionalDelete"]


def test_nobody_is_listening(world: World) -> None:
    world.fill(3)
    ran = world.check(AWS_ENDPOINT_URL_S3="http://127.0.0.1:1")
    assert ran.verdict[:2] == (2, "INCONCLUSIVE")
    assert ran.report["mismatch_count"] == 0


def test_no_room_for_the_report(world: World) -> None:
    world.fill(3)
    output, receipt = world.root.with_name("report.json"), world.root.with_name("receipt.json")
    receipt.touch()
    program = str(Path(sys.executable).with_name("s3-backfill-validator"))
    process = subprocess.run(
        [program, "check", "--settle", "0.1", "--output", str(output)],
        env=world.environment(CERT_TERMINATION_MESSAGE=str(receipt)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_500, 1_500)),
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert (process.returncode, output.exists()) == (2, False)
    assert json.loads(receipt.read_text())["detail"] == "ReportNotKept"


def test_a_full_disk_for_the_report(world: World) -> None:
    world.fill(3)
    receipt = world.root.with_name("receipt.json")
    process = world.start("check", "--settle", "0.1", output=Path("/dev/full"), receipt=receipt)
    _, said = process.communicate(timeout=60)
    told = json.loads(receipt.read_text())
    assert (process.returncode, told["verdict"], told["detail"]) == (2, "INCONCLUSIVE", "ReportNotKept")
    assert "No space left on device" in said


def test_a_file_that_cannot_be_read_is_an_error(world: World) -> None:
    world.fill(300)
    (world.root / "2026/cert_0005.pdf").unlink()
    (world.root / "2026/cert_0005.pdf").mkdir()
    ran = world.check()
    assert (ran.report["error_count"], ran.reasons) == (1, {})
    assert (ran.report["status"], ran.report["upper_bound_percent"] > 0) == ("PASS", True)


def test_killed_and_resumed(world: World, kills: int) -> None:
    """Killed at random moments, it goes on where it was and reports what an undisturbed run reports."""
    world.fill(400)
    for number in (3, 77):
        world.put(f"2026/cert_{number:04}.pdf", pdf("rotten"))
    arguments = ("--sample-rate", "1", "--workers", "8")
    alone = world.check(*arguments)
    dice = random.Random(kills)
    world.proxy.faults = Faults(latency=0.03)
    marks = world.root.with_name("marks")
    for _ in range(kills):
        world.proxy.requests.clear()
        process = world.start("check", "--settle", "0.3", "--min-age", "0", *arguments, CERT_CHECKPOINT=str(marks))
        await_requests(world, "cert_", dice.randrange(1, 60))
        process.kill()
        process.communicate(timeout=30)
    world.proxy.requests.clear()
    resumed = world.check(*arguments, CERT_CHECKPOINT=str(marks))
    assert not marks.exists()
    assert told(resumed.report) == told(alone.report)
    assert resumed.code == alone.code


def told(report: dict[str, object]) -> dict[str, object]:
    """A report without its times."""
    differ = ("started_at", "finished_at", "sampling")
    details = report["mismatch_details"]
    assert isinstance(details, list)
    rest = {name: value for name, value in report.items() if name not in differ}
    return {**rest, "mismatch_details": sorted(details, key=lambda one: one["key"])}


def test_load_is_held_to_what_was_asked_for(world: World) -> None:
    world.fill(60)
    world.proxy.requests.clear()
    ran = world.check("--max-requests", "40")
    assert ran.code == 0
    gets = [at for at, method, target in world.proxy.requests if method == "GET" and "cert_" in target]
    assert len(gets) == 60
    assert max(gets) - min(gets) >= (60 - 40) / 40 - 0.1
