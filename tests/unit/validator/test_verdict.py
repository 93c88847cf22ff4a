"""PASS, FAIL, INCONCLUSIVE: the table is the specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstorage.validator.verdict import Rule, Status, Stratum, decide

NONE = Stratum(0, 0, 0)
RULE = Rule()
STRICT = Rule(at_risk_clean=True)


@pytest.mark.parametrize(
    ("at_risk", "rest", "rule", "status", "detail"),
    [
        # nothing is never proof
        (NONE, NONE, RULE, "INCONCLUSIVE", "NothingToCompare"),
        # a census is exact
        (NONE, Stratum(100, 100, 0), RULE, "PASS", "Clean"),
        (NONE, Stratum(1000, 1000, 4), RULE, "PASS", "BelowThreshold"),
        (NONE, Stratum(1000, 1000, 5), RULE, "FAIL", "Mismatches"),
        (NONE, Stratum(100, 100, 1), RULE, "FAIL", "Mismatches"),
        # 1 % of a small tree proves nothing
        (NONE, Stratum(100, 1, 0), RULE, "INCONCLUSIVE", "SampleTooSmall"),
        (NONE, Stratum(10_000, 100, 0), RULE, "INCONCLUSIVE", "SampleTooSmall"),
        (NONE, Stratum(1_000_000, 598, 0), RULE, "INCONCLUSIVE", "SampleTooSmall"),
        (NONE, Stratum(1_000_000, 700, 0), RULE, "PASS", "Clean"),
        # 2,000 bear four
        (NONE, Stratum(1_000_000, 2_000, 4), RULE, "PASS", "BelowThreshold"),
        (NONE, Stratum(1_000_000, 2_000, 5), RULE, "INCONCLUSIVE", "SampleTooSmall"),
        (NONE, Stratum(1_000_000, 2_000, 10), RULE, "FAIL", "Mismatches"),
        # what is at risk counts in full, the rest by its share
        (Stratum(49, 49, 49), Stratum(9_951, 9_951, 0), RULE, "PASS", "BelowThreshold"),
        (Stratum(50, 50, 50), Stratum(9_950, 9_950, 0), RULE, "FAIL", "Mismatches"),
        # after an outage one open object is one too many
        (Stratum(500, 500, 1), Stratum(100_000, 2_000, 0), STRICT, "FAIL", "AtRiskOpen"),
        (Stratum(500, 500, 0, 1), Stratum(100_000, 2_000, 0), STRICT, "INCONCLUSIVE", "AtRiskUnknown"),
        (Stratum(500, 500, 0), Stratum(100_000, 2_000, 1), STRICT, "PASS", "BelowThreshold"),
        (Stratum(500, 500, 0), NONE, STRICT, "PASS", "Clean"),
        # what is not known is the worst case
        (NONE, Stratum(1_000_000, 2_000, 0, 4), RULE, "PASS", "Clean"),
        (NONE, Stratum(1_000_000, 2_000, 0, 5), RULE, "INCONCLUSIVE", "SampleTooSmall"),
        (NONE, Stratum(1_000_000, 2_000, 0, 21), RULE, "INCONCLUSIVE", "Errors"),
        (NONE, Stratum(1_000, 1_000, 0, 6), RULE, "INCONCLUSIVE", "Errors"),
        (NONE, Stratum(1_000, 1_000, 0, 1_000), RULE, "INCONCLUSIVE", "Errors"),
        # errors do not hide a failure
        (NONE, Stratum(1_000, 1_000, 300, 600), RULE, "FAIL", "Mismatches"),
    ],
)
def test_decides(at_risk: Stratum, rest: Stratum, rule: Rule, status: str, detail: str) -> None:
    verdict = decide(at_risk, rest, rule)
    assert (verdict.status, verdict.detail) == (status, detail)


def test_a_small_sample_asks_for_more_and_a_whole_one_does_not() -> None:
    assert decide(NONE, Stratum(10_000, 100, 0), RULE).grow
    assert not decide(NONE, Stratum(1_000, 1_000, 0, 6), RULE).grow


@st.composite
def strata(draw: st.DrawFn) -> Stratum:
    """Any stratum that can be."""
    population = draw(st.integers(0, 3_000))
    checked = draw(st.integers(0, population))
    mismatches = draw(st.integers(0, checked))
    return Stratum(population, checked, mismatches, draw(st.integers(0, checked - mismatches)))


@given(strata(), strata(), st.booleans(), st.integers(1, 4))
def test_a_pass_is_always_earned(at_risk: Stratum, rest: Stratum, clean: bool, looks: int) -> None:
    at_risk = Stratum(at_risk.checked, at_risk.checked, at_risk.mismatches, at_risk.unknown)
    verdict = decide(at_risk, rest, Rule(at_risk_clean=clean), looks)
    assert verdict.rate <= 1
    assert verdict.upper <= 1
    if verdict.status is Status.PASS:
        assert verdict.rate < 0.005
        assert verdict.upper < 0.005
        assert verdict.upper >= (rest.mismatches + at_risk.mismatches) / (at_risk.population + rest.population)
        assert not (clean and (at_risk.mismatches or at_risk.unknown))
    if verdict.status is Status.FAIL:
        assert at_risk.mismatches + rest.mismatches > 0


@pytest.mark.parametrize(("status", "code"), [("PASS", 0), ("FAIL", 1), ("INCONCLUSIVE", 2)])
def test_exit_codes(status: str, code: int) -> None:
    assert Status(status).exit_code == code
