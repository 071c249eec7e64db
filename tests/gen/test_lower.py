# amaranth: UnusedElaboratable=no

import math
from dataclasses import replace

import numpy as np
import pytest

from gen.compile import compile_network
from gen.ir import HealthTest, Logit, Target
from gen.lower import lower, lower_layer
from gen.transforms.folding import map_cycles
from gen.transforms.watch import cutoffs
from golden.network import paths
from hdl.random.mtj_rng import MtjRng
from hdl.random.pseudo_rng import PseudoRng


TARGET = Target(array_rows=16, array_columns=4, passes=3, passes_max=5, seed=9)


@pytest.fixture
def network(random_network):
    return compile_network(random_network(3, hidden=2), TARGET)


def test_accelerator(network):
    accelerator = lower(network, TARGET)
    assert accelerator.names == tuple(layer.name for layer in network.layers)
    assert accelerator.pixel_input.pixels == network.input.height * network.input.width
    assert accelerator.binarizer.thresholds == network.input.thresholds
    assert accelerator.sequential_edge is None
    [source] = accelerator.rng.sources
    assert isinstance(source, PseudoRng)
    assert ((source.seed,), source.drop) == (network.generator.seeds, network.generator.drop)
    assert (accelerator.mask_bank.draws, accelerator.mask_bank.outputs) == ((1, 1, 1), (0, 1, 2))
    assert accelerator.mask_bank.passes == 5
    assert network.health == tuple(
        HealthTest(places, test.distance, test.repetition, test.window, test.proportion)
        for places, test in accelerator.health)
    assert set(accelerator.signature.members) == {"pixels", "passes", "results", "alarm"}


def test_engines_follow_the_compiler(network):
    """Hardware takes shapes, tiles and folding from the network; it chooses none."""
    for index, layer in enumerate(network.layers):
        engine = lower_layer(network, index, TARGET)
        shape = engine.crossbar.geometry
        assert (engine.line_buffer.kernel, engine.line_buffer.stride, engine.line_buffer.padding) == (
            layer.kernel, layer.stride, layer.padding)
        assert engine.crossbar.weights == layer.arrays
        assert engine.crossbar.tiles == len({tile.rows.start for tile in layer.tiles})
        assert shape.rows == len(layer.tiles[0].rows)
        assert (shape.rows_per_read, shape.columns_per_read, shape.row_groups,
                shape.column_groups) == (
            layer.folding.rows_per_read, layer.folding.columns_per_read,
            layer.folding.row_groups, layer.folding.column_groups)
        assert ("logit_scaler" in engine.stages) == isinstance(layer.banks[0][0], Logit)


def test_arrays_to_choose_from(compiled):
    """Arrays, banks and levels reach the engines, and each knows what the next one chooses from."""
    for seed in range(4):
        network, target = compiled(seed, TARGET, hidden=2)
        accelerator = lower(network, target)
        assert accelerator.mask_bank.draws == tuple(len(draw.drops) for draw in network.draws)
        assert (accelerator.first_edge is None) == (network.layers[0].crossbars == 1)
        after = [*(layer.crossbars for layer in network.layers[1:]), 1]
        for layer, engine, edge, arrays in zip(
                network.layers, accelerator.engines, accelerator.edges, after, strict=True):
            assert engine.crossbar.weights == layer.arrays
            assert (engine.crossbar.geometry.arrays, engine.lanes) == (layer.crossbars, layer.bank_count)
            assert engine.reader.bits == layer.input_bits
            assert edge.buffer.next_arrays == arrays
            assert engine.map_cycles == map_cycles(layer, layer.folding)


def test_codes_of_binary_weights_are_counts(network):
    """Scale memories are for the number n of inputs that equal their weight: of the sum ``2 n - A``, where
    A is all inputs, they make the same."""
    *hidden, last = network.layers
    for index, layer in enumerate(hidden):
        engine = lower_layer(network, index, TARGET)
        assert engine.adder.o.payload.shape()["sums"].shape.elem_shape.stop > layer.fan_in
        for bank, words in zip(layer.banks[0], engine.stages["scale_mux"].banks[0], strict=True):
            for threshold, invert, word in zip(bank.threshold, bank.invert, words, strict=True):
                for n in range(layer.fan_in + 1):
                    assert (n >= word["threshold"][0]) ^ word["invert"] \
                        == (2 * n - layer.fan_in >= threshold) ^ invert
    assert last.banks[0][0].dropped > 0
    for dropped in (0, 1, last.banks[0][0].dropped):
        layer  = replace(last, banks=(tuple(replace(bank, dropped=dropped) for bank in last.banks[0]),))
        engine = lower_layer(replace(network, layers=(*hidden, layer)), len(hidden), TARGET)
        for bank, words in zip(layer.banks[0], engine.stages["scale_mux"].banks[0], strict=True):
            for gain, offset, word in zip(bank.gain, bank.offset, words, strict=True):
                for n in range(layer.fan_in + 1):
                    assert word["gain"] * n + word["offset"] >> engine.stages["logit_scaler"].dropped \
                        == gain * (2 * n - layer.fan_in) + offset >> dropped


