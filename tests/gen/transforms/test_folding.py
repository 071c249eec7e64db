import math
from dataclasses import replace

import pytest

from gen.check_target import ImpossibleTarget
from gen.ir import Folding, Input, Layer, Network, Target
from gen.methods import known_names, name_of, network_of
from gen.networks import NETWORKS
from gen.transforms.folding import (
    GATES_MAX,
    adcs,
    choose_folding,
    choose_interval,
    fewest_arrays,
    map_cycles,
    runs,
)
from gen.transforms.folding import gates as gates_of
from gen.transforms.tile import columns_max, row_tiles, tile
from gen.verify import MalformedNetwork, verify
from tests.conftest import with_choices


def test_map_cycles():
    layer = Layer("conv", 12, 12, 6, (5, 5), 16)
    assert map_cycles(layer, Folding(75, 16, 1, 1)) == 144
    assert map_cycles(layer, Folding(75, 4, 1, 4)) == 144 + 64 * 3
    assert map_cycles(layer, Folding(38, 4, 2, 4)) == 144 + 64 * 7


def test_map_cycles_with_padding_and_stride():
    layer = Layer("conv", 5, 7, 1, (3, 3), 4, stride=2, padding=1)
    assert map_cycles(layer, Folding(9, 1, 1, 4)) == 7 * 9 + 3 * 4 * 3
    layer = Layer("conv", 1, 7, 1, (1, 3), 4, stride=(5, 2), padding=(0, 1))
    assert map_cycles(layer, Folding(3, 1, 1, 4)) == 9 + 4 * 3


def test_lenet5():
    """The second layer sees two maps in 784 cycles, each 144 words and 64 positions."""
    network = choose_folding(network_of("lenet5"), Target())
    assert [layer.folding for layer in network.layers] == [
        Folding(75, 6, 1, 1), Folding(75, 4, 1, 4), Folding(128, 1, 1, 120),
        Folding(120, 1, 1, 84), Folding(84, 1, 1, 10)]


def test_sequential_lenet5_counts_one_map():
    network = choose_folding(network_of("lenet5"), Target(schedule="sequential"))
    assert network.layers[1].folding == Folding(75, 2, 1, 8) # 144 + 64 * 7 <= 784 < 144 + 64 * 15


@pytest.mark.parametrize("interval, folding", [
    (2 * (144 + 64 * 3), Folding(75, 4, 1, 4)),     # met exactly
    (2 * (144 + 64 * 3) - 1, Folding(75, 6, 1, 3)),
])
def test_interval_may_be_filled(interval, folding):
    assert choose_folding(network_of("lenet5"), Target(interval=interval)).layers[1].folding == folding


@pytest.mark.parametrize("schedule", ["shared", "sequential"])
@pytest.mark.parametrize("name", ["lenet5", "lenet5_wide", "lenet5_spinbayes", "lenet5_4bit_spinbayes"])
def test_shipped_networks_keep_pace_with_their_images(name, schedule):
    chosen = choose_interval(network_of(name), Target(schedule=schedule))
    assert chosen["reason"] == ("as the slowest layer needs so many" if "4bit" in name else
                                "in which an image comes in")


@pytest.mark.long
@pytest.mark.parametrize("schedule, chosen", [
    ("shared", ("ensemble", "spindrop")), ("sequential", ("ensemble",))])
def test_no_network_that_is_known_costs_too_much(schedule, chosen):
    """Large ones cost at most twice what the cheapest foldings of all layers do: with arrays, which cost
    most, and with masks, for which the shared schedule has most maps."""
    for name in {name_of(base, method) for base in NETWORKS for method in chosen} & set(known_names()):
        least = choose_interval(network_of(name), Target(schedule=schedule, interval=10**9))["gates"]
        cost  = choose_interval(network_of(name), Target(schedule=schedule))["gates"]
        assert cost <= max(GATES_MAX, 2 * least), name


def with_keep_bits(network):
    return with_choices(network, [0.5] * len(network.layers))


