"""The golden model of networks in which ways part and meet again, against loops over every pass."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gen.checkpoint import with_parameters
from gen.compile import compile_network
from gen.ir import Input, Join, Layer, Logit, Network, Target, Value
from gen.methods import choose
from gen.random_parameters import random_parameters
from golden import network as golden
from golden import tables
from golden.random.outcomes import outcomes


VALUES = {"output_bits": 5, "fraction": 3}

#: Values that are added, and channels side by side; beside the first way a layer, beside the other none.
#: What takes the sum takes levels of two bits of it, by thresholds of each channel; the second falls as
#: values rise. One map becomes larger.
NETWORK = Network("joins", Input(4, 3, (90, 150)), (
    Layer("stem", 4, 3, 2, (2, 2), 3, padding=1, **VALUES),
    Layer("first", 5, 4, 3, (3, 3), 2, padding=1, stride=2),
    Layer("second", 3, 2, 2, (1, 1), 2, **VALUES),
    Layer("beside", 5, 4, 3, (1, 1), 2, stride=2, source="stem", **VALUES),
    Layer("third", 3, 2, 2, (1, 1), 3, input_bits=2, value_thresholds=(-9, 0, 3, -4, 1, 16),
          value_inverts=(0, 1), source="sum"),
    Layer("fourth", 3, 2, 3, (3, 1), 2, resize=(3, 1)),
    Layer("last", 3, 2, 5, (3, 2), 3, source="both"),
), joins=(Join("sum", "second", "beside", branch_thresholds=(*[-16] * 9, *range(-9, 9), *[16] * 4)),
          Join("both", "fourth", "third", "concat")))


def level_of(network, name, maps, y, x, channel):
    """Level that a layer takes from the map of its source: the sign of a value, or of the sum how many
    thresholds it has reached."""
    layer = next((layer for layer in network.layers if layer.name == name), None)
    height, width = maps[name].shape[:2]
    if not (0 <= y < height and 0 <= x < width):
        return 0
    level = int(maps[name][y, x, channel])
    if name == "sum" and channel == 0:
        return (level >= 7) + (level >= 16) + (level >= 19)
    if name == "sum":
        return 3 - (level >= 12) - (level >= 17) # no value reaches 16
    return int(level >= 16) if layer and layer.fraction is not None else level


def layer_map(network, layer, source, maps, array, bank):
    """What leaves a layer, one sum after another."""
    height, width, _ = layer.output_shape
    result = np.zeros(layer.output_shape, dtype=np.int64)
    part = layer.banks[array][bank]
    for y, x, output in np.ndindex(height, width, layer.outputs):
        total, column = 0, layer.arrays[array][output]
        for number, (ky, kx, channel) in enumerate(np.ndindex(*layer.kernel, layer.channels)):
            row, column_of = y // layer.resize[0], x // layer.resize[1]
            level = level_of(network, source, maps, row * layer.stride[0] + ky - layer.padding[0],
                             column_of * layer.stride[1] + kx - layer.padding[1], channel)
            total += (2 * level - 2**layer.input_bits + 1) * (2 * (column >> number & 1) - 1)
        if isinstance(part, Value | Logit):
            result[y, x, output] = part.gain[output] * total + part.offset[output] >> part.dropped
            if isinstance(part, Value):
                result[y, x, output] = min(max(result[y, x, output], -16), 15) + 16
        else:
            result[y, x, output] = (total >= part.threshold[output]) ^ part.invert[output]
    return result


@pytest.mark.parametrize("method", ["scale-dropout", "ensemble"])
def test_every_pass(method):
    network = choose(NETWORK, method)
    network = with_parameters(network, random_parameters(network, 7))
    network = compile_network(network, Target(array_rows=16, array_columns=16))
    rng    = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 4, 3), dtype=np.uint8)
    bits   = rng.integers(0, 2, (2, 5, len(network.drops))).astype(bool)
    arrays, banks = outcomes(network, bits)
    sources = {"stem": None, "first": "stem", "second": "first", "beside": "stem", "third": "sum",
               "fourth": "third", "last": "both"}
    logits  = np.empty((2, 5, 3), dtype=np.int64)
    held = set()
    for image, number in np.ndindex(2, 5):
        maps = {None: golden.input_levels(network, images[image:image + 1])[0]}
        for index, layer in enumerate(network.layers):
            if layer.name == "third":
                # How many thresholds the other way has reached.
                total = maps["second"] + np.clip(maps["beside"], 6, 24) + 3 - 32
                maps["sum"] = np.clip(total, -16, 15) + 16
                held |= set(np.sign(total[np.clip(total, -16, 15) != total]).tolist())
            if layer.name == "last":
                maps["both"] = np.concatenate([maps["fourth"], maps["third"]], axis=2)
            maps[layer.name] = layer_map(network, layer, sources[layer.name], maps,
                                         arrays[image, number, index], banks[image, number, index])
        logits[image, number] = maps["last"][0, 0]
        alone, hidden = golden.forward(network, images[image:image + 1], bits[image:image + 1, number],
                                       number=number, maps=True)
        assert (alone[0] == logits[image, number]).all()
        for layer, found in zip(network.layers, hidden, strict=False):
            assert (found[0] == maps[layer.name]).all()
    assert held # some sums were beyond what their bits hold
    assert (golden._passes(network, images, bits) == logits).all()


@pytest.mark.parametrize("operation", ["add", "concat"])
def test_larger_joins(operation):
    """Each place of the joined map is repeated, down and to the right."""
    rng = np.random.default_rng(2)
    one, other = rng.integers(0, 32, (2, 4, 3, 2, 5), dtype=np.uint8)
    join  = Join("join", "one", "other", operation, resize=(2, 3))
    found = golden.joined(join, one, other, 5)
    assert found.shape == (4, 6, 6, 5 if operation == "add" else 10) and found.dtype == np.uint8
    for image, y, x, channel in np.ndindex(found.shape):
        pair = [int(levels[image, y // 2, x // 3, channel % 5]) for levels in (one, other)]
        assert found[image, y, x, channel] == (
            min(max(sum(pair) - 16, 0), 31) if operation == "add" else pair[channel // 5])


def test_a_join_is_larger_as_its_sources_are():
    """So a network with a join that resizes has the logits of one whose layers before it do."""
    sizes = {"third": (6, 4), "fourth": (6, 4), "last": (6, 4)}
    layers = tuple(replace(layer, **dict(zip(("height", "width"), sizes.get(
        layer.name, (layer.height, layer.width)), strict=True))) for layer in NETWORK.layers)
    layers = tuple(replace(layer, **{"third": {"kernel": (1, 1)}, "fourth": {
        "kernel": (3, 1), "padding": (1, 0), "resize": (1, 1)}, "last": {"kernel": (6, 4)}}.get(
            layer.name, {})) for layer in layers)
    larger = replace(NETWORK, layers=layers, joins=(replace(NETWORK.joins[0], resize=2), NETWORK.joins[1]))
    before = replace(larger, joins=NETWORK.joins, layers=tuple(
        replace(layer, resize=(2, 2)) if layer.name in ("second", "beside") else layer for layer in layers))
    images = np.random.default_rng(3).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    found  = []
    for network in larger, before:
        network = choose(network, "scale-dropout")
        network = with_parameters(network, random_parameters(network, 7))
        network = compile_network(network, Target())
        bits = np.random.default_rng(4).integers(0, 2, (6, 5, len(network.drops))).astype(bool)
        found.append([golden.predict(network, images, bits)[1], tables.predict(network, images, bits)[1]])
    assert len(np.unique(found[0][0])) > 20
    assert all((each == found[0][0]).all() for pair in found for each in pair)


def test_values_are_those_of_the_normalization():
    """Those that it has in fixed point, rounded to the nearest, for every sum."""
    network = choose(NETWORK, "scale-dropout")
    network = with_parameters(network, random_parameters(network, 7))
    made    = compile_network(network, Target(array_rows=16, array_columns=16))
    checked = 0
    for layer, banks in zip(network.layers, (layer.banks for layer in made.layers), strict=True):
        if layer.fraction is None:
            continue
        for normalization, bank in zip(layer.normalizations[0], banks[0], strict=True):
            for channel, total in np.ndindex(layer.outputs, len(layer.sums)):
                bias, scale, gamma, beta, mean, deviation = (Fraction(getattr(normalization, name)[channel])
                    for name in ("bias", "scale", "gamma", "beta", "mean", "deviation"))
                y = gamma * ((layer.sums[total] + bias) * scale - mean) / deviation + beta
                value = bank.gain[channel] * layer.sums[total] + bank.offset[channel] >> bank.dropped
                rounded = math.floor(y * 2**layer.fraction + Fraction(1, 2))
                assert min(max(value, -16), 15) == min(max(rounded, -16), 15)
                checked += 1
    assert checked > 100
