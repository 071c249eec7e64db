import math

import pytest

from gen.ir import Folding, Input, Layer, Network, Target
from gen.networks import NETWORKS
from gen.passes.rates import map_cycles, rates
from gen.passes.tile import row_tiles


def test_map_cycles():
    layer = Layer("conv", 12, 12, 6, (5, 5), 16)
    assert map_cycles(layer, Folding(75, 16, 1, 1)) == 144
    assert map_cycles(layer, Folding(75, 4, 1, 4)) == 144 + 64 * 3
    assert map_cycles(layer, Folding(38, 4, 2, 4)) == 144 + 64 * 7


def test_map_cycles_with_padding_and_stride():
    layer = Layer("conv", 5, 7, 1, (3, 3), 4, stride=2, padding=1)
    assert map_cycles(layer, Folding(9, 1, 1, 4)) == 7 * 9 + 3 * 4 * 3


def test_lenet5():
    """The second layer sees two maps in 784 cycles, each 144 words and 64 positions."""
    network = rates(NETWORKS["lenet5"], Target())
    assert [layer.folding for layer in network.layers] == [
        Folding(75, 6, 1, 1), Folding(75, 4, 1, 4), Folding(128, 1, 1, 120),
        Folding(120, 1, 1, 84), Folding(84, 1, 1, 10)]


def test_sequential_lenet5_counts_one_map():
    network = rates(NETWORKS["lenet5"], Target(schedule="sequential"))
    assert network.layers[1].folding == Folding(75, 2, 1, 8) # 144 + 64 * 7 <= 784 < 144 + 64 * 15


@pytest.mark.parametrize("interval, folding", [
    (2 * (144 + 64 * 3), Folding(75, 4, 1, 4)),     # met exactly
    (2 * (144 + 64 * 3) - 1, Folding(75, 6, 1, 3)),
])
def test_interval_may_be_filled(interval, folding):
    assert rates(NETWORKS["lenet5"], Target(interval=interval)).layers[1].folding == folding


def every_folding(layer, target, columns_max):
    tiles = row_tiles(layer.fan_in, target)
    for rows in range(1, len(tiles[0]) + 1):
        for columns in range(1, columns_max + 1):
            folding = Folding(rows, columns, math.ceil(len(tiles[0]) / rows),
                              math.ceil(layer.outputs / columns))
            yield folding, len(tiles) * rows * (columns + folding.row_groups - 1)


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("interval", [None, 1, 40, 1000])
@pytest.mark.parametrize("schedule, passes", [("shared", 1), ("shared", 20), ("sequential", 20)])
def test_cheapest_of_all(random_network, seed, interval, schedule, passes):
    target = Target(array_rows=8, array_columns=3, interval=interval, schedule=schedule,
                    passes=passes)
    network = rates(random_network(seed), target)
    first = network.layers[0]
    cycles = interval or (first.height + 2 * first.padding) * (first.width + 2 * first.padding)
    for index, layer in enumerate(network.layers):
        maps = min(passes, 2**index) if schedule == "shared" else 1
        last = layer is network.layers[-1]
        choices = list(every_folding(layer, target, 1 if last else min(layer.outputs, 3)))
        fitting = [(cost, folding.row_groups, folding.columns_per_read)
                   for folding, cost in choices if maps * map_cycles(layer, folding) <= cycles]
        if fitting:
            cost = next(cost for folding, cost in choices if folding == layer.folding)
            assert (cost, layer.folding.row_groups, layer.folding.columns_per_read) == min(fitting)
        else:
            assert map_cycles(layer, layer.folding) == min(
                map_cycles(layer, folding) for folding, _ in choices)


def test_output_layer_reads_one_column():
    layer = Layer("last", 1, 1, 4, (1, 1), 10)
    network = Network("network", Input(1, 1, (1,) * 4), (layer,))
    assert rates(network, Target(interval=1)).layers[0].folding == Folding(4, 1, 1, 10)
