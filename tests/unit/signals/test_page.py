"""docs/signals.md says what the code says, of every verdict, signal and reason."""

from __future__ import annotations

import re

from certstorage.api.signals import SignalName, Verdict
from certstorage.signals.failures import Trouble
from tests.unit.signals.pages import PAGE, page


def test_the_page_is_what_is_built() -> None:
    assert PAGE.read_text() == page(), f"{PAGE.name} is stale: run `make generate`"


def test_every_verdict_signal_and_reason_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", page(), re.MULTILINE))
    assert explained == {one.value for enum in (Verdict, SignalName, Trouble) for one in enum}
