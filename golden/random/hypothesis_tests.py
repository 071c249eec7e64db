"""Statistical tests of random choices, each with the chance that it fails on good ones.

A test fails where its p-value is below a threshold. A p-value of good choices is uniform, exactly or in
the limit of many, so the threshold is the test's false-alarm rate. Of a family of tests, no more than
``family`` in all is shared among them (Bonferroni), whatever depends on what.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


__all__ = [
    "Test", "autocorrelation", "counts", "failures", "independence", "normal", "rate", "report",
    "threshold",
]


#: Least expected count of a cell of a chi-square test; rarer ones are counted together.
LEAST_EXPECTED = 5


@dataclass(frozen=True, slots=True)
class Test:
    """The outcome of one test."""

    __test__ = False #: For pytest, which takes the name for a test case.

    name: str
    statistic: float
    p_value: float
    count: int = 0  #: Bits, choices or predictions that were looked at.


def normal(name: str, deviations: float, count: int = 0) -> Test:
    """Test how many standard deviations a sum of many is from its mean, on both sides."""
    from scipy import stats

    return Test(name, float(deviations), float(2 * stats.norm.sf(abs(deviations))), count)


def rate(name: str, bits: np.ndarray, probability: float) -> Test:
    """Test whether ``bits`` (N,) are 1 with ``probability``: exact binomial test.

    The statistic is the share of ones.
    """
    from scipy import stats

    ones = int(np.count_nonzero(bits))
    result = stats.binomtest(ones, len(bits), probability)
    return Test(name, ones / len(bits), float(result.pvalue), len(bits))


def autocorrelation(name: str, bits: np.ndarray, probability, lag: int) -> Test:
    """Test whether ``bits`` (N,), 1 with ``probability`` (a number, or one for each), are uncorrelated
    with those ``lag`` before: normal test of the sum of products.

    The statistic is the sum in standard deviations: the correlation times the root of N. A bit of
    probability 0 or 1 has no correlation, and counts for nothing.
    """
    probability = np.broadcast_to(probability, len(bits))
    deviation = np.sqrt(probability * (1 - probability))
    off = np.divide(bits - probability, deviation, out=np.zeros(len(bits)), where=deviation > 0)
    products = off[lag:] * off[:-lag]
    used = int(np.count_nonzero((deviation[lag:] > 0) & (deviation[:-lag] > 0)))
    return normal(name, products.sum() / max(used, 1)**0.5, len(bits))


def counts(name: str, seen: np.ndarray, probability: np.ndarray) -> Test:
    """Test whether outcomes, ``seen`` (M,) times each, have ``probability`` (M,): chi-square test.

    Outcomes of which fewer than :data:`LEAST_EXPECTED` are expected are counted together; what cannot
    be but was seen fails for certain.
    """
    from scipy import stats

    seen, probability = np.asarray(seen), np.asarray(probability, dtype=np.float64)
    total = int(seen.sum())
    if seen[probability == 0].any():
        return Test(name, float("inf"), 0.0, total)
    order = np.argsort(probability)
    expected = total * probability[order] / probability.sum()
    # The rare ones, and one more as long as they do not make a cell together.
    rare = int(np.count_nonzero(expected < LEAST_EXPECTED))
    while 0 < expected[:rare].sum() < LEAST_EXPECTED and rare < len(expected):
        rare += 1
    if rare:
        seen = np.concatenate([[seen[order[:rare]].sum()], seen[order[rare:]]])
        expected = np.concatenate([[expected[:rare].sum()], expected[rare:]])
    else:
        seen = seen[order]
    possible = expected > 0
    seen, expected = seen[possible], expected[possible]
    if len(seen) < 2:
        return Test(name, 0.0, 1.0, total)
    result = stats.chisquare(seen, expected)
    return Test(name, float(result.statistic), float(result.pvalue), total)


def independence(name: str, one: np.ndarray, other: np.ndarray, sizes: tuple[int, int]) -> Test:
    """Test whether choices ``one`` and ``other``, int (N,) below ``sizes``, are independent: chi-square
    test of their contingency table. Rows and columns that never occur are left out."""
    from scipy import stats

    table = np.bincount(one * sizes[1] + other, minlength=sizes[0] * sizes[1]).reshape(sizes)
    table = table[table.any(1)][:, table.any(0)]
    if min(table.shape) < 2:
        return Test(name, 0.0, 1.0, len(one))
    result = stats.chi2_contingency(table, correction=False)
    return Test(name, float(result.statistic), float(result.pvalue), len(one))


def threshold(tests: Sequence[Test], family: float) -> float:
    """Return the p-value below which a test fails, so that all of good choices pass but for a chance
    of at most ``family``."""
    return family / max(len(tests), 1)


def failures(tests: Sequence[Test], family: float) -> list[Test]:
    """Return the tests that fail."""
    limit = threshold(tests, family)
    return [test for test in tests if not test.p_value >= limit]


def report(tests: Sequence[Test], family: float) -> dict:
    """Return all tests with their verdicts, and what they share, as they are written to a file."""
    limit = threshold(tests, family)
    return {
        "false_alarm_rate": family,
        "false_alarm_rate_per_test": limit,
        "tests": len(tests),
        "failed": [test.name for test in failures(tests, family)],
        "smallest_p_value": min((test.p_value for test in tests), default=None),
        "results": [{
            # JSON has no infinity, which is the statistic of what cannot be.
            "test": test.name, "statistic": test.statistic if np.isfinite(test.statistic) else None,
            "p_value": test.p_value, "threshold": limit, "false_alarm_rate": limit, "count": test.count,
            "passed": test.p_value >= limit} for test in tests],
    }
