"""`make test-rules`: every promtool test on Prometheus 2.42 (Debian's) and 3.16 (built from its Go module).

Windows are closed on the left in 2.x and open in 3.x, so both must agree. Ends with 1 when a test fails on either, and
with 2 when a promtool cannot be had: a version that was not tried is not a pass.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from tests.cluster import binaries, packages
from tests.cluster.errors import ClusterError
from tests.rules import phases, questions

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RULES = ROOT / "deploy" / "rules" / "cert-s3.yml"
DEMO_RULES = ROOT / "deploy" / "demo" / "generated" / "cert-s3.yml"


def version(promtool: Path) -> str:
    """The version a promtool reports, such as 2.42.0."""
    told = subprocess.run([promtool, "--version"], check=True, capture_output=True, text=True)
    found = re.search(r"version (\d+\.\d+\.\d+)", told.stdout + told.stderr)
    return found.group(1) if found else "unknown"


VERSIONS: dict[str, Callable[[], Path]] = {"2": lambda: packages.prometheus_2("promtool"), "3": binaries.promtool}
"""How to get each major version: installed from Debian, or built once into the user's cache; else a ClusterError."""


def write_tests(folder: Path) -> list[Path]:
    """All test files, those that phases.py and questions.py make among them, written into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for module in (phases, questions):
        path = folder / f"{module.__name__.rpartition('.')[2]}_test.yml"
        path.write_text(yaml.safe_dump(module.document(str(RULES)), width=1_000_000))
        made.append(path)
    return [*made, *sorted(HERE.glob("*_test.yml"))]


def check(promtool: Path, tests: list[Path]) -> str:
    """What one promtool complains about in the rule files and tests; nothing when all is well."""
    commands = [["check", "rules", RULES, DEMO_RULES], *(["test", "rules", path] for path in tests)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return "".join(pool.map(lambda command: _complaint([promtool, *command]), commands))


def _complaint(command: list[str | Path]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode != 0 else ""


def main() -> int:
    """Run all with both; see the module."""
    tests = write_tests(ROOT / "artifacts" / "rules")
    cases = sum(len(yaml.safe_load(path.read_text())["tests"]) for path in tests)
    good, missing = True, False
    for major, get in VERSIONS.items():
        try:
            promtool = get()
            if not version(promtool).startswith(f"{major}."):
                raise ClusterError(f"{promtool} is version {version(promtool)}, and {major}.x is wanted")
        except ClusterError as error:
            print(f"NOT TRIED: {error}", file=sys.stderr)
            missing = True
            continue
        complaints = check(promtool, tests)
        sys.stderr.write(complaints)
        print(f"promtool {version(promtool)}: {cases} cases {'FAILED' if complaints else 'passed'}")
        good = good and not complaints
    return 2 if missing else 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
