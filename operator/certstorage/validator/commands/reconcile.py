"""`reconcile`: as recover, without a sample of the rest."""

from __future__ import annotations

from argparse import Namespace

from certstorage.validator.commands import common
from certstorage.validator.guards import Limits
from certstorage.validator.reading import Reading
from certstorage.validator.recover import Plan, recover
from certstorage.validator.settle import Care
from certstorage.validator.verdict import Rule


def run(options: Namespace) -> int:
    """Run it; returns the exit code."""
    session = common.session(options)
    plan = Plan(
        since=options.since,
        window=None,
        least=0,
        reading=Reading(Rule(at_risk_clean=True), Care(options.settle)),
        limits=Limits(options.max_missing_share, options.max_extra_share, options.max_quarantine),
        probes=1,
        probe_interval_seconds=0,
        own_prefix=session.settings.own_prefix,
        quarantine=session.quarantine,
    )
    return session.run(
        lambda context, found, marks: recover(context, plan, found, marks), {"since": common.told(options.since)}
    )
