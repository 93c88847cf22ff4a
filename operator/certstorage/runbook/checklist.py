"""The runbook's post-incident review: what the operator ticks, what only people can, and when a post-mortem is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from certstorage.api.incidents import ChecklistItem, DataLost, IncidentStatus, Item, Notes, PostMortem, Who
from certstorage.api.reading import rfc3339
from certstorage.runbook.rows import ROWS
from certstorage.runbook.wants import Context

POST_MORTEM_AFTER = timedelta(minutes=15)
"""More client-visible downtime than this makes a post-mortem due; so does lost data."""

ROW_OF: Mapping[Item, str] = {
    Item.INCIDENT_LOG: "checklist/incident-log",
    Item.VALIDATOR: "checklist/validator",
    Item.THRESHOLDS: "checklist/thresholds",
    Item.ROOT_CAUSE: "checklist/root-cause",
    Item.RUNBOOK: "checklist/runbook",
    Item.POST_MORTEM: "checklist/post-mortem",
}


def post_mortem(seconds: int | None, data_lost: DataLost, notes: Notes) -> tuple[PostMortem, str]:
    """Whether one is due after this many seconds of client-visible errors, and why in one line."""
    lost = data_lost is DataLost.YES
    long = seconds is not None and timedelta(seconds=seconds) > POST_MORTEM_AFTER
    if lost or long:
        why = "data was lost" if lost else f"clients saw errors for {seconds} s, more than 15 minutes"
        return (PostMortem.DONE if notes.post_mortem_url else PostMortem.DUE), why
    if seconds is None:
        return PostMortem.NOT_DUE, "how long clients saw errors is not known yet"
    known = "" if data_lost is DataLost.NO else "; whether data was lost is not known"
    return PostMortem.NOT_DUE, f"clients saw errors for {seconds} s, not more than 15 minutes{known}"


def checklist(
    context: Context,
    name: str,
    status: IncidentStatus,
    notes: Notes,
    review: tuple[PostMortem, str],
    *,
    resolved: bool,
) -> tuple[ChecklistItem, ...]:
    """The six items as they stand now; `review` is what `post_mortem` says."""
    old = {one.item: one for one in status.checklist}
    command = f"kubectl -n {context.policy.namespace} edit certstorageincident {name}"
    found = []
    for item in Item:
        before = old.get(item)
        if item is Item.VALIDATOR:
            done, by, message = _validator(context, before, status)
        else:
            done, by, message = _by_people(item, notes, review, command, resolved=resolved)
        at = None if not done else before.at if before is not None and before.done else context.now
        at = None if at is None else at.replace(microsecond=0)
        found.append(ChecklistItem(item, ROWS[ROW_OF[item]], done, by if done else Who.NOBODY, at, message))
    return tuple(found)


def _by_people(
    item: Item, notes: Notes, review: tuple[PostMortem, str], command: str, *, resolved: bool
) -> tuple[bool, Who, str]:
    match item:
        case Item.ROOT_CAUSE:
            if notes.root_cause and notes.mitigation:
                return True, Who.PERSON, "root cause and mitigation are written down"
            return False, Who.NOBODY, f"write spec.rootCause and spec.mitigation: {command}"
        case Item.POST_MORTEM:
            state, why = review
            if state is PostMortem.DUE:
                return False, Who.NOBODY, f"due: {why}; put its address into spec.postMortemURL: {command}"
            if state is PostMortem.DONE:
                return True, Who.PERSON, f"written: {notes.post_mortem_url}"
            return resolved, Who.OPERATOR, f"not due: {why}"
        case _:
            if item in notes.checklist:
                return True, Who.PERSON, "done"
            return False, Who.NOBODY, f"when done, add {item} to spec.checklist: {command}"


def _validator(context: Context, old: ChecklistItem | None, status: IncidentStatus) -> tuple[bool, Who, str]:
    if old is not None and old.done:
        return True, old.by, old.message
    last = context.before.last_validation
    if last is not None and last.verdict == "Pass" and last.finished_at >= status.detected_at:
        return True, Who.OPERATOR, f"passed at {rfc3339(last.finished_at)}: mismatch {last.mismatch} of {last.sampled}"
    policy = context.policy
    return (
        False,
        Who.NOBODY,
        f"the next validation ticks it; to ask for one now: "
        f"kubectl certstorage request validation {policy.name} -n {policy.namespace}",
    )
