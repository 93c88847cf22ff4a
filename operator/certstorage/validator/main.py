"""The command line: `s3-backfill-validator`, and the runbook's `scripts/s3_backfill_validator.py`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from certstorage import __version__
from certstorage.validator import check as checking
from certstorage.validator import merge as merging
from certstorage.validator import recover as recovering
from certstorage.validator import repair as repairing
from certstorage.validator.context import Context
from certstorage.validator.facts import Outcome
from certstorage.validator.found import Found
from certstorage.validator.guards import Limits
from certstorage.validator.marks import Marks
from certstorage.validator.probe import probe as run_probe
from certstorage.validator.reading import Reading
from certstorage.validator.report import Header, Json
from certstorage.validator.sampling import Shard, Window
from certstorage.validator.session import Load, Session, Told, Where
from certstorage.validator.settings import UsageError
from certstorage.validator.settle import Care
from certstorage.validator.verdict import Rule, Status, Verdict

PROGRAM = "s3-backfill-validator"
USAGE = 3

_HELP = """Compare a local tree of certificates with the bucket it is written to a second time; mend what differs.

Exit codes: 0 PASS, 1 FAIL, 2 INCONCLUSIVE (never a guess), 3 wrong usage.

Both copies are named by CERT_S3_BUCKET, CERT_S3_PREFIX and CERT_LOCAL_PATH; the way to S3 by AWS_ENDPOINT_URL_S3, \
AWS_REGION and the usual AWS credentials.
"""

app = typer.Typer(
    name=PROGRAM,
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COPIES, _LOAD, _TOLD, _SAMPLE, _CARE = "Both copies", "Load", "Outcome", "Sample", "Care"

Bucket = Annotated[str | None, typer.Option(envvar="CERT_S3_BUCKET", help="Bucket.", rich_help_panel=_COPIES)]
Prefix = Annotated[
    str | None, typer.Option(envvar="CERT_S3_PREFIX", help="<prefix><rest> is <root>/<rest>.", rich_help_panel=_COPIES)
]
Root = Annotated[Path | None, typer.Option(envvar="CERT_LOCAL_PATH", help="Local tree.", rich_help_panel=_COPIES)]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Most requests at once.", rich_help_panel=_LOAD)]
Requests = Annotated[
    float, typer.Option("--max-requests", min=0, help="Requests a second; 0: any.", rich_help_panel=_LOAD)
]
Bandwidth = Annotated[float, typer.Option("--max-mib", min=0, help="MiB a second; 0: any.", rich_help_panel=_LOAD)]
Output = Annotated[
    str | None,
    typer.Option(help='Report: a path, "-", or "bucket" (under the own prefix).', rich_help_panel=_TOLD),
]
Termination = Annotated[
    Path | None,
    typer.Option(envvar="CERT_TERMINATION_MESSAGE", help="Receipt of 4 KiB at most.", rich_help_panel=_TOLD),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(envvar="CERT_CHECKPOINT", help="File that lets a killed run go on.", rich_help_panel=_TOLD),
]
SampleRate = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of the keys whose bytes are read.", rich_help_panel=_SAMPLE)
]
MinSample = Annotated[
    int, typer.Option(min=1, help="Read so many at least; all, where there are fewer.", rich_help_panel=_SAMPLE)
]
MaxMismatch = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="From this share of differing objects on: FAIL.", rich_help_panel=_SAMPLE),
]
Epoch = Annotated[int | None, typer.Option(help="Which window of keys; by default one a day.", rich_help_panel=_SAMPLE)]
Settle = Annotated[
    float, typer.Option("--settle", min=0, help="Seconds between two looks at a difference.", rich_help_panel=_CARE)
]
MinAge = Annotated[float, typer.Option(min=0, help="Seconds a difference must be old to count.", rich_help_panel=_CARE)]
MissingShare = Annotated[
    float, typer.Option(min=0, max=1, help="Stop when more files than this have no object.", rich_help_panel=_CARE)
]
ExtraShare = Annotated[
    float, typer.Option(min=0, max=1, help="Stop when more objects than this have no file.", rich_help_panel=_CARE)
]
MaxQuarantine = Annotated[
    int, typer.Option(min=0, help="Stop when more objects than this would be put away.", rich_help_panel=_CARE)
]
Probes = Annotated[int, typer.Option(min=1, help="Canaries to send.")]
ProbeInterval = Annotated[float, typer.Option(min=0, help="Seconds between two canaries.")]


class Finished(Exception):  # noqa: N818 - a command came to its end
    """A command has told its outcome. Whatever else ends the program with a code was a wrong command line."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


