"""Statistical tests of random choices, with a bounded false-alarm rate.

A test fails if its p-value is below a threshold. Under the null hypothesis, that the choices are good, a
p-value is uniform, exactly or in the limit of many, so the threshold is the false-alarm rate of the test.
A family of tests shares a false-alarm rate ``family`` evenly (Bonferroni), whether or not the tests are
independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


__all__ = [
    "Test", "autocorrelation", "counts", "failures", "independence", "normal", "rate", "report",
    "threshold",
]


#: Least expected count of a cell of a chi-square test; rarer outcomes are counted together.
LEAST_EXPECTED = 5


@dataclass(frozen=True, slots=True)
class Test:
    """The outcome of one test."""

    __test__ = False #: For pytest, which takes the name for a test case.

    name: str
    statistic: float
    p_value: float
    count: int = 0  #: Number of samples: bits, choices or predictions.


def normal(name: str, deviations: float, count: int = 0) -> Test:
    """Test the distance of a normal statistic from its mean, in standard ``deviations``, on both sides."""
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

    The statistic is the sum in standard deviations: the correlation times the root of N. Bits of
    probability 0 or 1 have no correlation, and are left out.
    """
    probability = np.broadcast_to(probability, len(bits))
    deviation = np.sqrt(probability * (1 - probability))
    off = np.divide(bits - probability, deviation, out=np.zeros(len(bits)), where=deviation > 0)
    products = off[lag:] * off[:-lag]
    used = int(np.count_nonzero((deviation[lag:] > 0) & (deviation[:-lag] > 0)))
    return normal(name, products.sum() / max(used, 1)**0.5, len(bits))


def counts(name: str, seen: np.ndarray, probability: np.ndarray) -> Test:
    """Test whether outcomes with the counts ``seen`` (M,) have ``probability`` (M,): chi-square test.

    Outcomes of which fewer than :data:`LEAST_EXPECTED` are expected are counted together. An outcome of
    probability 0 that was seen fails the test with certainty.
    """
    from scipy import stats

    seen, probability = np.asarray(seen), np.asarray(probability, dtype=np.float64)
    total = int(seen.sum())
    if seen[probability == 0].any():
        return Test(name, float("inf"), 0.0, total)
    order = np.argsort(probability)
    expected = total * probability[order] / probability.sum()
    # Merge the rarest outcomes until they are expected often enough together.
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


def independence(name: str, first: np.ndarray, second: np.ndarray, sizes: tuple[int, int]) -> Test:
    """Test whether choices ``first`` and ``second``, int (N,) below ``sizes``, are independent: chi-square
    test of their contingency table. Rows and columns that never occur are left out."""
    from scipy import stats

    table = np.bincount(first * sizes[1] + second, minlength=sizes[0] * sizes[1]).reshape(sizes)
    table = table[table.any(1)][:, table.any(0)]
    if min(table.shape) < 2:
        return Test(name, 0.0, 1.0, len(first))
    result = stats.chi2_contingency(table, correction=False)
    return Test(name, float(result.statistic), float(result.pvalue), len(first))


def threshold(tests: Sequence[Test], family: float) -> float:
    """Return the p-value below which a test fails, so that good choices fail any of ``tests`` with a
    probability of at most ``family``."""
    return family / max(len(tests), 1)


def failures(tests: Sequence[Test], family: float) -> list[Test]:
    """Return the tests that fail."""
    limit = threshold(tests, family)
    return [test for test in tests if not test.p_value >= limit]


def report(tests: Sequence[Test], family: float) -> dict:
    """Return the tests with their verdicts and the false-alarm rates, as they are written to a file."""
    limit = threshold(tests, family)
    return {
        "false_alarm_rate": family,
        "false_alarm_rate_per_test": limit,
        "tests": len(tests),
        "failed": [test.name for test in failures(tests, family)],
        "smallest_p_value": min((test.p_value for test in tests), default=None),
        "results": [{
            # JSON has no infinity, the statistic of an outcome of probability 0.
            "test": test.name, "statistic": test.statistic if np.isfinite(test.statistic) else None,
            "p_value": test.p_value, "threshold": limit, "false_alarm_rate": limit, "count": test.count,
            "passed": test.p_value >= limit} for test in tests],
    }
