"""Each test must pass good bits as often as it says, and fail bad ones."""

import numpy as np
import pytest
from scipy import stats

from golden.random.hypothesis_tests import (
    Test,
    autocorrelation,
    counts,
    failures,
    independence,
    normal,
    rate,
    report,
    threshold,
)


N = 4000

#: Each test on N bits, or on choices from eight, of one stream.
TESTS = {
    "rate": lambda rng, p: rate("", rng.random(N) < p, p),
    "autocorrelation": lambda rng, p: autocorrelation("", rng.random(N) < p, p, 3),
    "autocorrelation, several rates": lambda rng, p: autocorrelation(
        "", rng.random(N) < np.resize([p, 0.5], N), np.resize([p, 0.5], N), 1),
    "counts": lambda rng, p: counts("", np.bincount(rng.integers(0, 8, N), minlength=8),
                                    np.full(8, 1 / 8)),
    "counts, rare ones": lambda rng, p: counts("", rng.multinomial(N, RARE), RARE),
    "independence": lambda rng, p: independence("", *rng.integers(0, 8, (2, N)), (8, 8)),
}

RARE = np.array([0.5, 0.3, 0.199, 0.0005, 0.0003, 0.0002])


@pytest.mark.parametrize("p", [0.5, 0.1])
@pytest.mark.parametrize("name", TESTS)
def test_p_values_of_good_choices_are_uniform(name, p):
    """500 streams: shares below some levels are those levels, within 4.5 deviations (1e-5)."""
    rng = np.random.default_rng(1)
    values = np.array([TESTS[name](rng, p).p_value for _ in range(500)])
    for level in (0.02, 0.1, 0.3, 0.7):
        below = (values < level).mean()
        # An exact test of what is counted may be short of its level, by as much as one outcome weighs.
        room = 0.04 if name == "rate" else 0
        assert -room - 4.5 * (level * (1 - level) / 500)**0.5 < below - level
        assert below - level < 4.5 * (level * (1 - level) / 500)**0.5


def test_known_values():
    """As by hand: 60 heads of 100, two dice, and quantiles of the normal distribution."""
    assert rate("", np.arange(100) < 60, 0.5).p_value == pytest.approx(0.0568879, rel=1e-5)
    assert normal("", 1.959964).p_value == normal("", -1.959964).p_value == pytest.approx(0.05, rel=1e-5)
    die = counts("", [5, 8, 9, 8, 10, 20], np.full(6, 1 / 6))
    assert (die.statistic, die.count) == (pytest.approx(13.4), 60)
    assert die.p_value == pytest.approx(stats.chi2.sf(13.4, 5))
    table = independence("", np.repeat([0, 0, 1, 1], [10, 20, 30, 40]),
                         np.repeat([0, 1, 0, 1], [10, 20, 30, 40]), (2, 2))
    assert table.statistic == pytest.approx(100 * (10 * 40 - 20 * 30)**2 / (30 * 70 * 40 * 60))


def test_autocorrelation_is_the_sum_of_products():
    bits = np.array([1, 1, 0, 1, 0, 0], bool)
    signs = np.where(bits, 1, -1)
    expected = (signs[2:] * signs[:-2]).sum() / 4**0.5
    assert autocorrelation("", bits, 0.5, 2).statistic == pytest.approx(expected)


@pytest.mark.parametrize("test", [
    lambda rng: rate("", rng.random(100_000) < 0.51, 0.5),
    lambda rng: rate("", np.ones(50, bool), 0.0),
    lambda rng: autocorrelation("", np.arange(100) % 2 == 0, 0.5, 1),
    lambda rng: autocorrelation("", np.resize(rng.random(100) < 0.3, 5000), 0.3, 100),
    lambda rng: counts("", [100, 100, 200], np.full(3, 1 / 3)),
    lambda rng: counts("", [500, 500, 1], np.array([0.5, 0.5, 0])),
    lambda rng: independence("", np.arange(800) % 8, np.arange(800) % 8, (8, 8)),
])
def test_bad_choices_fail(test):
    assert test(np.random.default_rng(0)).p_value < 1e-5


def test_what_cannot_vary_passes():
    """A layer that never drops has no correlation, and a single outcome no distribution."""
    assert autocorrelation("", np.ones(100, bool), 1.0, 1).p_value == 1
    assert counts("", [50, 0], np.array([1.0, 0.0])).p_value == 1
    assert independence("", np.zeros(9, int), np.arange(9) % 3, (2, 3)).p_value == 1


def test_family():
    """One false-alarm rate is shared among the tests."""
    tests = [Test("a", 1.0, 0.0024), Test("b", 2.0, 0.0026), Test("c", 3.0, 0.9), Test("d", 4.0, 1.0)]
    assert threshold(tests, 0.01) == 0.0025
    assert [test.name for test in failures(tests, 0.01)] == ["a"]
    written = report(tests, 0.01)
    assert (written["failed"], written["tests"], written["smallest_p_value"]) == (["a"], 4, 0.0024)
    assert [result["passed"] for result in written["results"]] == [False, True, True, True]
    assert written["results"][0]["false_alarm_rate"] == 0.0025


def test_no_number_is_a_failure():
    assert failures([Test("a", float("nan"), float("nan"))], 0.01)