@app.command(
    epilog="Example: s3-backfill-validator check --sample-rate 0.01 --output artifacts/backfill_report.json",
)
def check(
    *,
    sample_rate: SampleRate = 0.01,
    min_sample: MinSample = 2000,
    max_mismatch: MaxMismatch = 0.005,
    epoch: Epoch = None,
    grow: Annotated[bool, typer.Option(help="Read more while the verdict is open.", rich_help_panel=_SAMPLE)] = True,
    shard: Annotated[
        str | None,
        typer.Option(help="i/n: only the i-th of n parts (from 0), for `merge`.", rich_help_panel=_SAMPLE),
    ] = None,
    output: Output = None,
    termination_message: Termination = None,
    checkpoint: Checkpoint = None,
    settle: Settle = 5.0,
    min_age: MinAge = 60.0,
    max_missing_share: MissingShare = 0.5,
    max_extra_share: ExtraShare = 0.5,
    workers: Workers = 64,
    max_requests: Requests = 0.0,
    max_mib: Bandwidth = 0.0,
    bucket: Bucket = None,
    prefix: Prefix = None,
    root: Root = None,
) -> None:
    """Are both copies the same? Lists every key, reads a sample, writes to neither side.

    This is what the options mean without a command, too.
    """
    part = _shard(shard)
    session = Session(
        "check",
        Where(bucket, prefix, root),
        Load(workers, max_requests, max_mib),
        Told(output, termination_message, checkpoint),
        part,
    )
    window = _window(sample_rate, epoch, session.header.started)
    care = Care(settle, timedelta(seconds=min_age))
    plan = checking.Plan(
        window,
        min_sample,
        Reading(Rule(max_mismatch), care, grows=grow and part.count == 1),
        Limits(max_missing_share, max_extra_share, sys.maxsize),
        part,
    )
    _end(session.run(lambda context, found, marks: checking.check(context, plan, found, marks), _sampling(plan)))


@app.command(
    epilog="Example: s3-backfill-validator recover --since 2026-11-23T03:10:00Z --probes 3 --output bucket",
)
def recover(
    *,
    since: Annotated[
        str | None, typer.Option(help="RFC 3339: the last proof, or the begin of the outage; all, if not given.")
    ] = None,
    probes: Probes = 1,
    probe_interval: ProbeInterval = 10.0,
    sample_rate: SampleRate = 0.01,
    min_sample: MinSample = 2000,
    max_mismatch: MaxMismatch = 0.005,
    epoch: Epoch = None,
    output: Output = None,
    termination_message: Termination = None,
    settle: Settle = 5.0,
    max_missing_share: MissingShare = 0.5,
    max_extra_share: ExtraShare = 0.25,
    max_quarantine: MaxQuarantine = 10_000,
    workers: Workers = 64,
    max_requests: Requests = 0.0,
    max_mib: Bandwidth = 0.0,
    bucket: Bucket = None,
    prefix: Prefix = None,
    root: Root = None,
) -> None:
    """After an outage: send canaries, mend what it left behind, prove both copies the same.

    PASS needs everything at risk (every difference, everything written since) clean to the last object, and the sample
    of the rest below the threshold with an exact bound.
    """
    session = Session(
        "recover",
        Where(bucket, prefix, root),
        Load(workers, max_requests, max_mib),
        Told(output, termination_message),
    )
    plan = recovering.Plan(
        since=_moment(since),
        window=_window(sample_rate, epoch, session.header.started),
        least=min_sample,
        reading=Reading(Rule(max_mismatch, at_risk_clean=True), Care(settle)),
        limits=Limits(max_missing_share, max_extra_share, max_quarantine),
        probes=probes,
        probe_interval_seconds=probe_interval,
        own_prefix=session.settings.own_prefix,
        quarantine=session.quarantine,
    )
    sampling = {**_sampling(plan), "since": since}
    _end(session.run(lambda context, found, marks: recovering.recover(context, plan, found, marks), sampling))


