from dataclasses import replace

import numpy as np
import pytest

from gen.ir import Folding, Input, Layer, Network, Target
from gen.transforms.tile import columns_max, row_tiles, tile


TARGET = Target(array_rows=256, array_columns=64)


def tiles_of(inputs, outputs, columns_per_read=1, weight_bits=1):
    layer = Layer("layer", 1, 1, inputs, (1, 1), outputs, weight_bits=weight_bits,
                  folding=Folding(1, columns_per_read, inputs, -(-outputs // columns_per_read)))
    return tile(Network("network", Input(1, 1, (1,) * inputs), (layer,)), TARGET).layers[0].tiles


@pytest.mark.parametrize("fan_in, sizes", [
    (1, [1]),
    (128, [128]),            # exactly one array of complementary cells
    (129, [65, 64]),         # one input too many
    (150, [75, 75]),
    (257, [86, 86, 85]),
    (800, [115] * 6 + [110]),
])
def test_row_tiles_are_even(fan_in, sizes):
    layer = Layer("layer", 1, 1, fan_in, (1, 1), 1)
    assert [len(rows) for rows in row_tiles(layer, TARGET)] == sizes


@pytest.mark.parametrize("channels, sizes", [
    (1, [1] * 9), (16, [16] * 9), (128, [128] * 9), (129, [43] * 27), (256, [128] * 18), (131, [1] * 1179)])
def test_an_array_for_each_position(channels, sizes):
    """K * K arrays of the input channels, or of equal parts of them where these have more rows than an
    array; fully connected layers are cut as ever."""
    target = replace(TARGET, mapping="position")
    layer = Layer("layer", 4, 4, channels, (3, 3), 1)
    rows = row_tiles(layer, target)
    assert [len(part) for part in rows] == sizes
    assert [part.start for part in rows] == list(range(0, layer.fan_in, sizes[0]))
    # Input i of a kernel is channel i % channels of position i // channels.
    assert all(part[0] // channels == part[-1] // channels for part in rows)
    full = replace(layer, kernel=(4, 4))
    assert row_tiles(full, target) == row_tiles(full, TARGET) != row_tiles(layer, target)


@pytest.mark.parametrize("weight_bits", [2, 3, 4, 8])
@pytest.mark.parametrize("fan_in, sizes", [(256, [256]), (257, [129, 128]), (400, [200, 200])])
def test_multilevel_weights_take_one_row(fan_in, sizes, weight_bits):
    layer = Layer("layer", 1, 1, fan_in, (1, 1), 1, weight_bits=weight_bits)
    assert [len(rows) for rows in row_tiles(layer, TARGET)] == sizes


@pytest.mark.parametrize("weight_bits, columns", [(1, 64), (2, 32), (3, 32), (4, 16), (5, 8), (8, 1)])
def test_multilevel_weights_take_several_columns(weight_bits, columns):
    """A magnitude of up to W is held by cells of four junctions on either side: W / 4, rounded up."""
    layer = Layer("layer", 1, 1, 1, (1, 1), 1, weight_bits=weight_bits)
    assert columns_max(layer, TARGET) == columns
    assert [len(part.columns) for part in tiles_of(10, 2 * columns + 1, weight_bits=weight_bits)] \
        == [columns, columns, 1]


@pytest.mark.parametrize("outputs, columns_per_read, sizes", [
    (64, 1, [64]),
    (65, 1, [64, 1]),
    (100, 10, [60, 40]),     # 6 groups of 10 fit in 64 columns
    (84, 33, [33, 33, 18]),  # one group fits
    (64, 64, [64]),
])
def test_column_tiles_hold_whole_groups(outputs, columns_per_read, sizes):
    tiles = tiles_of(10, outputs, columns_per_read)
    assert [len(part.columns) for part in tiles] == sizes
    assert all(part.columns.start % columns_per_read == 0 for part in tiles)


def test_covers_each_weight_once():
    hits = np.zeros((400, 120), dtype=int)
    for part in tiles_of(400, 120):
        hits[np.ix_(part.rows, part.columns)] += 1
    assert (hits == 1).all()


def test_row_tiles_are_consecutive():
    order = [(part.columns.start, part.rows.start) for part in tiles_of(400, 120)]
    assert order == sorted(order)
    assert len(set(order)) == 4 * 2
