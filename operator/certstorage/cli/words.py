"""Times as people read them, what each step waits for, and what each reason means."""

from __future__ import annotations

import ast
import inspect
from datetime import UTC, datetime, timedelta
from functools import cache

from certstorage.api import reasons

STEPS = {
    "GoingLocal": "the rollout: every Pod must run with reads off",
    "WaitingForS3": "S3: saves must succeed for five minutes, or canaries where there is no traffic",
    "Holding": "S3 to go on answering without a break for recovery.holdSeconds",
    "AwaitingApproval": "a person to let the way back begin",
    "BackingOff": "the time of the next attempt",
    "Validating": "the validator Job to compare local disk and S3",
    "Returning": "the rollout: every Pod must run with reads from S3",
    "Checking": "the new Pods' own counters: fallback must be below recovery.maxFallback",
    "Watching": "the signal to clear, or to become an outage",
    "Finding": "the Job that looks for the cause",
    "Reviewing": "the report of the last validation to be read",
    "Repairing": "the repair Job to upload what differs, from local disk to S3",
    "AwaitingPerson": "a person",
    "ScalingDown": "every Pod of the Deployment to be gone",
    "Sweeping": "the sweep's validator Job, with writes stopped",
    "Restoring": "the Deployment's replicas to be back",
    "Done": "nothing more",
}
"""What the operator waits for in each step of its procedures."""

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def span(length: timedelta) -> str:
    """A length of time in its two largest units: `45 s`, `12 min`, `2 h 5 min`, `3 d 4 h`; minutes stand alone."""
    left = max(0, int(length.total_seconds()))
    for index, (unit, seconds) in enumerate(_UNITS):
        if left >= seconds:
            count, rest = divmod(left, seconds)
            if unit in ("min", "s"):
                return f"{count} {unit}"
            smaller, size = _UNITS[index + 1]
            return f"{count} {unit} {rest // size} {smaller}" if rest >= size else f"{count} {unit}"
    return "0 s"


def clock(moment: datetime, now: datetime) -> str:
    """A time in UTC, with its date unless that is today."""
    day = "" if moment.astimezone(UTC).date() == now.astimezone(UTC).date() else f"{moment:%Y-%m-%d} "
    return f"{day}{moment.astimezone(UTC):%H:%M:%S} UTC"


def since(moment: datetime | None, now: datetime) -> str:
    """How long something has been so; a dash where that is not known."""
    return "-" if moment is None else span(now - moment)


def ago(moment: datetime, now: datetime) -> str:
    """A time that was, with how long ago."""
    return f"{clock(moment, now)} ({span(now - moment)} ago)"


def ahead(moment: datetime, now: datetime) -> str:
    """A time to come, with how far it is; one that has passed says so."""
    if moment < now:
        return f"{clock(moment, now)} ({span(now - moment)} overdue)"
    return f"{clock(moment, now)} (in {span(moment - now)})"


def sentence(text: str) -> str:
    """The text as a sentence: a capital first, unless it begins with a name, and a full stop last."""
    text = text.strip()
    if not text:
        return ""
    first = text.split(maxsplit=1)[0]
    begun = text[0].upper() + text[1:] if first.islower() and first.isalpha() else text
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


@cache
def meanings() -> dict[str, str]:
    """Each reason's meaning, and what unblocks it: the docstrings in `api/reasons.py`, so that they are said once."""
    (members,) = (node for node in ast.parse(inspect.getsource(reasons)).body if isinstance(node, ast.ClassDef))
    found: dict[str, str] = {}
    for member, below in zip(members.body, members.body[1:], strict=False):
        match member, below:
            case ast.Assign(value=ast.Constant(value=str(reason))), ast.Expr(value=ast.Constant(value=str(meaning))):
                found[reason] = " ".join(meaning.split())
    return found
