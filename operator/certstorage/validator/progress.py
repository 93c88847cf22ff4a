"""Progress for people: a bar on a terminal, a plain line now and then when piped."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_QUIET_SECONDS = 10.0


class PlainProgress:
    """A line when a phase begins, and one every ten seconds while it lasts."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._name = ""
        self._total: int | None = None
        self._done = self._mismatches = 0
        self._began = self._spoke = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def phase(self, name: str, total: int | None) -> None:
        """As Progress.phase."""
        self._name, self._total, self._done, self._mismatches = name, total, 0, 0
        self._began = self._spoke = time.monotonic()
        self.say(f"{name}: {total} to do" if total is not None else f"{name} begins")

    def step(self, count: int = 1, mismatches: int = 0) -> None:
        """As Progress.step."""
        self._done += count
        self._mismatches += mismatches
        now = time.monotonic()
        if now - self._spoke >= _QUIET_SECONDS:
            self._spoke = now
            rate = self._done / (now - self._began)
            of = f"/{self._total}" if self._total else ""
            left = f", {(self._total - self._done) / rate:.0f} s left" if self._total and rate else ""
            self.say(f"{self._name}: {self._done}{of}, {rate:.0f}/s, {self._mismatches} differ so far{left}")

    def say(self, text: str) -> None:
        """As Progress.say."""
        self._stream.write(f"{text}\n")
        self._stream.flush()


class BarProgress:
    """A bar that does not scroll."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("[bold]{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>8.0f}/s  {task.fields[bad]} differ"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None
        self._bad = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def phase(self, name: str, total: int | None) -> None:
        """As Progress.phase."""
        self._bad = 0
        self._task = self._bars.add_task(name, total=total, rate=0.0, bad=0)

    def step(self, count: int = 1, mismatches: int = 0) -> None:
        """As Progress.step."""
        if self._task is None:
            return
        self._bad += mismatches
        speed = self._bars.tasks[self._task].speed or 0.0
        self._bars.update(self._task, advance=count, rate=speed, bad=self._bad)

    def say(self, text: str) -> None:
        """As Progress.say."""
        self._bars.console.print(text)


def progress(quiet: bool = False) -> PlainProgress | BarProgress:
    """The one that fits where standard error goes."""
    console = Console(stderr=True)
    return BarProgress(console) if console.is_terminal and not quiet else PlainProgress()
