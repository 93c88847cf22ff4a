"""Explore every world and every seeded bug on two cores, and write artifacts/model.json.

python -m tests.model.run [WORLD or BUG ...]
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.model import liveness
from tests.model.explore import Explored, Explorer, Violation
from tests.model.invariants import INVARIANTS, LIVENESS
from tests.model.pairs import Pairs, unlike
from tests.model.seeded import BUGS
from tests.model.state import CHECK_SECONDS, REAL
from tests.model.worlds import BY_NAME, HEALTH, WORLDS

ARTIFACT = Path(__file__).parents[2] / "artifacts" / "model.json"
CORES = 2
ATTEMPT = timedelta(seconds=REAL.hold_seconds + CHECK_SECONDS) + liveness.JOB + 2 * liveness.ROLLOUT
LIVENESS_BOUND_SECONDS = int((2 * REAL.backoff_cap + ATTEMPT).total_seconds())
"""What is promised: two of the longest back-offs and one attempt. One back-off may be running; the other follows where
somebody has made a Job under the next attempt's name."""
PAIRS = 100
"""Pairs of states of one key that are compared in each world."""
SHOWN = 3
"""Violations kept of each invariant and world."""


@dataclass
class Summary:
    """What became of one world."""

    world: str
    states: int
    transitions: int
    passes: int
    frontier: int
    seconds: float
    liveness_seconds: float = 0.0
    liveness_path: tuple[str, ...] = ()
    violations: list[Violation] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)
    pairs: int = 0
    violated: dict[str, int] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    steps: set[tuple[str, str, str]] = field(default_factory=set)


@dataclass
class Hunt:
    """What became of one seeded bug: the violation that shows it, if it was found."""

    bug: str
    invariant: str
    world: str
    states: int
    seconds: float
    found: Violation | None


def explore(name: str) -> Summary:
    """Explore a world to the end, and follow the way back from each of its states."""
    begun = time.monotonic()
    gc.disable()  # states have no cycles, and it would look through all of them again and again
    explorer = Pairs(BY_NAME[name], PAIRS, INVARIANTS)
    found = explorer.run()
    counted = Counter(violation.invariant for violation in found.violations)
    kept = [one for name in counted for one in [v for v in found.violations if v.invariant == name][:SHOWN]]
    bound = liveness.Bound()
    stuck = None
    try:
        bound = liveness.bound(found.states, HEALTH)
    except liveness.StuckError as error:
        stuck = _stuck(found, str(error))
    if stuck is not None:
        kept.append(stuck)
        counted[LIVENESS] += 1
    return Summary(
        world=name,
        states=len(found.states),
        transitions=found.transitions,
        passes=found.passes,
        frontier=found.frontier,
        seconds=time.monotonic() - begun,
        liveness_seconds=bound.seconds,
        liveness_path=bound.path,
        violations=kept,
        unlike=unlike(explorer),
        pairs=len(explorer.kept),
        violated=dict(counted),
        reasons=found.reasons,
        steps=found.steps,
    )


def _stuck(found: Explored, wrong: str) -> Violation | None:
    """The first state from which nothing comes back within the bound, with its trace."""
    for index, state in enumerate(found.states):
        path = liveness.Path(liveness.in_real_time(state), HEALTH)
        try:
            seconds = path.follow()
        except liveness.StuckError as error:
            return Violation(LIVENESS, f"nothing comes back: {error}", found.trace(index))
        if seconds > LIVENESS_BOUND_SECONDS:
            return Violation(LIVENESS, f"it takes {seconds:.0f} s to come back: {path.told}", found.trace(index))
    return Violation(LIVENESS, wrong, []) if wrong else None


def hunt(number: int) -> Hunt:
    """Explore with a bug in the core until its invariant breaks."""
    bug, begun = BUGS[number], time.monotonic()
    world = BY_NAME[bug.world]
    if bug.invariant == LIVENESS:
        with bug.planted():
            found = Explorer(world, {}).run(most_states=2000)
            violation = _stuck(found, "")
    else:
        found = Explorer(world, {bug.invariant: INVARIANTS[bug.invariant]}, bug=bug.planted()).run()
        violation = next(iter(found.violations), None)
    return Hunt(bug.name, bug.invariant, bug.world, len(found.states), time.monotonic() - begun, violation)


