"""The worlds that are explored, each to an empty frontier, and what bounds each of them."""

from __future__ import annotations

from certstorage.api.env import EnvVar, FlagState
from certstorage.api.observed import Neighbours, Problem
from certstorage.api.policy import Approval
from certstorage.api.reasons import Reason
from certstorage.api.signals import Signal, SignalName, SignalSet, Verdict
from tests.model import environment as env
from tests.model.explore import World
from tests.model.shell import Given
from tests.model.state import COARSE, DUAL, HELM, LEVEL, OFF, ON, READ, State


def signals(trusted: bool = True, **verdicts: Verdict) -> SignalSet:
    """Signals of a healthy system, with some verdicts replaced, by name as in SignalName."""
    chosen = dict.fromkeys(SignalName, Verdict.CLEAR_PROVEN) | {SignalName[k]: v for k, v in verdicts.items()}
    graded = {name: Signal(name, verdict) for name, verdict in chosen.items()}
    return SignalSet(signals=graded, trusted=trusted, reason="Trusted", message="")


V = Verdict
HEALTHY, OUTAGE = signals(), signals(OUTAGE=V.FIRING, RECOVERY=V.FIRING)
HIDDEN = signals(OUTAGE=V.CLEAR_UNPROVEN, RECOVERY=V.FIRING)
DENIED = (Problem(Reason.ENV_NOT_ALLOWED, "spec.env names X"),)

GOOD, BAD, FEW = {"reads": 500.0}, {"reads": 500.0, "fallbacks": 50.0}, {"reads": 10.0}
HEALTH = Given("health", HEALTHY, **GOOD)
DOWN = Given("an outage", OUTAGE)
STILL_DOWN = Given("the hidden outage", HIDDEN)
UNKNOWN = Given("an unknown outage", signals(OUTAGE=V.UNKNOWN), **GOOD)
CHECKS = (
    Given("health and fallbacks", HEALTHY, **BAD),
    Given("health and few reads", HEALTHY, **FEW),
    Given("health, unscraped", HEALTHY, scraped=False),
)
VERDICTS = (
    Given("a black hole", signals(BLACK_HOLE=V.FIRING)),
    Given("unproven saves", signals(RECOVERY=V.CLEAR_UNPROVEN)),
    Given("idle saves", signals(RECOVERY=V.IDLE), **GOOD),
    Given("unknown saves", signals(RECOVERY=V.UNKNOWN), **GOOD),
    Given("untrusted health", signals(trusted=False), **GOOD),
    Given("an untrusted outage", signals(trusted=False, OUTAGE=V.FIRING), **GOOD),
)
OBSTACLES = (
    Given("health, something refuses", HEALTHY, problems=DENIED, refuses=True, **GOOD),
    Given("an outage, something refuses", OUTAGE, problems=DENIED, refuses=True),
    Given("health, shared storage", HEALTHY, neighbours=Neighbours(same_storage="production/other"), **GOOD),
    Given("health, blind", HEALTHY, blind=True, **GOOD),
    Given("an outage, blind", OUTAGE, blind=True),
)
S = SignalName
DEGRADED = Given("a degradation", HEALTHY, firing={S.DEGRADED: 3}, **GOOD)
DEGRADED_ANEW = Given("a new degradation", HEALTHY, firing={S.DEGRADED: 0}, **GOOD)
MILD = tuple(
    Given(f"{name} firing", HEALTHY, firing={name: 3}, **GOOD)
    for name in (S.FALLBACK_ELEVATED, S.DELETE_FAIL, S.WRITE_SUCCESS, S.LOCAL_DISK)
)
NIGHT = Given("health at night", HEALTHY, nightly=True, **GOOD)
PREFLIGHT = tuple(
    Given(f"an outage, {name}", OUTAGE, changes=changes, neighbours=neighbours, refuses=True)
    for name, changes, neighbours in (
        ("paused", {"paused": True}, Neighbours()),
        ("recreate", {"recreate": True}, Neighbours()),
        ("shared", {}, Neighbours(same_target="production/older")),
    )
)
BASIC = (HEALTH, DOWN, STILL_DOWN, UNKNOWN)
SIMPLE = (env.time_passes, env.rollouts_complete, env.jobs_pass)
OWNERS = (env.people_edit, env.policy_goes, env.target_goes)
FAILING = (env.time_passes, env.rollouts_complete, env.sweep_asked, env.pods_go)
SWEEP = (*FAILING, env.jobs_pass)
REQUIRED = State(approval=Approval.REQUIRED)
OTHER_WORDS = State(env={READ: EnvVar.literal("True", HELM), DUAL: ON})
NO_FLAG = State(env={DUAL: ON})
NO_DUAL_WRITE = State(env={READ: ON})
LEVELLED = State(env={READ: ON, DUAL: ON, LEVEL: EnvVar.literal("INFO", HELM)}, level="INFO")
DUAL_WRITE_OFF = State(env={READ: ON, DUAL: OFF})

