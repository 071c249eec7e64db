# amaranth: UnusedElaboratable=no

import numpy as np
import pytest

from hdl.comparator import compared_layout
from hdl.pool import Pool
from sim.component import transfer
from sim.packing import pack


#: Height, width, groups, size, banks, columns.
SHAPES = [
    (4, 4, 1, 2, 2, 3),
    (5, 7, 2, 2, 2, 2),     # odd: the last row and column are dropped
    (3, 2, 3, 2, 1, 1),
    (2, 3, 1, 2, 2, 1),
    (3, 5, 2, 1, 2, 2),
    (1, 1, 4, 1, 2, 5),
]


def make_maps(height, width, groups, size, banks, columns, maps=3):
    """Outcomes and inverts of random maps, and the bits of the pooled ones."""
    rng = np.random.default_rng(0)
    reached = rng.random((maps, height, width, groups, banks, columns)) < 0.3
    invert = rng.integers(0, 2, (groups, banks, columns)).astype(bool)
    layout = compared_layout(banks=banks, columns=columns)
    bits = banks * columns
    words = [
        layout.const({"reached": [pack(lane, 1) for lane in outcome],
                      "invert": [pack(lane, 1) for lane in invert[number % groups]]}).as_bits()
        for number, outcome in enumerate(reached.reshape(-1, banks, columns))]
    whole = reached[:, :height // size * size, :width // size * size]
    pooled = whole.reshape(maps, height // size, size, width // size, size, groups, bits).any((2, 4))
    pooled ^= invert.reshape(groups, bits)
    return words, [pack(word, 1) for word in pooled.reshape(-1, bits)]


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("height, width, groups, size, banks, columns", SHAPES)
def test_or_then_invert(height, width, groups, size, banks, columns, duty):
    words, pooled = make_maps(height, width, groups, size, banks, columns)
    dut = Pool(height, width, groups, size=size, banks=banks, columns=columns)
    passed = transfer(dut, {"i": words}, {"o": len(pooled)}, duty=duty)
    assert passed["o"].words == pooled


@pytest.mark.parametrize("height, width, groups, size, banks, columns", SHAPES)
def test_timing(height, width, groups, size, banks, columns):
    words, pooled = make_maps(height, width, groups, size, banks, columns)
    dut = Pool(height, width, groups, size=size, banks=banks, columns=columns)
    passed = transfer(dut, {"i": words}, {"o": len(pooled)})
    assert passed["i"].cycles == list(range(len(words)))
    ends = [cycle for cycle, (y, x) in enumerate(
                (y, x) for _ in range(3) for y in range(height) for x in range(width)
                for _ in range(groups))
            if (y + 1) % size == 0 and (x + 1) % size == 0]
    assert passed["o"].cycles == [cycle + Pool.latency for cycle in ends]


@pytest.mark.parametrize("height, width, size, message", [
    (4, 4, 0, "Pool size must be 1 or 2, not 0"),
    (4, 4, 3, "Pool size must be 1 or 2, not 3"),
    (1, 4, 2, "Pool of 2 x 2 does not fit into a map of 1 x 4"),
    (4, 1, 2, "Pool of 2 x 2 does not fit into a map of 4 x 1"),
])
def test_rejects(height, width, size, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Pool(height, width, 1, size=size, banks=2, columns=1)
