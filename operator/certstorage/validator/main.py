"""The command line: `s3-backfill-validator`, and the runbook's `scripts/s3_backfill_validator.py`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from certstorage.validator import check as checking
from certstorage.validator import recover as recovering
from certstorage.validator.context import Context
from certstorage.validator.keys import KeyMap
from certstorage.validator.localtree import LocalError, LocalTree
from certstorage.validator.outcome import Teller
from certstorage.validator.probe import probe as run_probe
from certstorage.validator.progress import progress
from certstorage.validator.receipt import default_path
from certstorage.validator.s3 import S3
from certstorage.validator.sampling import Window
from certstorage.validator.settings import Settings, UsageError, settings
from certstorage.validator.settle import Care
from certstorage.validator.store import Store, StoreError
from certstorage.validator.throttle import Cancelled, Throttle
from certstorage.validator.verdict import Rule, Status, Verdict

USAGE = 3

app = typer.Typer(
    name="s3-backfill-validator",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compare a local tree of certificates with the bucket it is written to a second time, and mend what "
    "differs.\n\nExit codes: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 usage.",
)

SampleRate = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the keys whose bytes are read.")]
MinSample = Annotated[int, typer.Option(min=1, help="Read at least so many objects; all, if there are fewer.")]
MaxMismatch = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of differing objects that fails.")]
Epoch = Annotated[int | None, typer.Option(help="Which window of keys to sample; the day by default.")]
Output = Annotated[str | None, typer.Option(help='Report as JSON: a file, "-" or "bucket" (under the own prefix).')]
Termination = Annotated[Path | None, typer.Option(help="Receipt for the operator.", envvar="CERT_TERMINATION_MESSAGE")]
Bucket = Annotated[str | None, typer.Option(help="Bucket.", envvar="CERT_S3_BUCKET")]
Prefix = Annotated[str | None, typer.Option(help="Prefix of the keys.", envvar="CERT_S3_PREFIX")]
Root = Annotated[Path | None, typer.Option(help="Local tree.", envvar="CERT_LOCAL_PATH")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Most requests at once.")]
Since = Annotated[str | None, typer.Option(help="RFC 3339: the last proof, or the begin of the outage.")]


class Finished(Exception):  # noqa: N818 - a command came to its end
    """A command has told its outcome. Whatever else ends the program with a code was a wrong command line."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Run:
    """One command from settings to exit code: signals, clients, errors, report."""

    def __init__(
        self,
        command: str,
        *,
        bucket: str | None,
        prefix: str | None,
        root: Path | None,
        workers: int,
        output: str | None,
        termination: Path | None,
    ) -> None:
        self.started = datetime.now(UTC)
        self.settings: Settings = settings(os.environ, bucket=bucket, prefix=prefix, root=root)
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        signal.signal(signal.SIGINT, lambda *_: stop.set())
        self.throttle = Throttle(workers, stop=stop)
        self.store: Store = S3(self.settings, self.throttle)
        self.workers = workers
        self.found = recovering.Found()
        self.teller = Teller(
            command,
            self.settings,
            self.started,
            output,
            termination or default_path(dict(os.environ)),
            os.environ.get("CERT_RECEIPT_NONCE", ""),
            os.environ.get("CERT_RECEIPT_INPUTS_HASH", ""),
        )

    def __call__(self, work: Callable[[Context], Verdict], sampling: dict[str, object]) -> None:
        """Do it and leave with the exit code."""
        with progress() as shown:
            context = Context(
                LocalTree(KeyMap.of(self.settings)),
                self.store,
                self.throttle,
                self.workers,
                shown,
                lambda: datetime.now(UTC),
            )
            try:
                verdict = work(context)
            except StoreError as error:
                verdict = recovering.unknown(str(error.fault), error.detail)
            except LocalError as error:
                verdict = recovering.unknown("LocalTreeUnreadable", str(error))
            except Cancelled:
                verdict = recovering.unknown("Interrupted", "asked to stop before the end")
        raise Finished(self.teller.tell(verdict, self.found, datetime.now(UTC), sampling, self.store))


