"""`repair`: upload again what a report names."""

from __future__ import annotations

from argparse import Namespace

from certstorage.validator.commands import common
from certstorage.validator.facts import Outcome
from certstorage.validator.repair import Mending, Plan, fetched, named_in, repair
from certstorage.validator.settle import Care


def run(options: Namespace) -> int:
    """Run it; returns the exit code."""
    session = common.session(options)
    outcomes = common.UPLOADS[options.only] | ({Outcome.EXTRA} if options.extra else set())
    text = fetched(options.from_report, session.settings, session.store)
    named = named_in(
        text, options.from_report, session.settings, outcomes=outcomes, prefix=options.under, only=set(options.key)
    )
    mending = Mending(
        outcomes, options.max_repairs, Care(options.settle), session.settings.own_prefix, session.quarantine
    )
    plan = Plan(named, options.apply, mending)
    return session.run(lambda context, found, _: repair(context, plan, found), {"from": options.from_report})
