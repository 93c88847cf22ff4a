"""Mistakes put into the core on purpose, at least three against each invariant: the exploration must find every one.

Each replaces a function or a constant of a module of runbook/ for the time of one exploration.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch as replaced

from certstorage.api.decision import Decision, EventType, EventWanted, TargetPatch
from certstorage.api.reasons import Reason
from certstorage.api.signals import SignalName, Verdict
from certstorage.runbook import alerts, attempt, decide, gates, held, merge, outage, recovery, report, returning, wants
from certstorage.runbook.wants import Finding
from tests.model import invariants as inv
from tests.model.invariants import LIVENESS


@dataclass(frozen=True)
class Bug:
    """One mistake: what is wrong, the invariant that it breaks, the world in which it shows."""

    name: str
    invariant: str
    world: str
    changes: tuple[tuple[object, str, Any], ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The core with the mistake in it."""
        with ExitStack() as stack:
            for module, name, value in self.changes:
                stack.enter_context(replaced.object(module, name, value))
            yield


def around(function: Callable[..., Any], change: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its result changed; `change` gets the result and then the arguments."""

    def changed(*args: Any, **kwargs: Any) -> Any:
        return change(function(*args, **kwargs), *args)

    return changed


def always(value: Any) -> Callable[..., Any]:
    """A function that returns this, whatever it is given."""
    return lambda *_, **__: value


def _gives_all_back(context: Any, before: Mapping[str, str | None]) -> dict[str, str | None]:
    return dict(before)


def _claims_again(context: Any, name: str, value: str, before: dict[str, Any], env: dict[str, Any]) -> None:
    found = context.target.env.get(name, merge.ABSENT)
    if found.value != value:
        before[name] = found.value
        env[name] = value


def _nonce_ignored(permit: Any, hold: Any) -> bool:
    return bool(permit.verdict == "PASS")


def _any_nonce(judge: Callable[..., Any]) -> Callable[..., Any]:
    def judged(policy: Any, seen: Any, hold: Any, job: Any, now: Any) -> Any:
        receipt = job.receipt and replace(job.receipt, nonce=hold.nonce, inputs_hash=seen.inputs_hash)
        return judge(policy, seen, hold, replace(job, receipt=receipt), now)

    return judged


def _without_alert(found: Any, *_: Any) -> Any:
    return tuple(alert for alert in found if alert.name != "CertStorageIncident")


def _renamed(found: Any, _policy: Any, _before: Any, now: Any) -> Any:
    return tuple(replace(one, labels={**one.labels, "incident": f"{now:%H%M%S}"}) for one in found)


def _until_returning(*args: Any, hold: Any, **kwargs: Any) -> Any:
    found = alerts.alerts(*args, hold=hold, **kwargs)
    return _without_alert(found) if hold is not None and hold.reads == "Returning" else found


def _answers_if_quiet(signals: Any) -> bool:
    return not recovery.outage_fires(signals)


def _answers_on_unknown(signals: Any) -> bool:
    quiet = (Verdict.CLEAR_PROVEN, Verdict.IDLE, Verdict.UNKNOWN)
    return signals.trusted and signals.verdict(SignalName.RECOVERY) in quiet and not recovery.outage_fires(signals)


def _checks_nothing(context: Any, hold: Any) -> Any:
    return returning._done(context, Finding(Reason.RETURNED, "fine"))


def _stays_on_s3(context: Any, hold: Any, failure: Any) -> Any:
    return returning._on_the_way(context, hold, wants_step(context), failure)


def wants_step(context: Any) -> Any:
    """The step that was remembered."""
    return context.operation.step if context.operation is not None else "Returning"


def _waits_without_job(context: Any, hold: Any, since: Any) -> Any:
    return replace(_WITH_JOB(context, hold, since), jobs=())


def _any_operation(self: Any) -> Any:
    return self.before.operation if self.hold is not None else None


def _unconditional(patch: TargetPatch | None, *_: Any) -> TargetPatch | None:
    return None if patch is None else replace(patch, resource_version="", uid="")


def _more_env(patch: TargetPatch | None, *_: Any) -> TargetPatch | None:
    return None if patch is None else replace(patch, env={**patch.env, "AWS_REGION": "eu-central-1"})


def _forgets_replicas(patch: TargetPatch | None, *_: Any) -> TargetPatch | None:
    if patch is None or patch.replicas != 0 or patch.hold is None:
        return patch
    return replace(patch, hold=replace(patch.hold, replicas=None))


def _numbered_on(patch: TargetPatch | None, context: Any, *_: Any) -> TargetPatch | None:
    if patch is not None or context.hold is None:
        return patch
    target, hold = context.target, replace(context.hold, epoch=context.hold.epoch + 1)
    return TargetPatch(target.uid, target.resource_version, hold)


def _one_back(patch: TargetPatch | None, *_: Any) -> TargetPatch | None:
    return replace(patch, replicas=1) if patch is not None and patch.replicas else patch


def _without_finalizer(*args: Any, **fields: Any) -> Decision:
    return Decision(*args, **{**fields, "finalizer": False})


def _event_each_time(events: Any, *_: Any) -> Any:
    return (*events, EventWanted(EventType.NORMAL, "Looked", "a pass was made"))


def _since_now(part: Any, told: Any) -> Any:
    return replace(part, since=told.now)


_WITH_JOB = attempt._with_job
_TOKENS = itertools.count()
WORDS = report.Report

BUGS: tuple[Bug, ...] = (
    # 1
    Bug("dual-write is asserted off", "dual_write_stays_on", "values", ((merge, "ON", "false"),)),
    Bug("all that was found is given back", "dual_write_stays_on", "values", ((merge, "_give_back", _gives_all_back),)),
    Bug(
        "dual-write is removed on the way back",
        "dual_write_stays_on",
        "verdicts",
        (
            (
                merge,
                "_give_back",
                around(merge._give_back, lambda back, context, _: {**back, context.policy.spec.env.dual_write: None}),
            ),
        ),
    ),
    # 2
    Bug(
        "neither lock looks at the nonce",
        "return_needs_proof",
        "endings",
        ((merge, "_opens", _nonce_ignored), (recovery, "judge", _any_nonce(recovery.judge))),
    ),
    Bug(
        "the numbers of a receipt are not weighed",
        "return_needs_proof",
        "endings",
        ((recovery, "_weigh", always(None)),),
    ),
    Bug(
        "a failure since the Job began is forgotten",
        "return_needs_proof",
        "writers",
        ((attempt, "noted", lambda _, hold: hold),),
    ),
    Bug("ProtectOnly returns by itself", "return_needs_proof", "owners", ((gates, "refusal", always(None)),)),
    Bug(
        "another incident's memory counts",
        "return_needs_proof",
        "return",
        ((wants.Context, "operation", property(_any_operation)),),
    ),
    # 3
    Bug("a black hole is no outage", "outage_goes_local", "verdicts", ((recovery, "FAILING", (SignalName.OUTAGE,)),)),
    Bug("a failing return stays on S3", "outage_goes_local", "verdicts", ((returning, "_local_again", _stays_on_s3),)),
    Bug(
        "a foreign writer is left alone for an hour",
        "outage_goes_local",
        "writers",
        ((outage, "REASSERT_INTERVAL", timedelta(hours=1)),),
    ),
    # 4
    Bug("silence is recovery", "unknown_widens_nothing", "verdicts", ((recovery, "s3_answers", _answers_if_quiet),)),
    Bug(
        "unknown saves are idle saves",
        "unknown_widens_nothing",
        "verdicts",
        ((recovery, "s3_answers", _answers_on_unknown),),
    ),
    Bug("attempts open unseen", "unknown_widens_nothing", "verdicts", ((gates, "refusal", always(None)),)),
    # 5
    Bug(
        "what there was is not remembered",
        "replicas_are_owed",
        "sweep",
        ((decide, "merge", around(merge.merge, _forgets_replicas)),),
    ),
    Bug(
        "one replica is given back",
        "replicas_are_owed",
        "sweep",
        ((decide, "merge", around(merge.merge, _one_back)),),
    ),
    Bug(
        "replicas are taken before the finalizer is there",
        "replicas_are_owed",
        "sweep",
        ((decide, "Decision", _without_finalizer),),
    ),
    # 6
    Bug(
        "the write has no precondition",
        "acting_twice_is_acting_once",
        "two slow",
        ((decide, "merge", around(merge.merge, _unconditional)),),
    ),
    Bug(
        "the hold is numbered on by each pass",
        "acting_twice_is_acting_once",
        "verdicts",
        ((decide, "merge", around(merge.merge, _numbered_on)),),
    ),
    Bug(
        "each pass names its own Job",
        "acting_twice_is_acting_once",
        "verdicts",
        ((recovery, "job_name", lambda hold: f"{hold.incident}-r{next(_TOKENS)}"),),
    ),
    # 7
    Bug(
        "the incident is not told",
        "incident_reaches_people",
        "verdicts",
        ((decide, "alerts", around(alerts.alerts, _without_alert)),),
    ),
    Bug(
        "the incident is named by the time of day",
        "incident_reaches_people",
        "verdicts",
        ((decide, "alerts", around(alerts.alerts, _renamed)),),
    ),
    Bug(
        "the incident resolves with the flip back",
        "incident_reaches_people",
        "verdicts",
        ((decide, "alerts", _until_returning),),
    ),
    Bug(
        "the new Pods are not checked", "incident_reaches_people", "verdicts", ((returning, "_check", _checks_nothing),)
    ),
    # 8
    Bug(
        "each pass tells an Event",
        "steady_state_writes_nothing",
        "verdicts",
        ((WORDS, "events", around(WORDS.events, _event_each_time)),),
    ),
    Bug(
        "reads are wanted since now",
        "steady_state_writes_nothing",
        "verdicts",
        ((WORDS, "_reads", around(WORDS._reads, _since_now)),),
    ),
    Bug(
        "a step begins anew with each pass",
        "steady_state_writes_nothing",
        "verdicts",
        (
            (
                outage,
                "waiting",
                around(
                    held.waiting,
                    lambda want, context, *_: replace(want, operation=replace(want.operation, since=context.now)),
                ),
            ),
        ),
    ),
    # 9
    Bug(
        "a variable of the owner's is written",
        "others_keep_what_is_theirs",
        "verdicts",
        ((decide, "merge", around(merge.merge, _more_env)),),
    ),
    Bug(
        "reads go back to true, whatever was there",
        "others_keep_what_is_theirs",
        "values",
        ((merge, "_give_back", lambda context, _: {context.policy.spec.env.read_primary: "true"}),),
    ),
    Bug(
        "what was found is captured again",
        "others_keep_what_is_theirs",
        "values and writers",
        ((merge, "_claim", _claims_again),),
    ),
    # 10
    Bug("S3 is never believed", LIVENESS, "return", ((recovery, "s3_answers", always(False)),)),
    Bug("S3 answers since now", LIVENESS, "return", ((outage, "recovered_since", lambda context: context.now),)),
    Bug("a Job is wanted and not asked for", LIVENESS, "return", ((attempt, "_with_job", _waits_without_job),)),
    Bug(
        "the back-off never ends",
        LIVENESS,
        "return",
        (
            (recovery, "BACKOFF_CAP", timedelta(days=365)),
            (recovery, "retry_at", lambda _, hold: hold.failed_at and hold.failed_at + timedelta(days=365)),
        ),
    ),
)


def planted(bug: Bug) -> AbstractContextManager[None]:
    """The bug as a context."""
    return bug.planted()


def against(invariant: str) -> list[Bug]:
    """The bugs that must break this invariant."""
    return [bug for bug in BUGS if bug.invariant == invariant]


NAMES = (*inv.INVARIANTS, LIVENESS)
