"""Who is told of what: the runbook's emergency contacts, as labels by which the shipped Alertmanager routes.

`critical` goes to PagerDuty (SRE rotation) and #sre-oncall, `warning` to #platform-eng; a critical alert of the sweep
also to the engineering lead; `contact: aws-support` brings the text of a Premium Support case for the account TAM.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from certstorage.api.alerts import Severity
from certstorage.api.policy import Policy
from certstorage.api.reading import rfc3339
from certstorage.api.scenarios import Scenario
from certstorage.runbook.wants import Context

AWS_SUPPORT = "aws-support"
ENGINEERING_LEAD = "engineering-lead"
AWS_STATUS_PAGE = "https://status.aws.amazon.com/"

SEVERITY: Mapping[Scenario, Severity] = {
    Scenario.OUTAGE: Severity.CRITICAL,
    Scenario.DEGRADATION: Severity.WARNING,
    Scenario.INCONSISTENCY: Severity.CRITICAL,
    Scenario.READ_FALLBACK: Severity.WARNING,
    Scenario.DELETE_FAILING: Severity.WARNING,
    Scenario.WRITE_SUCCESS_LOW: Severity.CRITICAL,
    Scenario.LOCAL_DISK_LOW: Severity.CRITICAL,
    Scenario.SWEEP: Severity.WARNING,
}
"""Of the alert of an incident, for as long as it lasts: one identity. What is worse than that is asked of people."""


def aws_case(context: Context, *, subject: str, since: datetime, seen: str, done: str) -> str:
    """The text of an AWS Premium Support case, ready to paste."""
    storage = context.policy.spec.storage
    return "\n".join(
        (
            "Service: Simple Storage Service (S3). Severity: production system impaired.",
            f"Subject: {subject}",
            f"Bucket: {storage.bucket}, prefix {storage.prefix or '(none)'}"
            + (f", region {storage.region}" if storage.region else "")
            + (f", endpoint {storage.endpoint}" if storage.endpoint else ""),
            f"Since: {rfc3339(since)}",
            f"What we see: {seen}",
            f"What we did: {done}",
            "To attach: request ids and extended request ids from the application's log of that time, the validator's"
            " report, the S3 server access log.",
            "Send to: the account TAM.",
        )
    )


def log_query(policy: Policy, since: datetime) -> str:
    """The application's log since then (UTC), as a command."""
    return (
        f"kubectl -n {policy.namespace} logs deployment/{policy.spec.target.name} --all-pods"
        f" --since-time={rfc3339(since)} --prefix | grep -E 'S3|boto|50[0-9]|timeout|AccessDenied'"
    )


def describe(policy: Policy) -> str:
    """The command that shows the policy."""
    return f"kubectl -n {policy.namespace} describe certstoragepolicy {policy.name}"


def incident_command(policy: Policy, incident: str) -> str:
    """The command that shows an incident."""
    return f"kubectl -n {policy.namespace} describe certstorageincident {incident}"