def everything() -> tuple[list[Summary], list[Hunt]]:
    """All worlds, the largest first, and all bugs, on two cores."""
    with ProcessPoolExecutor(CORES) as pool:
        worlds = [pool.submit(explore, world.name) for world in sorted(WORLDS, key=lambda one: -one.weight)]
        hunts = [pool.submit(hunt, number) for number in range(len(BUGS))]
        return [one.result() for one in worlds], [one.result() for one in hunts]


def report(summaries: Sequence[Summary], hunts: Sequence[Hunt], seconds: float) -> dict[str, object]:
    """The artifact."""
    worst = max(summaries, key=lambda one: one.liveness_seconds)
    return {
        "states": sum(one.states for one in summaries),
        "transitions": sum(one.transitions for one in summaries),
        "decisions": sum(one.passes for one in summaries),
        "frontier": sum(one.frontier for one in summaries),
        "seconds": round(seconds, 1),
        "bounds": {world.name: world.bounds() for world in WORLDS},
        "invariants": [*INVARIANTS, LIVENESS],
        "violations": sum(sum(one.violated.values()) for one in summaries),
        "violated": [asdict(violation) for one in summaries for violation in one.violations],
        "seeded_bugs": len(hunts),
        "seeded_bugs_found": sum(one.found is not None for one in hunts),
        "seeded": [asdict(one) for one in hunts],
        "liveness_bound_seconds": worst.liveness_seconds,
        "liveness_assumes": {"rollout_seconds": liveness.ROLLOUT.seconds, "job_seconds": liveness.JOB.seconds},
        "liveness_path": worst.liveness_path,
        "reasons": sorted(set().union(*(one.reasons for one in summaries))),
        "steps": sorted(set().union(*(one.steps for one in summaries))),
        "worlds": [
            {
                "name": one.world,
                "states": one.states,
                "transitions": one.transitions,
                "decisions": one.passes,
                "frontier": one.frontier,
                "liveness_seconds": one.liveness_seconds,
                "pairs_of_one_key": one.pairs,
                "go_on_differently": one.unlike,
                "seconds": round(one.seconds, 1),
            }
            for one in summaries
        ],
    }


def write(document: dict[str, object]) -> None:
    """Write the artifact."""
    ARTIFACT.parent.mkdir(parents=True, exist_ok=True)
    ARTIFACT.write_text(json.dumps(document, indent=1, default=str) + "\n")


def lines(summaries: Sequence[Summary], hunts: Sequence[Hunt]) -> list[str]:
    """The whole of it in words."""
    said = []
    for one in summaries:
        said.append(
            f"world {one.world}: {one.states} states, {one.transitions} transitions, {one.passes} decisions, "
            f"frontier {one.frontier}, back within {one.liveness_seconds:.0f} s, {one.seconds:.1f} s, "
            f"violations {one.violated or 'none'}, of {one.pairs} pairs of one key {len(one.unlike)} go on differently"
        )
        for violation in one.violations:
            said += [f"  {violation.invariant}: {violation.wrong}", *(f"    {step}" for step in violation.trace)]
    for hunted in hunts:
        verdict = "not found" if hunted.found is None else hunted.found.wrong
        said.append(f"bug {hunted.bug} ({hunted.invariant}, {hunted.world}, {hunted.seconds:.1f} s): {verdict}")
        said += [f"    {step}" for step in (hunted.found.trace if hunted.found is not None else ())]
    return said


def main(names: Sequence[str]) -> int:
    """Run what is named, or everything."""
    begun = time.monotonic()
    if names:
        summaries = [explore(name) for name in names if name in BY_NAME]
        hunts = [hunt(number) for number, bug in enumerate(BUGS) if bug.name in names or bug.invariant in names]
    else:
        summaries, hunts = everything()
        write(report(summaries, hunts, time.monotonic() - begun))
    print("\n".join(lines(summaries, hunts)))
    return int(any(one.violated for one in summaries) or any(one.found is None for one in hunts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
