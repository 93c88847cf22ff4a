"""Times, steps and reasons as people read them."""

from datetime import timedelta

import pytest

from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Step
from certstorage.cli import words
from tests.unit.cli.world import NOW


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(0), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(days=1, minutes=5), "1 d"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
    ],
)
def test_a_length_of_time(length: timedelta, said: str) -> None:
    assert words.span(length) == said


def test_a_time_has_its_date_unless_it_is_today() -> None:
    assert words.clock(NOW, NOW) == "03:22:10 UTC"
    assert words.clock(NOW - timedelta(days=1), NOW) == "2026-11-22 03:22:10 UTC"
    assert words.ago(NOW - timedelta(minutes=3), NOW) == "03:19:10 UTC (3 min ago)"
    assert words.ahead(NOW + timedelta(minutes=3), NOW) == "03:25:10 UTC (in 3 min)"
    assert words.ahead(NOW - timedelta(minutes=3), NOW) == "03:19:10 UTC (3 min overdue)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reads are local", "Reads are local."),
        ("argocd-controller wrote it", "argocd-controller wrote it."),
        ("CERT_S3 is off.", "CERT_S3 is off."),
        ("is it so?", "Is it so?"),
        ("", ""),
    ],
)
def test_a_sentence(text: str, said: str) -> None:
    assert words.sentence(text) == said


def test_every_step_has_words() -> None:
    assert set(Step) <= words.STEPS.keys()


def test_every_reason_has_a_meaning() -> None:
    assert words.meanings().keys() == {reason.value for reason in Reason}
    assert words.meanings()["JobGone"] == "The Job of the open attempt was deleted by somebody."
