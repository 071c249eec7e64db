# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.hdl import signed

from gen.ir import Head
from golden.head import softmax
from hdl.softmax import Normalizer, PowerOfTwo, Relative, Softmax
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
    (14, 5, Head(fraction=6, table_bits=3)),
    (10, 4, Head(fraction=2, table_bits=1)),
])
def test_matches_golden(width, classes, head, duty):
    leaves = make_leaves(width, classes, max(4, 40 // classes)) # enough to meet a rounding
    dut = Softmax(signed(width), classes=classes, fraction=head.fraction, table_bits=head.table_bits)
    passed = transfer(dut, {"i": leaves.ravel().tolist()}, {"o": leaves.size}, duty=duty)
    assert passed["o"].words == softmax(leaves, head).ravel().tolist()


@pytest.mark.parametrize("classes", [2, 10, 20, 24])
def test_timing(classes):
    leaves = make_leaves(18, classes, 2)
    dut = Softmax(signed(18), classes=classes, fraction=12, table_bits=8)
    passed = transfer(dut, {"i": leaves.ravel().tolist()}, {"o": leaves.size})
    assert passed["o"].words == softmax(leaves, HEAD).ravel().tolist()
    assert passed["o"].cycles[0] == passed["i"].cycles[classes - 1] + dut.latency
    begin = passed["o"].cycles[0]
    assert passed["o"].cycles == [begin + leaf * dut.interval + index
                                  for leaf in range(len(leaves)) for index in range(classes)]


@pytest.mark.parametrize("classes", [2, 3, 10, 20, 24, 50])
def test_leaves_held(classes):
    """So many leaves are taken while no probability is; nothing of them is lost."""
    dut = Softmax(signed(18), classes=classes, fraction=12, table_bits=8)
    leaves = make_leaves(18, classes, max(3, 60 // classes))
    passed = transfer(dut, {"i": leaves.ravel().tolist()}, {"o": leaves.size}, starts={"o": 2000})
    assert passed["o"].words == softmax(leaves, HEAD).ravel().tolist()
    assert passed["i"].cycles[dut.held * classes - 1] < 1000


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


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("width, fraction, table_bits", [(9, 4, 2), (12, 5, 4), (3, 6, 2), (4, 5, 1)])
def test_power_of_two(width, fraction, table_bits, duty):
    """Every difference, against the text of :class:`gen.ir.Head`."""
    expected = []
    for below in range(1 << width):
        q = (below + (1 << fraction - table_bits) // 2) >> fraction - table_bits
        entry = round(2**16 * 2 ** (-(q % 2**table_bits) / 2**table_bits))
        expected.append(entry >> (q >> table_bits) if q >> table_bits < 17 else 0)
    passed = transfer(PowerOfTwo(width, fraction=fraction, table_bits=table_bits),
                      {"i": range(1 << width)}, {"o": 1 << width}, duty=duty)
    assert passed["o"].words == expected
    if duty == 1:
        assert passed["i"].cycles == list(range(1 << width))
        assert passed["o"].cycles == [cycle + PowerOfTwo.latency for cycle in range(1 << width)]


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("classes", [2, 3, 10, 30])
def test_normalizer(classes, duty):
    """Leaves from one large exponential to the largest of all, against the definition."""
    rng = np.random.default_rng(0)
    leaves = rng.integers(0, 65536, (8, classes), endpoint=True)
    leaves[0], leaves[1] = 0, 65536
    leaves[:, -1] = 65536
    passed = transfer(Normalizer(classes), {"i": leaves.ravel().tolist()}, {"o": leaves.size},
                      duty=duty)
    reciprocal = (2**34 - 1) // leaves.sum(-1, keepdims=True)
    assert passed["o"].words == (leaves * reciprocal >> 18).ravel().tolist()
    if duty == 1:
        begin = classes - 1 + Normalizer.latency
        interval = max(classes, Normalizer.DIVISION)
        assert passed["o"].cycles == [begin + leaf * interval + index
                                      for leaf in range(8) for index in range(classes)]


@pytest.mark.parametrize("make, message", [
    (lambda: Relative(signed(8), classes=1), "Softmax must have at least 2 classes, not 1"),
    (lambda: PowerOfTwo(8, fraction=4, table_bits=0), "Table bits must be from 1 to 3, not 0"),
    (lambda: PowerOfTwo(8, fraction=4, table_bits=4), "Table bits must be from 1 to 3, not 4"),
])
def test_rejects(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
