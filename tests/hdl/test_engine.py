# amaranth: UnusedElaboratable=no

import re

import numpy as np
import pytest
from amaranth.hdl import signed

from gen.checkpoint import with_parameters
from gen.compile import compile_network
from gen.ir import Input, Layer, Logit, Network, Target
from gen.lower import lower_layer
from gen.methods import choose
from gen.random_parameters import random_parameters
from golden.network import activate, layer_sums
from golden.pass_sets import part, replay
from hdl.engine import Engine, Levels, Logits, Masks
from hdl.layer.crossbar import Crossbar
from hdl.layer.line_buffer import LineBuffer
from hdl.pass_sets.mixer import Mix
from hdl.pass_sets.pass_split import Choice, pass_layout, pass_set_layout
from sim.compare.packing import pack
from sim.component import transfer
from tests.layers import LayerWithEdge


PASSES = 5

#: Small arrays, folded little, not at all, and much.
TARGETS = [Target(array_rows=16, array_columns=4, passes=PASSES, passes_max=PASSES, interval=interval)
           for interval in (None, 1, 400)]


def make_maps(layer, images, seed=0, next_arrays=1):
    """Maps of images, one to three each, with pass sets and masks; and the maps and sets that leave.

    Each map is run by the golden model with every choice that a pass has drawn, in this layer, unless
    the map is for one array, and then in the next one, if it chooses from ``next_arrays``.
    """
    rng = np.random.default_rng(seed)
    most = 2**layer.input_bits
    ports = {"i": [], "i_sets": []}
    ports |= {"late": []} if layer.bank_choice else {}
    ports |= {"early": []} if next_arrays > 1 else {}
    leaving, leaving_sets = [], []
    for _ in range(images):
        own, later = rng.integers(0, 2, PASSES), rng.integers(0, next_arrays, PASSES)
        if "late" in ports:
            ports["late"].append(pack(own, 1))
        if next_arrays > 1:
            ports["early"].append(sum(
                int(choice >> bit & 1) << bit * PASSES + number
                for number, choice in enumerate(later) for bit in range(next_arrays.bit_length() - 1)))
        count = int(rng.integers(1, 4))
        for number in range(count):
            x = rng.integers(0, most, (1, layer.height, layer.width, layer.channels), dtype=np.uint8)
            inside, last = int(rng.integers(1, 1 << PASSES)), number == count - 1
            array = int(rng.integers(layer.crossbars))
            ports["i"] += [pack(word, layer.input_bits) for word in x.reshape(-1, layer.channels)]
            ports["i_sets"].append(set_of(inside, last, array, layer.crossbars))
            drawn = own if "late" in ports else [array] * PASSES
            branches = part(inside, [*zip(drawn, later, strict=True)])
            for (outcome, next_array), pass_set, is_last in replay(branches, last):
                leaving += run(layer, x, array, outcome if layer.bank_choice else 0)
                leaving_sets.append(set_of(pass_set, is_last, next_array, next_arrays))
    return ports, leaving, leaving_sets


def set_of(members, last, choice=0, choices=1):
    return pass_set_layout(PASSES, choices).const(
        {"set": members, "last": last, "choice": choice}).as_bits()


def run(layer, x, array, bank):
    sums, chosen = layer_sums(layer, x, array), (np.array([array]), np.array([bank]))
    result = activate(layer, sums, *chosen)
    if isinstance(layer.banks[0][0], Logit):
        return result[0].tolist()
    return [pack(word, layer.output_bits) for word in result.reshape(-1, layer.outputs)]


#: Layers of a random network: two hidden ones, and that of the output.
LAYERS = range(3)

#: Networks; first those whose maps depend on the array that is chosen, wherever there are several.
APART = [2, 6]
SEEDS = [*APART, 0, 3]


def engine_of(compiled, seed, target, index):
    """A layer of a random network, the arrays that the next one chooses from, and the block."""
    network, target = compiled(seed, target, hidden=2)
    layer, *later = network.layers[index:]
    next_arrays = later[0].crossbars if later else 1
    early = Choice(tuple(range(next_arrays))) if next_arrays > 1 else None
    return layer, next_arrays, LayerWithEdge(lower_layer(network, index, target), early)


