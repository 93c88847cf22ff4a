"""`check`, once the listing is on its way."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import timedelta

from certstorage.validator.check import Plan, check, sampled_part
from certstorage.validator.commands import common
from certstorage.validator.context import Context
from certstorage.validator.found import Found
from certstorage.validator.guards import Limits
from certstorage.validator.marks import Marks
from certstorage.validator.opening import Opened
from certstorage.validator.reading import Reading
from certstorage.validator.sampling import Shard
from certstorage.validator.settle import Care
from certstorage.validator.verdict import Rule, Verdict


def run(options: Namespace, opened: Opened) -> int:
    """Run it; returns the exit code."""
    session = common.session(options, opened)
    window = common.window(options, session.header.started)
    shard: Shard = options.shard
    reading = Reading(
        Rule(options.max_mismatch), Care(options.settle, timedelta(seconds=options.min_age)), grows=options.grow
    )
    plan = Plan(
        window,
        options.min_sample,
        reading._replace(grows=reading.grows and shard.parts == 1),
        Limits(options.max_missing_share, options.max_extra_share, sys.maxsize).of_part(shard.parts),
        shard,
        options.since,
    )

    def work(context: Context, found: Found, marks: Marks) -> Verdict:
        verdict = check(context, plan, found, marks)
        outcomes = common.UPLOADS[options.repair]
        if outcomes and verdict.judged:
            from certstorage.validator import repair  # noqa: PLC0415 - most checks repair nothing

            care, own = Care(options.settle), session.settings.own_prefix
            mending = repair.Mending(outcomes, options.max_repairs, care, own, session.quarantine)
            repair.mend_found(context, mending, found)
        return verdict

    gathering = common.gathering(
        options, reading, lambda context, found: sampled_part(context, found, since=options.since)
    )
    return session.run(work, common.sampling(window, options.min_sample, options.since), gathering)
