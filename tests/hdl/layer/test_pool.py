# amaranth: UnusedElaboratable=no

import numpy as np
import pytest

from hdl.layer.comparator import compared_layout
from hdl.layer.pool import Pool
from sim.compare.packing import pack
from sim.component import transfer


#: Height, width, groups, size, lanes, columns, bits.
SHAPES = [
    (4, 4, 1, (2, 2), 2, 3, 1),
    (5, 7, 2, (2, 2), 2, 2, 1),     # odd: the last row and column are dropped
    (3, 2, 3, (2, 2), 1, 1, 1),
    (2, 3, 1, (2, 2), 2, 1, 1),
    (3, 5, 2, (1, 1), 2, 2, 1),
    (1, 1, 4, (1, 1), 2, 5, 1),
    (5, 7, 2, (2, 2), 1, 3, 4),
    (4, 4, 1, (2, 2), 2, 2, 2),
    (3, 5, 2, (1, 1), 1, 2, 3),
    (1, 11, 2, (1, 4), 2, 2, 1),    # of one row
    (1, 8, 1, (1, 3), 1, 1, 3),
    (7, 1, 2, (3, 1), 1, 2, 1),     # of one column
    (7, 8, 1, (3, 3), 2, 1, 1),
    (5, 6, 1, (4, 3), 1, 2, 1),
    (3, 7, 2, (2, 5), 1, 1, 2),
    (6, 4, 1, (3, 1), 1, 1, 1),
    (3, 5, 2, (3, 5), 1, 2, 2),     # of the whole map
    (4, 4, 1, (4, 4), 2, 1, 1),
]


def make(height, width, groups, size, lanes, columns, bits):
    return Pool(height, width, groups, size=size, lanes=lanes, columns=columns, bits=bits)


def make_maps(height, width, groups, size, lanes, columns, bits, maps=3):
    """Levels and inverts of random maps, and the levels of the pooled ones."""
    rng = np.random.default_rng(0)
    most = 2**bits - 1
    # Of large windows the largest level is rarely 0, unless there are few others.
    rates   = np.resize([0.3, 0.03, 0.7], (maps, 1, 1, 1, 1, 1))
    reached = rng.binomial(most, rates, (maps, height, width, groups, lanes, columns))
    invert = rng.integers(0, 2, (groups, lanes, columns))
    layout = compared_layout(lanes=lanes, columns=columns, bits=bits)
    words = [
        layout.const({"reached": [pack(lane, bits) for lane in levels],
                      "invert": [pack(lane, 1) for lane in invert[number % groups]]}).as_bits()
        for number, levels in enumerate(reached.reshape(-1, lanes, columns))]
    rows, across = size
    whole = reached[:, :height // rows * rows, :width // across * across]
    pooled = whole.reshape(maps, height // rows, rows, width // across, across, groups,
                           lanes, columns).max((2, 4))
    pooled = np.where(invert, most - pooled, pooled)
    return words, [pack(word, bits) for word in pooled.reshape(-1, lanes * columns)]


@pytest.mark.some(15)
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_largest_then_invert(shape, duty):
    # So many maps that there are some forty words, as others of a row may well have the same maximum.
    words, pooled = make_maps(*shape, maps=max(3, 40 // len(make_maps(*shape, maps=1)[1])))
    passed = transfer(make(*shape), {"i": words}, {"o": len(pooled)}, duty=duty)
    assert passed["o"].words == pooled


@pytest.mark.parametrize("shape", SHAPES)
def test_timing(shape):
    words, pooled = make_maps(*shape)
    passed = transfer(make(*shape), {"i": words}, {"o": len(pooled)})
    height, width, groups, size, *_ = shape
    assert passed["i"].cycles == list(range(len(words)))
    ends = [cycle for cycle, (y, x) in enumerate(
                (y, x) for _ in range(3) for y in range(height) for x in range(width)
                for _ in range(groups))
            if y % size[0] == size[0] - 1 and y // size[0] < height // size[0]
            and x % size[1] == size[1] - 1 and x // size[1] < width // size[1]]
    assert passed["o"].cycles == [cycle + Pool.latency for cycle in ends]


@pytest.mark.parametrize("shape", SHAPES)
def test_fills_while_levels_wait(shape):
    """All is taken up to the first that leaves, although this is not; then all move together."""
    words, pooled = make_maps(*shape)
    passed = transfer(make(*shape), {"i": words}, {"o": len(pooled)}, starts={"o": 60})
    assert passed["o"].words == pooled
    height, width, groups, size, *_ = shape
    first = groups * ((size[0] - 1) * width + size[1] - 1) if size != (1, 1) else 0
    assert passed["i"].cycles == [*range(first + 1), *range(60, 60 + len(words) - first - 1)]


@pytest.mark.parametrize("height, width, size, message", [
    (4, 4, (1, 0), "Pool of 1 x 0 does not fit into a map of 4 x 4"),
    (4, 4, (-1, 1), "Pool of -1 x 1 does not fit into a map of 4 x 4"),
    (1, 4, (2, 2), "Pool of 2 x 2 does not fit into a map of 1 x 4"),
    (4, 2, (1, 3), "Pool of 1 x 3 does not fit into a map of 4 x 2"),
])
def test_rejects(height, width, size, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Pool(height, width, 1, size=size, lanes=2, columns=1)