def test_codes_of_inverted_normalization(centred_network):
    """The same of gains and offsets over the number n."""
    network = compile_network(centred_network(3, hidden=2), TARGET)
    for index, layer in enumerate(network.layers[:-1]):
        norm = lower_layer(network, index, TARGET).stages["instance_norm"]
        assert norm.sums == range(layer.fan_in + 1)
        assert norm.count == math.prod(layer.output_shape)
        for bank, words in zip(layer.banks[0], norm.banks[0], strict=True):
            for gain, offset, word in zip(bank.gain, bank.offset, words, strict=True):
                for n in norm.sums:
                    assert word["gain"] * n + word["offset"] == gain * (2 * n - layer.fan_in) + offset


def test_sequential(network):
    """Passes go apart in front of the first layer; where they do so for its masks, they do once."""
    buffer = lower(network, replace(TARGET, schedule="sequential")).sequential_edge.buffer
    assert (buffer.words, buffer.next_arrays) == (network.input.height * network.input.width, 5)
    assert buffer.sequencer.apart


def test_mtj(random_network):
    """10, 5 and 5 ns at 250 MHz; the pins and the currents of the target."""
    target  = replace(TARGET, rng="mtj", mtj_currents=(10, 20, 30), mtj_reset_current=255, clock_mhz=250.0)
    accelerator = lower(compile_network(random_network(3, hidden=2), target), target)
    [source] = accelerator.rng.sources
    assert isinstance(source, MtjRng)
    assert (source.currents, source.reset_current) == ((10, 20, 30), 255)
    assert source.cycles == (3, 2, 2)
    assert accelerator.signature.members["mtj"].dimensions == (1,)


def test_a_source_for_each_bit(random_network):
    """Each has a seed and health tests of its own, for the draw that it serves."""
    target  = replace(TARGET, sources="layer")
    network = compile_network(random_network(3, hidden=2), target)
    accelerator = lower(network, target)
    assert [source.seed for source in accelerator.rng.sources] == list(network.generator.seeds)
    assert [(places, test.proportion, test.distance) for places, test in accelerator.health] == [
        ((place,), cutoffs((drop,))["proportion"], distance) for distance in (0, 1)
        for place, drop in enumerate(network.generator.drop)]
    assert [name for name in accelerator.blocks if "health" in name] == [
        f"health_{number}" for number in range(6)]
    target = replace(target, rng="mtj", mtj_currents=(10, 20, 30), mtj_reset_current=255)
    assert lower(network, target).signature.members["mtj"].dimensions == (3,)


def test_macro(network):
    """Pins of every row tile, and an array that answers in the cycles of its time."""
    target = replace(TARGET, view="macro", array_ns=33.0)
    accelerator = lower(network, target)
    for layer, engine in zip(network.layers, accelerator.engines, strict=True):
        assert accelerator.signature.members[f"layer_{layer.name}"].dimensions == (engine.crossbar.tiles,)
        assert engine.crossbar.latency == 5 # 33 ns at 125 MHz


@pytest.mark.parametrize("time_ns, clock_mhz, count", [
    (10.0, 125.0, 2), (5.0, 125.0, 1), (16.0, 125.0, 2), (16.1, 125.0, 3), (8.0, 125.0, 1),
    (0.1, 125.0, 1), (10.0, 99.9, 1), (10.0, 100.0, 1), (10.0, 100.1, 2), (5.0, 200.0, 1),
])
def test_cycles(time_ns, clock_mhz, count):
    assert Target(clock_mhz=clock_mhz).cycles(time_ns) == count


@pytest.mark.parametrize("seed", range(10))
def test_logits_fit(random_network, seed):
    """No logit that the network can have needs more bits, and one bit less is too few for a sum that
    the words allow."""
    network = compile_network(random_network(seed), TARGET)
    logit  = lower_layer(network, -1, TARGET).word
    images = np.random.default_rng(0).integers(
        0, 256, (20, network.input.height, network.input.width), dtype=np.uint8)
    reached = paths(network, images)
    assert logit.signed
    assert -1 << logit.width - 1 <= reached.min() and reached.max() < 1 << logit.width - 1
    last = network.layers[-1]
    ends = [gain * n + offset >> bank.dropped for bank in last.banks[0]
            for gain, offset in zip(bank.gain, bank.offset, strict=True)
            for n in (-last.fan_in, last.fan_in)]
    assert not all(-1 << logit.width - 2 <= end < 1 << logit.width - 2 for end in ends)