def connected(*outputs, pixels=(28, 28), channels=1):
    """A network of fully connected layers only."""
    shape, layers = (*pixels, channels), []
    for index, count in enumerate(outputs):
        layers.append(Layer(f"fc{index}", *shape, shape[:2], count))
        shape = 1, 1, count
    return with_keep_bits(Network("connected", Input(*pixels, (1,) * channels), tuple(layers)))


def gates(network, target):
    return sum(len(row_tiles(layer, target)) * layer.folding.rows_per_read
               * (layer.folding.columns_per_read + layer.folding.row_groups - 1)
               for layer in choose_folding(network, target).layers)


@pytest.mark.parametrize("outputs, channels, default", [
    ((64, 64, 64, 10), 1, "784, in which an image comes in"),
    ((128, 64, 10), 3, "784, in which an image comes in"),
    ((1024, 1024, 1024, 10), 1, "787, as the slowest layer needs so many")])
def test_first_layer_is_not_unrolled(outputs, channels, default):
    """It has read its whole map before its first product; in 784 cycles there would be time for only one
    read. The interval is the shortest of those that cost little enough."""
    network = connected(*outputs, channels=channels)
    chosen  = choose_interval(network, Target())
    cycles, asked = chosen["interval_cycles"], gates(network, Target(interval=int(default[:3])))
    assert asked > 3 * GATES_MAX
    assert chosen["reason"] == (f"as {default}, would take {asked:,} gates; for these, add --interval "
                                f"{default[:3]}")
    assert gates(network, Target()) == chosen["gates"] <= GATES_MAX
    assert gates(network, Target(interval=cycles)) == chosen["gates"]
    assert gates(network, Target(interval=cycles - 1)) > GATES_MAX


def test_interval_that_is_asked_for():
    chosen = choose_interval(connected(64, 64, 64, 10), Target(interval=784))
    assert chosen == {"interval_cycles": 784, "gates": 784 * 64 + 64 * 3, "adcs": 7 * 64 + 3,
                      "reason": "as asked for"}


def test_large_network_is_not_folded_whole():
    """Its cheapest folding costs more than most networks do, and takes a read per output and row tile; it
    may cost twice as much."""
    network = connected(*(8192,) * 3, 10)
    least   = sum(layer.fan_in for layer in network.layers)
    chosen  = choose_interval(network, Target())
    assert GATES_MAX < least < chosen["gates"] <= 2 * least
    assert gates(network, Target(interval=chosen["interval_cycles"] - 1)) > 2 * least


@pytest.mark.parametrize("outputs", [(64, 64, 10), (128, 64, 10)])
@pytest.mark.parametrize("budget", [0, 1, 7, 60])
def test_budget_of_adcs(outputs, budget):
    """The interval is the shortest for as many, and a shorter one takes more."""
    network = connected(*outputs)
    least   = sum(len(row_tiles(layer, Target())) for layer in network.layers)
    target  = Target(adcs=least + budget)
    chosen  = choose_interval(network, target)
    layers  = choose_folding(network, target).layers
    spent   = sum(len(row_tiles(layer, target)) * layer.folding.columns_per_read for layer in layers)
    assert spent == chosen["adcs"] <= least + budget
    assert chosen["reason"] == f"the shortest for {least + budget} ADCs"
    for layer, count in zip(layers, runs(network, target), strict=True):
        assert count * map_cycles(layer, layer.folding) <= chosen["interval_cycles"]
        # One conversion less at a time would take longer than the interval.
        columns = layer.folding.columns_per_read - 1
        if columns:
            slower = replace(layer.folding, columns_per_read=columns, row_groups=1,
                             column_groups=math.ceil(layer.outputs / columns))
            assert count * map_cycles(layer, slower) > chosen["interval_cycles"]