@app.command(epilog="Example: s3-backfill-validator reconcile --since-proof 2026-11-23T03:10:00Z --output -")
def reconcile(
    *,
    since_proof: Annotated[
        str | None, typer.Option(help="RFC 3339: when both copies were last proven the same.")
    ] = None,
    output: Output = None,
    termination_message: Termination = None,
    settle: Settle = 5.0,
    max_missing_share: MissingShare = 0.5,
    max_extra_share: ExtraShare = 0.25,
    max_quarantine: MaxQuarantine = 10_000,
    workers: Workers = 64,
    max_requests: Requests = 0.0,
    max_mib: Bandwidth = 0.0,
    bucket: Bucket = None,
    prefix: Prefix = None,
    root: Root = None,
) -> None:
    """Mend what an outage left behind, without reading a sample of the rest.

    Uploads what is only local or newer locally; puts away, under a quarantine prefix, what was deleted locally.
    """
    session = Session(
        "reconcile",
        Where(bucket, prefix, root),
        Load(workers, max_requests, max_mib),
        Told(output, termination_message),
    )
    plan = recovering.Plan(
        since=_moment(since_proof),
        window=None,
        least=0,
        reading=Reading(Rule(at_risk_clean=True), Care(settle)),
        limits=Limits(max_missing_share, max_extra_share, max_quarantine),
        probes=1,
        probe_interval_seconds=0,
        own_prefix=session.settings.own_prefix,
        quarantine=session.quarantine,
    )
    work = lambda context, found, marks: recovering.recover(context, plan, found, marks)  # noqa: E731
    _end(session.run(work, {"since": since_proof}))


@app.command(epilog="Example: s3-backfill-validator repair --from-report artifacts/backfill_report.json --apply")
def repair(
    *,
    from_report: Annotated[str, typer.Option(help="Report of a check: a path, or s3://<bucket>/<key>.")],
    apply: Annotated[bool, typer.Option(help="Do it; without this, only say what would be done.")] = False,
    only: Annotated[str, typer.Option(help='"missing", "different" or "all" (never the extra ones).')] = "all",
    extra: Annotated[bool, typer.Option(help="Put away what has no local file, too.")] = False,
    under: Annotated[str, typer.Option(help="Only keys that begin so: one batch.")] = "",
    max_repairs: Annotated[int, typer.Option(min=1, help="No more than this in one run.")] = 1000,
    output: Output = None,
    termination_message: Termination = None,
    settle: Settle = 5.0,
    workers: Workers = 64,
    max_requests: Requests = 0.0,
    max_mib: Bandwidth = 0.0,
    bucket: Bucket = None,
    prefix: Prefix = None,
    root: Root = None,
) -> None:
    """Upload again what a report names. Every key is looked at twice first; a newer write is never overwritten.

    A run that was stopped goes on when it is repeated: what is the same by then is left alone.
    """
    session = Session(
        "repair",
        Where(bucket, prefix, root),
        Load(workers, max_requests, max_mib),
        Told(output, termination_message),
    )
    outcomes = _outcomes(only, extra=extra)
    text = repairing.fetched(from_report, session.settings, session.store)
    plan = repairing.Plan(
        named=repairing.named_in(text, from_report, session.settings, outcomes=outcomes, prefix=under),
        apply=apply,
        most=max_repairs,
        care=Care(settle),
        own_prefix=session.settings.own_prefix,
        quarantine=session.quarantine,
    )
    _end(session.run(lambda context, found, _: repairing.repair(context, plan, found), {"from": from_report}))


