"""The validator beside `rclone check`: the same trees, the same damage, the same findings, run in turns.

python -m bench.validator [--sizes 10000,100000] [--tiers list,byte] [--runs 3] [--output …/validator.json]

Both run against SeaweedFS on this machine, with warm caches, the validator on the best compiled Python there is. Runs
of other sizes and tiers that the output has already are kept. Small sizes run oftener than --runs says.
`list_ratio` and `byte_ratio` are our objects per second over rclone's (the best of its settings), `byte_cpu_ratio` our
CPU seconds over those of that same setting; each the median of the runs, the worst of all sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3

from bench import validator_process as process
from bench.interpreter import ROOT, equipped
from bench.validator_memory import measure_memory
from tests.component.validator.seaweed import ACCESS_KEY, SECRET_KEY, seaweed

BUCKET = "bench"
PROGRAMS = Path(sys.executable).parent
LIST_CHECKERS, BYTE_CHECKERS = (8, 16, 32), (8, 16, 32, 64)
DAMAGED = 5
SMALL, OFTENER = 20_000, 3
"""Up to so many files are compared in seconds: so many times as often, or a median says little."""


@dataclass(frozen=True)
class Case:
    """One way to compare the copies."""

    tier: str
    tool: str
    setting: str
    command: list[str]


@dataclass(frozen=True)
class Run:
    """One run: wall and CPU seconds, largest resident set (of all processes), objects per second, what was found."""

    objects: int
    tier: str
    tool: str
    setting: str
    wall_seconds: float
    cpu_seconds: float
    rss_mib: float
    objects_per_second: float
    findings: dict[str, list[str]]


class Copies:
    """A tree and a bucket that hold the same but for some damage."""

    def __init__(self, folder: Path, count: int, port: int, validator: Sequence[str]) -> None:
        self.root = folder / f"tree-{count}"
        self.prefix = f"tree-{count}/"
        self.count = count
        self._port = port
        self._validator = validator
        self._folder = folder
        self.largest = 65_536 if count <= SMALL else 16_384

    def make(self) -> None:
        """Write the files, upload them with rclone, then damage some objects."""
        dice = random.Random(self.count)
        for number in range(self.count):
            folder = self.root / f"{number // 1000:04}"
            folder.mkdir(parents=True, exist_ok=True)
            body = dice.randbytes(dice.randint(1_000, self.largest))
            (folder / f"cert_{number:07}.pdf").write_bytes(b"%PDF-1.7\n" + body + b"\n%%EOF\n")
        subprocess.run(
            [*self.rclone("copy"), "--transfers", "16", "--no-check-dest", "--s3-no-check-bucket"],
            env=self.environment(),
            check=True,
            capture_output=True,
        )
        self._damage(dice)

    def _damage(self, dice: random.Random) -> None:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self._port}",
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        numbers = dice.sample(range(self.count), 3 * DAMAGED)
        for place, number in enumerate(numbers):
            name = f"{number // 1000:04}/cert_{number:07}.pdf"
            data = (self.root / name).read_bytes()
            if place < DAMAGED:
                client.delete_object(Bucket=BUCKET, Key=self.prefix + name)
            elif place < 2 * DAMAGED:
                client.put_object(Bucket=BUCKET, Key=self.prefix + name, Body=data[:500] + b"!" + data[501:])
            else:
                client.put_object(Bucket=BUCKET, Key=self.prefix + name, Body=data[:-100])
        for number in range(DAMAGED):
            client.put_object(Bucket=BUCKET, Key=f"{self.prefix}0000/extra_{number}.pdf", Body=b"extra")

    def environment(self) -> dict[str, str]:
        """For both tools; Python may keep its bytecode, as it does in an image."""
        endpoint = f"http://127.0.0.1:{self._port}"
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPYCACHEPREFIX": str(self._folder / "pycache"),
            "CERT_S3_BUCKET": BUCKET,
            "CERT_S3_PREFIX": self.prefix,
            "CERT_LOCAL_PATH": str(self.root),
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "RCLONE_CONFIG": str(self._folder / "none.conf"),
            "RCLONE_CONFIG_S_TYPE": "s3",
            "RCLONE_CONFIG_S_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_S_ENV_AUTH": "true",
            "RCLONE_CONFIG_S_ENDPOINT": endpoint,
        }

    def rclone(self, verb: str) -> list[str]:
        """rclone between both copies."""
        return [str(PROGRAMS / "rclone"), verb, str(self.root), f"S:{BUCKET}/{self.prefix}"]

    def cases(self) -> list[Case]:
        """Every setting of both tools."""
        ours = [*self._validator, "check", "--settle", "0", "--min-age", "0"]
        listing = ["--sample-rate", "0", "--min-sample", "1", "--no-grow"]
        cases = [Case("list", "validator", "default", [*ours, *listing])]
        for checkers in LIST_CHECKERS:
            options = ["--checkers", str(checkers)]
            cases.append(Case("list", "rclone", f"{checkers} checkers", [*self.rclone("check"), *options]))
        cases.append(Case("list", "rclone", "fast-list", [*self.rclone("check"), "--checkers", "16", "--fast-list"]))
        cases.append(Case("byte", "validator", "default", [*ours, "--sample-rate", "1"]))
        for checkers in BYTE_CHECKERS:
            options = ["--download", "--checkers", str(checkers)]
            cases.append(Case("byte", "rclone", f"{checkers} checkers", [*self.rclone("check"), *options]))
        return cases

    def run(self, case: Case) -> Run:
        """Run one case once."""
        output = self._folder / "output"
        output.unlink(missing_ok=True)
        command = [*case.command, "--output" if case.tool == "validator" else "--combined", str(output)]
        taken = process.run(command, self.environment())
        read = self._validator_found if case.tool == "validator" else self._rclone_found
        return Run(
            self.count,
            case.tier,
            case.tool,
            case.setting,
            taken.wall_seconds,
            taken.cpu_seconds,
            taken.rss_mib,
            round(self.count / taken.wall_seconds, 1),
            read(output),
        )

    def _validator_found(self, output: Path) -> dict[str, list[str]]:
        outcomes = {"missing_in_s3": "missing", "extra_in_s3": "extra", "different": "differs"}
        found: dict[str, list[str]] = {name: [] for name in outcomes.values()}
        for one in json.loads(output.read_text())["mismatch_details"]:
            found[outcomes[one["outcome"]]].append(one["key"].removeprefix(self.prefix))
        return {name: sorted(keys) for name, keys in found.items()}

    def _rclone_found(self, output: Path) -> dict[str, list[str]]:
        sigils = {"+": "missing", "-": "extra", "*": "differs"}
        found: dict[str, list[str]] = {name: [] for name in sigils.values()}
        for line in output.read_text().splitlines():
            if line[0] in sigils:
                found[sigils[line[0]]].append(line[2:])
        return {name: sorted(keys) for name, keys in found.items()}


def compare(runs: Sequence[Run]) -> dict[str, Any]:
    """The medians of one size: ours over the best setting of rclone."""
    found: dict[str, Any] = {}
    for tier in sorted({run.tier for run in runs}):
        settings = {(run.tool, run.setting) for run in runs if run.tier == tier}
        medians = {
            setting: {
                name: statistics.median(getattr(run, name) for run in runs if run.tier == tier and key(run) == setting)
                for name in ("wall_seconds", "cpu_seconds", "objects_per_second", "rss_mib")
            }
            for setting in settings
        }
        ours = medians["validator", "default"]
        rivals = {setting: figures for (tool, setting), figures in medians.items() if tool == "rclone"}
        best = max(rivals, key=lambda setting: rivals[setting]["objects_per_second"])
        found[tier] = {
            "validator": ours,
            "rclone": rivals,
            "rclone_best": best,
            "ratio": round(ours["objects_per_second"] / rivals[best]["objects_per_second"], 3),
            "cpu_ratio": round(ours["cpu_seconds"] / rivals[best]["cpu_seconds"], 3),
        }
    findings = {json.dumps(run.findings, sort_keys=True) for run in runs}
    found["same_findings"] = len(findings) == 1
    return found


def key(run: Run) -> tuple[str, str]:
    """Who ran, with which setting."""
    return run.tool, run.setting


def bench(sizes: Sequence[int], tiers: Sequence[str], rounds: int, folder: Path, validator: Sequence[str]) -> list[Run]:
    """Every case of every size, in turns; prints as it goes."""
    runs: list[Run] = []
    with seaweed(folder) as port:
        for count in sizes:
            copies = Copies(folder, count, port, validator)
            began = time.monotonic()
            copies.make()
            print(f"{count} files made and uploaded in {time.monotonic() - began:.0f} s", flush=True)
            copies.run(copies.cases()[0])
            cases = [case for case in copies.cases() if case.tier in tiers]
            repeated = rounds * OFTENER if count <= SMALL else rounds
            for number in range(repeated):
                for case in cases:
                    run = copies.run(case)
                    runs.append(run)
                    print(
                        f"{number + 1}/{repeated} {run.tier} {run.tool:<9} {run.setting:<11} {run.wall_seconds:7.2f} s "
                        f"{run.objects_per_second:8.0f}/s  CPU {run.cpu_seconds:6.2f} s  {run.rss_mib:5.0f} MiB",
                        flush=True,
                    )
    return runs


def summed_up(runs: Sequence[Run]) -> dict[str, Any]:
    """The figures of all runs, and the runs."""
    sizes = sorted({run.objects for run in runs})
    by_size = {str(count): compare([run for run in runs if run.objects == count]) for count in sizes}
    return {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
        "list_ratio": min(_of_tier(by_size, "list", "ratio"), default=None),
        "byte_ratio": min(_of_tier(by_size, "byte", "ratio"), default=None),
        "byte_cpu_ratio": max(_of_tier(by_size, "byte", "cpu_ratio"), default=None),
        "same_findings": all(one["same_findings"] for one in by_size.values()),
        "sizes": by_size,
        "runs": [asdict(run) for run in runs],
    }


def _of_tier(by_size: dict[str, Any], tier: str, name: str) -> list[float]:
    return [one[tier][name] for one in by_size.values() if tier in one]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--tiers", default="list,byte")
    parser.add_argument("--runs", type=int, default=3, help=f"{OFTENER} times as many of up to {SMALL} files")
    parser.add_argument("--keys", type=int, default=1_000_000, help="for the memory; 0 leaves it out")
    parser.add_argument("--output", type=Path, default=Path("artifacts/bench/validator.json"))
    arguments = parser.parse_args()
    sizes, tiers = [int(size) for size in arguments.sizes.split(",")], arguments.tiers.split(",")
    known = json.loads(arguments.output.read_text()) if arguments.output.exists() else {"runs": []}
    with tempfile.TemporaryDirectory(prefix="bench-validator-") as name:
        runs = [Run(**run) for run in known["runs"] if run["objects"] not in sizes or run["tier"] not in tiers]
        folder = Path(name)
        python = equipped(folder / "python")
        print(f"the validator runs on {python.resolve()}", flush=True)
        validator = [str(python), str(ROOT / "scripts" / "s3_backfill_validator.py")]
        found = summed_up(runs + bench(sizes, tiers, arguments.runs, folder, validator))
        found["machine"]["interpreter"] = str(python.resolve())
        found["memory"] = measure_memory(arguments.keys, folder, validator) if arguments.keys else known.get("memory")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(found, indent=2) + "\n")
    figures = {name: found[name] for name in ("list_ratio", "byte_ratio", "byte_cpu_ratio", "same_findings")}
    print(json.dumps({**figures, "memory": found["memory"]}, indent=2))


if __name__ == "__main__":
    main()
