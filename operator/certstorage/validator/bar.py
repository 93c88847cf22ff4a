"""Progress on a terminal: one bar a phase, that does not scroll."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class BarProgress:
    """A bar that does not scroll."""

    def __init__(self, console: Console | None = None) -> None:
        self._bars = Progress(
            TextColumn("[bold]{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>8.0f}/s  {task.fields[bad]} differ"),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._task: TaskID | None = None
        self._bad = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
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
