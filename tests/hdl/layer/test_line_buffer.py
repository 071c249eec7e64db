# amaranth: UnusedElaboratable=no

import numpy as np
import pytest

from hdl.layer.line_buffer import LineBuffer
from sim.compare.packing import pack
from sim.component import transfer


#: Height, width, channels, kernel, stride, padding.
SHAPES = [
    (4, 5, 1, (3, 3), (1, 1), (0, 0)),
    (5, 4, 2, (3, 2), (1, 1), (1, 1)),
    (6, 7, 3, (3, 3), (2, 2), (2, 2)),
    (7, 5, 1, (2, 3), (3, 3), (1, 1)),     # stride beyond the kernel
    (3, 4, 2, (3, 4), (1, 1), (0, 0)),     # kernel of the whole map
    (3, 4, 2, (1, 1), (1, 1), (0, 0)),
    (3, 5, 1, (1, 3), (2, 2), (0, 0)),     # no line is kept
    (1, 1, 4, (1, 1), (1, 1), (0, 0)),
    (2, 2, 1, (4, 4), (1, 1), (1, 1)),     # kernel of the whole map with its border
    (1, 6, 1, (3, 3), (1, 1), (2, 2)),     # more border than map
    (1, 9, 2, (1, 4), (1, 3), (0, 2)),     # a map of one row
    (1, 7, 1, (1, 2), (1, 1), (0, 0)),
    (9, 1, 1, (3, 1), (4, 1), (2, 0)),     # of one column
    (5, 6, 1, (3, 2), (2, 3), (0, 1)),
    (4, 5, 2, (2, 3), (1, 2), (1, 0)),
]


def make_maps(height, width, channels, count=3):
    return np.random.default_rng(0).integers(0, 2, (count, height, width, channels))


def words_of(maps):
    return [pack(word, 1) for word in maps.reshape(-1, maps.shape[-1])]


def positions_of(maps, kernel, stride, padding):
    maps = np.pad(maps, ((0, 0), *((border, border) for border in padding), (0, 0)))
    return [pack(image[y:y + kernel[0], x:x + kernel[1]].ravel(), 1) for image in maps
            for y in range(0, image.shape[0] - kernel[0] + 1, stride[0])
            for x in range(0, image.shape[1] - kernel[1] + 1, stride[1])]


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("height, width, channels, kernel, stride, padding", SHAPES)
def test_presents_positions(height, width, channels, kernel, stride, padding, duty):
    maps = make_maps(height, width, channels)
    positions = positions_of(maps, kernel, stride, padding)
    dut = LineBuffer(height, width, channels, kernel=kernel, stride=stride, padding=padding)
    passed = transfer(dut, {"i": words_of(maps)}, {"o": len(positions)}, duty=duty)
    assert passed["o"].words == positions


@pytest.mark.parametrize("held", [0, 90])
@pytest.mark.parametrize("height, width, channels, kernel, stride, padding", SHAPES)
def test_timing(height, width, channels, kernel, stride, padding, held):
    """One word per cycle, the border included, and no gap between maps; all up to the end of the first
    position, if none is taken before some cycle, and the others from then on."""
    maps  = make_maps(height, width, channels)
    words = words_of(maps)
    dut   = LineBuffer(height, width, channels, kernel=kernel, stride=stride, padding=padding)
    rows, columns = height + 2 * padding[0], width + 2 * padding[1]
    places = [(y, x) for _ in maps for y in range(rows) for x in range(columns)]
    taken = [cycle for cycle, (y, x) in enumerate(places)
             if padding[0] <= y < padding[0] + height and padding[1] <= x < padding[1] + width]
    ends = [cycle for cycle, (y, x) in enumerate(places)
            if y >= kernel[0] - 1 and (y - kernel[0] + 1) % stride[0] == 0
            and x >= kernel[1] - 1 and (x - kernel[1] + 1) % stride[1] == 0]
    waited = max(0, held - ends[0] - LineBuffer.latency)
    passed = transfer(dut, {"i": words}, {"o": len(ends)}, starts={"o": held})
    assert passed["i"].cycles == [cycle + waited * (cycle > ends[0]) for cycle in taken]
    assert passed["o"].cycles == [cycle + LineBuffer.latency + waited for cycle in ends]
    assert passed["o"].words == positions_of(maps, kernel, stride, padding)


@pytest.mark.parametrize("kernel, stride, padding, message", [
    ((0, 3), (1, 1), (0, 0), "Kernel must be 1 to 5 high, not 0"),
    ((6, 3), (1, 1), (0, 0), "Kernel must be 1 to 5 high, not 6"),
    ((3, 7), (1, 1), (0, 0), "Kernel must be 1 to 6 wide, not 7"),
    ((8, 3), (1, 1), (1, 1), "Kernel must be 1 to 7 high, not 8"),
    ((3, 3), (0, 1), (0, 0), "Stride must be at least 1 in rows, not 0"),
    ((3, 3), (1, 0), (0, 0), "Stride must be at least 1 in columns, not 0"),
    ((2, 3), (1, 1), (2, 2), "Padding must be from 0 to 1 in rows, not 2"),
    ((2, 3), (1, 1), (1, 3), "Padding must be from 0 to 2 in columns, not 3"),
    ((2, 3), (1, 1), (-1, 0), "Padding must be from 0 to 1 in rows, not -1"),
])
def test_rejects(kernel, stride, padding, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        LineBuffer(5, 6, 1, kernel=kernel, stride=stride, padding=padding)