@app.command(epilog="Example: s3-backfill-validator probe --probes 3 --probe-interval 100")
def probe(
    *,
    probes: Probes = 1,
    probe_interval: ProbeInterval = 10.0,
    findings: Annotated[bool, typer.Option(help="Region, lifecycle, logging, clock and path, too.")] = True,
    output: Output = "-",
    termination_message: Termination = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
) -> None:
    """Can this identity put, read and delete an object now? Each step told apart; the canary is taken away again."""
    session = Session("probe", Where(bucket, prefix, Path("/")), Load(1), Told(output, termination_message))

    def work(context: Context, found: Found, _: Marks) -> Verdict:
        if findings:
            from certstorage.validator.findings import findings as look_around  # noqa: PLC0415 - needed here only

            found.findings = look_around(session.settings)
        found.probe = run_probe(
            session.store,
            session.settings.own_prefix,
            rounds=probes,
            interval_seconds=probe_interval,
            wait=context.wait,
        )
        if found.probe.ok:
            return Verdict(Status.PASS, "ProbeOk", "the canary came back and is gone again", 0.0, 1.0)
        return Verdict(Status.FAIL, "ProbeFailed", found.probe.failures[-1], 0.0, 1.0)

    _end(session.run(work, {}))


@app.command(epilog="Example: s3-backfill-validator merge shard-*.json --output artifacts/backfill_report.json")
def merge(
    reports: Annotated[list[Path], typer.Argument(help="The report of every shard.")],
    *,
    max_mismatch: MaxMismatch = 0.005,
    output: Output = "-",
    termination_message: Termination = None,
) -> None:
    """Make one report of the reports of all shards."""
    documents = merging.load(reports)
    merged = merging.merge(documents, Rule(max_mismatch))
    where = Where(documents[0]["bucket"], documents[0]["prefix"], Path(documents[0]["root"]))
    session = Session(merged.command, where, Load(1), Told(output, termination_message))
    session.found = merged.found
    header = Header(merged.command, merged.started, merged.nonce, merged.inputs_hash)
    _end(session.tell(header, merged.verdict, {**merged.sampling, "shards": len(documents)}))


def _end(exit_code: int) -> None:
    raise Finished(exit_code)


def _window(rate: float, epoch: int | None, started: datetime) -> Window:
    return Window(rate, int(started.timestamp() // 86400) if epoch is None else epoch)


def _sampling(plan: checking.Plan | recovering.Plan) -> Json:
    window = plan.window or Window(0.0)
    return {"rate": window.rate, "epoch": window.epoch, "salt": window.salt, "min_sample": plan.least}


def _shard(text: str | None) -> Shard:
    if text is None:
        return Shard()
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UsageError(f"--shard {text!r} is not i/n with i from 0 to n-1")
    return Shard(int(index), int(count))


def _outcomes(only: str, *, extra: bool) -> frozenset[Outcome]:
    chosen = {
        "missing": {Outcome.MISSING},
        "different": {Outcome.DIFFERENT},
        "all": {Outcome.MISSING, Outcome.DIFFERENT},
    }
    if only not in chosen:
        raise UsageError(f"--only {only!r} is not one of {', '.join(chosen)}")
    return frozenset(chosen[only] | ({Outcome.EXTRA} if extra else set()))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not an RFC 3339 time") from error
    if moment.tzinfo is None:
        raise UsageError(f"{text!r} has no time zone; add Z for UTC")
    if moment > datetime.now(UTC) + timedelta(minutes=15):
        raise UsageError(f"{text!r} is in the future")
    return moment


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit. Options without a command mean `check`, as the runbook writes it."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        sys.exit(0)
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help"):
        arguments = ["check", *arguments]
    try:
        app(arguments, prog_name=PROGRAM)
    except Finished as finished:
        sys.exit(finished.exit_code)
    except UsageError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        sys.exit(USAGE)
    except SystemExit as left:
        sys.exit(USAGE if left.code else 0)
    except Exception:  # noqa: BLE001 - Python's own exit code for a crash is 1, and a crash is no FAIL
        sys.__excepthook__(*sys.exc_info())
        sys.exit(Status.INCONCLUSIVE.exit_code)


if __name__ == "__main__":
    main()
