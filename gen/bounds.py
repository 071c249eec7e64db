"""Where a value reaches a level, followed back through what it was computed from: exact thresholds of
quantizers."""

import math
from dataclasses import dataclass
from fractions import Fraction


__all__ = ["ROUNDINGS", "Bound", "thresholds_of"]


@dataclass(frozen=True, slots=True)
class Bound:
    """The values x with ``sign * x >= value``; without those that are equal if ``strict``."""

    value: Fraction | float        #: Infinite: none, or all.
    strict: bool = False
    sign: int = 1                  #: 1 or -1.

    def before_line(self, slope: Fraction, offset: Fraction) -> "Bound":
        """Return the bound of x where this one is that of ``slope * x + offset``."""
        value = self.value - self.sign * offset
        if slope == 0:
            return Bound(-math.inf if value < 0 or value == 0 and not self.strict else math.inf)
        return Bound(value / abs(slope), self.strict, self.sign if slope > 0 else -self.sign)

    def before_limits(self, least: Fraction | float, most: Fraction | float) -> "Bound":
        """Return the bound of x where this one is that of ``min(max(x, least), most)``."""
        low, high = (least, most) if self.sign > 0 else (-most, -least)
        if low > self.value or low == self.value and not self.strict:
            return Bound(-math.inf, sign=self.sign)
        if high < self.value or high == self.value and self.strict:
            return Bound(math.inf, sign=self.sign)
        return self

    def holds(self, x: Fraction) -> bool:
        """Return whether x is one of the values."""
        return self.sign * x > self.value or self.sign * x == self.value and not self.strict

    @property
    def whole(self) -> int | float:
        """The whole number t for which ``sign * n >= t`` is the same for all whole n; or infinite."""
        if math.isinf(self.value):
            return self.value
        return math.floor(self.value) + 1 if self.strict else math.ceil(self.value)


def _half(k, upper):
    return Bound(k - Fraction(1, 2), strict=not upper)


#: The bound from which on a value is rounded to k or more, for each rounding of QONNX.
ROUNDINGS = {
    "ROUND":     lambda k: _half(k, upper=k % 2 == 0),   # a half goes to the even number
    "HALF_EVEN": lambda k: _half(k, upper=k % 2 == 0),
    "HALF_UP":   lambda k: _half(k, upper=k > 0),        # away from zero
    "HALF_DOWN": lambda k: _half(k, upper=k <= 0),       # towards zero
    "FLOOR":     lambda k: Bound(Fraction(k)),
    "CEIL":      lambda k: Bound(Fraction(k - 1), strict=True),
    "UP":        lambda k: Bound(Fraction(k - 1), strict=True) if k > 0 else Bound(Fraction(k)),
    "DOWN":      lambda k: Bound(Fraction(k)) if k > 0 else Bound(Fraction(k - 1), strict=True),
}


def thresholds_of(sums: range, sign: int, reached: list[int | float], bits: int) -> tuple[list[int], int]:
    """Return the ``2 ** bits - 1`` thresholds and the invert bit (:class:`gen.ir.Comparison`) of a channel
    that has level k from 1 where ``sign * sum >= reached[k - 1]``, ascending, for sums from -M to M.

    A level that no sum changes has the form of :func:`gen.transforms.banks.make_banks`.
    """
    count = 2**bits - 1
    limited = [min(max(value, sums.start), sums.stop) for value in reached]
    if set(limited) <= {sums.start, sums.stop}:
        level = limited.count(sums.start)
        return [sums.start] * level + [sums.stop] * (count - level), 0
    more = count - len(limited)
    if sign > 0:
        return limited + [sums.stop] * more, 0
    # -sum >= t is not sum >= 1 - t, so the level is `more + len(reached)`, less what the sum has reached.
    return [sums.start] * more + [1 - value for value in reversed(limited)], 1