@pytest.mark.some(24)
@pytest.mark.parametrize("index", LAYERS)
@pytest.mark.parametrize("target", TARGETS, ids=["streamed", "unfolded", "folded"])
@pytest.mark.parametrize("seed", SEEDS)
def test_matches_golden(compiled, seed, target, index):
    """Hidden layers and an output layer, with padding, stride, pool, tiles and groups. Where nothing
    waits, each word and the first word that leaves come in the cycle that is stated."""
    layer, next_arrays, block = engine_of(compiled, seed, target, index)
    ports, leaving, leaving_sets = make_maps(layer, 2, seed, next_arrays)
    passed = transfer(block, ports, {"o": len(leaving), "o_sets": len(leaving_sets)})
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == leaving_sets
    # As many maps as the edge holds never wait.
    engine, edge = block.engine, block.edge
    taken = [number * engine.map_cycles + cycle
             for number in range(min(len(ports["i_sets"]), edge.buffer.depth))
             for cycle in engine.word_cycles]
    assert passed["i"].cycles[:len(taken)] == taken
    assert passed["o"].cycles[0] == engine.last_read + engine.latency + edge.latency


@pytest.mark.some(8)
@pytest.mark.parametrize("index", LAYERS)
@pytest.mark.parametrize("target", TARGETS[::2], ids=["streamed", "folded"])
@pytest.mark.parametrize("seed", [2, 3])
def test_under_back_pressure(compiled, seed, target, index):
    """Of arrays to choose from, one or the mean of two, and of banks; cf. :func:`test_waits`."""
    layer, next_arrays, block = engine_of(compiled, seed, target, index)
    ports, leaving, leaving_sets = make_maps(layer, 2, seed, next_arrays)
    passed = transfer(block, ports, {"o": len(leaving), "o_sets": len(leaving_sets)}, duty=0.5)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == leaving_sets


@pytest.mark.some(8)
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("index", LAYERS[:-1])
@pytest.mark.parametrize("target", TARGETS, ids=["streamed", "unfolded", "folded"])
@pytest.mark.parametrize("seed", [0, 3])
def test_inverted_normalization(centred_network, seed, target, index, duty):
    """The same of layers that compare with the mean of a map, which maps pass in close succession."""
    network = compile_network(centred_network(seed, hidden=2), target)
    block   = LayerWithEdge(lower_layer(network, index, target))
    ports, leaving, leaving_sets = make_maps(network.layers[index], 3, seed)
    passed = transfer(block, ports, {"o": len(leaving), "o_sets": len(leaving_sets)}, duty=duty)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == leaving_sets
    if duty == 1:
        assert passed["o"].cycles[0] == block.engine.last_read + block.engine.latency + block.edge.latency


#: How often ports are active in the cycles of a map, and first cycles of ports: so queues run empty, fill
#: up, and are written and read at once.
WAITS = {
    "sets late":    ({}, {"i_sets": 300}),
    "maps late":    ({}, {"i": 300}),
    "results late": ({}, {"o": 600, "o_sets": 600}),
    "sets rare":    ({"i_sets": 0.5}, {}),
    "results rare": ({"o_sets": 2.0}, {}),
}


