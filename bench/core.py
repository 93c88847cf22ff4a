"""How long one decision takes, over every pass of a day with all kinds of trouble, as artifacts/bench/core.json.

The day has a night's validation, a degradation and an outage of an hour with its way back; passes come when the core
asks for them. Each pass is decided again and again, and its median counts. make bench-core
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from certstorage.api.decision import Decision
from certstorage.api.env import EnvVar
from certstorage.api.observed import FireTimes, Observation
from certstorage.api.policy import Policy
from certstorage.api.status import Status
from certstorage.runbook.decide import decide
from tests.unit.runbook.stories import firing
from tests.unit.runbook.world import World, healthy, hidden_outage, outage

OUTPUT = Path(__file__).parents[1] / "artifacts" / "bench" / "core.json"
BUDGET_US = 100.0
ROUNDS, CALLS = 7, 20
HOUR = 3600


class Kind(StrEnum):
    """What a pass does."""

    STEADY = "steady"
    """Nothing is held, nothing is written."""
    HELD = "held"
    """Something is held or in work, and nothing is written: most passes of an incident."""
    WRITES = "writes"
    """The Deployment is written, or a Job, a request or an incident's record."""
    OPENS = "opens"
    """An incident is opened: the flip to local reads is one of these."""


@dataclass(frozen=True)
class Pass:
    """What one pass decides on, and what kind of pass that is."""

    kind: Kind
    policy: Policy
    seen: Observation
    status: Status
    now: datetime


def kind_of(seen: Observation, status: Status, decision: Decision) -> Kind:
    """What this pass does."""
    if {one.name for one in decision.incidents} - {one.name for one in seen.incidents}:
        return Kind.OPENS
    if decision.patch or decision.jobs or decision.requests or decision.answers or decision.incidents:
        return Kind.WRITES
    return Kind.HELD if status.scenarios or status.operation else Kind.STEADY


@dataclass
class Day:
    """A world whose passes are kept."""

    world: World = field(default_factory=World)
    passes: list[Pass] = field(default_factory=list)

    def go_on(self, seconds: float) -> None:
        """Passes for this long, each when the one before asks for it."""
        world = self.world
        end = world.now + timedelta(seconds=seconds)
        while world.now < end:
            seen, status = world.see(), world.status
            decision = decide(world.policy, seen, status, world.now)
            kind = kind_of(seen, status, decision)
            self.passes.append(Pass(kind, world.policy, seen, status, world.now))
            world.apply(decision)
            world.now = min(max(decision.look_again_at, world.now + timedelta(seconds=1)), end)


def a_day() -> list[Pass]:
    """Quiet hours, a validation, a degradation, an outage, and quiet hours."""
    day = Day()
    world = day.world
    world.env["LOG_LEVEL"] = EnvVar.literal("INFO", "helm")
    day.go_on(4 * HOUR)
    world.validation = FireTimes(world.now, world.now + timedelta(days=1))
    day.go_on(600)
    world.finish()
    day.go_on(4 * HOUR)
    world.signals = firing("DEGRADED", 0.12, world)
    day.go_on(600)
    world.finish()
    day.go_on(1200)
    world.signals = healthy()
    day.go_on(600)
    world.finish()
    day.go_on(4 * HOUR)
    world.signals = outage()
    day.go_on(60)
    world.signals = hidden_outage()
    day.go_on(HOUR)
    world.signals = healthy()
    day.go_on(900)
    world.finish()
    day.go_on(60)
    world.serve(reads=500, fallbacks=1)
    day.go_on(9 * HOUR)
    assert world.hold is None, "the day ends as it began"
    return day.passes


def measure(one: Pass) -> float:
    """Microseconds of CPU of one decision, the median of rounds: there is nothing else in it."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        for _ in range(CALLS):
            decide(one.policy, one.seen, one.status, one.now)
        taken.append((time.process_time_ns() - begun) / CALLS / 1000)
    return statistics.median(taken)


def main() -> int:
    """Measure every pass; 1 when the median decision is over the budget."""
    passes = a_day()
    figures = [(one.kind, measure(one)) for one in passes]
    all_us = [us for _, us in figures]
    counts = Counter(kind for kind, _ in figures)
    median = statistics.median(all_us)
    document = {
        "decide_us": round(median, 1),
        "budget_us": BUDGET_US,
        "p99_us": round(statistics.quantiles(all_us, n=100)[98], 1),
        "passes": len(passes),
        "kinds": {
            kind.value: {
                "passes": counts[kind],
                "median_us": round(statistics.median(us for found, us in figures if found is kind), 1),
            }
            for kind in Kind
        },
        "python": sys.version.split()[0],
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps(document, indent=2))
    return int(median > BUDGET_US)


if __name__ == "__main__":
    sys.exit(main())
