"""The byte tier: the sample is read, judged, and grown up to the census while it leaves the verdict open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from certstorage.validator.context import Context
from certstorage.validator.facts import Method
from certstorage.validator.found import Found
from certstorage.validator.marks import Marks
from certstorage.validator.sampling import Chosen, Sampler, Window
from certstorage.validator.settle import Care, settle
from certstorage.validator.verdict import Rule, Verdict, decide

_GROWTH = 4
_WORTH_A_LOOK = 800
"""A sample grows to so many objects at least: fewer than 600 cannot bound anything to 0.5 %."""


class Reading(NamedTuple):
    """How the byte tier is done. `grows`: whether the sample may become larger than it was asked for."""

    rule: Rule
    care: Care
    grows: bool = True


def read_sample(
    context: Context,
    plan: Reading,
    sampler: Sampler,
    found: Found,
    *,
    marks: Marks,
    rest: Callable[[], Iterator[str]],
) -> Verdict:
    """Read what the sampler chose and judge; while a larger sample could still decide, read more.

    `rest` goes over all keys of the sampled part once more; every key no farther than the reach of the sample has been
    read already.
    """
    found.rest.keys = sampler.seen
    _read(sampler.sample(), context, plan, found, marks)
    return grown(context, plan, sampler.window, found, reach=sampler.reach, rest=rest)


def grown(
    context: Context,
    plan: Reading,
    window: Window,
    found: Found,
    *,
    reach: float,
    rest: Callable[[], Iterator[str]],
) -> Verdict:
    """Judge a sample of every key up to `reach`; while a larger one could still decide, read on behind it."""
    while True:
        verdict = decide(found.at_risk.in_full(), found.rest.sampled(), plan.rule, found.looks)
        if not (verdict.grow and plan.grows and reach < 1.0):
            return verdict
        before, reach = reach, min(1.0, max(reach * _GROWTH, _WORTH_A_LOOK / found.rest.keys))
        found.looks += 1
        context.progress.say(f"{verdict.message}: reading more, up to {reach:.1%} of all")
        distance = window.distances()
        more = (key for key in rest() if before < distance(key) <= reach)
        context.progress.phase("sample", None)
        settle(more, context, plan.care, found.rest)
        if reach >= 1.0:
            # every key that is left was looked at; one that went since it was counted is not missing from the sample
            found.rest.keys = found.rest.checked + found.rest.gone + len(found.rest.in_flight)


def _read(sample: list[Chosen], context: Context, plan: Reading, found: Found, marks: Marks) -> None:
    unread = {chosen.key: chosen for chosen in sample if chosen.mark not in marks}
    known = [chosen for chosen in sample if chosen.key not in unread]
    found.rest.same += len(known)
    found.rest.methods[Method.BODY] += len(known)
    context.progress.phase("sample", len(unread))
    behind = found.same_behind
    behind += [chosen.distance for chosen in known if not chosen.inside]

    def same(key: str) -> None:
        chosen = unread[key]
        if chosen.mark:
            marks.add(chosen.mark)
        if not chosen.inside:
            behind.append(chosen.distance)

    settle(sorted(unread), context, plan.care, found.rest, same=same)
