"""The mutation score of runbook/ from mutmut's last run, as artifacts/mutants.json; 1 where it is below the bar.

`--again`, before a run, forgets the mutants that lived and which test reaches what: tests may be new since. Those that
died stay so while mutmut finds their function unchanged; without .mutants/ all is done anew.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WORK, ARTIFACT = ROOT / ".mutants" / "mutants", ROOT / "artifacts" / "mutants.json"
BAR = 0.9
SURVIVED, NO_TESTS, REFUSED = 0, 33, 37
"""What mutmut notes of a mutant: the tests passed, no test reaches it, mypy refuses it. Any other number is a death."""
ALIVE = frozenset((SURVIVED, NO_TESTS))


def noted_by_mutmut() -> Iterator[tuple[Path, dict[str, Any]]]:
    """What mutmut keeps of each file."""
    for path in sorted((WORK / "src").rglob("*.meta")):
        yield path, json.loads(path.read_text("utf-8"))


def again() -> None:
    """Survivors are to be tried again, with every test that reaches them now."""
    for path, noted in noted_by_mutmut():
        codes = noted["exit_code_by_key"]
        noted["exit_code_by_key"] = {name: None if code in ALIVE else code for name, code in codes.items()}
        path.write_text(json.dumps(noted), encoding="utf-8")
    (WORK / "mutmut-stats.json").unlink(missing_ok=True)


def score() -> int:
    """Killed of all that type-check: a mutant that mypy refuses is no program, and one without a test has survived."""
    noted: dict[str, int | None] = {}
    for _, of_file in noted_by_mutmut():
        noted |= of_file["exit_code_by_key"]
    counts = Counter(noted.values())
    alive = sorted(name for name, code in noted.items() if code in ALIVE)
    tried = len(noted) - counts[REFUSED] - counts[None]
    killed = 1 - len(alive) / tried if tried else 0.0
    document = {
        "score": round(killed, 4),
        "bar": BAR,
        "mutants": len(noted),
        "refused_by_mypy": counts[REFUSED],
        "not_run": counts[None],
        "killed": tried - len(alive),
        "survived": counts[SURVIVED],
        "no_tests": counts[NO_TESTS],
        "survivors": alive,
    }
    ARTIFACT.parent.mkdir(exist_ok=True)
    ARTIFACT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    legal, dead = Counter(map(module_of, noted)), Counter[str]()
    for name, code in noted.items():
        legal[module_of(name)] -= code in (REFUSED, None)
        dead[module_of(name)] += code not in (REFUSED, None, *ALIVE)
    for module in sorted(legal):
        print(f"{module:16} {dead[module]:5} of {legal[module]:5} died")
    print(f"{'all':16} {tried - len(alive):5} of {tried:5} died: {killed:.1%}; {counts[None]} not tried yet")
    return int(killed < BAR)


def module_of(name: str) -> str:
    """The module of a mutant: the part of its name after the package."""
    return name.removeprefix("certstorage.runbook.").partition(".")[0]


if __name__ == "__main__":
    if sys.argv[1:] == ["--again"]:
        again()
    else:
        sys.exit(score())
