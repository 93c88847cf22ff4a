"""`request` and `approve`: what is written, and what is said about it before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from rich.console import Group, RenderableType
from rich.text import Text

from certstorage.api.policy import API_VERSION, GROUP
from certstorage.cli import screen, words
from certstorage.cli.overview import Policy
from certstorage.cli.port import CliError, Commands, ExitCode, Json
from certstorage.cli.requested import Request


class Wanted(StrEnum):
    """What a person may ask for: `spec.type`; in small letters also the subcommand and the verb it needs."""

    SWEEP = "Sweep"
    VALIDATION = "Validation"
    REPAIR = "Repair"
    RETURN = "Return"


_NEXT = {
    Wanted.SWEEP: (
        "The operator writes its plan: {target} is scaled to 0, so that nobody is served, until the validator is done.",
        "Where approval is needed it begins when somebody has approved that plan.",
    ),
    Wanted.VALIDATION: ("A validator Job compares local disk and S3 when nothing else is at work; reads stay.",),
    Wanted.REPAIR: (
        "What the last validation found missing or different is uploaded from local disk, never the other way.",
        "A validation of 10 % verifies it.",
    ),
    Wanted.RETURN: (
        "The way back begins when S3 has answered without a break for recovery.holdSeconds.",
        "Reads go back only when a recovery Job has passed.",
    ),
}


def request_body(
    policy: Policy, wanted: Wanted, *, by: str, reason: str, sample_rate: str = "", expected: Sequence[str] = ()
) -> Json:
    """A CertStorageRequest to create; the API server completes its name."""
    spec: Json = {"policyName": policy.name, "type": wanted.value, "reason": reason or _reason("asked for", by)}
    if by:
        spec["requestedBy"] = by
    if sample_rate:
        spec["sampleRate"] = sample_rate
    if expected:
        spec["expected"] = list(expected)
    return _body(policy.namespace, f"{policy.name}-{wanted.lower()}-", spec)


def check_waits(request: Request, commands: Commands) -> None:
    """Raises CliError when nothing of the request waits for an answer; the text says why."""
    if request.waits:
        return
    follow = commands.line("why", request.policy, namespace=request.namespace)
    if request.type == "Approval":
        raise CliError(f"{request.name} is an approval itself: name the request it is about; see: {follow}")
    if not request.phase or request.phase == "Pending":
        raise CliError(f"{request.name} has no plan yet: the operator has not worked it out; see: {follow}")
    said = f" ({request.message})" if request.message else ""
    raise CliError(f"{request.name} is {request.phase}{said}: nothing of it waits for an answer; see: {follow}")


def approval_body(request: Request, *, by: str, reason: str, deny: bool) -> Json:
    """The answer to exactly this plan."""
    decision = "Deny" if deny else "Approve"
    spec: Json = {
        "policyName": request.policy,
        "type": "Approval",
        "reason": reason or _reason("denied" if deny else "approved", by),
        "requestedBy": by,
        "approves": {
            "requestName": request.name,
            "planHash": request.plan_hash,
            "decision": decision,
        },
    }
    return _body(request.namespace, f"{request.policy}-approval-", spec)


def _reason(did: str, by: str) -> str:
    return f"{did} on the command line by {by}" if by else f"{did} on the command line"


def _body(namespace: str, prefix: str, spec: Json) -> Json:
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": "CertStorageRequest",
        "metadata": {"generateName": prefix, "namespace": namespace},
        "spec": spec,
    }


def shown_plan(request: Request, now: datetime) -> RenderableType:
    """The plan as an approver should read it."""
    why = f": {request.reason}" if request.reason else ""
    title = f"{request.type} of {request.namespace}/{request.policy}, asked for{request.asked_by}{why}"
    lines: list[RenderableType] = [Text(title, style="bold")]
    lines += [Text(f"  {number}. {line}") for number, line in enumerate(request.plan, 1)]
    expires = f", expires at {words.ahead(request.expires_at, now)}" if request.expires_at is not None else ""
    lines.append(Text(f"  plan {request.plan_hash}{expires}", style=screen.FAINT))
    return Group(*lines)


def filed(policy: Policy, wanted: Wanted, name: str, commands: Commands) -> RenderableType:
    """What is said when a request has been created: what happens next, and how to follow it."""
    return Group(Text(f"{name} is filed."), *(Text(line) for line in _next(policy, wanted)), *_follow(policy, commands))


def _next(policy: Policy, wanted: Wanted) -> Iterator[str]:
    if policy.mode == "Observe":
        yield "spec.mode is Observe: the operator does nothing about it until the mode is another."
    if wanted is Wanted.RETURN and policy.ready.true and policy.template == "S3":
        yield "Reads come from S3 already: there is nothing to bring back."
        return
    if wanted is Wanted.RETURN and policy.mode == "ProtectOnly":
        yield "spec.mode is ProtectOnly: the operator does not bring reads back, whatever is asked."
    for line in _NEXT[wanted]:
        yield line.format(target=f"Deployment {policy.target}")
    if not policy.ready.true and policy.ready.message:
        yield words.sentence(f"Now: {policy.ready.message}")


def _follow(policy: Policy, commands: Commands) -> Iterator[RenderableType]:
    yield Text("Follow it:")
    yield screen.command(commands.line("why", policy.name, namespace=policy.namespace))


def answered(request: Request, name: str, *, deny: bool, commands: Commands) -> RenderableType:
    """What is said when an answer has been created."""
    what = f"Denied by {name}: {request.name} ends." if deny else f"Approved by {name}: {request.name} may begin."
    void = f"The answer is void if the plan is no longer {request.plan_hash} when the operator reads it. Follow it:"
    follow = commands.line("why", request.policy, namespace=request.namespace)
    return Group(Text(what), Text(void), screen.command(follow))


def progress(request: Request, commands: Commands, now: datetime) -> RenderableType:
    """One line for each change while a request is waited for; with the plan and the command where it waits."""
    head = Text.assemble(f"{now:%H:%M:%S} UTC  ", screen.word(request.phase or "Unknown"))
    said = " ".join(part for part in (request.why and f"{request.why}:", request.message) if part)
    head.append(f"  {said}" if said else "  the operator has not looked at it yet")
    if request.waits:
        approve = commands.line("approve", request.name, namespace=request.namespace)
        return Group(head, screen.command(approve))
    if request.over and request.report:
        return Group(head, Text(f"Report: {request.report}"))
    return head


def outcome(request: Request) -> ExitCode:
    """What waiting for a request ends with: Done without a verdict, or with Pass, is success."""
    passed = request.phase == "Done" and request.verdict in ("", "Pass")
    return ExitCode.READY if passed else ExitCode.NOT_READY
