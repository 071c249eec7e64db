import math
from fractions import Fraction

import numpy as np
import pytest

from gen.bounds import ROUNDINGS, Bound, thresholds_of


GRID = [Fraction(number, 4) for number in range(-24, 25)]

#: What QONNX says of each rounding, in words of numpy.
ROUNDED = {
    "ROUND":     np.round,
    "HALF_EVEN": np.round,
    "HALF_UP":   lambda x: np.sign(x) * np.floor(abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(abs(x) - 0.5),
    "FLOOR":     np.floor,
    "CEIL":      np.ceil,
    "UP":        lambda x: np.sign(x) * np.ceil(abs(x)),
    "DOWN":      np.trunc,
}


@pytest.mark.parametrize("rounding", ROUNDED)
def test_roundings(rounding):
    assert set(ROUNDED) == set(ROUNDINGS)
    for x in GRID:
        expected = ROUNDED[rounding](np.float64(x))
        for number in range(-5, 6):
            assert ROUNDINGS[rounding](number).holds(x) == (expected >= number), (x, number)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("value", [Fraction(3, 2), Fraction(0), Fraction(-1), math.inf, -math.inf])
def test_what_a_value_was_computed_from(value, sign, strict):
    bound = Bound(value, strict, sign)
    for slope in (Fraction(2), Fraction(-1, 3), Fraction(0)):
        for offset in (Fraction(0), Fraction(1), Fraction(-3, 2)):
            before = bound.before_line(slope, offset)
            assert all(before.holds(x) == bound.holds(slope * x + offset) for x in GRID)
    half = Fraction(3, 2)
    for least, most in ((0, math.inf), (-1, 1), (-half, half), (-math.inf, -1)):
        before = bound.before_limits(least, most)
        assert all(before.holds(x) == bound.holds(min(max(x, least), most)) for x in GRID)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("value", [*GRID, math.inf, -math.inf])
def test_of_whole_numbers(value, strict):
    bound = Bound(value, strict)
    assert all((number >= bound.whole) == bound.holds(number) for number in range(-9, 10))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("bits, reached", [
    (1, [2]), (2, [-3, 0, 4]), (2, [-1, 2]), (2, [0]), (2, [-math.inf, 1, 3]), (2, [0, 2, math.inf]),
    (3, [1, 1, 1]), (2, [-math.inf, math.inf]), (2, [-math.inf] * 3), (2, [math.inf] * 3), (1, [-5]),
    (1, [6]), (2, [-9, 9])])
def test_thresholds(sign, bits, reached):
    sums = range(-5, 6)
    thresholds, invert = thresholds_of(sums, sign, reached, bits)
    assert len(thresholds) == 2**bits - 1 and thresholds == sorted(thresholds)
    assert all(sums.start <= value <= sums.stop for value in thresholds)
    levels = [sum(value >= each for each in thresholds) ^ invert * (2**bits - 1) for value in sums]
    assert levels == [sum(sign * value >= each for each in reached) for value in sums]
    if len(set(levels)) == 1: # one form
        assert not invert and set(thresholds) <= {sums.start, sums.stop}
