"""The mutation score of runbook/ from mutmut's last run, as artifacts/mutants.json; 1 where it is below the bar."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS, ARTIFACT = ROOT / ".mutants" / "mutants" / "src", ROOT / "artifacts" / "mutants.json"
BAR = 0.9
SURVIVED, NO_TESTS, REFUSED = 0, 33, 37
"""What mutmut notes of a mutant: the tests passed, no test reaches it, mypy refuses it. Any other number is a death."""


def main() -> int:
    """Killed of all that type-check: a mutant that mypy refuses is no program, and one without a test has survived."""
    noted: dict[str, int | None] = {}
    for path in sorted(RESULTS.rglob("*.meta")):
        noted |= json.loads(path.read_text("utf-8"))["exit_code_by_key"]
    counts = Counter(noted.values())
    alive = sorted(name for name, code in noted.items() if code in (SURVIVED, NO_TESTS))
    tried = len(noted) - counts[REFUSED] - counts[None]
    score = 1 - len(alive) / tried if tried else 0.0
    document = {
        "score": round(score, 4),
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
    print(json.dumps({name: value for name, value in document.items() if name != "survivors"}))
    return int(score < BAR)


if __name__ == "__main__":
    sys.exit(main())
