"""The command line as data. argparse, because a Job should not spend a third of a second loading its options."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from certstorage import __version__
from certstorage.validator import values
from certstorage.validator.sampling import WHOLE

PROGRAM = "s3-backfill-validator"
USAGE = 3
WORKERS = 64
"""Most requests at once, unless said otherwise."""
DEFAULT_REPORT = "artifacts/backfill_report.json"
"""Where the runbook looks for the report of a check."""

_DESCRIPTION = """\
Compare a local tree of certificates with the bucket it is written to a second
time, and mend what differs. Options without a command mean `check`.
"""
_EPILOG = """\
environment:
  CERT_S3_BUCKET, CERT_S3_PREFIX, CERT_LOCAL_PATH    both copies: <prefix><rest> is <path>/<rest>
  AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_CA_BUNDLE     the way to S3; credentials as AWS has them
  CERT_S3_CONNECT_TIMEOUT, CERT_S3_READ_TIMEOUT      seconds
  CERT_MIN_AGE                                       --min-age of check, seconds (60)
  CERT_S3_OWN_PREFIX                                 canaries, quarantine, reports (.certstorage/)
  CERT_TERMINATION_MESSAGE, CERT_RECEIPT_NONCE, CERT_RECEIPT_INPUTS_HASH, CERT_CHECKPOINT

exit codes:
  0 PASS    1 FAIL    2 INCONCLUSIVE: it cannot know, and never guesses    3 wrong usage
"""


class _Parser(argparse.ArgumentParser):
    """Exits with 3 on wrong usage: 2 is a verdict here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Room for the options, defaults behind their help. One is made for every option, to be thrown away."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=110)
        self._action_max_length = 16

    def format_help(self) -> str:
        """The text, no wider than the terminal."""
        from shutil import get_terminal_size  # noqa: PLC0415 - 2 ms of every start, for help only

        self._width = min(self._width, get_terminal_size((self._width, 40)).columns)
        self._max_help_position = min(self._max_help_position, max(4, self._width - 20))
        return super().format_help()

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        silent = "(" in text or isinstance(default, bool) or default in (None, argparse.SUPPRESS, "", [])
        return text if silent else f"{text} (%(default)s)"


