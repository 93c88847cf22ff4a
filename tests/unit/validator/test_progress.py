"""How far a run is: one line now and then in a pipe, one bar a phase on a terminal."""

from __future__ import annotations

import io
import itertools

from rich.console import Console

from certstorage.validator.bar import BarProgress
from certstorage.validator.progress import PlainProgress


def test_a_pipe_gets_a_line_a_phase_and_one_every_ten_seconds() -> None:
    stream, clock = io.StringIO(), itertools.count()
    with PlainProgress(stream, lambda: float(next(clock))) as progress:
        progress.phase("sample", 100)
        for number in range(25):
            progress.step(2, int(number == 3))
    assert stream.getvalue().splitlines() == [
        "sample: 100 to do",
        "sample: 20/100, 2/s, 1 differ so far, 40 s left",
        "sample: 40/100, 2/s, 1 differ so far, 30 s left",
    ]


def test_a_phase_of_unknown_length_says_only_what_it_knows() -> None:
    stream, clock = io.StringIO(), itertools.count(step=11)
    with PlainProgress(stream, lambda: float(next(clock))) as progress:
        progress.phase("census", None)
        progress.step(1_100)
        progress.say("listing with boto3")
    assert stream.getvalue().splitlines() == [
        "census begins",
        "census: 1100, 100/s, 0 differ so far",
        "listing with boto3",
    ]


def test_a_terminal_gets_a_bar_with_rate_and_mismatches() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with BarProgress(console) as progress:
        progress.phase("census", None)
        progress.step(40)
        progress.phase("sample", 10)
        progress.step(4, 3)
        progress.say("reading more")
    shown = screen.getvalue()
    assert "census" in shown
    assert "4/10" in shown
    assert "/s  3 differ" in shown
    assert "reading more" in shown
    assert "\x1b[1A" in shown or "\r" in shown  # drawn over, not scrolled
