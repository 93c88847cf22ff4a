"""How long one decision takes: the median over situations of every kind, in microseconds, as artifacts/bench/core.json.

make bench-core
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from certstorage.api.decision import Decision
from certstorage.api.signals import SignalName, Verdict
from certstorage.runbook.decide import decide
from tests.unit.runbook.world import World, healthy, hidden_outage, outage

OUTPUT = Path(__file__).parents[1] / "artifacts" / "bench" / "core.json"
BUDGET_US = 100.0
ROUNDS, CALLS = 15, 200
HOLD = 600


def idle() -> World:
    """Nothing is held: by far the most passes."""
    world = World()
    world.settle()
    return world


def first() -> World:
    """An outage is seen for the first time."""
    world = idle()
    world.signals = outage()
    return world


def held() -> World:
    """Reads are local, S3 is still down."""
    world = first()
    world.step()
    world.signals = hidden_outage()
    world.settle()
    return world


def validating() -> World:
    """The recovery Job runs."""
    world = held()
    world.signals = healthy()
    world.step(60)
    world.step(HOLD)
    world.settle()
    return world


def passed() -> World:
    """The recovery Job has passed: the decision to go back."""
    world = validating()
    world.finish()
    return world


def degraded() -> World:
    """Scenario 2 is in work."""
    world = idle()
    world.signals = healthy(DEGRADED=Verdict.FIRING)
    world.step(60)
    world.settle()
    return world


SITUATIONS: Mapping[str, Callable[[], World]] = {
    one.__name__: one for one in (idle, first, held, validating, passed, degraded)
}


def measure(world: World) -> tuple[float, Decision]:
    """Microseconds of one decision in this situation, the median of rounds."""
    seen, status, policy, now = world.see(), world.status, world.policy, world.now
    decision = decide(policy, seen, status, now)
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter_ns()
        for _ in range(CALLS):
            decide(policy, seen, status, now)
        taken.append((time.perf_counter_ns() - begun) / CALLS / 1000)
    return statistics.median(taken), decision


def main() -> int:
    """Measure every situation; 1 when the median of them is over the budget."""
    figures = {name: measure(make())[0] for name, make in SITUATIONS.items()}
    median = statistics.median(figures.values())
    document = {
        "decide_us": round(median, 1),
        "budget_us": BUDGET_US,
        "situations_us": {name: round(value, 1) for name, value in figures.items()},
        "signals": len(SignalName),
        "python": sys.version.split()[0],
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps(document, indent=2))
    return int(median > BUDGET_US)


if __name__ == "__main__":
    sys.exit(main())
