"""What the way back needs besides proof: the mode, sole care of the bucket, a Deployment that can roll, a person."""

from __future__ import annotations

from certstorage.api.hold import Hold
from certstorage.api.policy import Approval, Mode
from certstorage.api.reasons import Reason
from certstorage.api.requests import RequestType
from certstorage.runbook import preflight
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


def approval(context: Context, hold: Hold) -> Ask | None:
    """What a person must still say before the next attempt; a request answers for one attempt."""
    recovery = context.policy.spec.recovery
    asked_since = hold.failed_at or hold.since
    returns = [one for one in context.seen.requests if one.kind is RequestType.RETURN and one.open]
    if any(one.created_at >= asked_since and one.expires_at > context.now for one in returns):
        return None
    if hold.failed_returns >= recovery.max_attempts:
        text = (
            f"{hold.failed_returns} attempts failed, the last with {hold.last_failure}: a person decides about the next"
        )
        return Ask(Reason.RETURN_ATTEMPTS_EXHAUSTED, text, request_command(context))
    if recovery.approval is Approval.REQUIRED:
        text = "S3 answers again; recovery.approval is Required: approve the way back with a CertStorageRequest"
        return Ask(Reason.AWAITING_APPROVAL, text, request_command(context))
    return None


def set_env_command(context: Context, value: str) -> str:
    """The runbook's own command for the read flag."""
    policy = context.policy
    target, flag = policy.spec.target.name, policy.spec.env.read_primary
    return f"kubectl -n {policy.namespace} set env deployment/{target} {flag}={value}"


def request_command(context: Context) -> str:
    """The command that approves the way back."""
    return f"kubectl certstorage request return {context.policy.name} -n {context.policy.namespace}"
