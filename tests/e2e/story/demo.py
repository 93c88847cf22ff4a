"""`make demo`: bring everything up, tell the story, leave the cluster up for looking around."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from certstorage import __version__
from tests.cluster import ClusterError
from tests.e2e.story import beginning, cluster, stand
from tests.e2e.story.dump import dump
from tests.e2e.story.facts import Facts
from tests.e2e.story.kube import KubeError
from tests.e2e.story.outage import Outage
from tests.e2e.story.plot import Plot, Step, Terms, client_errors
from tests.e2e.story.steps import OUTAGE
from tests.e2e.story.story import StoryError
from tests.e2e.story.telling import TOLD, Telling
from tests.e2e.story.timeline import Timeline, story_lines
from tests.e2e.story.world import Place, World, entered

ARTIFACT = Path("artifacts/demo.json")
SCENARIOS = (OUTAGE.name, *TOLD)
TERMS = Terms(replicas=3, held=timedelta(seconds=30))
FAULT = "reset"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the story ended as it must, 1 when it did not; what went wrong is on standard error."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="Tell one scenario of the runbook on a real cluster."
    )
    parser.add_argument("--scenario", choices=SCENARIOS, default=SCENARIOS[0])
    scenario = parser.parse_args(arguments).scenario
    console = Console(highlight=False)
    try:
        place = stand.up(console.print)
        return asyncio.run(_demo(console, place, scenario))
    except (stand.StandError, ClusterError, KubeError) as error:
        _write("failed", scenario, Facts(since=datetime.now(UTC)), ())
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "demo: interrupted; run it again and it mends what it left, or end it: make cluster-down", file=sys.stderr
        )
        return 130


async def _demo(console: Console, place: Place, scenario: str) -> int:
    async with entered(place) as world:
        timeline, failure = Timeline(console), ""
        telling, tell = _prepared(world, scenario, timeline)
        with timeline:
            try:
                await beginning.cleared(world)
                await tell()
            except (StoryError, KubeError) as error:
                failure = str(error)
        facts, steps, plot = telling.observer.facts, telling.story.steps, telling.story.plot
        wrong = plot.broken(facts)
        result = "failed" if failure or wrong else "passed"
        _write(result, scenario, facts, steps, plot.tolerated)
        await _ending(console, world, plot, steps)
        if result == "passed":
            errors = client_errors(facts, plot.tolerated)
            expected = client_errors(facts) - errors
            beside = f" beside {expected} that this scenario must make" if expected else ""
            console.print(f"passed: {errors} client errors{beside}; {ARTIFACT} has the evidence of each step")
            console.print(stand.farewell(place))
            return 0
        async for text in dump(world.kube):
            print(text, file=sys.stderr)
        for line in (failure, *wrong):
            print(f"demo: {line}", file=sys.stderr)
        return 1


def _prepared(
    world: World, scenario: str, timeline: Timeline
) -> tuple[Outage | Telling, Callable[[], Awaitable[object]]]:
    """The story of a scenario, and what tells it."""
    interval = stand.SCALED.evaluation
    if scenario == OUTAGE.name:
        outage = Outage.of(world, interval, TERMS, timeline.show)
        return outage, lambda: outage.tell(FAULT)
    plot, tell = TOLD[scenario]
    telling = Telling.of(world, plot, interval, TERMS, timeline.show)
    return telling, lambda: tell(telling)


async def _ending(console: Console, world: World, plot: Plot, steps: tuple[Step, ...]) -> None:
    policies = await world.kube.kubectl("get", "certstoragepolicy", f"--namespace={cluster.NAMESPACE}", "--output=wide")
    console.print(f"\n$ kubectl get certstoragepolicy --namespace={cluster.NAMESPACE} --output=wide", markup=False)
    console.print(policies, markup=False, soft_wrap=True)
    incidents = await world.kube.kubectl("get", "certstorageincidents", f"--namespace={cluster.NAMESPACE}")
    console.print(f"$ kubectl get certstorageincidents --namespace={cluster.NAMESPACE}", markup=False)
    console.print(incidents, markup=False, soft_wrap=True)
    if steps:
        console.print("The story, counted from its first step:")
        for line in story_lines(plot, steps):
            console.print(f"  {line}", markup=False, soft_wrap=True)
        console.print()


def _write(
    result: str, scenario: str, facts: Facts, steps: tuple[Step, ...], tolerated: frozenset[str] = frozenset()
) -> None:
    document = {
        "result": result,
        "scenario": scenario,
        "version": __version__,
        "client_errors": client_errors(facts, tolerated),
        "steps": [{**dataclasses.asdict(step), "at": step.at.isoformat()} for step in steps],
    }
    ARTIFACT.parent.mkdir(parents=True, exist_ok=True)
    ARTIFACT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
