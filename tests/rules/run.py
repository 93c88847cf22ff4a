"""`make test-rules`: every promtool test on Prometheus 2.42 (Debian's) and 3.16 (built from its Go module).

Windows are closed on the left in 2.x and open in 3.x, so both must agree. Ends with 1 when a test fails on either, and
with 2 when a promtool cannot be had: a version that was not tried is not a pass.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.cluster import binaries
from tests.cluster.errors import ClusterError
from tests.rules.phases import document

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RULES = ROOT / "deploy" / "rules" / "cert-s3.yml"
DEMO_RULES = ROOT / "deploy" / "demo" / "generated" / "cert-s3.yml"


class MissingError(RuntimeError):
    """A promtool that cannot be had; the message says how to get it."""


def debian_promtool() -> Path:
    """promtool 2.x, installed from Debian where that is possible. Raises MissingError."""
    found = shutil.which("promtool")
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        install = ["apt-get", "install", "-y", "--no-install-recommends", "prometheus"]
        subprocess.run(
            install, check=False, stdout=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        )
        found = shutil.which("promtool")
    if found is None:
        raise MissingError("promtool 2.x is not installed: apt-get install prometheus")
    return Path(found)


def built_promtool() -> Path:
    """promtool 3.x, built once into the user's cache. Raises MissingError."""
    try:
        return binaries.promtool()
    except ClusterError as error:
        raise MissingError(f"promtool 3.x cannot be built: {error}") from error


def version(promtool: Path) -> str:
    """The version a promtool reports, such as 2.42.0."""
    told = subprocess.run([promtool, "--version"], check=True, capture_output=True, text=True)
    found = re.search(r"version (\d+\.\d+\.\d+)", told.stdout + told.stderr)
    return found.group(1) if found else "unknown"


def check(promtool: Path, phases: Path) -> bool:
    """All rule files and all tests with one promtool; its complaints go to standard error."""
    tests = sorted(HERE.glob("*_test.yml"))
    commands = [[promtool, "check", "rules", RULES, DEMO_RULES], [promtool, "test", "rules", *tests, phases]]
    good = True
    for command in commands:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            sys.stderr.write(done.stdout + done.stderr)
            good = False
    cases = sum(len(yaml.safe_load(test.read_text())["tests"]) for test in [*tests, phases])
    print(f"promtool {version(promtool)}: {cases} cases {'passed' if good else 'FAILED'}")
    return good


def main() -> int:
    """Run all with both; see the module."""
    phases = ROOT / "artifacts" / "rules" / "phases_test.yml"
    phases.parent.mkdir(parents=True, exist_ok=True)
    phases.write_text(yaml.safe_dump(document(str(RULES)), width=1_000_000))
    wanted: list[tuple[str, Callable[[], Path]]] = [("2", debian_promtool), ("3", built_promtool)]
    good, missing = True, False
    for major, get in wanted:
        try:
            promtool = get()
            if not version(promtool).startswith(f"{major}."):
                raise MissingError(f"{promtool} is version {version(promtool)}, and {major}.x is wanted")
            good = check(promtool, phases) and good
        except MissingError as error:
            print(f"NOT TRIED: {error}", file=sys.stderr)
            missing = True
    return 2 if missing else 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
