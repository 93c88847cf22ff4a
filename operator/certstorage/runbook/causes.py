"""What the probe of a Findings Job says about the cause, as findings with their mends (scenarios 2 and 4).

Each permission one by one, the bucket's region, lifecycle rules, access log, clock, the path to the endpoint and the
latency of reads: the runbook's diagnostic commands, run by a Job with the application's own identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from certstorage.api.incidents import Evidence, IncidentFinding
from certstorage.api.receipt import Receipt
from certstorage.runbook.contacts import log_query
from certstorage.runbook.threads import Thread
from certstorage.runbook.wants import Context

GOOD, BAD, UNKNOWN = "Good", "Bad", "Unknown"
SLOW_GET_SECONDS = 0.5
"""Scenario 4, cause 1: p95 over 500 ms."""

PERMISSIONS: Mapping[str, str] = {
    "ListBucket": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "DeleteObject": "s3:DeleteObject",
}
_CONDITIONAL: Mapping[str, str] = {"ConditionalPut": "PutObject", "ConditionalDelete": "DeleteObject"}
"""Steps of the probe that need the same permission, and come before; where they are denied the probe ends."""

_FACTS: Mapping[str, tuple[str, str]] = {
    "location": ("BucketRegion", "migrate the bucket to the same region as the application"),
    "lifecycle": ("Lifecycle", "remove or narrow the lifecycle rule: certificates must neither be archived nor expire"),
    "logging": ("AccessLog", "turn on server access logging, so that error codes can be looked up"),
    "clock": ("Clock", "mend the time synchronisation of the node"),
    "path": ("NetworkPath", "review VPC routing and NAT gateway performance"),
}
_STATES = {"ok": GOOD, "warning": BAD}


def causes(receipt: Receipt) -> tuple[IncidentFinding, ...]:
    """Every finding of a probe."""
    return (*_permissions(receipt), *_latency(receipt), *_facts(receipt))


def _permissions(receipt: Receipt) -> Iterator[IncidentFinding]:
    for step, said in receipt.steps.items():
        name = _CONDITIONAL.get(step, step) if said.startswith("AccessDenied") else step
        permission = PERMISSIONS.get(name)
        if permission is None:
            continue
        mend = "" if said == "ok" else f"check that the application's role has {permission} on the bucket"
        yield IncidentFinding(name, GOOD if said == "ok" else BAD, said, mend)


def _latency(receipt: Receipt) -> Iterator[IncidentFinding]:
    seconds = receipt.get_p95_seconds
    if seconds is None:
        yield IncidentFinding("GetLatency", UNKNOWN, "no GET came back")
    elif seconds > SLOW_GET_SECONDS:
        text = f"p95 of GETs is {seconds * 1000:.0f} ms, over 500 ms"
        yield IncidentFinding("GetLatency", BAD, text, "monitor and wait: fallback is safe")
    else:
        yield IncidentFinding("GetLatency", GOOD, f"p95 of GETs is {seconds * 1000:.0f} ms")


def _facts(receipt: Receipt) -> Iterator[IncidentFinding]:
    for fact in receipt.facts:
        name, mend = _FACTS.get(fact.name, (fact.name, ""))
        verdict = _STATES.get(fact.state, UNKNOWN)
        yield IncidentFinding(name, verdict, fact.detail, mend if verdict == BAD else "")


def flag(context: Context) -> IncidentFinding:
    """The read flag is looked at first: off or mixed across Pods, it explains a fallback by itself (scenario 4)."""
    pods, name = context.seen.pods, context.policy.spec.env.read_primary
    if pods.local and pods.s3:
        text = f"{name} differs between Pods: {pods.local} read local disk, {pods.s3} S3"
        return IncidentFinding(
            "ReadFlag", BAD, text, "wait for the rollout, or restart the Pods that have the old value"
        )
    if pods.local:
        text = f"{name} is off on all {pods.local} Pods"
        return IncidentFinding("ReadFlag", BAD, text, "whoever turned it off turns it on")
    if not pods.s3:
        return IncidentFinding("ReadFlag", UNKNOWN, f"no running Pod shows {name}")
    return IncidentFinding("ReadFlag", GOOD, f"{name} is on, on all {pods.s3} Pods")


def retry_bound(context: Context) -> IncidentFinding:
    """Scenario 2, step 1: bounded to three attempts. A template without the variable proves nothing."""
    found = context.target.client.max_attempts
    if found is None:
        text = "the template does not show max_attempts; code may set it"
        return IncidentFinding("RetryBound", UNKNOWN, text, "verify max_attempts=3 in the application's boto3 config")
    if found > 3:
        return IncidentFinding("RetryBound", BAD, f"AWS_MAX_ATTEMPTS is {found}", "set it to 3")
    return IncidentFinding("RetryBound", GOOD, f"AWS_MAX_ATTEMPTS is {found}")


def bad(findings: tuple[IncidentFinding, ...]) -> tuple[IncidentFinding, ...]:
    """Those that explain something."""
    return tuple(one for one in findings if one.verdict == BAD)


def evidence(context: Context, thread: Thread, receipt: Receipt | None) -> tuple[Evidence, ...]:
    """The log query of the window, and where S3 keeps its access log, as far as it is known."""
    logs = Evidence(thread.began, "LogQuery", "application log", "error codes of the window",
                    log_query(context.policy, thread.began))  # fmt: skip
    if receipt is None:
        return (logs,)
    target = next((fact.detail for fact in receipt.facts if fact.name == "logging" and fact.state == "ok"), "")
    report = Evidence(receipt.finished_at, "Receipt", "findings", receipt.message, receipt.report)
    access = (Evidence(receipt.finished_at, "AccessLog", "S3 server access log", target),) if target else ()
    return (logs, report, *access)