@app.command()
def check(  # noqa: PLR0917
    sample_rate: SampleRate = 0.01,
    output: Output = None,
    min_sample: MinSample = 2000,
    max_mismatch: MaxMismatch = 0.005,
    epoch: Epoch = None,
    min_age: Annotated[float, typer.Option(min=0, help="Seconds a difference must be old to count.")] = 60.0,
    settle: Annotated[float, typer.Option(min=0, help="Seconds between two looks at a difference.")] = 5.0,
    workers: Workers = 64,
    termination_message: Termination = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    root: Root = None,
) -> None:
    """Are both copies the same? Lists every key, reads a sample. Writes nothing but the report."""
    run = Run(
        "check",
        bucket=bucket,
        prefix=prefix,
        root=root,
        workers=workers,
        output=output,
        termination=termination_message,
    )
    window = _window(sample_rate, epoch, run.started)
    plan = checking.CheckPlan(
        window,
        min_sample,
        Rule(max_mismatch),
        Care(settle, timedelta(seconds=min_age)),
        recovering.Limits(),
    )
    run(lambda context: checking.check(context, plan, run.found), _sampling(window, min_sample))


@app.command()
def recover(  # noqa: PLR0917
    since: Since = None,
    probes: Annotated[int, typer.Option(min=1, help="Canaries to send before anything else.")] = 1,
    probe_interval: Annotated[float, typer.Option(min=0, help="Seconds between two canaries.")] = 10.0,
    sample_rate: SampleRate = 0.01,
    output: Output = None,
    min_sample: MinSample = 2000,
    max_mismatch: MaxMismatch = 0.005,
    epoch: Epoch = None,
    settle: Annotated[float, typer.Option(min=0, help="Seconds between two looks at a difference.")] = 5.0,
    max_extra_share: Annotated[float, typer.Option(help="Refuse when more objects than this have no file.")] = 0.25,
    max_missing_share: Annotated[float, typer.Option(help="Refuse when more files than this have no object.")] = 0.5,
    max_quarantine: Annotated[int, typer.Option(help="Refuse to put away more objects than this.")] = 10_000,
    workers: Workers = 64,
    termination_message: Termination = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    root: Root = None,
) -> None:
    """After an outage: probe, mend what it left behind, prove both copies the same."""
    run = Run(
        "recover",
        bucket=bucket,
        prefix=prefix,
        root=root,
        workers=workers,
        output=output,
        termination=termination_message,
    )
    window = _window(sample_rate, epoch, run.started)
    plan = recovering.Plan(
        since=_moment(since),
        window=window,
        least=min_sample,
        rule=Rule(max_mismatch, at_risk_clean=True),
        care=Care(settle),
        limits=recovering.Limits(max_missing_share, max_extra_share, max_quarantine),
        probes=probes,
        probe_interval_seconds=probe_interval,
        quarantine=f"{run.settings.own_prefix}quarantine/{run.started:%Y%m%dT%H%M%SZ}/",
    )
    run(
        lambda context: recovering.recover(context, run.settings.own_prefix, plan, run.found),
        {**_sampling(window, min_sample), "since": since},
    )


@app.command()
def probe(  # noqa: PLR0917
    probes: Annotated[int, typer.Option(min=1, help="Canaries to send.")] = 1,
    probe_interval: Annotated[float, typer.Option(min=0, help="Seconds between two canaries.")] = 10.0,
    output: Output = "-",
    termination_message: Termination = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    root: Root = Path("/"),
) -> None:
    """Can this identity put, read and delete an object now? Sends a canary and takes it away again."""
    run = Run(
        "probe", bucket=bucket, prefix=prefix, root=root, workers=1, output=output, termination=termination_message
    )

    def work(context: Context) -> Verdict:
        found = run.found.probe = run_probe(
            run.store, run.settings.own_prefix, rounds=probes, interval_seconds=probe_interval, wait=context.wait
        )
        if found.ok:
            return Verdict(Status.PASS, "ProbeOk", "the canary came back and is gone", 0.0, 1.0)
        return Verdict(Status.FAIL, "ProbeFailed", found.failures[-1], 0.0, 1.0)

    run(work, {})


def _window(rate: float, epoch: int | None, started: datetime) -> Window:
    return Window(rate, int(started.timestamp() // 86400) if epoch is None else epoch)


def _sampling(window: Window, least: int) -> dict[str, object]:
    return {"rate": window.rate, "epoch": window.epoch, "salt": window.salt, "min_sample": least}


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--since {text!r} is not an RFC 3339 time") from error
    if moment.tzinfo is None:
        raise UsageError(f"--since {text!r} has no time zone; add Z for UTC")
    return moment


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit. Options without a command mean `check`, as the runbook writes it."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help"):
        arguments = ["check", *arguments]
    try:
        app(arguments, prog_name=app.info.name)
    except Finished as finished:
        sys.exit(finished.exit_code)
    except UsageError as error:
        sys.stderr.write(f"s3-backfill-validator: {error}\n")
        sys.exit(USAGE)
    except SystemExit as left:
        sys.exit(USAGE if left.code else 0)


if __name__ == "__main__":
    main()