@pytest.mark.some(10)
@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("index", LAYERS)
@pytest.mark.parametrize("seed", APART[:1])
def test_waits(compiled, seed, index, wait):
    """More maps than any queue holds, whichever end is late or slow."""
    layer, next_arrays, block = engine_of(compiled, seed, TARGETS[0], index)
    ports, leaving, leaving_sets = make_maps(layer, 4, seed, next_arrays)
    often, starts = WAITS[wait]
    passed = transfer(block, ports, {"o": len(leaving), "o_sets": len(leaving_sets)}, starts=starts,
                      duty={name: times / block.engine.map_cycles for name, times in often.items()})
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == leaving_sets


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("groups, banks", [(2, 1), (8, 1), (4, 2)])
def test_masks(groups, banks, duty):
    """Each pass has a map of its own, and a mask, which the reads wait for; a layer may choose banks too.
    Images have one to three passes."""
    rng   = np.random.default_rng(groups)
    sums  = range(-8, 9)
    weights = [int(rng.integers(1 << 8)) for _ in range(3)]
    words = [[{"threshold": [int(rng.integers(-8, 10))], "invert": int(rng.integers(2))} for _ in range(3)]
             for _ in range(banks)]
    engine = Engine(
        LineBuffer(3, 2, 2, kernel=(2, 2)),
        Crossbar([weights], 8, tile_rows=4, rows_per_read=2, columns_per_read=2, masked=True),
        Levels(), sums=sums, banks=[words], masks=Masks(groups, draw=1), passes=PASSES,
        bank_choice=Choice((0, 1), draw=0) if banks > 1 else None)
    block = LayerWithEdge(engine)
    assert block.edge.drawn == ({"late": 0} if banks > 1 else {})
    ports = {"i": [], "i_sets": [], "kept": [], **({"late": []} if banks > 1 else {})}
    leaving, leaving_sets, asked = [], [], []
    for _ in range(4):
        passes = int(rng.integers(1, 4))
        kept   = rng.integers(0, 2, (PASSES, groups))
        keep   = rng.integers(0, banks, PASSES)
        if banks > 1:
            ports["late"].append(pack(keep, 1))
        for number in range(passes):
            x = rng.integers(0, 2, (3, 2, 2))
            ports["i"] += [pack(word, 1) for word in x.reshape(-1, 2)]
            ports["i_sets"].append(set_of(1 << number, number == passes - 1, number, PASSES))
            ports["kept"].append(pack(kept[number], 1))
            asked.append(pass_layout(PASSES).const(
                {"number": number, "last": number == passes - 1}).as_bits())
            for row in range(2):
                inputs = x[row:row + 2].ravel()
                leaving.append(sum((int(sum(
                    (1 if inputs[index] == (weights[column] >> index & 1) else -1)
                    for index in range(8) if kept[number, index % groups])
                    >= words[keep[number]][column]["threshold"][0]) ^ words[keep[number]][column]["invert"])
                    << column for column in range(3)))
            leaving_sets.append(set_of(1 << number, number == passes - 1))
    taken  = {"o": len(leaving), "o_sets": len(leaving_sets), "passes": len(asked)}
    passed = transfer(block, ports, taken, duty=duty)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == leaving_sets
    assert passed["passes"].words == asked
    later = transfer(block, ports, taken, starts={"kept": 300})
    assert later["o"].words == leaving and later["o"].cycles[0] > 300


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("groups, columns, channel_groups", [(4, 1, 4), (4, 2, 2), (16, 1, 2), (8, 2, 2)])
def test_masks_of_groups_of_channels(groups, columns, channel_groups, duty):
    """Levels of two bits of four channels, which outputs see in groups; each pass has a mask of the map
    that enters."""
    rng, channels, bits = np.random.default_rng(groups), 4, 2
    fan_in, seen, outputs = 16 // channel_groups, channels // channel_groups, 4
    sums = range(-3 * fan_in, 3 * fan_in + 1)
    weights = [int(rng.integers(1 << fan_in)) for _ in range(outputs)]
    words = [{"threshold": [int(rng.integers(-6, 7))], "invert": int(rng.integers(2))}
             for _ in range(outputs)]
    engine = Engine(
        LineBuffer(3, 2, channels * bits, kernel=(2, 2)),
        Crossbar([weights], fan_in, tile_rows=4, rows_per_read=2, columns_per_read=columns, masked=True),
        Levels(), sums=sums, banks=[[words]], bits=bits, masks=Masks(groups), passes=PASSES)
    assert engine.reader.channel_groups == channel_groups
    ports = {"i": [], "i_sets": [], "kept": []}
    leaving = []
    for number in range(PASSES):
        x = rng.integers(0, 4, (3, 2, channels))
        kept = rng.integers(0, 2, groups)
        ports["i"] += [pack(word, bits) for word in x.reshape(-1, channels)]
        ports["i_sets"].append(set_of(1 << number, number == PASSES - 1, number, PASSES))
        ports["kept"].append(pack(kept, 1))
        for row in range(2):
            # Numbered in raster order of the kernel, with the channel fastest; so is the mask.
            masked = (2 * x[row:row + 2] - 3) * kept[np.arange(16) % groups].reshape(2, 2, channels)
            found  = 0
            for output, word in enumerate(words):
                first = output * channel_groups // outputs * seen
                inputs = masked[..., first:first + seen].ravel()
                total  = sum(value if weights[output] >> index & 1 else -value
                             for index, value in enumerate(inputs.tolist()))
                found |= (int(total >= word["threshold"][0]) ^ word["invert"]) << output
            leaving.append(found)
    taken  = {"o": len(leaving), "o_sets": PASSES, "passes": PASSES}
    passed = transfer(LayerWithEdge(engine), ports, taken, duty=duty)
    assert passed["o"].words == leaving


