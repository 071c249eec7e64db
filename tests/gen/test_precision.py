import math

import pytest

from gen.ir import Head
from gen.precision import BOUND, guard_bits, worst_error
from gen.verify import FRACTION_BITS


@pytest.mark.parametrize("classes, bits", [
    (2, 0), (10, 0), (11, 0), (12, 1), (22, 1), (23, 2), (257, 5), (1000, 7), (4096, 9), (70_000, 13)])
def test_guard_bits(classes, bits):
    assert guard_bits(classes) == bits


def test_worst_error():
    """Of exact logits of ten classes, in units of the last place: 16 ln 2, 9 and 3."""
    units = 65536 * worst_error(Head(), 10, 0.0)
    assert units == pytest.approx(16 * math.log(2) + 9 + 3, rel=1e-6)
    assert 65536 * worst_error(Head(guard=1), 10, 0.0) == pytest.approx(units - 4.5)
    # A factor of two: from odds of 2 : 1 to 1 : 2.
    assert worst_error(Head(fraction=60), 2, 0.5) == pytest.approx(
        ((2**0.5 - 1) / (2**0.5 + 1)) + 4 / 65536)


@pytest.mark.parametrize("classes", [2, 11, 12, 1000, 1001, 10**6])
def test_fraction_bits_leave_room_for_gains(classes):
    """At least a fifth of the bound, with any number of classes; a bit less leaves none in the worst."""
    head = Head(fraction=FRACTION_BITS.start, guard=guard_bits(classes))
    assert worst_error(head, classes, 0.0) < 0.8 * BOUND
    fewer = Head(fraction=FRACTION_BITS.start - 1, guard=guard_bits(11))
    assert worst_error(fewer, 11, 0.0) > BOUND
