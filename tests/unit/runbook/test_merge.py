"""The join of wants: order, grouping and repetition change nothing, and the safe value wins."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import DegradationHold, Hold, ReadsPhase, SweepHold
from certstorage.api.receipt import ReceiptVerdict
from certstorage.api.status import Status
from certstorage.runbook.merge import let_go, merge, write
from certstorage.runbook.wants import NOTHING, Context, Wants
from certstorage.runbook.will import BOTTOM, KEEP, Permit, Replicas, Will, join
from tests.unit.runbook.world import DUAL, READ, START, World, make_policy

LEVEL = "LOG_LEVEL"
TIMES = st.integers(0, 3600).map(lambda seconds: START + timedelta(seconds=seconds))
VALUES = st.sampled_from(["true", "false", "DEBUG", "INFO", "10"])
NAMES = st.sampled_from([READ, DUAL, LEVEL, "CERT_S3_READ_TIMEOUT", ""])
PERMITS = st.builds(Permit, st.sampled_from(ReceiptVerdict), st.sampled_from(["", "token", "other"]), st.just("uid"))
HOLDS = st.builds(
    Hold,
    policy_uid=st.just("policy-1"),
    policy_name=st.just("certificates"),
    target_uid=st.just("deployment-1"),
    incident=st.sampled_from(["a", "b"]),
    since=TIMES,
    reads=st.sampled_from(ReadsPhase),
    nonce=st.sampled_from(["", "token"]),
)
DEGRADATIONS = st.builds(
    DegradationHold,
    st.sampled_from(["a", "b"]),
    TIMES,
    TIMES,
    st.dictionaries(NAMES, st.none() | VALUES, max_size=2),
    st.dictionaries(NAMES, VALUES, max_size=2),
)
SWEEPS = st.builds(SweepHold, st.just("r"), st.just("u"), st.sampled_from(["a", "b"]), TIMES, st.just("n"))
WILLS = st.builds(
    Will,
    local=st.booleans(),
    permits=st.frozensets(PERMITS, max_size=2),
    claims=st.frozensets(st.tuples(NAMES, VALUES), max_size=3),
    backs=st.frozensets(st.tuples(NAMES, st.none() | VALUES), max_size=3),
    replicas=st.sampled_from(Replicas),
    restore_by=st.none() | TIMES,
    hold=st.just(KEEP) | st.none() | HOLDS,
    degradation=st.just(KEEP) | st.none() | DEGRADATIONS,
    sweep=st.just(KEEP) | st.none() | SWEEPS,
)


def a_context(hold: Hold | None = None, **changes: Any) -> Context:
    world = World(hold=hold, **changes)
    seen = world.see()
    assert not isinstance(seen.target, type(None))
    return Context(world.policy, seen, seen.target, hold, None, Status(), START)  # type: ignore[arg-type]


def held(**changes: Any) -> Hold:
    found = Hold("policy-1", "certificates", "deployment-1", "incident", START, reads=ReadsPhase.LOCAL)
    return replace(found, **changes)


@given(WILLS, WILLS)
def test_join_is_commutative(one: Will, other: Will) -> None:
    assert join(one, other) == join(other, one)


@given(WILLS, WILLS, WILLS)
def test_join_is_associative(one: Will, two: Will, three: Will) -> None:
    assert join(join(one, two), three) == join(one, join(two, three))


@given(WILLS)
def test_join_is_idempotent_with_nothing_at_its_bottom(one: Will) -> None:
    assert join(one, one) == one
    assert join(one, BOTTOM) == one


@given(st.lists(WILLS, max_size=4), st.randoms(use_true_random=False))
def test_no_order_and_no_repetition_changes_what_is_written(wills: list[Will], chance: random.Random) -> None:
    context = a_context(held(before={READ: "true"}, nonce="token"))
    again = [*wills, *wills]
    chance.shuffle(again)
    first, second = BOTTOM, BOTTOM
    for one in wills:
        first = join(first, one)
    for one in again:
        second = join(second, one)
    assert write(context, first) == write(context, second)


@given(WILLS, st.none() | HOLDS, st.sampled_from(["true", "false", None, "other"]))
def test_whatever_is_wanted_dual_write_is_never_turned_off(will: Will, hold: Hold | None, now: str | None) -> None:
    context = a_context(hold, env={READ: EnvVar.literal("true"), DUAL: EnvVar.literal(now)})
    patch = write(context, will)
    assert patch is None or patch.env.get(DUAL, "true") in ("true", None)
    assert patch is None or patch.env.get(DUAL, "true") == "true" or now is None or (hold and DUAL in hold.before)


@given(WILLS, st.none() | HOLDS)
def test_reads_go_back_only_with_a_permit_of_the_open_attempt(will: Will, hold: Hold | None) -> None:
    """Invariant 2, whatever scenarios say."""
    context = a_context(hold, env={READ: EnvVar.literal("false")})
    patch = write(context, will)
    if patch is None or patch.env.get(READ, "false") == "false":
        return
    assert hold is not None
    assert any(one.verdict is ReceiptVerdict.PASSED and one.nonce == hold.nonce != "" for one in will.permits)


@given(WILLS, st.none() | HOLDS)
def test_the_flip_and_its_memory_are_one_write(will: Will, hold: Hold | None) -> None:
    patch = write(a_context(hold), will)
    if patch is not None and patch.env.get(READ) == "false":
        assert patch.hold is not None
        assert patch.hold.before[READ] == "true"
        assert patch.hold.reads is not ReadsPhase.NONE


@given(WILLS, st.integers(0, 5), st.none() | st.integers(1, 5))
def test_replicas_go_to_zero_only_with_what_gives_them_back(will: Will, now: int, captured: int | None) -> None:
    """Invariant 5: number, share and time of giving back are in the same write."""
    sweep = SweepHold("r", "u", "i", START, "n")
    hold = held(sweep=sweep, replicas=captured, restore_by=START) if captured is not None else None
    patch = write(a_context(hold, replicas=now), will)
    if patch is None or patch.replicas is None:
        return
    if patch.replicas == 0:
        assert patch.hold is not None
        assert patch.hold.replicas == now > 0
        assert patch.hold.restore_by is not None
        assert patch.hold.sweep is not None
    else:
        assert (patch.replicas, now) == (captured, 0)
        assert patch.hold is None or patch.hold.replicas is None


def test_local_beats_s3_giving_back_beats_claiming_and_taking() -> None:
    sweep = SweepHold("r", "u", "i", START, "n")
    hold = held(before={READ: "true"}, nonce="token", sweep=sweep, replicas=3, restore_by=START)
    context = a_context(
        hold,
        replicas=0,
        env={READ: EnvVar.literal("true"), DUAL: EnvVar.literal("true"), LEVEL: EnvVar.literal("DEBUG")},
    )
    permit = Permit(ReceiptVerdict.PASSED, "token", "uid")
    patch = merge(
        context,
        [
            Wants(
                will=Will(
                    permits=frozenset((permit,)),
                    claims=frozenset({(LEVEL, "DEBUG")}),
                    replicas=Replicas.DOWN,
                    restore_by=START,
                )
            ),
            Wants(will=Will(local=True, hold=hold, backs=frozenset({(LEVEL, "INFO")}), replicas=Replicas.BACK)),
        ],
    )
    assert patch is not None
    assert dict(patch.env) == {READ: "false", LEVEL: "INFO"}
    assert patch.replicas == 3


@pytest.mark.parametrize("gone", ["hold", "degradation", "sweep"])
def test_letting_go_of_one_share_leaves_the_others_as_they_are(gone: str) -> None:
    degradation = DegradationHold("dg", START, START, {LEVEL: "INFO"}, {LEVEL: "DEBUG"})
    sweep = SweepHold("r", "u", "sw", START + timedelta(1), "n")
    hold = held(
        before={READ: "true"}, degradation=degradation, sweep=sweep, replicas=3, restore_by=START, epoch=4, attempt=2
    )
    patch = merge(a_context(hold, replicas=0), [Wants(will=Will(**{gone: None}))])  # type: ignore[arg-type]
    assert patch is not None
    left = patch.hold
    assert left is not None
    assert left.epoch == 5 or gone == "hold"
    if gone == "hold":
        assert (left.reads, left.incident, dict(left.before)) == (ReadsPhase.NONE, "dg", {})
    else:
        assert (left.reads, left.attempt, dict(left.before)) == (ReadsPhase.LOCAL, 2, {READ: "true"})
    assert left.degradation == (None if gone == "degradation" else degradation)
    kept = (None, None, None) if gone == "sweep" else (sweep, 3, START)
    assert (left.sweep, left.replicas, left.restore_by) == kept


def test_nothing_that_may_not_be_written_is_written() -> None:
    env = {LEVEL: EnvVar(FlagState.VALUE_FROM), "CERT_S3_READ_TIMEOUT": EnvVar(FlagState.DUPLICATED)}
    claims = frozenset({(LEVEL, "DEBUG"), ("CERT_S3_READ_TIMEOUT", "30")})
    assert merge(a_context(env=env), [Wants(will=Will(claims=claims))]) is None


def test_a_variable_that_was_renamed_in_the_policy_is_given_back_under_its_old_name() -> None:
    hold = held(before={"OLD_READ": "true", "OLD_DUAL": "false", "OLD_NEW": None}, nonce="token")
    env = {
        "OLD_READ": EnvVar.literal("false"),
        "OLD_DUAL": EnvVar.literal("true"),
        "OLD_NEW": EnvVar.literal("true"),
        READ: EnvVar.literal("true"),
    }
    permits = frozenset({Permit(ReceiptVerdict.PASSED, "token", "uid")})
    patch = merge(a_context(hold, env=env), [Wants(will=Will(permits=permits))])
    assert patch is not None
    assert dict(patch.env) == {"OLD_READ": "true", "OLD_NEW": None}


def test_the_end_of_a_policy_gives_back_what_is_ours_and_leaves_reads() -> None:
    degradation = DegradationHold("dg", START, START, {LEVEL: None, "X": "1"}, {LEVEL: "DEBUG", "X": "2"})
    sweep = SweepHold("r", "u", "sw", START, "n")
    hold = held(before={READ: "true"}, degradation=degradation, sweep=sweep, replicas=3, restore_by=START)
    env = {READ: EnvVar.literal("false"), LEVEL: EnvVar.literal("DEBUG"), "X": EnvVar.literal("9", "argocd")}
    patch = let_go(a_context(hold, replicas=0, env=env, policy=make_policy()))
    assert patch is not None
    assert (dict(patch.env), patch.replicas, patch.hold) == ({LEVEL: None}, 3, None)


LENT = DegradationHold("dg", START, START, {LEVEL: None}, {LEVEL: "INFO"})
SWEPT = SweepHold("r", "u", "sw", START, "n")


@pytest.mark.parametrize(
    ("hold", "will"),
    [
        (held(epoch=4, sweep=SWEPT), Will(hold=held(sweep=SWEPT))),
        (held(epoch=4, sweep=SWEPT, replicas=3, restore_by=START), Will(hold=held())),
        (held(epoch=4, sweep=SWEPT), Will(sweep=SWEPT)),
        (
            Hold("policy-1", "certificates", "deployment-1", "dg", START, epoch=4, degradation=LENT),
            Will(degradation=LENT),
        ),
        (held(epoch=4), Will(claims=frozenset({(LEVEL, "INFO")}))),
        (held(epoch=4), Will(backs=frozenset({(LEVEL, "INFO")}))),
        (held(epoch=4), Will(replicas=Replicas.BACK)),
        (held(epoch=4), BOTTOM),
    ],
    ids=["outage", "outage beside a sweep", "sweep", "loan", "claim", "back", "replicas", "nothing"],
)
def test_what_is_there_already_is_not_written(hold: Hold, will: Will) -> None:
    context = a_context(hold, env={LEVEL: EnvVar.literal("INFO")})
    assert merge(context, [NOTHING, Wants(will=will), NOTHING]) is None


@pytest.mark.parametrize(
    ("will", "written"),
    [
        (Will(claims=frozenset({(LEVEL, "DEBUG"), (LEVEL, "TRACE")})), "DEBUG"),
        (Will(backs=frozenset({(LEVEL, "WARN"), (LEVEL, "ERROR")})), "ERROR"),
        (Will(backs=frozenset({(LEVEL, "WARN"), (LEVEL, None)})), None),
        (Will(claims=frozenset({(LEVEL, "DEBUG")}), backs=frozenset({(LEVEL, "WARN")})), "WARN"),
    ],
    ids=["claims", "backs", "a value and none", "a claim and a back"],
)
def test_one_value_is_written_where_several_are_wanted_of_a_variable(will: Will, written: str | None) -> None:
    patch = merge(a_context(env={LEVEL: EnvVar.literal("INFO")}), [Wants(will=will)])
    assert patch is not None
    assert dict(patch.env) == {LEVEL: written}


@pytest.mark.parametrize("now", [0, 1, 2])
def test_a_sweep_that_begins_takes_all_replicas_there_are(now: int) -> None:
    will = Will(sweep=SWEPT, replicas=Replicas.DOWN, restore_by=START)
    patch = merge(a_context(replicas=now), [Wants(will=will)])
    assert patch is not None
    assert patch.replicas == (0 if now else None)
    assert patch.hold is not None
    assert patch.hold.replicas == (now or None)


def test_a_variable_without_a_name_is_not_written() -> None:
    """`spec.env` may leave one out."""
    assert merge(a_context(), [Wants(will=Will(claims=frozenset({("", "10")})))]) is None