def test_values_that_enter():
    """Levels by the thresholds of each channel, of which one is a sign, and one falls as values rise."""
    network = choose(Network("values", Input(3, 4, (128,)), (
        Layer("stem", 3, 4, 1, (1, 1), 3, output_bits=4, fraction=1),
        Layer("behind", 3, 4, 3, (2, 2), 6, input_bits=2, value_inverts=(0, 1, 0),
              value_thresholds=(-8, 0, 8, -5, -1, 3, 0, 1, 2)),
        Layer("last", 2, 3, 6, (2, 3), 2))), "deterministic")
    network = compile_network(with_parameters(network, random_parameters(network, 1)), TARGETS[0])
    layer, block = network.layers[1], LayerWithEdge(lower_layer(network, 1, TARGETS[0]))
    values = np.random.default_rng(1).integers(-8, 8, (6, 3, 4, 3))
    first  = (values[..., 0] >= -8).astype(int) + (values[..., 0] >= 0)
    second = 3 - sum((values[..., 1] >= threshold).astype(int) for threshold in (-5, -1, 3))
    third  = values[..., 2].clip(-1, 2) + 1
    levels = np.stack([first, second, third], axis=-1).astype(np.uint8)
    leaving = [word for each in levels for word in run(layer, each[None], 0, 0)]
    assert len(set(leaving)) > 20
    ports  = {"i": [pack(word + 8, 4) for word in values.reshape(-1, 3)],
              "i_sets": [set_of(1, True)] * len(values)}
    passed = transfer(block, ports, {"o": len(leaving), "o_sets": len(values)})
    assert passed["o"].words == leaving


def test_no_word_leaves_without_a_set():
    """A map waits for its pass set and for the mask of its image."""
    block  = LayerWithEdge(make_engine())
    passed = transfer(block, {"i": [1] * 8, "i_sets": [set_of(3, 1)] * 2, "late": [1, 2]},
                      {"o": 4, "o_sets": 4}, starts={"late": 300})
    assert passed["o"].cycles[0] > 300


def test_reads_wait_for_the_array():
    """A map is not read before it is known from which array."""
    block = LayerWithEdge(make_engine(arrays=2))
    ports  = {"i": [1] * 8, "i_sets": [set_of(3, 1, array, 2) for array in range(2)]}
    passed = transfer(block, ports, {"o": 2, "o_sets": 2}, starts={"i_sets": 300})
    assert passed["o"].cycles[0] > 300


def make_engine(logit=None, columns_per_read=1, height=2, outputs=1, arrays=1):
    word = {"threshold": [1], "invert": 0} if logit is None else {"gain": 1, "offset": 0}
    return Engine(
        LineBuffer(height, 2, 1, kernel=(2, 2)),
        Crossbar([[0b1010] * outputs] * arrays, 4, tile_rows=4, rows_per_read=4,
                 columns_per_read=columns_per_read),
        Levels() if logit is None else Logits(logit), sums=range(5),
        banks=[[[word] * outputs]] * arrays if arrays > 1 else [[[word] * outputs] * 2],
        array_choice=Choice(tuple(range(arrays))) if arrays > 1 else None,
        bank_choice=None if arrays > 1 else Choice((0, 1)), passes=PASSES)


@pytest.mark.parametrize("banks, choice, message", [
    (1, None, "Banks to mix must be 2, without a choice of one, not 1 with None"),
    (2, Choice((0, 1)), "Banks to mix must be 2, without a choice of one, not 2 with Choice(table=(0, 1), "
                        "draw=0)"),
])
def test_rejects_mixes(banks, choice, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Engine(LineBuffer(2, 2, 1, kernel=(2, 2)),
               Crossbar([[0b1010]], 4, tile_rows=4, rows_per_read=4, columns_per_read=1), Levels(),
               sums=range(5), banks=[[[{"threshold": [1], "invert": 0}]] * banks], bank_choice=choice,
               mix=Mix(1, 1), passes=PASSES)


def test_rejects_thresholds_of_values():
    with pytest.raises(ValueError, match="^Levels of 1 bits must have 1 thresholds of values, not 3$"):
        Engine(LineBuffer(2, 2, 1, kernel=(2, 2)),
               Crossbar([[0b1010]], 4, tile_rows=4, rows_per_read=4, columns_per_read=1), Levels(),
               sums=range(5), banks=[[[{"threshold": [1], "invert": 0}]]], value_bits=4,
               entrance=[((-1, 0, 1), 0)], passes=PASSES)


def test_rejects_logits_side_by_side():
    with pytest.raises(ValueError, match="^Output layer must read 1 column, not 2$"):
        make_engine(signed(8), 2, 2, outputs=2)
