"""`make demo`: bring everything up, tell the story, leave the cluster up for looking around."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from certstorage import __version__
from tests.cluster import ClusterError
from tests.e2e.story import cluster, stand
from tests.e2e.story.dump import dump
from tests.e2e.story.facts import Facts
from tests.e2e.story.kube import KubeError
from tests.e2e.story.outage import Outage
from tests.e2e.story.steps import Step, Terms, broken, client_errors
from tests.e2e.story.story import StoryError
from tests.e2e.story.timeline import Timeline, story_lines
from tests.e2e.story.world import Place, World, entered

ARTIFACT = Path("artifacts/demo.json")
SCENARIOS = ("outage",)
TERMS = Terms(replicas=3, held=timedelta(seconds=30))
FAULT = "reset"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the story ended as it must, 1 when it did not; what went wrong is on standard error."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="Tell one scenario of the runbook on a real cluster."
    )
    parser.add_argument("--scenario", choices=SCENARIOS, default=SCENARIOS[0])
    parser.parse_args(arguments)
    console = Console(highlight=False)
    try:
        place = stand.up(console.print)
        return asyncio.run(_demo(console, place))
    except (stand.StandError, ClusterError, KubeError) as error:
        _write("failed", Facts(since=datetime.now(UTC)), ())
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "demo: interrupted; run it again and it mends what it left, or end it: make cluster-down", file=sys.stderr
        )
        return 130


async def _demo(console: Console, place: Place) -> int:
    async with entered(place) as world:
        timeline, failure = Timeline(console), ""
        outage = Outage.of(world, stand.SCALED.evaluation, TERMS, timeline.show)
        with timeline:
            try:
                await outage.tell(FAULT)
            except (StoryError, KubeError) as error:
                failure = str(error)
        facts, steps = outage.observer.facts, outage.story.steps
        wrong = broken(facts)
        result = "failed" if failure or wrong else "passed"
        _write(result, facts, steps)
        await _ending(console, world, steps)
        if result == "passed":
            console.print(f"passed: {client_errors(facts)} client errors; {ARTIFACT} has the evidence of each step")
            console.print(stand.farewell(place))
            return 0
        async for text in dump(world.kube):
            print(text, file=sys.stderr)
        for line in (failure, *wrong):
            print(f"demo: {line}", file=sys.stderr)
        return 1


async def _ending(console: Console, world: World, steps: tuple[Step, ...]) -> None:
    policies = await world.kube.kubectl("get", "certstoragepolicy", f"--namespace={cluster.NAMESPACE}", "--output=wide")
    console.print(f"\n$ kubectl get certstoragepolicy --namespace={cluster.NAMESPACE} --output=wide", markup=False)
    console.print(policies, markup=False, soft_wrap=True)
    if steps:
        console.print("The story, counted from the cut:")
        for line in story_lines(steps):
            console.print(f"  {line}", markup=False, soft_wrap=True)
        console.print()


def _write(result: str, facts: Facts, steps: tuple[Step, ...]) -> None:
    document = {
        "result": result,
        "version": __version__,
        "client_errors": client_errors(facts),
        "steps": [{**dataclasses.asdict(step), "at": step.at.isoformat()} for step in steps],
    }
    ARTIFACT.parent.mkdir(parents=True, exist_ok=True)
    ARTIFACT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
