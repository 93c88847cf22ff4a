"""The program: `s3-backfill-validator`, and the runbook's `scripts/s3_backfill_validator.py`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from certstorage.validator import check as checking
from certstorage.validator import merge as merging
from certstorage.validator import recover as recovering
from certstorage.validator import repair as repairing
from certstorage.validator.context import Context
from certstorage.validator.facts import Outcome
from certstorage.validator.found import Found
from certstorage.validator.gather import Gathering
from certstorage.validator.guards import Limits
from certstorage.validator.marks import Marks
from certstorage.validator.options import PROGRAM, USAGE, parse
from certstorage.validator.outcome import BUCKET
from certstorage.validator.probe import probe as run_probe
from certstorage.validator.reading import Reading
from certstorage.validator.report import Header, Json, utc
from certstorage.validator.sampling import WHOLE, Shard, Window
from certstorage.validator.session import Load, Session, Told, Where
from certstorage.validator.settings import UsageError
from certstorage.validator.settle import Care
from certstorage.validator.verdict import Rule, Status, Verdict

_UPLOADS = {
    "report": frozenset[Outcome](),
    "missing": frozenset({Outcome.MISSING}),
    "different": frozenset({Outcome.DIFFERENT}),
    "all": frozenset({Outcome.MISSING, Outcome.DIFFERENT}),
}


def check(options: Namespace) -> int:
    """Are both copies the same?"""
    session = _session(options, options.shard)
    window = _window(options, session.header.started)
    shard: Shard = options.shard
    reading = Reading(
        Rule(options.max_mismatch), Care(options.settle, timedelta(seconds=options.min_age)), grows=options.grow
    )
    plan = checking.Plan(
        window,
        options.min_sample,
        replace(reading, grows=reading.grows and shard.count == 1),
        Limits(options.max_missing_share, options.max_extra_share, sys.maxsize).of_part(shard.count),
        shard,
        options.since,
    )

    def work(context: Context, found: Found, marks: Marks) -> Verdict:
        verdict = checking.check(context, plan, found, marks)
        outcomes = _UPLOADS[options.repair]
        if outcomes and verdict.judged:
            care, own = Care(options.settle), session.settings.own_prefix
            mending = repairing.Mending(outcomes, options.max_repairs, care, own, session.quarantine)
            repairing.mend_found(context, mending, found)
        return verdict

    gathering = _gathering(
        options, reading, lambda context, found: checking.sampled_part(context, found, since=options.since)
    )
    sampling = {**_sampling(window, options.min_sample), "since": _told(options.since)}
    return session.run(work, sampling, gathering)


def recover(options: Namespace) -> int:
    """After an outage: mend what it left behind, prove the rest."""
    session = _session(options, options.shard)
    window = _window(options, session.header.started)
    shard: Shard = options.shard
    reading = Reading(Rule(options.max_mismatch, at_risk_clean=True), Care(options.settle))
    plan = recovering.Plan(
        since=options.since,
        window=window,
        least=options.min_sample,
        reading=replace(reading, grows=shard.count == 1),
        limits=Limits(options.max_missing_share, options.max_extra_share, options.max_quarantine).of_part(shard.count),
        shard=shard,
        probes=options.probes,
        probe_interval_seconds=options.probe_interval,
        own_prefix=session.settings.own_prefix,
        quarantine=session.quarantine,
    )
    sampling = {**_sampling(window, options.min_sample), "since": _told(options.since)}
    gathering = _gathering(options, reading, lambda context, _: recovering.sampled_part(context, options.since))
    return session.run(
        lambda context, found, marks: recovering.recover(context, plan, found, marks), sampling, gathering
    )


def reconcile(options: Namespace) -> int:
    """As recover, without a sample of the rest."""
    session = _session(options)
    plan = recovering.Plan(
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
        lambda context, found, marks: recovering.recover(context, plan, found, marks), {"since": _told(options.since)}
    )


def repair(options: Namespace) -> int:
    """Upload again what a report names."""
    session = _session(options)
    outcomes = _UPLOADS[options.only] | ({Outcome.EXTRA} if options.extra else set())
    text = repairing.fetched(options.from_report, session.settings, session.store)
    named = repairing.named_in(
        text, options.from_report, session.settings, outcomes=outcomes, prefix=options.under, only=set(options.key)
    )
    plan = repairing.Plan(
        named,
        options.apply,
        repairing.Mending(
            outcomes, options.max_repairs, Care(options.settle), session.settings.own_prefix, session.quarantine
        ),
    )
    return session.run(lambda context, found, _: repairing.repair(context, plan, found), {"from": options.from_report})


def probe(options: Namespace) -> int:
    """Can this identity put, read and delete an object now?"""
    options.root = Path("/")
    session = _session(options)

    def work(context: Context, found: Found, _: Marks) -> Verdict:
        if options.findings:
            from certstorage.validator.findings import findings  # noqa: PLC0415 - slow to load, needed here only

            found.findings = findings(session.settings)
        found.probe = run_probe(
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


def merge(options: Namespace) -> int:
    """One report from the reports of all shards."""
    documents = merging.load(options.reports)
    merged = merging.merge(documents, options.max_mismatch)
    options.command = merged.command
    options.bucket, options.prefix = documents[0]["bucket"], documents[0]["prefix"]
    options.root = Path(documents[0]["root"])
    session = _session(options)
    session.found = merged.found
    header = Header(merged.command, merged.started, merged.nonce, merged.inputs_hash)
    return session.tell(header, merged.verdict, {**merged.sampling, "shards": len(documents)})


_COMMANDS: Mapping[str, Callable[[Namespace], int]] = {
    "check": check,
    "recover": recover,
    "reconcile": reconcile,
    "repair": repair,
    "probe": probe,
    "merge": merge,
}


def _gathering(
    options: Namespace, reading: Reading, rest: Callable[[Context, Found], Iterator[str]]
) -> Gathering | None:
    """Whether this is a shard that finds its like in the bucket."""
    if options.shard.count == 1 or options.output != BUCKET:
        return None
    if not os.environ.get("CERT_RECEIPT_NONCE"):
        raise UsageError(
            "--shard with --output bucket needs CERT_RECEIPT_NONCE: by it the shards of a run find each other"
        )
    return Gathering(reading, rest)


def _session(options: Namespace, shard: Shard = WHOLE) -> Session:
    load = Load()
    if hasattr(options, "workers"):
        load = Load(options.workers, options.max_requests, options.max_mib)
    return Session(
        options.command,
        Where(options.bucket, options.prefix, options.root),
        load,
        Told(options.output, options.termination_message, getattr(options, "checkpoint", None)),
        shard,
    )


def _window(options: Namespace, started: datetime) -> Window:
    epoch = options.epoch
    return Window(options.sample_rate, int(started.timestamp() // 86400) if epoch is None else epoch)


def _sampling(window: Window, least: int) -> Json:
    return {"rate": window.rate, "epoch": window.epoch, "salt": window.salt, "min_sample": least}


def _told(moment: datetime | None) -> str | None:
    return utc(moment) if moment else None


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _COMMANDS[options.command](options)
    except UsageError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        code = USAGE
    except Exception:  # noqa: BLE001 - Python's own exit code for a crash is 1, and a crash is no FAIL
        sys.__excepthook__(*sys.exc_info())
        code = Status.INCONCLUSIVE.exit_code
    sys.exit(code)


if __name__ == "__main__":
    main()
