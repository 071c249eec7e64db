"""Error bound of the probabilities of a pass against the float network, and the guard bits that keep it."""

import math

from gen.ir import Head


__all__ = ["BOUND", "guard_bits", "worst_error"]


#: Largest difference between a probability of a pass and that of the float network, for any network.
BOUND = 2.0**-11


def guard_bits(classes: int) -> int:
    """Return the fewest guard bits (``Head.guard``) with which the rounding of the exponentials of all
    ``classes`` takes at most a third of :data:`BOUND`: none for 2 to 11 classes, and one more each time
    that their number doubles."""
    guard = 0
    while (classes - 1) * 2.0**-(16 + guard) > BOUND / 3:
        guard += 1
    return guard


def worst_error(head: Head, classes: int, scaled: float) -> float:
    """Return a bound on the difference between a probability and that of the float network: the sum of

    - ``tanh(ln(2) / 2 * (scaled + 2 ** -(fraction + 1)))``. A scaled sum is within ``scaled`` of
      ``log2(e) * y``, and the logit is that sum rounded. If logits are off by ``a``, an exponential and the
      sum of the others are each off by a factor of ``2 ** a``, so the odds ``p / (1 - p)`` are off by a
      factor of ``2 ** (2 * a)``, which changes ``p`` most where ``p`` is one half.
    - ``(classes - 1) * 2 ** -(16 + guard)``. The largest exponential is 1 and exact. Each other exponential
      is less than a unit too small or half a unit too large, and the sum of all is at least 1.
    - ``3 * 2 ** -16``. The exponential, its product with the reciprocal, and the sum or the reciprocal are
      rounded down to 16 bits or more.

    The largest error that occurs is about half of the bound: the worst cases of the terms exclude each
    other.
    """
    return (math.tanh(math.log(2) / 2 * (scaled + 2.0**-(head.fraction + 1)))
            + (classes - 1) * 2.0**-(16 + head.guard) + 3 * 2.0**-16)
