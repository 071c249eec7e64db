# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.hdl import signed

from gen.ir import Head
from golden.head import softmax
from hdl.head.softmax import Normalizer, PowerOfTwo, Relative, Softmax
from sim.component import transfer


HEAD = Head()


def make_leaves(width, classes, count):
    """Logits of leaves near each other, far apart, equal, and at both ends of their range."""
    rng = np.random.default_rng(0)
    low, high = -1 << width - 1, (1 << width - 1) - 1
    leaves = [np.full(classes, low), np.full(classes, high), np.full(classes, low)]
    leaves[2][-1] = high    # the widest span
    for spread in (4, 300, 5000, 60000, 1 << width - 1):
        spread = min(spread, high)
        leaves += list(rng.integers(-spread, spread, (count, classes), endpoint=True))
    return np.array(leaves)


@pytest.mark.some(9)
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("width, classes, head", [
    (18, 2, HEAD),
    (18, 10, HEAD),
    (32, 10, HEAD),         # the widest logit that the compiler makes
    (17, 3, HEAD),
    (5, 3, HEAD),           # narrower than the fraction
    (1, 2, HEAD),
    (12, 2, HEAD),
    (14, 24, HEAD),         # a leaf that takes longer than the division
    (18, 12, Head(guard=1)),
    (17, 40, Head(guard=3)),
    (18, 3, Head(guard=15)), # exponentials of 32 bits, which shift by one bit more
    (14, 5, Head(fraction=3)),
    (10, 4, Head(fraction=1, guard=2)),
])
def test_matches_golden(width, classes, head, duty):
    leaves = make_leaves(width, classes, max(4, 40 // classes)) # enough to meet a rounding
    dut = Softmax(signed(width), classes=classes, fraction=head.fraction, guard=head.guard)
    passed = transfer(dut, {"i": leaves.ravel().tolist()}, {"o": leaves.size}, duty=duty)
    assert passed["o"].words == softmax(leaves, head).ravel().tolist()


@pytest.mark.parametrize("classes", [2, 10, 20, 24])
def test_timing(classes):
    leaves = make_leaves(18, classes, 2)
    dut = Softmax(signed(18), classes=classes, fraction=10)
    passed = transfer(dut, {"i": leaves.ravel().tolist()}, {"o": leaves.size})
    assert passed["o"].words == softmax(leaves, HEAD).ravel().tolist()
    assert passed["o"].cycles[0] == passed["i"].cycles[classes - 1] + dut.latency
    begin = passed["o"].cycles[0]
    assert passed["o"].cycles == [begin + leaf * dut.interval + index
                                  for leaf in range(len(leaves)) for index in range(classes)]


@pytest.mark.some(2)
@pytest.mark.parametrize("classes", [2, 3, 10, 20, 24, 50])
def test_leaves_held(classes):
    """So many leaves are taken while no probability is; nothing of them is lost."""
    dut = Softmax(signed(18), classes=classes, fraction=10)
    leaves = make_leaves(18, classes, max(3, 60 // classes))
    passed = transfer(dut, {"i": leaves.ravel().tolist()}, {"o": leaves.size}, starts={"o": 2000})
    assert passed["o"].words == softmax(leaves, HEAD).ravel().tolist()
    held = 1 + min(5, 3 + 40 // classes)
    assert passed["i"].cycles[held * classes - 1] < 1000


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("classes", [2, 5])
def test_relative(classes, duty):
    leaves = make_leaves(8, classes, 3)
    passed = transfer(Relative(signed(8), classes=classes), {"i": leaves.ravel().tolist()},
                      {"o": leaves.size}, duty=duty)
    below = leaves.max(-1, keepdims=True) - leaves
    assert passed["o"].words == below.ravel().tolist()
    if duty == 1:
        assert passed["i"].cycles == list(range(leaves.size))
        assert passed["o"].cycles == [cycle + classes - 1 + Relative.latency
                                      for cycle in range(leaves.size)]


@pytest.mark.some(4)
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("width, fraction, guard", [
    (9, 4, 0), (12, 5, 0), (12, 5, 1), (3, 6, 0), (4, 4, 0), (7, 1, 0), (8, 1, 15), (8, 2, 14)])
def test_power_of_two(width, fraction, guard, duty):
    """Every difference, against the text of :class:`gen.ir.Head`."""
    table = [round(2 ** (16 + guard) * 2 ** (-entry / 2**fraction)) for entry in range(2**fraction)]
    expected = [table[below % 2**fraction] >> (below >> fraction) for below in range(1 << width)]
    passed = transfer(PowerOfTwo(width, fraction=fraction, guard=guard),
                      {"i": range(1 << width)}, {"o": 1 << width}, duty=duty)
    assert passed["o"].words == expected
    if duty == 1:
        assert passed["i"].cycles == list(range(1 << width))
        assert passed["o"].cycles == [cycle + PowerOfTwo.latency for cycle in range(1 << width)]


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("classes, guard, dividers", [
    (2, 0, 1), (3, 0, 1), (10, 0, 1), (30, 0, 1), (2, 3, 1), (10, 1, 1), (30, 7, 1), (2, 0, 10), (4, 1, 5)])
def test_normalizer(classes, guard, dividers, duty):
    """Leaves from one large exponential to the largest of all, and of guard bits alone, against the
    definition."""
    rng, one = np.random.default_rng(0), 65536 << guard
    leaves = rng.integers(0, one, (14, classes), endpoint=True)
    leaves[0], leaves[1], leaves[2] = 0, one, (1 << guard) - 1
    leaves[:, -1] = one
    passed = transfer(Normalizer(classes, guard=guard, dividers=dividers), {"i": leaves.ravel().tolist()},
                      {"o": leaves.size}, duty=duty)
    reciprocal = (2**34 - 1) // (leaves.sum(-1, keepdims=True) >> guard)
    assert passed["o"].words == ((leaves >> guard) * reciprocal >> 18).ravel().tolist()
    if duty == 1:
        begin = classes - 1 + Normalizer.latency
        interval = max(classes, Normalizer.DIVISION // dividers)
        assert passed["o"].cycles == [begin + leaf * interval + index
                                      for leaf in range(14) for index in range(classes)]


@pytest.mark.parametrize("make, message", [
    (lambda: Relative(signed(8), classes=1), "Softmax must have at least 2 classes, not 1"),
    (lambda: PowerOfTwo(8, fraction=0), "A difference must have at least 1 fraction bit, not 0"),
])
def test_rejects(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
