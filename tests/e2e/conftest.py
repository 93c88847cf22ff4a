"""One cluster with the demo on it for the whole run; a story that begins in calm for each test that asks for one."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Generator, Iterator
from datetime import timedelta

import pytest

from tests.e2e.story import stand
from tests.e2e.story.dump import dump
from tests.e2e.story.outage import Outage
from tests.e2e.story.steps import Terms
from tests.e2e.story.timeline import news
from tests.e2e.story.view import View
from tests.e2e.story.world import Place, World, entered

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember which tests failed, for the fixtures that end after them."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """The demo's cluster: the one that is up, or one that goes with this run."""
    ours = not stand.is_up()
    yield stand.up(print)
    if ours:
        stand.down()


@pytest.fixture
async def world(place: Place, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The cluster and the demo's parts in it; S3 answers afterwards, and a failure is shown with all that led to it."""
    async with entered(place) as world:
        yield world
        if request.node.stash.get(FAILED, False):
            async for text in dump(world.kube):
                print(text, file=sys.stderr)
        await world.faults.mend()


@pytest.fixture
def held() -> timedelta:
    """How long reads must stay local with the alert resolved and S3 still cut; a test module may ask for more."""
    return timedelta(seconds=5)


@pytest.fixture
async def outage(world: World, held: timedelta) -> Outage:
    """An outage about to begin; what happens is printed, and shown when the test fails."""
    last: list[View] = []

    def show(view: View) -> None:
        for line in news(last[-1] if last else None, view):
            print(line)
        last[:] = [view]

    return Outage.of(world, stand.SCALED.evaluation, Terms(replicas=3, held=held), show)
