"""The edges of the runbook's bands, decided once."""

from __future__ import annotations

import pytest

from certstorage.api.signals import Signal, SignalName, Verdict
from certstorage.runbook.bands import FALLBACK, SAVES, Band, band, band_of, mismatch_fails


@pytest.mark.runbook("scenario-2/symptoms", "metrics/save-fail")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, Band.WELL),
        (0.05, Band.WELL),
        (0.0501, Band.PARTIAL),
        (0.20, Band.PARTIAL),
        (0.2001, Band.SEVERE),
        (0.9499, Band.SEVERE),
        (0.95, Band.DOWN),
        (1.0, Band.DOWN),
    ],
)
def test_saves(value: float, expected: Band) -> None:
    assert band(value, SAVES) is expected


@pytest.mark.runbook("scenario-4/symptoms", "metrics/read-fallback")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.10, Band.WELL),
        (0.1001, Band.PARTIAL),
        (0.30, Band.PARTIAL),
        (0.3001, Band.SEVERE),
        (0.9499, Band.SEVERE),
        (0.95, Band.DOWN),
    ],
)
def test_fallback(value: float, expected: Band) -> None:
    assert band(value, FALLBACK) is expected


@pytest.mark.parametrize("value", [None, 0.0, 0.01])
def test_an_alert_in_force_is_never_well_whatever_its_value_has_become(value: float | None) -> None:
    assert band_of(Signal(SignalName.DEGRADED, Verdict.FIRING, value), SAVES) is Band.PARTIAL


@pytest.mark.runbook("metrics/mismatch", "scenario-3/symptoms")
@pytest.mark.parametrize(("rate", "fails"), [(0.00499, False), (0.005, True), (0.00501, True), (0.0, False)])
def test_mismatch(rate: float, fails: bool) -> None:
    assert mismatch_fails(rate) is fails
