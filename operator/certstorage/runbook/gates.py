"""What the way back needs besides proof: the mode, sole care of the bucket, a Deployment that can roll, a person."""

from __future__ import annotations

from certstorage.api.hold import Hold
from certstorage.api.policy import Approval, Mode
from certstorage.api.reading import percent
from certstorage.api.reasons import Reason
from certstorage.api.requests import Answer, Expected, RequestType
from certstorage.runbook import asked, preflight, recovery
from certstorage.runbook.asked import open_of, plan_hash
from certstorage.runbook.wants import Ask, Context


def refusal(context: Context) -> Ask | None:
    """What refuses the way back however good the proof is."""
    policy, seen = context.policy, context.seen
    if seen.blind:
        return Ask(seen.blind[0].reason, f"no attempt begins or ends unseen: {seen.blind[0].message}")
    if policy.spec.mode is Mode.PROTECT_ONLY:
        text = "S3 answers again; spec.mode is ProtectOnly, so a person brings reads back"
        return Ask(Reason.MODE_PROTECT_ONLY, text, set_env_command(context, "true"))
    if seen.neighbours.same_storage:
        text = f"policy {seen.neighbours.same_storage} covers the same bucket and prefix: delete one of the two"
        return Ask(Reason.STORAGE_SHARED, text)
    problem = next(preflight.problems(policy, seen, context.target), None)
    return None if problem is None else Ask(problem.reason, problem.message)


def return_plan(context: Context, hold: Hold) -> tuple[tuple[str, ...], str]:
    """What the next attempt will do, line by line, and the hash that an approval names."""
    policy = context.policy
    terms, names = policy.spec.recovery, policy.spec.env
    before = hold.before.get(names.read_primary)
    back = "removed again" if before is None else f"set to {before}"
    lines = (
        f"Attempt {hold.attempt + 1}: probe S3, upload what it missed, compare {percent(terms.sample_rate)} of all.",
        f"If the mismatch rate is <{percent(terms.max_mismatch)}: {names.read_primary} is {back}: reads from S3.",
        f"If the new Pods fall back for {percent(terms.max_fallback)} of reads or more: local again.",
    )
    return lines, plan_hash(lines, hold.incident, context.target.uid)


def approval(context: Context, hold: Hold) -> Ask | None:
    """What a person must still say before the next attempt; a request or an approval answers for one attempt."""
    terms = context.policy.spec.recovery
    asked_since = hold.failed_at or hold.since
    if any(r.created_at >= asked_since and context.now < r.expires_at for r in open_of(context, RequestType.RETURN)):
        return None
    if hold.failed_returns < terms.max_attempts and terms.approval is not Approval.REQUIRED:
        return None
    _, digest = return_plan(context, hold)
    answer = asked.approval(context, digest, incident=hold.incident)
    if answer is not None and answer.decision is Answer.APPROVE:
        return None
    if answer is not None:
        text = f"the way back was denied by {answer.by}: reads stay local until a CertStorageRequest of type Return"
        return Ask(Reason.REQUEST_DENIED, text, request_command(context))
    if hold.failed_returns >= terms.max_attempts:
        text = (
            f"{hold.failed_returns} attempts failed, the last with {hold.last_failure}: a person decides about the next"
        )
        return Ask(Reason.RETURN_ATTEMPTS_EXHAUSTED, text, request_command(context, hold.last_failure))
    if terms.approval is Approval.REQUIRED:
        text = "S3 answers again; recovery.approval is Required: approve the way back with a CertStorageRequest"
        return Ask(Reason.AWAITING_APPROVAL, text, request_command(context))
    return None


def expected(context: Context, hold: Hold) -> tuple[Expected, ...]:
    """What people say is right, in the returns that the open attempt answers."""
    asked_since = hold.failed_at or hold.since
    said = {
        one
        for request in open_of(context, RequestType.RETURN)
        if request.created_at >= asked_since
        and (request.status.started_at is not None or context.now < request.expires_at)
        for one in request.expected
    }
    return tuple(sorted(said))


def set_env_command(context: Context, value: str) -> str:
    """The runbook's own command for the read flag."""
    policy = context.policy
    target, flag = policy.spec.target.name, policy.spec.env.read_primary
    return f"kubectl -n {policy.namespace} set env deployment/{target} {flag}={value}"


def request_command(context: Context, failure: str = "") -> str:
    """The command that approves the way back; after an attempt that a person may know better about, with that."""
    said = recovery.expected_of(failure)
    expect = "" if said is None else f" --expect {said}"
    return f"kubectl certstorage request return {context.policy.name} -n {context.policy.namespace}{expect}"
