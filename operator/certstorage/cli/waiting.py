"""What a policy waits for, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from certstorage.cli import words
from certstorage.cli.overview import Policy


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for, `until` when at the latest it is looked at again, and from `overdue` on people are told."""

    what: str
    until: datetime | None = None
    overdue: datetime | None = None
    restore_by: datetime | None = None


def wait_of(policy: Policy) -> Wait | None:
    """What the policy waits for; None when nothing is under way and nothing is refused."""
    operation = policy.operation
    if operation is None:
        asked = policy.asked
        if policy.blocked_until is None and asked is None:
            return None
        return Wait("a person" if asked is not None else "its next look", policy.blocked_until)
    what = words.STEPS.get(operation.step, f"step {operation.step} to end")
    job = f" ({operation.job})" if operation.job else ""
    return Wait(
        what=f"{what}{job}",
        until=policy.blocked_until or operation.retry_at,
        overdue=operation.deadline if operation.deadline != operation.restore_by else None,
        restore_by=operation.restore_by,
    )
