"""The command line itself: what it is called, how fast it can be, and how it fails."""

import subprocess
import sys

import pytest

from certstorage import __version__
from certstorage.cli import main as module
from certstorage.cli.tools import Tools
from tests.unit.cli.world import FakeKube, documents, run


def test_help_needs_no_cluster_client() -> None:
    """The client's models take longer to import than all the rest."""
    code = (
        "import sys; from certstorage.cli.main import main; code = main(['--help']); "
        "slow = {'kubernetes', 'aiohttp', 'boto3', 'kopf'} & sys.modules.keys(); "
        "sys.exit(f'{code} {slow}' if slow or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: " in done.stdout


@pytest.mark.parametrize(
    ("called", "program"), [("/usr/bin/kubectl-certstorage", "kubectl certstorage"), ("certstorage", "certstorage")]
)
def test_it_is_called_as_it_was_typed(
    called: str, program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [called, "--version"])
    assert module.main() == 0
    assert capsys.readouterr().out == f"{program} {__version__}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("requst", "No such command 'requst'. Did you mean 'request'? See: kubectl certstorage --help"),
        ("request", "Missing command. See: kubectl certstorage request --help"),
        ("why", "Missing argument 'NAME'. See: kubectl certstorage why --help"),
        ("why a b", "Got unexpected extra argument(s) (b). See: kubectl certstorage why --help"),
        ("status --wach", "No such option: --wach (Possible options: --watch). See: kubectl certstorage status --help"),
        ("status -o yaml", "Invalid value for '-o' / '--output': "),
        ("request swep x", "No such command 'swep'. Did you mean 'sweep'? See: kubectl certstorage request --help"),
        (
            "status certificates -A",
            "one policy is in one namespace: write -n NAMESPACE in place of -A with certificates",
        ),
    ],
)
def test_wrong_usage_is_one_line_with_the_next_command(line: str, said: str) -> None:
    ran = run(FakeKube(documents("healthy")), line)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"error: {said}")
    assert ran.err.count("\n") == 1


def test_no_command_is_help() -> None:
    ran = run(FakeKube([]), "")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Usage: kubectl certstorage [OPTIONS] COMMAND")


def test_context_and_kubeconfig_are_handed_on_and_the_namespace_is_that_of_the_context() -> None:
    seen: list[tuple[str, str]] = []

    def connect(*, kubeconfig: str = "", context: str = "") -> FakeKube:
        seen.append((kubeconfig, context))
        return FakeKube(documents("fresh"), namespace="billing")

    tools = Tools("certstorage", connect=connect)
    assert module.main(["status", "invoices", "--context", "prod", "--kubeconfig", "k"], tools) == 0
    assert seen == [("k", "prod")]