def test_fewer_adcs_than_any_folding_takes():
    with pytest.raises(ImpossibleTarget, match=(
            "^Network 'connected' needs at least 9 ADCs, one for each row tile of its layers, not 8; ask "
            "for so many with --adcs, or take more --array-rows$")):
        choose_interval(connected(64, 64, 10), Target(adcs=8))
    with pytest.raises(ImpossibleTarget, match=(
            "^An interval and a number of ADCs exclude each other; leave one out, or take it back with "
            "--interval none or --adcs none$")):
        choose_interval(connected(64, 64, 10), Target(adcs=9, interval=784))


def test_never_shorter_than_the_slowest_layer_needs():
    """Sixteen maps of the last layer take longer than streaming the image in, however it is folded."""
    layers  = [Layer(f"fc{index}", 1, 1, 4, (1, 1), 4) for index in range(4)]
    network = with_keep_bits(Network("network", Input(1, 1, (1,) * 4), (
        *layers, Layer("last", 1, 1, 4, (1, 1), 10))))
    chosen  = choose_interval(network, Target())
    assert chosen["interval_cycles"] == 16 * 10
    assert chosen["reason"] == "as the slowest layer needs so many"


def every_folding(layer, target, columns_max):
    tiles = row_tiles(layer, target)
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
    network = choose_folding(random_network(seed), target)
    first = network.layers[0]
    streamed = (first.height + 2 * first.padding[0]) * (first.width + 2 * first.padding[1])
    cycles = interval or max(streamed, *(
        (min(passes, 2**index) if schedule == "shared" else 1)
        * min(map_cycles(layer, folding) for folding, _ in every_folding(
            layer, target, 1 if layer is network.layers[-1] else min(layer.outputs, 3)))
        for index, layer in enumerate(network.layers)))
    for index, layer in enumerate(network.layers):
        maps = min(passes, 2**index) if schedule == "shared" else 1
        last = layer is network.layers[-1]
        choices = list(every_folding(layer, target, 1 if last else min(layer.outputs, 3)))
        fitting = [(cost, folding.row_groups, folding.columns_per_read)
                   for folding, cost in choices if maps * map_cycles(layer, folding) <= cycles]
        fastest = min(map_cycles(layer, folding) for folding, _ in choices)
        cost = next(cost for folding, cost in choices if folding == layer.folding)
        assert (cost, layer.folding.row_groups, layer.folding.columns_per_read) == min(fitting or [
            (cost, folding.row_groups, folding.columns_per_read)
            for folding, cost in choices if map_cycles(layer, folding) == fastest])


def test_bit_planes_take_a_read_each():
    layer = Layer("conv", 12, 12, 6, (5, 5), 16, weight_bits=4, input_bits=4, input_low=0)
    assert map_cycles(layer, Folding(4, 4, 38, 4)) == 144 + 64 * (38 * 4 * 4 - 1)


@pytest.mark.parametrize("crossbars, passes, expected", [
    ((1, 1, 1), 20, [1, 2, 4]),     # keep bits: the next layer sees both
    ((8, 8, 8), 20, [8 - 8 * (7 / 8)**20, 20, 20]), # arrays: a run for each that is chosen
    ((8, 1, 1), 2, [15 / 8, 2, 2]), # two passes choose the same of eight once in eight times
    ((1, 4, 2), 100, [1, 8, 16]),
    ((2, 2, 2), 3, [1.75, 3, 3]),
])
def test_runs(crossbars, passes, expected):
    network = with_choices(
        Network("network", Input(1, 1, (1,)), tuple(
            Layer(f"layer{index}", 1, 1, 1, (1, 1), 1) for index in range(len(crossbars)))),
        [0.5 if number == 1 else (number, 1) for number in crossbars])
    assert runs(network, Target(passes=passes, passes_max=passes)) == pytest.approx(expected)
    assert runs(network, Target(passes=3, schedule="sequential")) == [1, 1, 1]


