"""How far a probability may be from that of the float network, and what the head needs for it."""

import math

from gen.ir import Head


__all__ = ["BOUND", "guard_bits", "worst_error"]


#: Largest difference of a probability, in a pass, to that of the float network: of every network.
BOUND = 2.0**-11


def guard_bits(classes: int) -> int:
    """Return the least ``Head.guard`` with which the exponentials of all ``classes``, rounded down, take
    no more than a third of :data:`BOUND`: none for 2 to 11, and one more each time that doubles."""
    guard = 0
    while (classes - 1) * 2.0**-(16 + guard) > BOUND / 3:
        guard += 1
    return guard


def worst_error(head: Head, classes: int, scaled: float) -> float:
    """Return a bound of the difference of a probability to that of the float network, as the sum of

    - ``tanh(ln(2) / 2 * (scaled + 2 ** -(fraction + 1)))``. A scaled sum is within ``scaled`` of
      ``log2(e) * y``, and as a logit it is rounded. If logits are off by ``a``, an exponential and the sum
      of the others are each off by a factor of ``2 ** a``, so the odds ``p / (1 - p)`` are by one of
      ``2 ** (2 * a)``, which changes ``p`` most about a half.
    - ``(classes - 1) * 2 ** -(16 + guard)``. The largest exponential is 1 and exact. Each other one is
      less than a unit too small or half a unit too large, and their sum with it is at least 1.
    - ``3 * 2 ** -16``. The exponential, its product with the reciprocal, and the sum or the reciprocal are
      rounded down to 16 bits or more.

    It is reached to about a half: the worst cases of its parts exclude each other.
    """
    return (math.tanh(math.log(2) / 2 * (scaled + 2.0**-(head.fraction + 1)))
            + (classes - 1) * 2.0**-(16 + head.guard) + 3 * 2.0**-16)
