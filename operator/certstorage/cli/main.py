"""The command line `certstorage`, which kubectl also finds as `kubectl certstorage`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from certstorage import __version__
from certstorage.api.requests import Expected
from certstorage.cli import commands
from certstorage.cli.asking import Wanted
from certstorage.cli.commands import Session
from certstorage.cli.port import CliError, ExitCode
from certstorage.cli.tools import Tools

_SETTINGS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=_SETTINGS,
)
asks = typer.Typer(rich_markup_mode=None, context_settings=_SETTINGS)
app.add_typer(asks, name="request", help="Ask the operator for something.")

_CLUSTER = "Cluster"

Name = Annotated[str, typer.Argument(metavar="NAME", help="The CertStoragePolicy.")]
Namespace = Annotated[
    str,
    typer.Option("-n", "--namespace", help="Namespace; else that of the context.", rich_help_panel=_CLUSTER),
]
Context = Annotated[
    str, typer.Option(help="Context of the kubeconfig; else its current one.", rich_help_panel=_CLUSTER)
]
Kubeconfig = Annotated[
    str, typer.Option(help="Kubeconfig; else KUBECONFIG, else ~/.kube/config.", rich_help_panel=_CLUSTER)
]
Reason = Annotated[str, typer.Option(help="Why, for those who read the incident later.")]
SampleRate = Annotated[str, typer.Option(help="Share of the objects to compare, such as 10%; else as the policy says.")]
Expect = Annotated[
    list[Expected] | None,
    typer.Option(case_sensitive=False, help="What is right although it looks like a wrong disk or bucket."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end; 0 when it passed, 1 when not.")]

_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?%")


class Output(StrEnum):
    """How `status` shows what it has read."""

    TABLE = "table"
    JSON = "json"


def _session(ctx: typer.Context, kubeconfig: str, context: str, namespace: str) -> Session:
    tools: Tools = ctx.obj
    return commands.begin(tools, kubeconfig=kubeconfig, context=context, namespace=namespace)


def _end(code: ExitCode) -> None:
    raise typer.Exit(code)


def _version(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        tools: Tools = ctx.obj
        sys.stdout.write(f"{tools.program} {__version__}\n")
        _end(ExitCode.READY)


@app.callback()
def start(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """What the CertStoragePolicy operator does and why, and how to ask for what only a person may ask for."""


@app.command()
def status(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="One CertStoragePolicy; else all.")] = "",
    *,
    namespace: Namespace = "",
    everywhere: Annotated[bool, typer.Option("-A", "--all-namespaces", help="All namespaces.")] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="For people, or for scripts.")] = Output.TABLE,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Go on until Ctrl-C.")] = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show where reads go and what is under way."""
    if name and everywhere:
        raise CliError(f"one policy is in one namespace: write -n NAMESPACE in place of -A with {name}")
    session = _session(ctx, kubeconfig, context, namespace)
    as_json = output is Output.JSON
    _end(commands.show_status(session, name, everywhere=everywhere, as_json=as_json, watch=watch))


@app.command(epilog="Exit codes: 0 ready; 1 not ready, and it goes on by itself; 2 a person is asked; 3 not known.")
def why(
    ctx: typer.Context,
    name: Name,
    *,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Say what is so, why, and what unblocks it."""
    _end(commands.show_why(_session(ctx, kubeconfig, context, namespace), name))


@app.command()
def history(
    ctx: typer.Context,
    name: Name,
    *,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show its incidents and Events as one timeline."""
    _end(commands.show_history(_session(ctx, kubeconfig, context, namespace), name))


@asks.command("sweep")
def request_sweep(
    ctx: typer.Context,
    name: Name,
    *,
    reason: Reason = "",
    sample_rate: SampleRate = "",
    wait: Wait = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Stop writes, compare a large sample, resume."""
    _percentage(sample_rate)
    session = _session(ctx, kubeconfig, context, namespace)
    _end(commands.file_request(session, name, Wanted.SWEEP, reason=reason, sample_rate=sample_rate, wait=wait))


@asks.command("validation")
def request_validation(
    ctx: typer.Context,
    name: Name,
    *,
    reason: Reason = "",
    sample_rate: SampleRate = "",
    wait: Wait = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Compare local disk and S3 now."""
    _percentage(sample_rate)
    session = _session(ctx, kubeconfig, context, namespace)
    _end(commands.file_request(session, name, Wanted.VALIDATION, reason=reason, sample_rate=sample_rate, wait=wait))


@asks.command("repair")
def request_repair(
    ctx: typer.Context,
    name: Name,
    *,
    reason: Reason = "",
    wait: Wait = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Upload what the last validation found. From local disk to S3, never the other way."""
    session = _session(ctx, kubeconfig, context, namespace)
    _end(commands.file_request(session, name, Wanted.REPAIR, reason=reason, wait=wait))


@asks.command("return")
def request_return(
    ctx: typer.Context,
    name: Name,
    *,
    reason: Reason = "",
    expect: Expect = None,
    wait: Wait = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Let the way back to S3 begin. It needs proof all the same."""
    session = _session(ctx, kubeconfig, context, namespace)
    said = tuple(dict.fromkeys(one.value for one in expect or ()))
    _end(commands.file_request(session, name, Wanted.RETURN, reason=reason, expected=said, wait=wait))


@app.command()
def approve(
    ctx: typer.Context,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="The CertStorageRequest whose plan waits.")],
    *,
    deny: Annotated[bool, typer.Option("--deny", help="Say no.")] = False,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")] = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show the plan that waits, and answer it."""
    session = _session(ctx, kubeconfig, context, namespace)
    _end(commands.approve(session, request, deny=deny, reason=reason, yes=yes))


def _percentage(text: str) -> None:
    if text and not _PERCENT.fullmatch(text):
        raise CliError(f"--sample-rate {text} is not a percentage: write 10%")


def main(arguments: Sequence[str] | None = None, tools: Tools | None = None) -> int:
    """Run one command and return its exit code; `tools` is the world it runs in."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    world = tools or Tools("kubectl certstorage" if plugin else "certstorage")
    try:
        code = app(given or ["--help"], prog_name=world.program, standalone_mode=False, obj=world)
    except typer.TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", world.program)
        said = " ".join(error.format_message().split())
        return _fail(f"{said}{'' if said.endswith(('.', '?')) else '.'} See: {command} --help")
    except CliError as error:
        return _fail(str(error))
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return int(code or 0)


def _fail(said: str) -> int:
    sys.stderr.write(f"error: {said}\n")
    return ExitCode.NOT_DONE


if __name__ == "__main__":
    sys.exit(main())
