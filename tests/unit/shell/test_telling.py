"""Whether people were told: of every incident, by every channel, and written down once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp
import pytest

from certstorage import app
from certstorage.api.alerts import Alert, Severity
from certstorage.api.incidents import IncidentPhase, IncidentStatus
from certstorage.api.scenarios import Scenario
from certstorage.board import AlertBoard
from certstorage.cluster.port import Json
from certstorage.config import Config, WebhookServer
from certstorage.registry import Key
from certstorage.telling import Channels, Teller
from tests.fakes.cluster import START
from tests.fakes.scene import KEY, Scene, healthy

AM, HOOK = "http://am:9093", "http://hook"
OPEN = IncidentStatus(Scenario.OUTAGE, Severity.CRITICAL, IncidentPhase.OPEN, "S3 is down", START)
OVER = replace(OPEN, phase=IncidentPhase.RESOLVED, resolved_at=START + timedelta(minutes=10))


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def states(found: Iterable[Json]) -> dict[str, str]:
    return {one["channel"]: one["state"] for one in found}


class TestChannels:
    def test_nothing_is_said_before_a_post_that_could_carry_it(self) -> None:
        channels = Channels((AM,))
        assert channels.deliveries(OPEN, (), START) == []
        channels.posted({}, later(-1))
        assert channels.deliveries(OPEN, (), START) == [], "that one began before the incident"
        channels.posted({}, later(1))
        assert channels.deliveries(OPEN, (), later(2)) == [
            {"channel": AM, "state": "Delivered", "at": "2026-11-23T03:10:02Z"}
        ]

    def test_a_channel_that_fails_is_said_with_why_and_once(self) -> None:
        channels = Channels((AM, HOOK))
        assert channels.posted({HOOK: "HTTP 503"}, later(1))
        first = channels.deliveries(OPEN, (), later(2))
        assert states(first) == {AM: "Delivered", HOOK: "Failing"}
        assert first[1]["lastError"] == "HTTP 503"
        assert not channels.posted({HOOK: "no answer"}, later(16))
        assert channels.deliveries(OPEN, first, later(17)) == first, "another word for the same is no news"
        assert channels.posted({}, later(31))
        assert states(channels.deliveries(OPEN, first, later(32))) == {AM: "Delivered", HOOK: "Delivered"}

    def test_delivered_stays_delivered(self) -> None:
        channels = Channels((AM,))
        channels.posted({}, later(1))
        told = channels.deliveries(OPEN, (), later(2))
        channels.posted({AM: "gone"}, later(16))
        assert channels.deliveries(OPEN, told, later(17)) == told

    def test_the_end_is_delivered_by_a_post_after_it(self) -> None:
        channels = Channels((AM,))
        channels.posted({}, later(1))
        told = channels.deliveries(OPEN, (), later(2))
        assert channels.deliveries(OVER, told, later(601)) == told
        channels.posted({AM: "gone"}, later(605))
        failing = channels.deliveries(OVER, told, later(606))
        assert states(failing) == {AM: "Failing"}
        channels.posted({}, later(620))
        assert states(channels.deliveries(OVER, failing, later(621))) == {AM: "Resolved"}

    def test_a_fresh_operator_takes_nothing_back(self) -> None:
        told = [{"channel": AM, "state": "Delivered", "at": "2026-11-23T03:10:02Z"}]
        assert Channels((AM,)).deliveries(OPEN, told, later(60)) == told

    def test_a_channel_that_is_not_configured_any_more_is_left_out(self) -> None:
        told = [{"channel": HOOK, "state": "Delivered", "at": "2026-11-23T03:10:02Z"}]
        assert Channels((AM,)).deliveries(OPEN, told, later(60)) == []

    def test_a_long_word_is_cut(self) -> None:
        channels = Channels((AM,))
        channels.posted({AM: "x" * 10_000}, later(1))
        assert len(channels.deliveries(OPEN, (), later(2))[0]["lastError"]) == 512


class People:
    """Answers posts as a test says."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self.posts: list[set[str]] = []
        self.posted = asyncio.Event()

    async def __call__(self, alerts: Iterable[Alert], now: datetime) -> Mapping[str, str]:
        self.posts.append({alert.name for alert in alerts})
        self.posted.set()
        return self.failed