@pytest.mark.parametrize("method, passes, expected", [
    ("scale-dropout-random", 4, [1, 4, 4, 4, 4]),   # of five different scales
    ("scale-dropout-random", 20, [1, 5, 20, 20, 20]),
    ("scale-dropout-element", 20, [1, 20, 20, 20, 20]), # each pass by itself
    ("sub-set", 20, [1, 8, 20, 20, 20]),
    ("tiny-ensemble", 20, [1, 4, 4, 4, 4]),         # all layers take the same member
    ("ensemble", 20, [4, 4, 4, 4, 4]),              # and nothing is left to chance
    ("ensemble", 3, [3, 3, 3, 3, 3]),
    ("deterministic", 20, [1, 1, 1, 1, 1]),
])
def test_runs_of_methods(method, passes, expected):
    network = network_of("lenet5", method)
    assert runs(network, Target(passes=passes)) == expected
    assert runs(network, Target(passes=passes, schedule="sequential")) == [1] * 5


def arrays(network):
    return [len(layer.tiles) * layer.crossbars for layer in network.layers]


def test_lenet5_spinbayes():
    """Four cells of a bit line at once, so inputs are spread over arrays, in which a position of the first
    layer takes one read; no more than keep the interval."""
    plain   = network_of("lenet5_spinbayes")
    network = tile(choose_folding(plain, Target()), Target())
    cycles  = choose_interval(plain, Target())["interval_cycles"]
    conv1   = network.layers[0]
    assert conv1.folding == Folding(4, 6, 1, 1) and arrays(network)[0] == 19 * 8
    assert map_cycles(conv1, conv1.folding) == 784
    assert cycles == math.ceil(784 * (8 - 8 * (7 / 8)**20))
    for layer in network.layers[1:]:
        assert layer.folding.rows_per_read == 4 and 20 * map_cycles(layer, layer.folding) <= cycles
    # As few arrays as hold the weights, which is slower by more than ten times.
    few = fewest_arrays(plain, Target())
    assert few == {"arrays": 56, "interval_cycles": math.ceil(
        (784 + 576 * 18) * (8 - 8 * (7 / 8)**20))}
    target = Target(interval=few["interval_cycles"])
    slow   = tile(choose_folding(plain, target), target)
    assert arrays(slow) == [8, 8, 16, 16, 8] and few["interval_cycles"] > 10 * cycles
    assert sum(arrays(network)) > 4 * few["arrays"]
    # Between them, some are spread, and by some.
    target = Target(interval=30_000)
    middle = tile(choose_folding(plain, target), target)
    assert 8 < arrays(middle)[0] < 19 * 8 and 56 < sum(arrays(middle)) < sum(arrays(network))


def test_nothing_binary_is_spread():
    """As many rows as are needed are read together."""
    few = fewest_arrays(network_of("lenet5"), Target())
    assert few == {"arrays": 7, "interval_cycles": 784}
    for interval in (784, 100):
        target  = Target(interval=interval)
        network = tile(choose_folding(network_of("lenet5"), target), target)
        assert sum(arrays(network)) == 7


def spread(layer, target, most):
    """Each folding of a layer of multi-level cells, by the tiles that it is cut into, with its gates and
    ADCs."""
    fewest = len(row_tiles(layer, target))
    for tiles in range(fewest, max(fewest, math.ceil(layer.fan_in / target.cells_per_read)) + 1):
        size   = math.ceil(layer.fan_in / tiles)
        rows   = min(target.cells_per_read, size)
        groups = math.ceil(size / rows)
        number = math.ceil(layer.fan_in / size) # fewer of this size may do
        for columns in range(1, most + 1):
            yield Folding(rows, columns, groups, math.ceil(layer.outputs / columns)), rows * (
                number * (columns + groups - 1) + layer.crossbars * (number - fewest)), number * columns


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("options", [{}, {"interval": 1}, {"interval": 300}, {"adcs": 60}], ids=str)
def test_cheapest_of_multilevel_cells(random_spinbayes, seed, options):
    target   = Target(array_rows=16, array_columns=128, cells_per_read=3, passes=5, **options)
    plain    = random_spinbayes(seed)
    network  = choose_folding(plain, target)
    interval = choose_interval(plain, target)["interval_cycles"]
    for layer, count in zip(network.layers, runs(network, target), strict=True):
        if layer.weight_bits == 1:
            continue
        most    = 1 if layer is network.layers[-1] else min(layer.outputs, columns_max(layer, target))
        choices = list(spread(layer, target, most))
        fitting = [(each, cost, converters) for each, cost, converters in choices
                   if count * map_cycles(layer, each) <= interval]
        found   = gates_of(layer, layer.folding, target), adcs(layer, layer.folding, target)
        assert (layer.folding, *found) in choices
        if not fitting:
            assert map_cycles(layer, layer.folding) == min(map_cycles(layer, each) for each, *_ in choices)
        elif target.adcs:
            assert found[::-1] == min((converters, cost) for _, cost, converters in fitting)
        else:
            assert found[0] == min(cost for _, cost, _ in fitting)


