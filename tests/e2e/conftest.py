"""One cluster with the demo on it for the whole run; a story that begins in calm for each test that asks for one.

`artifacts/e2e.json` has every story with its seconds and its result.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from datetime import timedelta

import pytest

from tests.e2e.report import ARTIFACT, Report
from tests.e2e.story import beginning, stand
from tests.e2e.story.dump import dump
from tests.e2e.story.outage import Outage
from tests.e2e.story.plot import Plot, Terms
from tests.e2e.story.story import Show
from tests.e2e.story.telling import Telling
from tests.e2e.story.timeline import news
from tests.e2e.story.view import View
from tests.e2e.story.world import Place, World, entered

FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the table of stories."""
    path = config.rootpath / ARTIFACT
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    config.pluginmanager.register(Report(path), "stories")


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
    try:
        yield stand.up(print)
    finally:
        if ours:
            stand.down()


@pytest.fixture
async def world(place: Place, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The cluster and the demo's parts in it, as new; a failure is shown with all that led to it, and S3 mended."""
    async with entered(place) as world:
        await beginning.cleared(world)
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
def show() -> Show:
    """What happens is printed, and shown when the test fails."""
    last: list[View] = []

    def print_news(view: View) -> None:
        for line in news(last[-1] if last else None, view):
            print(line)
        last[:] = [view]

    return print_news


@pytest.fixture
async def outage(world: World, held: timedelta, show: Show) -> Outage:
    """An outage about to begin."""
    return Outage.of(world, stand.SCALED.evaluation, Terms(replicas=3, held=held), show)


Tell = Callable[[Plot], Telling]


@pytest.fixture
async def telling(world: World, show: Show) -> Tell:
    """`telling(PLOT)`: a story of that plot about to begin."""
    return lambda plot: Telling.of(world, plot, stand.SCALED.evaluation, Terms(replicas=3), show)
