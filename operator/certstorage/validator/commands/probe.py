"""`probe`: can this identity put, read and delete an object now?"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from certstorage.validator.commands import common
from certstorage.validator.context import Context
from certstorage.validator.found import Found
from certstorage.validator.marks import Marks
from certstorage.validator.probe import probe
from certstorage.validator.verdict import Status, Verdict


def run(options: Namespace) -> int:
    """Run it; returns the exit code."""
    options.root = Path("/")
    session = common.session(options)

    def work(context: Context, found: Found, _: Marks) -> Verdict:
        if options.findings:
            from certstorage.validator.findings import findings  # noqa: PLC0415 - slow to load, needed here only

            found.findings = findings(session.settings)
        found.probe = probe(
            session.store,
            session.settings.own_prefix,
            rounds=options.probes,
            interval_seconds=options.probe_interval,
            wait=context.wait,
        )
        if found.probe.ok:
            return Verdict(Status.PASS, "ProbeOk", "the canary came back and is gone again", 0.0, 1.0)
        return Verdict(Status.FAIL, "ProbeFailed", found.probe.failures[-1], 0.0, 1.0)

    return session.run(work, {})
