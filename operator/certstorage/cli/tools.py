"""Everything outside of a command: the cluster, the screen, the clock, and the person at the keyboard."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import typer
from rich.console import Console

from certstorage.cli import screen
from certstorage.cli.port import Kube


class Connect(Protocol):
    """Logs in to a cluster; what is empty is as kubectl has it. Raises CliError."""

    def __call__(self, *, kubeconfig: str = "", context: str = "") -> Kube:
        """The cluster as this user sees it."""


def _connect(*, kubeconfig: str = "", context: str = "") -> Kube:
    from certstorage.cli.kube import connect  # noqa: PLC0415 - slow to import, and --help needs no cluster

    return connect(kubeconfig=kubeconfig, context=context)


def _now() -> datetime:
    return datetime.now(UTC)


def _ask(question: str) -> bool:
    return typer.confirm(question)


def _can_answer() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


@dataclass(frozen=True, slots=True)
class Tools:
    """What a command works with; `program` is how it was called, and `pause` waits for so many seconds."""

    program: str
    connect: Connect = _connect
    screen: Console = field(default_factory=screen.console)
    now: Callable[[], datetime] = _now
    pause: Callable[[float], None] = time.sleep
    can_answer: Callable[[], bool] = _can_answer
    ask: Callable[[str], bool] = _ask
