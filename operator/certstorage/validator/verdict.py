"""From counts to PASS, FAIL or INCONCLUSIVE."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from certstorage.validator.statistics import alpha_of_look, most_bad


class Status(StrEnum):
    """The verdict; it never guesses."""

    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def exit_code(self) -> int:
        """What the process returns for it."""
        return {Status.PASS: 0, Status.FAIL: 1, Status.INCONCLUSIVE: 2}[self]


class Stratum(NamedTuple):
    """Counts of one part of the population; `unknown` are errors and what could not be verified."""

    population: int
    checked: int
    mismatches: int
    unknown: int = 0

    def worst(self, alpha: float) -> int:
        """The most bad objects this part may hold at confidence 1 - alpha, everything unknown taken as bad."""
        return most_bad(min(self.mismatches + self.unknown, self.checked), self.checked, self.population, alpha)

    def likely(self) -> float:
        """The bad objects this part is expected to hold."""
        known = self.checked - self.unknown
        return self.mismatches / known * self.population if known else 0.0


class Rule(NamedTuple):
    """What a PASS needs. Rates between 0 and 1. `at_risk_clean`: not one open object in what was at risk."""

    most_mismatch: float = 0.005
    confidence: float = 0.95
    most_unknown: float = 0.01
    at_risk_clean: bool = False


class Verdict(NamedTuple):
    """A verdict with its reason, and the rate and exact bound (0 to 1) it rests on."""

    status: Status
    detail: str
    message: str
    rate: float
    upper: float
    grow: bool = False
    """Whether a larger sample could still decide it."""
    judged: bool = True
    """Whether it rests on counts at all; not, when the run ended before there were any."""
    at_risk: Status | None = None
    """What it would be for what was at risk alone; None where nothing was."""
    rest: Status | None = None
    """The same for the sampled part."""


def decide(at_risk: Stratum, rest: Stratum, rule: Rule, looks: int = 1) -> Verdict:
    """Judge a run: `at_risk` was read in full, `rest` by sample, for the `looks`-th time since it began to grow."""
    nothing = Stratum(0, 0, 0)
    alone = (
        _judge(at_risk, nothing, rule, looks).status if at_risk.population else None,
        _judge(nothing, rest, rule, looks).status if rest.population else None,
    )
    return _judge(at_risk, rest, rule, looks)._replace(at_risk=alone[0], rest=alone[1])


def _judge(at_risk: Stratum, rest: Stratum, rule: Rule, looks: int) -> Verdict:
    population = at_risk.population + rest.population
    if not population:
        return Verdict(Status.INCONCLUSIVE, "NothingToCompare", "both copies are empty", 0.0, 1.0)
    alpha = alpha_of_look(looks, 1 - rule.confidence)
    rate = (at_risk.likely() + rest.likely()) / population
    upper = (at_risk.worst(alpha) + rest.worst(alpha)) / population
    unknown = at_risk.unknown + rest.unknown
    checked = at_risk.checked + rest.checked

    def say(status: Status, detail: str, message: str, grow: bool = False) -> Verdict:
        return Verdict(status, detail, message, rate, upper, grow)

    if rule.at_risk_clean and at_risk.mismatches:
        return say(Status.FAIL, "AtRiskOpen", f"{at_risk.mismatches} objects at risk still differ")
    if at_risk.mismatches + rest.mismatches and rate >= rule.most_mismatch:
        return say(Status.FAIL, "Mismatches", f"{rate:.3%} differ, {rule.most_mismatch:.3%} or more fails")
    if rule.at_risk_clean and at_risk.unknown:
        return say(Status.INCONCLUSIVE, "AtRiskUnknown", f"{at_risk.unknown} objects at risk could not be verified")
    if unknown > rule.most_unknown * checked:
        return say(Status.INCONCLUSIVE, "Errors", f"{unknown} of {checked} objects could not be verified")
    if upper >= rule.most_mismatch:
        whole = rest.checked >= rest.population
        message = f"{rest.checked} objects bound the mismatches only to {upper:.3%}"
        return say(Status.INCONCLUSIVE, "Errors" if whole else "SampleTooSmall", message, grow=not whole)
    return say(Status.PASS, "Clean" if not rate else "BelowThreshold", f"{rate:.3%} differ, at most {upper:.3%}")


def unknown(detail: str, message: str) -> Verdict:
    """The verdict of a run that could not decide."""
    return Verdict(Status.INCONCLUSIVE, detail, message, 0.0, 1.0, judged=False)