PREFLIGHT_STARTS = tuple(
    State(env={READ: flag, DUAL: ON})
    for flag in (EnvVar(FlagState.VALUE_FROM), EnvVar(FlagState.DUPLICATED), EnvVar.literal(""))
)
VALUES = (OTHER_WORDS, NO_FLAG, NO_DUAL_WRITE, DUAL_WRITE_OFF)
UNTOLD = COARSE._replace(told=False)

WORLDS = (
    # the outage
    World("verdicts", (*SIMPLE, env.pods_roll), (*BASIC, *CHECKS, *VERDICTS, *OBSTACLES), timing=UNTOLD),
    World("endings", (*SIMPLE, env.jobs_go_on(*env.ALL_ENDINGS)), BASIC, timing=UNTOLD),
    World("return", (*SIMPLE, env.jobs_end("fails")), (HEALTH, DOWN, CHECKS[0]), timing=UNTOLD),
    World("approval", (*SIMPLE, env.requests_come), (HEALTH, DOWN), (REQUIRED,), timing=UNTOLD),
    World("writers", (*SIMPLE, env.others_write), (HEALTH, DOWN), timing=UNTOLD),
    World("owners", (*SIMPLE, *OWNERS, env.status_is_lost), BASIC, timing=UNTOLD),
    World("values", SIMPLE, (HEALTH, DOWN), VALUES, timing=UNTOLD),
    World("values and writers", (*SIMPLE, env.argocd_reverts), (HEALTH, DOWN), (OTHER_WORDS,), timing=UNTOLD),
    World("foreign Job", (*SIMPLE, env.foreign_job), (HEALTH, DOWN), timing=UNTOLD),
    World("preflight", SIMPLE, (HEALTH, DOWN, *PREFLIGHT), PREFLIGHT_STARTS, timing=UNTOLD),
    World("incidents", (*SIMPLE, env.status_is_lost), BASIC),
    World("one slow", SIMPLE, (HEALTH, DOWN, UNKNOWN), timing=UNTOLD, slow=1),
    # the sweep
    World("sweep", SWEEP, (HEALTH,)),
    World("sweep failing", (*FAILING, env.jobs_end("fails", "is inconclusive")), (HEALTH,)),
    World("sweep and unknown", SWEEP, (HEALTH, UNKNOWN)),
    # the milder scenarios
    World("degradation and writers", (*SIMPLE, env.level_written), (DEGRADED,), (LEVELLED,)),
    World("degradation and owners", (*SIMPLE, env.policy_goes), (DEGRADED,), (LEVELLED,)),
    World("read fallback", SIMPLE, (HEALTH, MILD[0])),
    World("deletes", SIMPLE, (HEALTH, MILD[1])),
    World("writes", SIMPLE, (HEALTH, MILD[2])),
    World("disk", SIMPLE, (HEALTH, MILD[3])),
)

LONG = (
    World("two slow", SIMPLE, (HEALTH, DOWN), timing=UNTOLD, slow=2, weight=8),
    World("sweep and outage", SWEEP, (HEALTH, DOWN), weight=9),
    World("sweep and others", (*SWEEP, env.replicas_set), (HEALTH,), weight=6),
    World("sweep and owners", (*SWEEP, env.policy_goes), (HEALTH,), weight=6),
    World("inconsistency", (*SIMPLE, env.jobs_end("fails on one object")), (NIGHT,), weight=7),
)
"""Larger ones, each by its name: `python -m tests.model.run "two slow"`. Seeded bugs are looked for in them, too."""
BY_NAME = {world.name: world for world in (*WORLDS, *LONG)}
