"""What a person is shown: a picture on a terminal, one plain line for each change elsewhere."""

from __future__ import annotations

import dataclasses
import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from tests.e2e.story.facts import Pod, Sample, Span
from tests.e2e.story.plot import Step
from tests.e2e.story.prometheus import spans
from tests.e2e.story.steps import OUTAGE, StepName
from tests.e2e.story.timeline import Timeline, clock, news, story_lines
from tests.e2e.story.view import Operator, View

ZERO = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
CUT = Step(StepName.S3_CUT, ZERO + timedelta(seconds=3), {"fault": "reset"})
FIRING = Step(StepName.ALERT_FIRING, ZERO + timedelta(seconds=15), {"alert": "CertS3Outage", "after_seconds": 12.0})
CALM = View(
    at=ZERO,
    began=ZERO,
    waiting="the outage alert",
    deadline=ZERO + timedelta(seconds=90),
    template={"CERT_S3_READ_PRIMARY": "true", "CERT_S3_DUAL_WRITE": "true"},
    pods=(Pod("a", "1", "1", "h", ready=True, going=False, env={"CERT_S3_READ_PRIMARY": "true"}),),
    saves_failing=0.0,
    operations=1234,
    operator=Operator("ReadsFromS3", "reads come from S3"),
)
CUT_VIEW = dataclasses.replace(CALM, at=CUT.at, fault="reset", saves_failing=0.97, steps=(CUT,))


def shown(*views: View, terminal: bool) -> str:
    out = io.StringIO()
    with Timeline(Console(file=out, force_terminal=terminal, width=130, height=50)) as timeline:
        for view in views:
            timeline.show(view)
    return out.getvalue()


def test_plain_lines_tell_what_changed_and_nothing_twice() -> None:
    lines = list(news(CALM, CUT_VIEW))
    assert [line.split()[1:] for line in lines] == [
        ["==", "s3_cut:", "S3", "is", "cut", "(proxy:", "reset)"],
        ["S3", "cut", "(reset)"],
        ["saves", "failing", "about", "100", "%"],
    ]
    assert list(news(CUT_VIEW, CUT_VIEW)) == []


def test_plain_output_has_no_escapes_and_brackets_stay() -> None:
    odd = dataclasses.replace(CALM, operator=Operator("Odd", "[bold]not markup[/bold] " + "long " * 60))
    text = shown(odd, terminal=False)
    assert "\x1b" not in text
    assert "[bold]not markup[/bold]" in text
    assert max(map(len, text.splitlines())) > 130, "a long line must not be wrapped in a log"


def test_the_picture_shows_facts_the_operator_and_what_is_waited_for() -> None:
    text = shown(CUT_VIEW, terminal=True)
    for words in ("cut (reset)", "1,234 operations", "0 errors", "reads come from S3", "the outage alert", "97%"):
        assert words in text
    assert all(title in text for title in OUTAGE.titles.values())


def test_the_story_at_the_end_counts_from_the_cut() -> None:
    first, second = story_lines(OUTAGE, (CUT, FIRING))
    assert first.startswith("00:00  S3 is cut")
    assert second.startswith("00:12  alert fires")
    assert second.endswith("CertS3Outage, 12 s after the cut")


def test_the_story_at_the_end_is_in_the_order_of_time() -> None:
    """A step counts after those before it, and may have happened earlier than the last of them."""
    early = dataclasses.replace(FIRING, at=CUT.at + timedelta(seconds=1))
    off = Step(StepName.READ_PRIMARY_OFF, CUT.at + timedelta(seconds=30), {"said": "generation 2"})
    lines = story_lines(OUTAGE, (CUT, off, early))
    assert [line[:5] for line in lines] == ["00:00", "00:01", "00:30"]


@pytest.mark.parametrize(
    ("fault", "said"), [("", "open"), ("reset", "cut (reset)"), ("put:lost=12", "faulty (put:lost=12)")]
)
def test_a_fault_of_some_operations_is_no_cut(fault: str, said: str) -> None:
    assert f"S3  {said}" in "\n".join(news(None, dataclasses.replace(CALM, fault=fault)))


def test_every_step_has_a_title() -> None:
    assert set(OUTAGE.titles) == set(StepName)


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00"), (61, "01:01"), (3600, "60:00"), (-1, "00:00")])
def test_the_clock_counts_minutes_and_seconds(seconds: int, text: str) -> None:
    assert clock(ZERO, ZERO + timedelta(seconds=seconds)) == text


def test_samples_far_apart_are_two_spans_and_the_last_may_go_on() -> None:
    samples = [Sample(ZERO + timedelta(seconds=second), 1.0) for second in (0, 2, 4, 20, 22)]
    gap = timedelta(seconds=5)
    begin, middle = samples[0].at, samples[3].at
    assert spans(samples, samples[4].at + gap, gap) == (Span(begin, samples[2].at), Span(middle))
    assert spans(samples, samples[4].at + 2 * gap, gap) == (Span(begin, samples[2].at), Span(middle, samples[4].at))
    assert spans([], ZERO, gap) == ()
