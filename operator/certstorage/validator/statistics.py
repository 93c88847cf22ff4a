"""Exact upper bounds for a share of bad objects, in a page: no scipy in the image (it is the oracle in the tests)."""

from __future__ import annotations

from math import exp, fsum, lgamma


def hypergeometric_cdf(seen: int, population: int, bad: int, sample: int) -> float:
    """P(at most `seen` bad in a `sample` drawn without return from `population` of which `bad` are bad)."""
    least, most = max(0, sample - (population - bad)), min(bad, sample)
    if seen < least:
        return 0.0
    if seen >= most:
        return 1.0
    base = _log_choose(population, sample)
    return min(
        1.0,
        fsum(
            exp(_log_choose(bad, x) + _log_choose(population - bad, sample - x) - base) for x in range(least, seen + 1)
        ),
    )


def hypergeometric_tail(seen: int, population: int, bad: int, sample: int) -> float:
    """P(at least `seen` bad in the sample): as above, from the other end, where it may be very small."""
    least, most = max(0, sample - (population - bad)), min(bad, sample)
    if seen <= least:
        return 1.0
    base = _log_choose(population, sample)
    terms = (exp(_log_choose(bad, x) + _log_choose(population - bad, sample - x) - base) for x in range(seen, most + 1))
    return min(1.0, fsum(terms))


def most_bad(seen: int, sample: int, population: int, alpha: float) -> int:
    """The most bad objects a population may hold that still show `seen` or fewer with a probability above alpha.

    The exact one-sided upper bound at confidence 1 - alpha for sampling without return; `seen` itself for a census.
    """
    if not 0 <= seen <= sample <= population:
        raise ValueError(f"seen {seen} of {sample} of {population}")
    low, high = seen, population - (sample - seen)
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeometric_cdf(seen, population, middle, sample) > alpha:
            low = middle
        else:
            high = middle - 1
    return low


def alpha_of_look(number: int, alpha: float) -> float:
    """What the `number`-th look (from 1) at a growing sample may spend of `alpha`.

    Looking again after growing the sample is a second chance to be wrong. Four fifths go to the first look, half of
    what is left to each one after; together they never exceed `alpha`.
    """
    first = 0.8 * alpha
    return first if number == 1 else (alpha - first) / 2 ** (number - 1)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