def test_fewer_inputs_than_cells_in_a_read():
    network = choose_folding(Network("network", Input(1, 1, (1,) * 3), (
        Layer("last", 1, 1, 3, (1, 1), 2, weight_bits=4),)), Target(cells_per_read=4))
    assert network.layers[0].folding == Folding(3, 1, 1, 2)


def test_columns_of_multilevel_weights():
    """A weight of 4 bits takes 4 columns, so 16 columns hold 4; the interval asks for more, and of 9 as
    many reads of 3 suffice."""
    for outputs, folding in ((8, Folding(3, 4, 1, 2)), (9, Folding(3, 3, 1, 3))):
        network = choose_folding(Network("network", Input(1, 1, (1,) * 3), (
            Layer("first", 1, 1, 3, (1, 1), outputs, weight_bits=4),
            Layer("last", 1, 1, outputs, (1, 1), 2))), Target(array_columns=16, interval=1))
        assert network.layers[0].folding == folding


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("interval", [None, 1, 300])
def test_spinbayes_keeps_the_interval_if_it_can(random_spinbayes, seed, interval):
    target = Target(array_rows=16, array_columns=128, cells_per_read=3, interval=interval, passes=5)
    network = choose_folding(random_spinbayes(seed), target)
    for layer, count in zip(network.layers, runs(network, target), strict=True):
        rows = len(row_tiles(layer, target, layer.folding)[0])
        if layer.weight_bits > 1:
            assert layer.folding.rows_per_read == min(3, rows)
        most = 1 if layer is network.layers[-1] else min(layer.outputs, columns_max(layer, target))
        assert 1 <= layer.folding.columns_per_read <= most
        if interval and count * map_cycles(layer, layer.folding) > interval:
            assert layer.folding.columns_per_read == most and layer.folding.row_groups == 1


def test_output_layer_reads_one_column():
    layer = Layer("last", 1, 1, 4, (1, 1), 10)
    network = Network("network", Input(1, 1, (1,) * 4), (layer,))
    assert choose_folding(network, Target(interval=1)).layers[0].folding == Folding(4, 1, 1, 10)


def test_groups_of_channels():
    """Columns of one group are read at a time, and have the word lines of its inputs alone."""
    layer   = Layer("deep", 6, 6, 4, (3, 3), 24, groups=4, padding=1)
    network = Network("groups", Input(6, 6, (50, 100, 150, 200)), (
        layer, Layer("last", 6, 6, 24, (6, 6), 3)))
    found = {interval: choose_folding(network, Target(interval=interval)).layers[0].folding
             for interval in (200, 700, 4000)}
    assert found == {200: Folding(9, 6, 1, 4), 700: Folding(9, 2, 1, 12), 4000: Folding(9, 1, 1, 24)}
    wrong = replace(network, layers=(replace(layer, folding=Folding(9, 4, 1, 6)), network.layers[1]))
    with pytest.raises(MalformedNetwork, match="^Layer 'deep' must read columns of one group at a time, an "
                                               "equal part of 6, not 4$"):
        verify(wrong, Target())
    assert [len(rows) for rows in row_tiles(layer, Target(array_rows=8, mapping="position"))] == [1] * 9
