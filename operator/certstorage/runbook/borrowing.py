"""Scenario 2, steps 2 and 3: log level and timeouts that are changed for a while, and how each is given back.

What is borrowed is remembered in the hold, in the same write: what was there before, what was written, until when. A
foreign write is undone once and its writer named; the second time the variable is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from certstorage.api.env import UNWRITABLE, EnvVar, FlagState
from certstorage.api.hold import DegradationHold
from certstorage.api.incidents import IncidentFinding
from certstorage.api.policy import LongTimeouts, Mode, Switch
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import SignalName, Verdict
from certstorage.runbook import caps, causes, preflight
from certstorage.runbook.threads import Thread
from certstorage.runbook.wants import Context, Finding
from certstorage.runbook.will import BOTTOM, KEEP, Keep, Will

DEBUG = "DEBUG"
CONNECT_SECONDS = 10
READ_SECONDS = 30
"""The runbook's longer timeouts, in seconds."""

DEBUG_PAUSE = timedelta(hours=24)
"""Verbose logging is turned on once in this time."""

ABSENT = EnvVar(FlagState.ABSENT)


@dataclass(frozen=True, slots=True)
class Loan:
    """What is to become of borrowed variables in this pass; `finding` says why where something is refused."""

    share: DegradationHold | Keep | None = KEEP
    env: Mapping[str, str] | None = None
    back: Mapping[str, str | None] | None = None
    finding: Finding | None = None
    foreign: bool = False

    @property
    def will(self) -> Will:
        """What is asked of the Deployment."""
        if self.share is KEEP and not self.env and not self.back:
            return BOTTOM
        return Will(
            degradation=self.share,
            claims=frozenset((self.env or {}).items()),
            backs=frozenset((self.back or {}).items()),
        )


NO_LOAN = Loan()


def borrow(context: Context, thread: Thread, findings: tuple[IncidentFinding, ...]) -> Loan:
    """Take what scenario 2 asks for, where it may be had now."""
    last = debugged_at(context)
    if last is not None and context.now < last + DEBUG_PAUSE:
        until = last + DEBUG_PAUSE
        return Loan(finding=Finding(Reason.DEBUG_USED, "verbose logging was on already within a day", until=until))
    names = context.policy.spec.env
    timeouts, refused = _timeouts(context, findings)
    enabled = context.policy.spec.degradation.debug_logging is Switch.ENABLED
    wanted = {**({names.log_level: DEBUG} if enabled else {}), **timeouts}
    wanted = {name: value for name, value in wanted.items() if _takes(context, name, value)}
    against = refusal(context) if wanted else refused
    if against is not None or not wanted:
        return Loan(finding=against)
    share = DegradationHold(
        incident=thread.name,
        since=context.now,
        until=context.now + timedelta(seconds=context.policy.spec.degradation.max_duration_seconds),
    )
    return Loan(_more(context, share, wanted), env=wanted, finding=refused)


def _more(context: Context, share: DegradationHold, wanted: Mapping[str, str]) -> DegradationHold:
    """The share with these variables, and what they were before."""
    before = {name: context.target.env.get(name, ABSENT).value for name in wanted}
    return replace(share, before={**before, **share.before}, written={**share.written, **wanted})


def _timeouts(context: Context, findings: tuple[IncidentFinding, ...]) -> tuple[dict[str, str], Finding | None]:
    """The longer timeouts that are called for, or why they are not set."""
    names, spec = context.policy.spec.env, context.policy.spec.degradation
    if spec.long_timeouts is LongTimeouts.NEVER or not _latency(context, findings):
        return {}, None
    unfit = _unfit(context)
    if unfit is not None:
        return {}, unfit
    return {names.connect_timeout: str(CONNECT_SECONDS), names.read_timeout: str(READ_SECONDS)}, None


def refusal(context: Context) -> Finding | None:
    """Why the Deployment may not be rolled for this now."""
    mode, target = context.policy.spec.mode, context.target
    if mode is not Mode.ENFORCE:
        return Finding(preflight.REFUSED_BY[mode], f"spec.mode is {mode}: log level and timeouts are left alone")
    problem = next(preflight.problems(context.policy, context.seen, target), None)
    if problem is not None:
        return Finding(problem.reason, problem.message)
    if not target.rolled_out:
        return Finding(Reason.ROLLOUT_UNDER_WAY, "a rollout is under way: log level and timeouts wait for its end")
    return caps.rollout(context)


