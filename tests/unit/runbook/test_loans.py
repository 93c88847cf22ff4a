"""What is borrowed in a degradation, variable by variable: what is taken, what is left alone, what becomes of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import DegradationHold
from certstorage.api.observed import Busy, BusyWith, Client, Fleet
from certstorage.api.reasons import Reason
from certstorage.api.signals import Signal, SignalName, Verdict
from tests.unit.runbook.stories import firing, message, probed, ready
from tests.unit.runbook.test_degradation import CONNECT, LEVEL, LONG, READ_TIMEOUT, clear, degraded
from tests.unit.runbook.world import World, hidden_outage, make_policy, outage

FITS = Client(max_attempts=3, request_timeout_seconds=300)
DAY = timedelta(days=1)


def slow(world: World) -> None:
    """GETs are slow by the metrics, from the first pass on."""
    signal = Signal(SignalName.GET_SLOW, Verdict.FIRING, 0.9, world.now)
    world.signals = replace(world.signals, signals={**world.signals.signals, signal.name: signal})


def long(client: Client = FITS, /, **env: EnvVar) -> World:
    """Saves fail in part and GETs are slow: log level and both timeouts are wanted."""
    world = World(policy=make_policy(1, **LONG), target_changes={"client": client})
    world.env[LEVEL] = EnvVar.literal("INFO", "helm")
    world.env |= env
    world.step()
    world.signals = firing("DEGRADED", 0.12, world)
    slow(world)
    world.step(5)
    world.step(120)
    return world


def share(world: World) -> DegradationHold:
    assert world.hold is not None
    assert world.hold.degradation is not None
    return world.hold.degradation


def test_level_and_timeouts_are_one_loan() -> None:
    world = long()
    assert world.writes == [{LEVEL: "DEBUG", CONNECT: "10", READ_TIMEOUT: "30"}]
    assert dict(share(world).before) == {LEVEL: "INFO", CONNECT: None, READ_TIMEOUT: None}


@pytest.mark.parametrize(
    ("found", "taken"),
    [
        ({LEVEL: EnvVar(FlagState.VALUE_FROM)}, {CONNECT, READ_TIMEOUT}),
        ({LEVEL: EnvVar(FlagState.DUPLICATED)}, {CONNECT, READ_TIMEOUT}),
        ({LEVEL: EnvVar.literal("DEBUG", "helm")}, {CONNECT, READ_TIMEOUT}),
        ({CONNECT: EnvVar.literal("10", "helm")}, {LEVEL, READ_TIMEOUT}),
    ],
)
def test_what_cannot_be_written_or_says_it_already_is_left_alone(found: dict[str, EnvVar], taken: set[str]) -> None:
    world = long(**found)
    assert {name for write in world.writes for name in write} == taken
    assert set(share(world).written) == taken


def test_timeouts_that_do_not_fit_are_told_beside_the_level_that_is_borrowed() -> None:
    world = long(Client())
    assert world.writes == [{LEVEL: "DEBUG"}]
    assert "longer timeouts are not set: the template does not show AWS_MAX_ATTEMPTS" in message(world)


def test_what_refuses_a_loan_is_told_only_where_one_is_wanted() -> None:
    for debug, told in (("Enabled", True), ("Disabled", False)):
        world = degraded(policy=make_policy(mode="ProtectOnly", degradation={"debugLogging": debug}))
        assert world.writes == []
        assert ("left alone" in message(world)) is told


@pytest.mark.parametrize(("hours", "again"), [(23.9, False), (24, True)])
def test_verbose_logging_is_turned_on_once_in_a_day(hours: float, again: bool) -> None:
    world = degraded()
    on = world.now
    probed(world)
    world.step(30)
    clear(world)
    world.finish()
    world.step(30)
    world.settle()
    writes = len(world.writes)
    world.now = on + timedelta(hours=hours) - timedelta(seconds=120)
    world.step()
    world.signals = firing("DEGRADED", 0.12, world)
    world.step(120)
    assert (len(world.writes) > writes) is again
    assert again or "verbose logging was on already within a day" in message(world)


def test_of_several_variables_only_the_one_that_somebody_wants_twice_is_left_to_them() -> None:
    world = long()
    for level in ("WARNING", "ERROR"):
        world.env[LEVEL] = EnvVar.literal(level, "argocd")
        world.step(30)
    kept = share(world)
    assert (dict(kept.written), dict(kept.before)) == (
        {CONNECT: "10", READ_TIMEOUT: "30"},
        {CONNECT: None, READ_TIMEOUT: None},
    )
    assert (kept.reverts, kept.reverted_by) == (2, "argocd")
    assert world.env[LEVEL].value == "ERROR"
    clear(world)
    assert CONNECT not in world.env
    assert READ_TIMEOUT not in world.env
    assert world.env[LEVEL].value == "ERROR"


def test_writers_without_a_name_and_several_variables_are_told() -> None:
    world = long()
    world.env[LEVEL] = EnvVar.literal("WARNING", "")
    world.env[CONNECT] = EnvVar.literal("5", "")
    world.step(30)
    assert f"somebody wrote {CONNECT}, {LEVEL} while it was borrowed" in message(world)
    assert dict(share(world).before) == {LEVEL: "WARNING", CONNECT: "5", READ_TIMEOUT: None}


def later_slow(**changes: object) -> World:
    """The log level is borrowed; only now latency is suspected."""
    world = degraded(policy=make_policy(1, **LONG), target_changes={"client": FITS})
    for name, value in changes.items():
        setattr(world, name, value)
    slow(world)
    world.step(30)
    return world


def test_timeouts_join_the_loan_when_latency_is_suspected_later() -> None:
    world = later_slow()
    assert world.writes[-1] == {CONNECT: "10", READ_TIMEOUT: "30"}
    assert dict(share(world).before) == {LEVEL: "INFO", CONNECT: None, READ_TIMEOUT: None}
    writes = len(world.writes)
    world.step(30)
    assert len(world.writes) == writes


def test_timeouts_do_not_join_a_loan_over_which_somebody_wrote() -> None:
    world = degraded(policy=make_policy(1, **LONG), target_changes={"client": FITS})
    world.env[LEVEL] = EnvVar.literal("WARNING", "argocd")
    world.step(30)
    slow(world)
    writes = len(world.writes)
    world.step(30)
    assert len(world.writes) == writes


def test_timeouts_wait_for_their_turn_among_rollouts() -> None:
    busy = tuple(Busy(f"p{number}", BusyWith.ROLLOUT, World().now + DAY) for number in range(10))
    world = later_slow(fleet=Fleet(busy))
    assert CONNECT not in world.env
    assert "rollouts are under way" in message(world)


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        (Signal(SignalName.RECOVERY, Verdict.CLEAR_UNPROVEN, missing=("traffic", "a scrape")), "traffic, a scrape"),
        (Signal(SignalName.RECOVERY, Verdict.UNKNOWN, message="no series"), "no series"),
        (Signal(SignalName.RECOVERY, Verdict.UNKNOWN), "Unknown"),
    ],
)
def test_what_is_missing_for_the_way_back_is_told(signal: Signal, words: str) -> None:
    world = World(signals=outage())
    world.step()
    found = hidden_outage()
    world.signals = replace(found, signals={**found.signals, signal.name: signal})
    world.step(30)
    assert ready(world) == Reason.OUTAGE_READS_LOCAL
    assert message(world).endswith(f"S3 is not proven to be back: {words}")