def parser(wanted: str) -> argparse.ArgumentParser:
    """Every command, the wanted one with its options: to make those of all would take a run longer to begin."""
    root = _Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=_Formatter,
    )
    root.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = root.add_subparsers(prog=PROGRAM, dest="command", title="commands", metavar="COMMAND", required=True)
    for name, (add, text, more, example) in _COMMANDS.items():
        operands = " REPORT..." if name == "merge" else ""
        one = commands.add_parser(
            name,
            help=text,
            usage=f"{PROGRAM} {name} [options]{operands}",
            description=f"{text[0].upper()}{text[1:]}{'' if text.endswith('?') else '.'}{more}",
            epilog=f"example:\n  {PROGRAM} {name} {example}",
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        if name == wanted:
            add(one)
    return root


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read a command line; leaves with USAGE where it is wrong, with 0 after help."""
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version"):
        arguments = ["check", *arguments]
    command_line = parser(arguments[0] if arguments else "")
    if not arguments:
        command_line.print_help(sys.stderr)
        command_line.exit(USAGE)
    return command_line.parse_args(arguments)


def _check(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--since",
        type=values.moment,
        metavar="TIME",
        help="RFC 3339: last proof; what was written after it is read in full",
    )
    sample = _sample(command)
    sample.add_argument(
        "--no-grow", action="store_false", dest="grow", help="do not read more while the verdict is open"
    )
    _shards(sample)
    _outcome(command, DEFAULT_REPORT)
    command.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        default=values.path(os.environ, "CERT_CHECKPOINT"),
        help="lets a killed run go on where it was",
    )
    care = _care(command, extra_share=0.5)
    care.add_argument(
        "--min-age",
        type=values.seconds,
        default=os.environ.get("CERT_MIN_AGE") or "60",
        metavar="S",
        help="seconds a difference must be old to count; longer where the application writes to S3 later",
    )
    repair = command.add_argument_group("repair of what was found, after the verdict")
    repair.add_argument(
        "--repair", choices=("report", "missing", "different", "all"), default="report", help="what is uploaded again"
    )
    repair.add_argument(
        "--max-repairs", type=values.count, default=1000, metavar="N", help="no more than this in one run"
    )
    _load(command)
    _copies(command)


def _recover(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--since",
        type=values.moment,
        metavar="TIME",
        help="RFC 3339: last proof, or begin of the outage; all if not given",
    )
    _probes(command, "canaries to send first")
    _shards(_sample(command))
    _outcome(command, None)
    _quarantine(_care(command, extra_share=0.25))
    _load(command)
    _copies(command)


def _reconcile(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--since-proof",
        dest="since",
        type=values.moment,
        metavar="TIME",
        help="RFC 3339: when both were last proven the same",
    )
    _outcome(command, None)
    _quarantine(_care(command, extra_share=0.25))
    _load(command)
    _copies(command)


def _repair(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--from-report",
        required=True,
        metavar="REPORT",
        help="report of a check: a path, or s3://<bucket>/<key> (required)",
    )
    command.add_argument("--apply", action="store_true", help="do it; without this, only say what would be done")
    command.add_argument("--only", choices=("missing", "different", "all"), default="all", help="which mismatches")
    command.add_argument("--extra", action="store_true", help="put away what has no local file, too")
    command.add_argument("--under", default="", metavar="KEY", help="only keys that begin so: one batch")
    command.add_argument("--key", action="append", default=[], metavar="KEY", help="only this key; may be repeated")
    command.add_argument(
        "--max-repairs", type=values.count, default=1000, metavar="N", help="no more than this in one run"
    )
    command.add_argument("--settle", type=values.seconds, default=5.0, metavar="S", help="seconds between two looks")
    _outcome(command, None)
    _load(command)
    _copies(command)


def _probe(command: argparse.ArgumentParser) -> None:
    _probes(command, "canaries to send")
    command.add_argument(
        "--no-findings",
        action="store_false",
        dest="findings",
        help="leave out region, lifecycle, logging, clock and path",
    )
    _outcome(command, "-")
    _copies(command)


def _merge(command: argparse.ArgumentParser) -> None:
    command.add_argument("reports", nargs="+", type=Path, metavar="REPORT", help="the report of every shard")
    command.add_argument(
        "--max-mismatch", type=values.share, default=0.005, metavar="SHARE", help="from this share on: FAIL"
    )
    _outcome(command, "-")


_Group = argparse._ArgumentGroup


def _sample(command: argparse.ArgumentParser) -> _Group:
    group = command.add_argument_group("sample")
    group.add_argument(
        "--sample-rate", type=values.share, default=0.01, metavar="SHARE", help="share of the keys whose bytes are read"
    )
    group.add_argument(
        "--min-sample",
        type=values.count,
        default=2000,
        metavar="N",
        help="read so many at least; all, where there are fewer",
    )
    group.add_argument(
        "--max-mismatch",
        type=values.share,
        default=0.005,
        metavar="SHARE",
        help="from this share of mismatches on: FAIL",
    )
    group.add_argument("--epoch", type=int, metavar="N", help="which window of keys; by default another one every day")
    return group


def _shards(group: _Group) -> None:
    group.add_argument(
        "--shard",
        type=values.shard,
        default=WHOLE,
        metavar="I/N",
        help="only part I of N (from 0), for `merge`; with --output bucket the last one merges them all",
    )


def _outcome(command: argparse.ArgumentParser, report: str | None) -> None:
    group = command.add_argument_group("outcome")
    where = 'report: a path, "-", or "bucket": in CERT_S3_OWN_PREFIX'
    group.add_argument("--output", default=report, metavar="WHERE", help=where if report else f"{where} (none)")
    group.add_argument(
        "--termination-message", type=Path, metavar="FILE", help="receipt of 4 KiB at most, for the operator"
    )


def _care(command: argparse.ArgumentParser, *, extra_share: float) -> _Group:
    group = command.add_argument_group("care")
    group.add_argument(
        "--settle", type=values.seconds, default=5.0, metavar="S", help="seconds between two looks at a difference"
    )
    group.add_argument(
        "--max-missing-share",
        type=values.share,
        default=0.5,
        metavar="SHARE",
        help="stop when more files have no object",
    )
    group.add_argument(
        "--max-extra-share",
        type=values.share,
        default=extra_share,
        metavar="SHARE",
        help="stop when more objects have no file",
    )
    return group


def _quarantine(group: _Group) -> None:
    group.add_argument(
        "--max-quarantine", type=values.count, default=10_000, metavar="N", help="stop when more would be put away"
    )


def _load(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("load")
    group.add_argument("--workers", type=values.workers, default=WORKERS, metavar="N", help="most requests at once")
    group.add_argument(
        "--max-requests", type=values.seconds, default=0.0, metavar="N", help="requests a second (0: any)"
    )
    group.add_argument("--max-mib", type=values.seconds, default=0.0, metavar="N", help="MiB a second (0: any)")


def _copies(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("both copies, if not from the environment")
    group.add_argument("--bucket", metavar="NAME", help="CERT_S3_BUCKET")
    group.add_argument("--prefix", metavar="PREFIX", help="CERT_S3_PREFIX")
    if not command.prog.endswith("probe"):
        group.add_argument("--root", type=Path, metavar="DIR", help="CERT_LOCAL_PATH")


def _probes(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--probes", type=values.count, default=1, metavar="N", help=what)
    command.add_argument(
        "--probe-interval", type=values.seconds, default=10.0, metavar="S", help="seconds between two canaries"
    )


_COMMANDS: Mapping[str, tuple[Callable[[argparse.ArgumentParser], None], str, str, str]] = {
    "check": (
        _check,
        "are both copies the same?",
        "\n\nLists every key, reads a sample, confirms every difference by its bytes. Writes to neither side,\n"
        "unless --repair is given.",
        f"--sample-rate 0.01 --output {DEFAULT_REPORT}",
    ),
    "recover": (
        _recover,
        "after an outage: mend what it left behind, prove the rest",
        "\n\nSends canaries; looks at everything that differs or was written since; uploads what is only local or\n"
        "newer locally; puts away under a quarantine prefix what was deleted locally; reads a sample of the rest.\n"
        "PASS needs everything at risk clean to the last object.",
        "--since 2026-11-23T03:10:00Z --probes 3 --probe-interval 100 --output bucket",
    ),
    "reconcile": (
        _reconcile,
        "as recover, without a sample of the rest",
        "",
        "--since-proof 2026-11-23T03:10:00Z --output -",
    ),
    "repair": (
        _repair,
        "upload again what a report names",
        "\n\nEvery key is looked at twice first, and written under a condition: a newer write is never undone.\n"
        "A run that was stopped goes on when it is repeated.",
        f"--from-report {DEFAULT_REPORT} --apply",
    ),
    "probe": (
        _probe,
        "can this identity put, read and delete an object now?",
        "\n\nEach permission is told apart; the canary is taken away again.",
        "--probes 3 --probe-interval 100",
    ),
    "merge": (
        _merge,
        "one report from the reports of all shards",
        "",
        f"shard-*.json --output {DEFAULT_REPORT}",
    ),
}