def _takes(context: Context, name: str, value: str) -> bool:
    found = context.target.env.get(name, ABSENT)
    return bool(name) and found.state not in UNWRITABLE and found.value != value


def _latency(context: Context, findings: tuple[IncidentFinding, ...]) -> bool:
    """Whether network latency is suspected: GETs are slow by the metrics, or by the Findings Job."""
    slow = context.seen.signals.verdict(SignalName.GET_SLOW) is Verdict.FIRING
    return slow or any(one.name == "GetLatency" for one in causes.bad(findings))


def _unfit(context: Context) -> Finding | None:
    """Why longer timeouts may not be set: all attempts must fit into one request, and that must be known."""
    client = context.target.client
    if client.max_attempts is None or client.request_timeout_seconds is None:
        missing = "AWS_MAX_ATTEMPTS" if client.max_attempts is None else "the request timeout"
        text = f"longer timeouts are not set: the template does not show {missing}"
        return Finding(Reason.TIMEOUTS_UNPROVEN, text)
    worst = client.max_attempts * (CONNECT_SECONDS + READ_SECONDS)
    if worst <= client.request_timeout_seconds:
        return None
    text = (
        f"longer timeouts are not set: {client.max_attempts} attempts of {CONNECT_SECONDS} + {READ_SECONDS} s are"
        f" {worst} s, and a request may take {client.request_timeout_seconds:g} s"
    )
    return Finding(Reason.TIMEOUTS_UNFIT, text)


def debugged_at(context: Context) -> datetime | None:
    """When verbose logging was last turned on, by the memory of the scenario."""
    state = context.before.scenario(Scenario.DEGRADATION)
    return None if state is None else state.marks.get("debugAt")


def keep(context: Context, share: DegradationHold, findings: tuple[IncidentFinding, ...]) -> Loan:
    """Hold on to what is borrowed; somebody else's write is undone once, and it is their value that goes back."""
    taken = {
        name: context.target.env.get(name, ABSENT)
        for name, value in share.written.items()
        if context.target.env.get(name, ABSENT).value != value
    }
    if not taken:
        return _extended(context, share, findings)
    writer = next((found.manager for found in taken.values() if found.manager), "somebody")
    names = ", ".join(sorted(taken))
    if not share.reverts:
        text = f"{writer} wrote {names} while it was borrowed: it is written once more"
        theirs = {name: found.value for name, found in taken.items()}
        held = replace(share, reverts=1, reverted_by=writer, before={**share.before, **theirs})
        env = {name: share.written[name] for name in taken}
        return Loan(held, env=env, finding=Finding(Reason.FOREIGN_WRITER, text), foreign=True)
    left = {name: value for name, value in share.written.items() if name not in taken}
    held = replace(
        share,
        reverts=share.reverts + 1,
        reverted_by=writer,
        written=left,
        before={name: value for name, value in share.before.items() if name in left},
    )
    text = f"{writer} wrote {names} again: it is left to them"
    return Loan(held if left else None, finding=Finding(Reason.YIELDED, text), foreign=True)


def _extended(context: Context, share: DegradationHold, findings: tuple[IncidentFinding, ...]) -> Loan:
    """Latency may be suspected later only: the timeouts join the loan, unless somebody else has shown to care."""
    timeouts, refused = _timeouts(context, findings)
    wanted = {
        name: value for name, value in timeouts.items() if name not in share.written and _takes(context, name, value)
    }
    against = refusal(context) if wanted else refused
    if against is not None or not wanted or share.reverts:
        return Loan(finding=against)
    return Loan(_more(context, share, wanted), env=wanted)


def give_back(context: Context, share: DegradationHold) -> Loan:
    """What was there before, for every variable that still says what was written; the rest is somebody else's."""
    back = {
        name: share.before.get(name)
        for name, value in share.written.items()
        if context.target.env.get(name, ABSENT).value == value
    }
    return Loan(None, back=back)
