"""The mutation score of runbook/ from mutmut's last run, as artifacts/mutants.json; 1 where it is below the bar."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATS, ARTIFACT = ROOT / "mutants" / "mutmut-cicd-stats.json", ROOT / "artifacts" / "mutants.json"
BAR = 0.9


def main() -> int:
    """Killed and timed out, of all that were tried."""
    stats = json.loads(STATS.read_text())
    found = stats["killed"] + stats["timeout"]
    tried = found + stats["survived"] + stats["suspicious"]
    score = found / tried if tried else 0.0
    ARTIFACT.parent.mkdir(exist_ok=True)
    ARTIFACT.write_text(json.dumps({"score": round(score, 4), "bar": BAR, **stats}, indent=1) + "\n")
    print(ARTIFACT.read_text())
    return int(score < BAR)


if __name__ == "__main__":
    sys.exit(main())
