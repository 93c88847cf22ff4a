"""docs/cli.md shows what the program prints, and names every command and option that there is."""

import re

import pytest

from certstorage.cli.port import ExitCode
from tests.unit.cli.page import PAGE, render
from tests.unit.cli.world import FakeKube, run

TEXT = PAGE.read_text("utf-8")
COMMANDS = [
    "status",
    "why",
    "history",
    "approve",
    "request sweep",
    "request validation",
    "request repair",
    "request return",
]


def test_the_page_is_current() -> None:
    assert render(TEXT) == TEXT, "run: make cli-docs"


def listed(line: str) -> list[str]:
    """The commands that a help text lists."""
    _, _, commands = run(FakeKube([]), line).out.partition("Commands:\n")
    return [row.split()[0] for row in commands.splitlines()]


def test_these_are_all_the_commands() -> None:
    nested = [f"request {name}" for name in listed("request --help")]
    assert sorted([*nested, *(name for name in listed("--help") if name != "request")]) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_on_the_page(command: str) -> None:
    usage = run(FakeKube([]), f"{command} --help").out
    options = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", usage, re.MULTILINE))
    short = {"--namespace": "-n", "--all-namespaces": "-A", "--output": "-o", "--watch": "-w"}
    assert options
    for option in options:
        assert re.search(rf"(?<![\w-]){short.get(option, option)}(?![\w-])", TEXT), option
    assert f"| `{command.split(maxsplit=1)[0]} " in TEXT
    assert command.rsplit(maxsplit=1)[-1] in TEXT


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_on_the_page(code: ExitCode) -> None:
    assert f"| {code.value} |" in TEXT