class TestTeller:
    def build(self, people: People) -> tuple[Teller, AlertBoard, list[Key], asyncio.Event]:
        woken: list[Key] = []
        news = asyncio.Event()
        board = AlertBoard(news.set)
        teller = Teller(
            board, people, Channels((AM,)), news, told=lambda _: None, wake=woken.append, clock=lambda: later(60)
        )
        return teller, board, woken, news

    async def test_who_has_news_is_woken_after_the_post_that_carried_it(self) -> None:
        people = People()
        teller, board, woken, _ = self.build(people)
        board.put(KEY, (Alert("a", Severity.CRITICAL, {}),))
        await teller.once()
        assert (people.posts, woken) == ([{"a"}], [KEY])
        await teller.once()
        assert woken == [KEY], "the same again is no news"
        board.put(KEY, ())
        await teller.once()
        assert woken == [KEY, KEY], "nor is its end to be forgotten"

    async def test_a_channel_that_turns_concerns_everybody_who_has_alerts(self) -> None:
        people = People()
        teller, board, woken, _ = self.build(people)
        board.put(KEY, (Alert("a", Severity.CRITICAL, {}),))
        await teller.once()
        woken.clear()
        people.failed = {AM: "gone"}
        await teller.once()
        await teller.once()
        assert woken == [KEY]
        people.failed = {}
        await teller.once()
        assert woken == [KEY, KEY]

    async def test_news_are_posted_without_waiting_for_the_interval(self) -> None:
        people = People()
        teller, board, _, _ = self.build(people)
        running = asyncio.ensure_future(teller.run())
        async with asyncio.timeout(10):
            await people.posted.wait()
            people.posted.clear()
            board.put(KEY, (Alert("a", Severity.CRITICAL, {}),))
            await people.posted.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert people.posts == [set(), {"a"}]


async def test_an_incident_says_when_nobody_could_be_told_and_then_that_somebody_was() -> None:
    scene, channels = Scene(), Channels((AM,))
    scene.operator.deliveries = channels.deliveries
    await scene.settle()
    await scene.fall()
    channels.posted({AM: "no answer within 5 s"}, scene.cluster.now + timedelta(seconds=1))
    await scene.settle(2)
    (incident,) = scene.incidents("Outage")
    assert states(incident["deliveries"]) == {AM: "Failing"}
    assert incident["deliveries"][0]["lastError"] == "no answer within 5 s"
    channels.posted({}, scene.cluster.now + timedelta(seconds=1))
    await scene.settle(2)
    (incident,) = scene.incidents("Outage")
    assert states(incident["deliveries"]) == {AM: "Delivered"}
    writes = len(scene.cluster.writes())
    for _ in range(4):
        channels.posted({}, scene.cluster.now + timedelta(seconds=1))
        await scene.step(15)
    assert len(scene.cluster.writes()) == writes


@pytest.mark.parametrize("restart", [False, True])
async def test_the_end_is_written_down_too(restart: bool) -> None:
    scene, channels = Scene(), Channels((AM,))
    scene.operator.deliveries = channels.deliveries
    await scene.settle()
    await scene.fall()
    channels.posted({}, scene.cluster.now + timedelta(seconds=1))
    await scene.settle(2)
    await scene.recover()
    await scene.come_back()
    if restart:
        channels = Channels((AM,))
        scene.start().deliveries = channels.deliveries
    scene.source.current = healthy()
    channels.posted({}, scene.cluster.now + timedelta(seconds=60))
    await scene.settle(61)
    (incident,) = scene.incidents("Outage")
    assert states(incident["deliveries"]) == {AM: "Resolved"}


async def test_every_configured_channel_answers_under_its_own_name() -> None:
    nobody = "http://127.0.0.1:9"
    config = Config({}, "v:1", alertmanagers=(nobody,), webhook=WebhookServer(f"{nobody}/hook"))
    async with aiohttp.ClientSession() as session:
        failed = await app._post(config, session)([Alert("a", Severity.CRITICAL, {})], START)
    assert failed.keys() == set(app._channels(config)) == {nobody, f"{nobody}/hook"}
