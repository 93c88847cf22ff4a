"""`recover`: after an outage, mend what it left behind, and prove the rest."""

from __future__ import annotations

from argparse import Namespace

from certstorage.validator.commands import common
from certstorage.validator.guards import Limits
from certstorage.validator.reading import Reading
from certstorage.validator.recover import Plan, recover, sampled_part
from certstorage.validator.sampling import Shard
from certstorage.validator.settle import Care
from certstorage.validator.verdict import Rule


def run(options: Namespace) -> int:
    """Run it; returns the exit code."""
    session = common.session(options)
    window = common.window(options, session.header.started)
    shard: Shard = options.shard
    reading = Reading(Rule(options.max_mismatch, at_risk_clean=True), Care(options.settle))
    plan = Plan(
        since=options.since,
        window=window,
        least=options.min_sample,
        reading=reading._replace(grows=shard.parts == 1),
        limits=Limits(options.max_missing_share, options.max_extra_share, options.max_quarantine).of_part(shard.parts),
        shard=shard,
        probes=options.probes,
        probe_interval_seconds=options.probe_interval,
        own_prefix=session.settings.own_prefix,
        quarantine=session.quarantine,
    )
    gathering = common.gathering(options, reading, lambda context, _: sampled_part(context, options.since))
    return session.run(
        lambda context, found, marks: recover(context, plan, found, marks),
        common.sampling(window, options.min_sample, options.since),
        gathering,
    )
