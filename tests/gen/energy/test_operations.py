# amaranth: UnusedElaboratable=no
import math
from dataclasses import replace

import pytest
from amaranth.hdl import Fragment, MemoryInstance, Shape

from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.costs import reads_per_map
from gen.energy.operations import HEAD, INPUT, OPERATIONS, RANDOM, operations
from gen.ir import Centred, Comparison, Target
from gen.lower import lower
from gen.maps import Maps
from gen.methods import METHODS, method_for, name_of, network_of


def compiled_lenet5(method):
    plain  = network_of(name_of("lenet5", method))
    target = Target(passes=method_for(plain).passes)
    return compile_network(read(SHIPPED / f"{plain.name}.npz", plain), target), target


def counted(network, target, passes=3):
    """Counts for maps of which no two layers have as many."""
    count = len(network.layers)
    runs  = tuple(2 + index for index in range(count))
    maps  = Maps(runs, tuple(run + 7 for run in runs), tuple(
        run * layer.fan_in - 1 for run, layer in zip(runs, network.layers, strict=True)))
    return maps, operations(lower(network, target), network, maps, passes)


def flat(counts):
    """Counts by layer and operation, over parts."""
    total = {}
    for place, parts in counts.items():
        for found in parts.values():
            for name, count in found.items():
                total[place, name] = total.get((place, name), 0) + count
    return total


def plain_loop(network, maps, passes):
    """What can be counted without hardware, one by one."""
    total = {}

    def count(place, name, times=1):
        total[place, name] = total.get((place, name), 0) + times

    for index, layer in enumerate(network.layers):
        folding, bank, active = layer.folding, layer.banks[0][0], 0
        tiles = sorted({tile.rows for tile in layer.tiles}, key=lambda rows: rows.start)
        for _ in range(maps.entering[index]):
            for _ in range(math.prod(layer.positions)):
                for group in range(folding.column_groups):
                    first   = group * folding.columns_per_read
                    columns = len(range(layer.outputs)[first:first + folding.columns_per_read])
                    reads   = layer.input_bits * layer.ways * folding.row_groups * len(tiles)
                    count(layer.name, "array_reads", reads)
                    count(layer.name, "columns_converted", reads * columns)
                    count(layer.name, "accumulations", reads * columns)
                    active += layer.input_bits * layer.ways
                    if isinstance(bank, Comparison):
                        count(layer.name, "comparisons",
                              columns * layer.bank_count * (2**layer.output_bits - 1))
            height, width, channels = layer.output_shape
            for _ in range(height * width * channels):
                if isinstance(bank, Centred):
                    count(layer.name, "comparisons", layer.bank_count)
                    count(layer.name, "pool_comparisons", math.prod(layer.pool) - 1)
                elif isinstance(bank, Comparison):
                    count(layer.name, "pool_comparisons", layer.bank_count * (math.prod(layer.pool) - 1))
                else:
                    count(layer.name, "multiplications", layer.bank_count)
        # Rows are active with their inputs, one of which was dropped in one run.
        each = active // maps.entering[index]
        count(layer.name, "rows_activated", each * maps.active[index])
    for _ in range(maps.leaving[-1]):
        count(HEAD, "divisions")
        for _ in range(network.layers[-1].outputs):
            for name in ("exponentials", "multiplications", "probabilities_averaged"):
                count(HEAD, name)
    count(RANDOM, "random_bits", passes * len(network.drops))
    count(INPUT, "comparisons", network.input.height * network.input.width * len(network.input.thresholds))
    return total


@pytest.mark.parametrize("method", METHODS)
def test_counts_of_each_method(method):
    network, target = compiled_lenet5(method)
    maps, counts = counted(network, target)
    found = flat(counts)
    for key, count in plain_loop(network, maps, 3).items():
        assert found[key] == count, key
    for layer, runs in zip(network.layers, maps.entering, strict=True):
        assert found[layer.name, "array_reads"] == runs * reads_per_map(layer)
    assert {name for _, name in found} <= set(OPERATIONS)


def memory_widths(component):
    """Widths of all memories in ``component``."""
    widths, left = set(), [Fragment.get(component, None)]
    while left:
        fragment = left.pop()
        if isinstance(fragment, MemoryInstance):
            widths.add(Shape.cast(fragment._data.shape).width)
        else:
            left += [below for below, *_ in fragment.subfragments]
    return widths


@pytest.mark.parametrize("protect", [False, True])
def test_bits_of_an_access_are_those_of_a_memory(random_network, protect):
    """Of the very block; with parity, that too."""
    target  = Target(array_rows=32, passes=3, passes_max=4, protect=protect)
    network = compile_network(random_network(2, 2), target)
    hardware = lower(network, target)
    _, counts = counted(network, target)
    seen = set()
    for name, layer, engine, edge in zip(hardware.names, network.layers, hardware.engines, hardware.edges,
                                         strict=True):
        blocks = {"line buffer": engine.line_buffer, "scales": engine.stages["scale_mux"],
                  "map buffer": edge.buffer}
        for part, block in blocks.items():
            found = counts[layer.name].get(part)
            widths = memory_widths(block)
            if part in ("line buffer", "scales"):
                assert bool(found) == bool(widths), name
            if found:
                seen.add(part)
                assert found["memory_bits"] // found["memory_accesses"] in widths
                assert found["memory_bits"] % found["memory_accesses"] == 0
    assert seen == {"line buffer", "scales", "map buffer"}


def test_schedules_differ_in_the_buffer_in_front():
    """Each pass is sent by itself from there."""
    network, target = compiled_lenet5("scale-dropout")
    _, shared = counted(network, target)
    _, sequential = counted(network, replace(target, schedule="sequential"))
    assert "map buffer" not in shared[INPUT]
    # One map of 28 by 28 words is stored, and two are sent.
    assert sequential[INPUT].pop("map buffer") == {"memory_accesses": 3 * 784, "memory_bits": 3 * 784 * 3}
    assert shared == sequential
