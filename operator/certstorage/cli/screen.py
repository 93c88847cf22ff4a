"""Text on a terminal: colour and wrapping there, plain whole lines everywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

UNWRAPPED = 10_000
"""Columns of a line that goes to a file or another program: it is never broken."""

LABEL = 9
"""Columns of the labels on the left."""

GOOD, BAD, WARN, FAINT, COMMAND = "green", "bold red", "yellow", "dim", "bold cyan"

_COLOURS = {
    "True": GOOD,
    "False": BAD,
    "Unknown": WARN,
    "Firing": BAD,
    "ClearProven": GOOD,
    "ClearUnproven": WARN,
    "Idle": FAINT,
    "Pass": GOOD,
    "Fail": BAD,
    "Inconclusive": WARN,
    "critical": BAD,
    "warning": WARN,
    "Warning": WARN,
    "Denied": BAD,
    "Expired": WARN,
    "Refused": WARN,
}


def console(*, width: int | None = None) -> Console:
    """Standard output; NO_COLOR and COLUMNS are obeyed."""
    made = Console(highlight=False, markup=False, emoji=False, width=width)
    if width is None and not made.is_terminal:
        return Console(highlight=False, markup=False, emoji=False, width=UNWRAPPED)
    return made


def say(screen: Console, shown: RenderableType) -> None:
    """Print; outside a terminal without the blanks that fill a table's last column."""
    if screen.is_terminal:
        screen.print(shown, crop=False)
        return
    with screen.capture() as captured:
        screen.print(shown, crop=False)
    screen.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    screen.file.flush()  # so that a reader who has left is noticed here, where it is no crash


def word(text: str) -> Text:
    """A word of the API in its colour."""
    return Text(text or "-", style=_COLOURS.get(text, ""))


def command(line: str, *, indent: int = 0) -> Text:
    """A command to run, behind the prompt of a shell; never broken, so that it can be copied."""
    parts = (" " * indent, ("$ ", FAINT), (line, COMMAND))
    return Text.assemble(*parts, no_wrap=True, overflow="ignore")


def labelled(rows: Iterable[tuple[str, RenderableType]]) -> RenderableType:
    """Labels on the left, what they say on the right; a command has a line of its own, which no column cuts."""
    parts: list[RenderableType] = []
    grid: Table | None = None
    for label, shown in rows:
        if isinstance(shown, Text) and shown.no_wrap:
            parts.append(shown)
            grid = None
            continue
        if grid is None:
            grid = Table.grid(padding=(0, 2, 0, 0))
            grid.add_column(no_wrap=True, style=FAINT, min_width=LABEL)
            grid.add_column(overflow="fold")
            parts.append(grid)
        grid.add_row(label, shown)
    return Group(*parts)


def columns(*names: str) -> Table:
    """A table as kubectl prints them; nothing is cut off, so that a name can be copied."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


@dataclass(frozen=True, slots=True)
class Fitting:
    """A table that leaves out columns where the terminal is too narrow: those in `spare`, one after the other."""

    names: Sequence[str]
    rows: Sequence[Sequence[str | Text]]
    spare: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept = list(self.names)
        for name in (*self.spare, ""):
            table = self._table(kept)
            if not name or Measurement.get(console, options, table).maximum < options.max_width:
                yield table
                return
            kept.remove(name)

    def _table(self, kept: Sequence[str]) -> Table:
        chosen = [index for index, name in enumerate(self.names) if name in kept]
        table = columns(*kept)
        for row in self.rows:
            table.add_row(*(row[index] for index in chosen))
        return table
