"""The worlds that are explored, each to an empty frontier, and what bounds each of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict

from certstorage.api.decision import JobKind
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.observed import Busy, BusyWith, ClaimUser, Client, Fleet, Neighbours, Problem, Scaler
from certstorage.api.policy import Approval
from certstorage.api.reasons import Reason
from certstorage.api.requests import RequestType
from certstorage.api.signals import Signal, SignalName, SignalSet, Verdict
from certstorage.api.status import Status, Validation
from tests.model import environment as env
from tests.model.explore import World
from tests.model.shell import INPUTS, Given
from tests.model.state import COARSE, DUAL, HELM, LEVEL, OFF, ON, READ, START, TICK, State


def signals(trusted: bool = True, **verdicts: Verdict) -> SignalSet:
    """Signals of a healthy system, with some verdicts replaced, by name as in SignalName."""
    chosen = dict.fromkeys(SignalName, Verdict.CLEAR_PROVEN) | {SignalName[k]: v for k, v in verdicts.items()}
    graded = {name: Signal(name, verdict) for name, verdict in chosen.items()}
    return SignalSet(signals=graded, trusted=trusted, reason="Trusted", message="")


V = Verdict
HEALTHY, OUTAGE = signals(), signals(OUTAGE=V.FIRING, RECOVERY=V.FIRING)
HIDDEN = signals(OUTAGE=V.CLEAR_UNPROVEN, RECOVERY=V.FIRING)
FAR = START + 100_000 * TICK
DENIED = (Problem(Reason.ENV_NOT_ALLOWED, "spec.env names X"),)


class Counters(TypedDict, total=False):
    """What the new Pods have counted, as fields of Given."""

    reads: float
    fallbacks: float


GOOD, BAD, FEW = Counters(reads=500.0), Counters(reads=500.0, fallbacks=50.0), Counters(reads=10.0)
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
    Given("health, others roll", HEALTHY, fleet=Fleet((Busy("production/other", BusyWith.ROLLOUT, FAR),), 1), **GOOD),
)
S = SignalName
DEGRADED = Given("a degradation", HEALTHY, firing={S.DEGRADED: 1}, **GOOD)
DEGRADED_ANEW = Given("a new degradation", HEALTHY, firing={S.DEGRADED: 0}, **GOOD)
MILD = tuple(
    Given(f"{name} firing", HEALTHY, firing={name: 1}, **GOOD)
    for name in (S.FALLBACK_ELEVATED, S.DELETE_FAIL, S.WRITE_SUCCESS, S.LOCAL_DISK)
)
NIGHT = Given("health at night", HEALTHY, nightly=True, **GOOD)
PREFLIGHT = (
    *(
        Given(f"an outage, {name}", OUTAGE, changes=changes, neighbours=neighbours, refuses=True)
        for name, changes, neighbours in (
            ("paused", {"paused": True}, Neighbours()),
            ("recreate", {"recreate": True}, Neighbours()),
            ("no claim", {"problems": (Problem(Reason.CLAIM_MISSING, "no claim"),)}, Neighbours()),
            ("own disks", {"problems": (Problem(Reason.LOCAL_NOT_SHARED, "emptyDir"),)}, Neighbours()),
            ("shared", {}, Neighbours(same_target="production/older")),
        )
    ),
    Given("no container", OUTAGE, unreadable=Problem(Reason.CONTAINER_MISSING, "no container web"), refuses=True),
)
GATES = (
    Given("other writers", HEALTHY, claim_users=(ClaimUser("backup-0"),)),
    Given("KEDA", HEALTHY, scalers=(Scaler("ScaledObject", "deltacrown"),)),
    Given("no replicas", HEALTHY, changes={"replicas": 0, "updated": 0, "available": 0, "total": 0}),
    Given("a rollout", HEALTHY, changes={"updated": 1}),
    Given("another sweep", HEALTHY, fleet=Fleet((Busy("production/other", BusyWith.SWEEP, FAR),))),
)
SLOW_GETS = {S.DEGRADED: 1, S.GET_SLOW: 1}
TIMEOUTS = tuple(
    Given(f"a slow degradation, {name}", HEALTHY, firing=SLOW_GETS, changes={"client": client})
    for name, client in (("unproven", Client()), ("unfit", Client(9, 30.0)), ("fit", Client(3, 300.0)))
)
BASIC = (HEALTH, DOWN, STILL_DOWN, UNKNOWN)
ROLLING = (env.time_passes, env.rollouts_complete)
SIMPLE = (*ROLLING, env.jobs_pass)
OWNERS = (env.people_edit, env.policy_goes, env.target_goes)
SWEEPING = (*ROLLING, env.sweeps_asked(1), env.pods_go)
SWEEP = (*SWEEPING, env.jobs_pass)
SWEEPS_PASS, SWEEPS_FAIL = (env.jobs_end(how, kinds={JobKind.SWEEP}) for how in ("passes", "fails"))
FINDINGS_PASS = env.jobs_end("passes", kinds={JobKind.FINDINGS})
REQUIRED = State(approval=Approval.REQUIRED)
OTHER_WORDS = State(env={READ: EnvVar.literal("True", HELM), DUAL: ON})
NO_FLAG = State(env={DUAL: ON})
NO_DUAL_WRITE = State(env={READ: ON})
LEVELLED = State(env={READ: ON, DUAL: ON, LEVEL: EnvVar.literal("INFO", HELM)}, level="INFO")
DEBUGGED = State(env={READ: ON, DUAL: ON, LEVEL: EnvVar.literal("DEBUG", HELM)}, level="DEBUG")
"""Nothing is borrowed where the log level is what it should be."""
DUAL_WRITE_OFF = State(env={READ: ON, DUAL: OFF})

FAILED = Validation(
    verdict="Fail", mismatch="1%", upper_bound="2%", sampled=400, unverified=0, at_risk_open=0, finished_at=START,
    job_uid="job-0", inputs_hash=INPUTS, command="check", population=400, mismatches=4,
    report="s3://deltacrown-certificates/.certstorage/report.json", pattern="single",
)  # fmt: skip
DIFFERS = State(status=Status(last_validation=FAILED))
DIFFERS_AT_RANDOM = State(status=Status(last_validation=replace(FAILED, pattern="random")))
ASKED = env.checks_asked(2, RequestType.VALIDATION, RequestType.REPAIR)
REPAIRS = env.checks_asked(1, RequestType.REPAIR)
WINDOWS = (
    Given("health in the window", HEALTHY, window=True),
    Given("health before the window", HEALTHY, window=False),
)

UNWRITABLE_FLAGS = (EnvVar(FlagState.VALUE_FROM), EnvVar(FlagState.DUPLICATED), EnvVar.literal(""))
PREFLIGHT_STARTS = (State(), *(State(env={READ: flag, DUAL: ON}) for flag in UNWRITABLE_FLAGS))
VALUES = (OTHER_WORDS, NO_FLAG, NO_DUAL_WRITE, DUAL_WRITE_OFF)
UNTOLD = COARSE._replace(told=False)
HOLDS = UNTOLD._replace(sweep_holds=True)
AFTER = UNTOLD._replace(sweep_after=300)
IN_WINDOWS = UNTOLD._replace(automatic_sweeps=True)

WORLDS = (
    # the outage
    World("verdicts", (*SIMPLE, env.pods_roll), (*BASIC, *CHECKS, *VERDICTS, *OBSTACLES), timing=UNTOLD),
    World("endings", (*SIMPLE, env.jobs_go_on(*env.ALL_ENDINGS)), BASIC, timing=UNTOLD),
    World("return", (*SIMPLE, env.jobs_end("fails")), (HEALTH, DOWN, CHECKS[0]), timing=UNTOLD),
    World("approval", (*SIMPLE, env.requests_come), (HEALTH, DOWN), (REQUIRED,), timing=UNTOLD, weight=3),
    World("writers", (*SIMPLE, env.others_write), (HEALTH, DOWN), timing=UNTOLD, weight=3),
    World("owners", (*SIMPLE, *OWNERS, env.status_is_lost, env.hold_garbled), BASIC, timing=UNTOLD, weight=3),
    World("values", SIMPLE, (HEALTH, DOWN), VALUES, timing=UNTOLD),
    World("values and writers", (*SIMPLE, env.argocd_reverts), (HEALTH, DOWN), (OTHER_WORDS,), timing=UNTOLD, weight=3),
    World("foreign Job", (*SIMPLE, env.foreign_job), (HEALTH, DOWN), timing=UNTOLD),
    World("preflight", SIMPLE, (HEALTH, DOWN, *PREFLIGHT), PREFLIGHT_STARTS, timing=UNTOLD),
    World("incidents", (*SIMPLE, env.status_is_lost), BASIC),
    World("one slow", SIMPLE, (HEALTH, DOWN, UNKNOWN), timing=UNTOLD, slow=1),
    World("two slow", SIMPLE, (HEALTH, DOWN), timing=UNTOLD, slow=2, weight=3),
    World("plan", (*SIMPLE, env.plans_answered), (HEALTH, DOWN), (REQUIRED,)),
    # the sweep
    World("sweep", SWEEP, (HEALTH,)),
    World("sweep failing", (*SWEEPING, env.jobs_end("fails", "is inconclusive")), (HEALTH,)),
    World("sweep and unknown", SWEEP, (HEALTH, UNKNOWN)),
    World("sweep and gates", (env.time_passes, env.sweeps_asked(1)), (HEALTH, *GATES)),
    World("sweep and others", (*SWEEP, env.replicas_set), (HEALTH,), weight=3),
    World("sweep and owners", (*SWEEP, env.policy_goes), (HEALTH,)),
    World("sweep and outage", (*SWEEPING, SWEEPS_PASS), (HEALTH, DOWN)),
    World("sweep held", (*SWEEPING, SWEEPS_FAIL, env.waits_ended), (HEALTH,), timing=HOLDS),
    World("sweep after an outage", SIMPLE, (HEALTH, DOWN), timing=AFTER, weight=3),
    World("sweep in a window", (*ROLLING, env.pods_go, SWEEPS_PASS), WINDOWS, (DIFFERS_AT_RANDOM,), timing=IN_WINDOWS),
    # the milder scenarios
    World("degradation", (env.time_passes, env.jobs_pass), (HEALTH, DEGRADED), (DEBUGGED,), timing=UNTOLD, weight=2),
    World("degradation and outage", (*ROLLING, FINDINGS_PASS), (DOWN, DEGRADED), (LEVELLED,), timing=UNTOLD),
    World("degradation and writers", (*SIMPLE, env.level_written), (DEGRADED,), (LEVELLED,)),
    World("degradation and owners", (*SIMPLE, env.policy_goes), (DEGRADED,), (LEVELLED,)),
    World("timeouts", SIMPLE, TIMEOUTS, timing=UNTOLD._replace(long_timeouts=True)),
    World("read fallback", SIMPLE, (HEALTH, MILD[0])),
    World("deletes", SIMPLE, (HEALTH, MILD[1])),
    World("writes", SIMPLE, (HEALTH, MILD[2])),
    World("disk", SIMPLE, (HEALTH, MILD[3])),
    # comparing both copies
    World("mismatches", (env.time_passes, env.jobs_end("fails at random", "fails")), (NIGHT,), timing=UNTOLD),
    World("night", (env.time_passes, env.jobs_end("fails on one object")), (NIGHT,), timing=UNTOLD, weight=2),
    World("mended", (env.time_passes, env.jobs_pass), (NIGHT, HEALTH), (DIFFERS,), timing=UNTOLD),
    World("checks", (env.time_passes, env.jobs_end("passes"), ASKED), (HEALTH, DOWN), timing=UNTOLD, weight=2),
    World(
        "repairs", (env.time_passes, env.jobs_pass, REPAIRS), (HEALTH,), (DIFFERS_AT_RANDOM,), timing=UNTOLD, weight=2
    ),
    World("checks in a sweep", (env.pods_go, env.sweeps_asked(2), ASKED), (HEALTH,)),
)
BY_NAME = {world.name: world for world in WORLDS}
