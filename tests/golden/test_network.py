import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.ir import BankChoice, Draw, Input, Layer, MaskChoice, MixChoice, Network, Normalization, Target
from gen.methods import DEFAULT, METHODS, choose, name_of, network_of
from gen.networks import NETWORKS
from gen.precision import BOUND
from gen.transforms.banks import SHARE
from gen.weights import pack
from golden import network as golden
from golden.data import load_sample
from golden.head import average, softmax
from golden.methods.checkpoints import load
from golden.random.generator import choices
from golden.scores import over_combinations


TARGET = Target()

#: Arrays wide enough for weights of eight bits.
WIDE = Target(array_rows=16, array_columns=128)


def random_images(network, count, seed=0):
    return np.random.default_rng(seed).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)


def combinations(network):
    """Every combination of random bits of a pass, the last bit running fastest."""
    return np.array(list(itertools.product((False, True), repeat=len(network.drops))))


def outcomes(network, bits, number=0):
    """Array and bank of each layer, in pass ``number`` with the random bits ``bits``."""
    drawn, left = {}, list(bits)
    for draw in network.draws:
        if draw.drops is None:
            drawn[draw.name] = number
            continue
        digits = "".join("1" if left.pop(0) else "0" for _ in draw.drops)
        drawn[draw.name] = int(digits, 2)
    assert not left
    taken = []
    for layer in network.layers:
        pair = [0, 0]
        for choice in layer.choices:
            pair[isinstance(choice, BankChoice)] = choice.table[drawn[choice.draw] % len(choice.table)]
        taken.append(tuple(pair))
    return taken


def value(level, bits, low):
    """What a level stands for."""
    return low + (1 - low) * Fraction(int(level), 2**bits - 1)


def weight_of(layer, outcome, output, number):
    """A weight as a number from -1 to 1: the mean of those of the arrays that are read."""
    total = 0
    for array in (layer.arrays[number] for number in layer.array_sets[outcome]):
        field = array[output] >> number * layer.weight_bits & (1 << layer.weight_bits) - 1
        size  = 1 << layer.weight_bits
        total += 2 * field - 1 if layer.weight_bits == 1 else Fraction(
            field - size if field >= size // 2 else field, size // 2 - 1)
    return Fraction(total, layer.ways)


def undecided(layer):
    """How near y may be to its mean over a map without the level being known, as both are rounded: twice
    the error of each, in units of what one more of a sum adds to y in a channel with a large gain."""
    most = max(1, 2**(layer.weight_bits - 1) - 1)
    step = Fraction(1 - layer.input_low, (1 + (layer.weight_bits == 1)) * (2**layer.input_bits - 1) * most
                    * layer.ways)
    largest = [max(abs(Fraction(gamma) * Fraction(scale) / Fraction(deviation)) for gamma, scale, deviation
                   in zip(part.gamma, part.scale, part.deviation, strict=True))
               for of_array in layer.normalizations for part in of_array]
    return 2 * SHARE * min(filter(None, largest)) * step


def slow(network, image, taken, known=None):
    """One pass of an uncompiled network by the definitions, with the array and the bank ``taken`` in each
    layer: products of values, one at a time, and rational numbers. Returns the values that leave each
    hidden layer, and the float logits ``y``. Levels that rounding decides are those of the maps ``known``.
    """
    first  = network.layers[0]
    bounds = np.array(network.input.thresholds).reshape(-1, 2**network.input.bits - 1).tolist()
    x = [[[value(sum(pixel >= bound for bound in channel), first.input_bits, first.input_low)
           for channel in bounds] for pixel in row] for row in image.tolist()]
    maps = []
    for layer, (array, bank) in zip(network.layers, taken, strict=True):
        part, (top, left) = layer.normalizations[array][bank], layer.padding
        empty = [layer.input_low] * layer.channels
        wide = [empty] * (layer.width + 2 * left)
        x = [wide] * top + [[empty] * left + row + [empty] * left for row in x] + [wide] * top
        sums = {}
        for row, column, output in itertools.product(*map(range, layer.positions),
                                                      range(layer.outputs)):
            s, number = 0, 0
            for dy, dx, channel in itertools.product(*map(range, layer.kernel),
                                                     range(layer.channels)):
                weight = weight_of(layer, array, output, number)
                s += weight * x[row * layer.stride[0] + dy][column * layer.stride[1] + dx][channel]
                number += 1
            sums[row, column, output] = s
        height, width, _ = layer.output_shape
        y = [[[None] * layer.outputs for _ in range(width)] for _ in range(height)]
        for row, column, output in itertools.product(range(height), range(width),
                                                     range(layer.outputs)):
            s = max(sums[row * layer.pool[0] + dy, column * layer.pool[1] + dx, output]
                    for dy in range(layer.pool[0]) for dx in range(layer.pool[1]))
            z = (s + Fraction(part.bias[output])) * Fraction(part.scale[output])
            y[row][column][output] = Fraction(part.gamma[output]) * (z - Fraction(
                part.mean[output])) / Fraction(part.deviation[output]) + Fraction(part.beta[output])
        bits, low = layer.output_bits, layer.output_low
        if part.centred:
            every = [s for row in y for pixel in row for s in pixel]
            mean, near = Fraction(sum(every), len(every)), undecided(layer)
            level = known[len(maps)] if known else None
            x = [[[value(level[row, column, output] if abs(s - mean) <= near else s >= mean, 1, -1)
                   for output, s in enumerate(pixel)] for column, pixel in enumerate(of_row)]
                 for row, of_row in enumerate(y)]
            maps.append(x)
            continue
        ends = [low + (j - Fraction(1, 2)) * (1 - low) / (2**bits - 1) for j in range(1, 2**bits)]
        x = [[[value(sum(s >= end for end in ends), bits, low) for s in pixel] for pixel in row]
             for row in y]
        maps.append(x)
    return maps[:-1], np.array(y, dtype=float)[0, 0]


def values_of(layer, levels):
    """What the levels (H, W, C) that leave ``layer`` stand for."""
    return [[[value(level, layer.output_bits, layer.output_low) for level in pixel] for pixel in row]
            for row in levels]


def float_softmax(y):
    power = np.exp(y - y.max(-1, keepdims=True))
    return power / power.sum(-1, keepdims=True)


@pytest.mark.parametrize("seed", range(25))
def test_equals_definitions(random_network, seed):
    """The first link: hidden bits exactly, probabilities to their bound."""
    network = random_network(seed)
    compiled = compile_network(network, TARGET)
    images = random_images(network, 2)
    for keep in combinations(network):
        logits, maps = golden.forward(compiled, images, np.array([keep] * 2), maps=True)
        for index, image in enumerate(images):
            expected, y = slow(network, image, outcomes(network, keep))
            assert len(maps) == len(expected)
            for bits, signs in zip(maps, expected, strict=True):
                assert (2 * bits[index].astype(int) - 1).tolist() == signs
            assert abs(softmax(logits[index], compiled.head) / 65536 - float_softmax(y)).max() <= BOUND


@pytest.mark.parametrize("seed", range(12))
def test_banks_of_channels(random_network, seed):
    """Each channel is that of a network whose channels all take its bank; the same for logits, and in
    :func:`golden.network.predict`, in which passes share what they have in common."""
    network  = compile_network(random_network(seed), TARGET)
    rng      = np.random.default_rng(seed)
    images   = random_images(network, 2)
    place    = int(rng.integers(len(network.layers)))
    layer    = network.layers[place]
    draw     = layer.bank_choice.draw
    mixed    = replace(network, draws=tuple(
        Draw(draw, (0.5,) * layer.outputs) if each.name == draw else each for each in network.draws),
        layers=(*network.layers[:place], replace(layer, choices=(MixChoice(draw),)),
                *network.layers[place + 1:]), generator=None, health=())
    start = network.places(draw).start
    bits  = rng.random((2, 6, len(mixed.drops))) < 0.5
    bits[:, 3] = bits[:, 0] # passes that share all
    found = [golden.forward(mixed, images, bits[:, number], maps=True) for number in range(6)]
    for number, (logits, maps) in enumerate(found):
        left, right = bits[:, number, :start], bits[:, number, start + layer.outputs:]
        banks = [golden.forward(network, images, np.concatenate(
            [left, np.full((2, 1), bank), right], 1), maps=True) for bank in (False, True)]
        for image in range(2):
            kept = bits[image, number, start:start + layer.outputs].astype(int)
            own, *both = ([*maps, logits][place][image] for logits, maps in ((logits, maps), *banks))
            assert (own == np.where(kept, both[1], both[0])).all()
    _, probabilities = golden.predict(mixed, images, bits)
    assert (probabilities == np.stack([softmax(logits, network.head) for logits, _ in found], 1)).all()


@pytest.mark.parametrize("seed", range(30))
def test_spinbayes_equals_definitions(random_spinbayes, seed):
    """The same for several arrays, and levels and weights of several bits, for some choices."""
    network = random_spinbayes(seed)
    compiled = compile_network(network, WIDE)
    images = random_images(network, 2)
    rng = np.random.default_rng(seed)
    for bits in rng.permutation(combinations(network))[:4]:
        logits, maps = golden.forward(compiled, images, np.array([bits] * 2), maps=True)
        for index, image in enumerate(images):
            expected, y = slow(network, image, outcomes(network, bits))
            assert len(maps) == len(expected)
            for layer, levels, values in zip(network.layers, maps, expected, strict=False):
                assert values_of(layer, levels[index]) == values
            assert abs(softmax(logits[index], compiled.head) / 65536 - float_softmax(y)).max() <= BOUND


@pytest.mark.parametrize("seed", range(25))
def test_inverted_normalization(centred_network, seed):
    """By the definition, but for what rounding decides; and exactly by a loop over the integers of the
    compiled network."""
    network  = centred_network(seed)
    compiled = compile_network(network, TARGET)
    [image]  = random_images(network, 1)
    for bits in combinations(network)[:8]:
        taken = outcomes(network, bits)
        logits, maps = golden.forward(compiled, image[None], bits[None], maps=True)
        maps = [levels[0] for levels in maps]
        expected, y = slow(network, image, taken, maps)
        for layer, levels, values in zip(network.layers, maps, expected, strict=False):
            assert values_of(layer, levels) == values
        assert abs(softmax(logits[0], compiled.head) / 65536 - float_softmax(y)).max() <= BOUND
        entering = golden.input_levels(network, image[None])
        for layer, levels, (array, bank) in zip(compiled.layers, maps, taken, strict=False):
            sums = golden.layer_sums(layer, entering, array)[0].astype(int).tolist()
            part = layer.banks[array][bank]
            z = [[[gain * s + offset for s, gain, offset in zip(pixel, part.gain, part.offset, strict=True)]
                  for pixel in row] for row in sums]
            every = [each for row in z for pixel in row for each in pixel]
            assert levels.tolist() == [[[int(len(every) * each >= sum(every)) for each in pixel]
                                        for pixel in row] for row in z]
            entering = levels[None]


@pytest.mark.parametrize("seed", range(25))
def test_spinbayes_paths_equal_forward(random_spinbayes, seed):
    network = compile_network(random_spinbayes(seed, hidden=1), WIDE)
    images = random_images(network, 5)
    logits = golden.paths(network, images)
    every = combinations(network)
    assert (golden.combinations(network) == every).all()
    assert logits.shape == (5, len(every), network.layers[-1].outputs)
    for index, bits in enumerate(every):
        assert (logits[:, index] == golden.forward(network, images, np.array([bits] * 5))).all()


@pytest.mark.parametrize("seed", range(10))
def test_spinbayes_predict_equals_its_passes(random_spinbayes, seed, monkeypatch):
    monkeypatch.setattr(golden, "BATCH", 4)
    network = compile_network(random_spinbayes(seed, hidden=2), WIDE)
    images = random_images(network, 10)
    bits = choices(network.generator, 10, 7)
    expected = np.stack([softmax(golden.forward(network, images, bits[:, number]), network.head)
                         for number in range(7)], axis=1)
    assert (golden.predict(network, images, bits)[1] == expected).all()


@pytest.fixture(scope="module")
def mixed(mixed_network):
    """A network with choices of every kind, and the same compiled."""
    network = mixed_network()
    assert len(network.drops) == 5 and [draw.drops is None for draw in network.draws].count(True) == 1
    assert [(len(layer.array_sets), layer.bank_count) for layer in network.layers] == [
        (1, 4), (1, 1), (1, 2), (1, 4), (4, 1), (2, 3), (1, 2), (3, 1)]
    return network, compile_network(network, WIDE)


def test_all_kinds_of_choice_equal_definitions(mixed):
    """Every combination of random bits, in passes of all numbers that matter, and of one beyond them."""
    network, compiled = mixed
    image = random_images(network, 1)
    seen = set()
    for index, bits in enumerate(combinations(network)):
        for number in ((0, 1, 2), (5, 3, 4))[index % 2]:
            taken = outcomes(network, bits, number)
            seen |= {(layer.name, *pair) for layer, pair in zip(network.layers, taken, strict=True)}
            logits, maps = golden.forward(compiled, image, bits[None], number=number, maps=True)
            expected, y = slow(network, image[0], taken, [levels[0] for levels in maps])
            for layer, levels, values in zip(network.layers, maps, expected, strict=False):
                assert values_of(layer, levels[0]) == values
            assert len(maps) == len(expected)
            assert abs(softmax(logits[0], compiled.head) / 65536 - float_softmax(y)).max() <= BOUND
    assert len(seen) == 4 + 1 + 2 + 4 + 4 + 6 + 2 + 3 # each array with each bank


def test_all_kinds_of_choice_are_predicted(mixed, monkeypatch):
    """The passes of a prediction are those that run alone, whatever they share."""
    monkeypatch.setattr(golden, "BATCH", 7)
    _, network = mixed
    images = random_images(network, 20)
    bits = choices(network.generator, 20, 11)
    expected = np.stack([softmax(golden.forward(
        network, images, bits[:, number], number=number), network.head) for number in range(11)], axis=1)
    prediction, probabilities = golden.predict(network, images, bits)
    assert (probabilities == expected).all()
    assert (prediction.sums == expected.sum(1)).all()
    assert (expected[:, :3] != expected[:, 3:6]).any() # it would prove nothing if passes were alike


def test_combinations_with_the_number_of_the_pass(mixed):
    """Each combination of bits comes once for each number that matters, as likely as the others."""
    network, compiled = mixed
    images = random_images(network, 3)
    every  = np.repeat(combinations(network), 3, axis=0)
    assert golden.combination_count(compiled) == len(every) == 96
    assert (golden.combinations(compiled) == every).all()
    logits, share = golden.paths(compiled, images), golden.path_probabilities(compiled)
    for index, bits in enumerate(every):
        assert (logits[:, index] == golden.forward(
            compiled, images, np.array([bits] * 3), number=index % 3)).all()
        alone = [p if not bit else 1 - p for bit, p in zip(bits, (0.3, 0.5, 0.25, 0.5, 0.5), strict=True)]
        assert share[index] == pytest.approx(np.prod(alone) / 3)
    assert share.sum() == pytest.approx(1)


@pytest.mark.parametrize("lengths, turns", [((2, 3), 6), ((4, 6), 12), ((3,), 3)])
def test_combinations_of_numbers_of_passes_alone(lengths, turns):
    """Tables of several lengths begin again together after their least common multiple."""
    layers = tuple(Layer(f"layer{length}", 1, 1, 1, (1, 1), 1, choices=(
        BankChoice("turn", tuple(range(length))),)) for length in lengths)
    network = Network("turns", Input(1, 1, (1,)), layers, draws=(Draw("turn", None),))
    assert golden.combinations(network).shape == (turns, 0)
    assert golden.path_probabilities(network) == pytest.approx(np.full(turns, 1 / turns))


def test_no_choice_has_one_combination(random_network):
    network = random_network(4, hidden=1)
    network = compile_network(replace(network, draws=(), layers=tuple(
        replace(layer, choices=(), normalizations=(layer.normalizations[0][:1],))
        for layer in network.layers)), TARGET)
    images = random_images(network, 4)
    bits = choices(network.generator, 4, 6)
    assert bits.shape == (4, 6, 0) and golden.combinations(network).shape == (1, 0)
    assert golden.path_probabilities(network).tolist() == [1]
    logits = golden.forward(network, images, bits[:, 0])
    assert (golden.paths(network, images)[:, 0] == logits).all()
    _, probabilities = golden.predict(network, images, bits)
    assert (probabilities == softmax(logits, network.head)[:, None]).all()


@pytest.mark.parametrize("seed", range(60))
def test_sums_of_pairs(seed):
    """Of any kernel, stride, border and pool, against loops over all products, and against torch. Of every
    third layer the map has one row or column, and every other one is depthwise."""
    rng    = np.random.default_rng(seed)
    height, width = (1 if seed % 6 == one else int(rng.integers(1, 9)) for one in (0, 3))
    padding = tuple(int(side) for side in rng.integers(0, 3, 2))
    kernel  = tuple(int(rng.integers(border + 1, max(border + 2, side + 2 * border + 1)))
                    for border, side in zip(padding, (height, width), strict=True))
    padding = tuple(border if side <= whole + 2 * border else border + 1 for border, side, whole in zip(
        padding, kernel, (height, width), strict=True))
    stride  = tuple(int(side) for side in rng.integers(1, 4, 2))
    layer   = Layer("pairs", height, width, 2, kernel, 4, stride=stride, padding=padding, weight_bits=3,
                    input_bits=2, groups=1 + seed % 2)
    pool    = tuple(int(rng.integers(1, side + 1)) for side in layer.positions)
    weight  = rng.integers(-3, 4, (4, layer.fan_in))
    layer   = replace(layer, pool=pool, arrays=(pack(weight, 3),))
    maps    = rng.integers(0, 4, (2, height, width, 2)).astype(np.uint8)
    sums    = golden.layer_sums(layer, maps)
    rows, columns, _ = layer.output_shape
    assert sums.shape == (2, rows, columns, 4)

    seen    = layer.group_channels
    kernels = weight.reshape(4, *kernel, seen)
    for image, row, column, output in np.ndindex(sums.shape):
        found = []
        for down, right in np.ndindex(pool):
            top  = (row * pool[0] + down) * stride[0] - padding[0]
            left = (column * pool[1] + right) * stride[1] - padding[1]
            found.append(sum(
                int(maps[image, top + y, left + x, channel + output // 2 * (2 - seen)])
                * int(kernels[output, y, x, channel])
                for y, x, channel in np.ndindex(*kernel, seen)
                if 0 <= top + y < height and 0 <= left + x < width))
        assert sums[image, row, column, output] == max(found)
    torched = torch.nn.functional.max_pool2d(torch.nn.functional.conv2d(
        torch.tensor(maps).permute(0, 3, 1, 2).double(), torch.tensor(kernels).permute(0, 3, 1, 2).double(),
        stride=stride, padding=padding, groups=layer.groups), pool)
    assert (torched.permute(0, 2, 3, 1).numpy() == sums).all()


@pytest.mark.parametrize("dropped", ["channels", "inputs"])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_sums_of_masked_groups(groups, dropped):
    """As torch has them: what it drops of the map that enters, a channel with its border, is 0 for the
    outputs that see it, and nothing to others."""
    rng   = np.random.default_rng(groups)
    layer = Layer("masked", 5, 4, 6, (3, 2), 12, padding=(2, 1), stride=(2, 1), groups=groups, input_bits=2)
    if dropped == "inputs": # of a layer that sees the whole map at once
        layer = replace(layer, kernel=(5, 4), padding=(0, 0), stride=(1, 1))
    weight = rng.choice([-1, 1], (12, layer.fan_in))
    layer  = replace(layer, arrays=(pack(weight, 1),))
    maps   = rng.integers(0, 4, (9, 5, 4, 6)).astype(np.uint8)
    keep   = rng.random((9, 6, *((5, 4) if dropped == "inputs" else (1, 1)))) < 0.6
    top, left = layer.padding
    values = torch.nn.functional.pad(
        torch.tensor(2 * maps.astype(int) - 3).permute(0, 3, 1, 2), (left, left, top, top), value=-3)
    kernels = torch.tensor(weight.reshape(12, *layer.kernel, -1)).permute(0, 3, 1, 2)
    expected = torch.nn.functional.conv2d((values * torch.tensor(keep)).double(), kernels.double(),
                                          stride=layer.stride, groups=groups)
    found = golden.layer_sums(layer, maps, kept=np.moveaxis(keep, 1, -1).reshape(9, -1))
    assert (expected.permute(0, 2, 3, 1).numpy() == found).all()


@pytest.mark.parametrize("seed", range(20))
def test_sums_stay_within_bounds(random_spinbayes, seed):
    """Even where all weights and levels are extreme; then both ends of the range are met."""
    rng = np.random.default_rng(seed)
    for layer in random_spinbayes(seed, hidden=2).layers:
        x = rng.integers(0, 2**layer.input_bits, (20, layer.height, layer.width, layer.channels))
        for array in range(layer.crossbars):
            sums = golden.layer_sums(layer, x.astype(np.uint8), array)
            assert sums.min() >= layer.sums.start and sums.max() < layer.sums.stop
        ends = np.array([[1], [-1]]) * (2**layer.weight_bits // 2 - 1 or 1)
        layer = replace(layer, outputs=2, pool=1, padding=0, arrays=(
            pack(np.broadcast_to(ends, (2, layer.fan_in)), layer.weight_bits),) * layer.crossbars)
        top = np.full_like(x, 2**layer.input_bits - 1, dtype=np.uint8)
        least, most = layer.sums.start, layer.sums.stop - 1
        assert (golden.layer_sums(layer, top) == [most, least]).all()


@pytest.mark.parametrize("weight_bits, input_bits, kind", [(4, 4, np.float32), (8, 8, np.float64)])
def test_large_sums_are_exact(weight_bits, input_bits, kind):
    """Beyond ``2 ** 24`` float32 would lose units."""
    layer = Layer("large", 1, 1, 600, (1, 1), 2, weight_bits=weight_bits, input_bits=input_bits,
                  input_low=0)
    rng = np.random.default_rng(0)
    most = 2**(weight_bits - 1) - 1
    weights = rng.integers(most - 1, most + 1, (2, 600))
    layer = replace(layer, arrays=(pack(weights, weight_bits),))
    x = rng.integers(2**input_bits - 2, 2**input_bits, (30, 1, 1, 600)).astype(np.uint8)
    sums = golden.layer_sums(layer, x)
    assert sums.dtype == kind
    assert (sums[:, 0, 0] == x[:, 0, 0].astype(int) @ weights.T).all()


@pytest.mark.parametrize("seed", range(25))
def test_paths_equal_forward(random_network, seed):
    network = compile_network(random_network(seed), TARGET)
    images = random_images(network, 5)
    logits = golden.paths(network, images)
    assert logits.shape == (5, 2 ** len(network.layers), network.layers[-1].outputs)
    for index, keep in enumerate(combinations(network)):
        assert (logits[:, index] == golden.forward(network, images, np.array([keep] * 5))).all()


def test_images_choose_their_own_banks(random_network):
    network = compile_network(random_network(1, hidden=2), TARGET)
    images = random_images(network, 8)
    keep = combinations(network)
    together = golden.forward(network, images, keep)
    for index in range(8):
        alone = golden.forward(network, images[index:index + 1], keep[index:index + 1])
        assert (together[index] == alone[0]).all()


@pytest.mark.parametrize("passes", [1, 2, 3, 20])
def test_predict_equals_its_passes(random_network, passes, monkeypatch):
    """Whether passes are run or combinations looked up, and in whatever batches."""
    monkeypatch.setattr(golden, "BATCH", 4)
    network = compile_network(random_network(2, hidden=2), Target(passes=passes))
    images = random_images(network, 10)
    keep = choices(network.generator, 10, passes)
    expected = np.stack([softmax(golden.forward(network, images, keep[:, number]), network.head)
                         for number in range(passes)], axis=1)
    prediction, probabilities = golden.predict(network, images, keep)
    assert (probabilities == expected).all()
    reference = average(expected, network.head)
    for name in ("sums", "squares", "votes", "confident", "prediction", "reject"):
        assert (getattr(prediction, name) == getattr(reference, name)).all()


@pytest.mark.parametrize("passes, classes, size", [
    (1, 4, 100), (20, 4, 100), (1000, 4, 100), (1000, 200, 5), (1000, 5000, 1)])
def test_batches_are_smaller_the_more_there_is_to_keep(random_network, passes, classes, size):
    """Of 16 combinations at most are all passes; but each has probabilities of its own."""
    network = random_network(1, hidden=2)
    network = replace(network, layers=(*network.layers[:-1], replace(network.layers[-1], outputs=classes)))
    parts = list(golden.batches(network, 250, passes))
    assert [range(250)[part] for part in parts] == [
        range(start, min(start + size, 250)) for start in range(0, 250, size)]


def test_batches_of_many_runs(random_spinbayes):
    """Passes of SpinBayes part early: few images are worked on at once."""
    network = random_spinbayes(6, hidden=2)
    assert len(combinations(network)) >= 64
    assert next(golden.batches(network, 100, 500)) == slice(0, 2000 // min(500, len(combinations(network))))


def test_input_levels():
    network = NETWORKS["lenet5"]
    images = np.zeros((1, 28, 28), dtype=np.uint8)
    images[0, 0, :6] = 63, 64, 127, 128, 191, 192
    bits = golden.input_levels(network, images)
    assert bits.shape == (1, 28, 28, 3)
    assert bits[0, 0, :6].astype(int).tolist() == [
        [0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]]


def test_input_levels_of_several_bits():
    """Three thresholds make a channel of two bits: the number that is reached."""
    network = replace(NETWORKS["lenet5"], input=Input(28, 28, (10, 20, 30, 40, 50, 60), bits=2))
    images = np.zeros((1, 28, 28), dtype=np.uint8)
    images[0, 0, :6] = 9, 10, 29, 30, 50, 255
    assert golden.input_levels(network, images)[0, 0, :6].tolist() == [
        [0, 0], [1, 0], [2, 0], [3, 0], [3, 2], [3, 3]]


def test_refuses_images_of_another_size():
    with pytest.raises(ValueError, match=r"^Images of 'lenet5' must be \(N, 28, 28\), "
                                         r"not \(5, 28, 27\)$"):
        golden.input_levels(NETWORKS["lenet5"], np.zeros((5, 28, 27), dtype=np.uint8))


def test_refuses_too_many_combinations(random_network):
    layer = random_network(0).layers[-1]
    layers  = tuple(replace(layer, name=f"layer{number}", choices=()) for number in range(11))
    network = choose(Network("deep", random_network(0).input, layers), "scale-dropout")
    for call in (golden.paths, over_combinations):
        with pytest.raises(ValueError, match="^Network 'deep' must have at most 1024 combinations of "
                                             "random bits to enumerate them, not 2048$"):
            call(network, random_images(network, 1))


def one_layer(classes, gamma=1.0, fan_in=9):
    """A network without hidden layers, and the logits of its definition: of images (N, 1, fan-in) of 0 and
    255, with a dropped scale and a kept one."""
    rng  = np.random.default_rng(classes)
    bias, beta, mean = rng.normal(0, (1, 1, fan_in**0.5 / 2), (classes, 3)).T
    scale, deviation = rng.lognormal(0, 0.35, classes), rng.uniform(0.5, 1.5, classes) * fan_in**0.5
    gamma = gamma * rng.normal(1, 0.7, classes)
    weights = rng.choice([-1, 1], (classes, fan_in))
    dropped, kept = (Normalization(*(tuple(values.tolist()) for values in (
        bias, scale, gamma, beta, mean, deviation))) for scale in (np.ones(classes), scale))
    layer = Layer("last", 1, fan_in, 1, (1, fan_in), classes, arrays=(pack(weights, 1),),
                  normalizations=((dropped, kept),))

    def logits(images, kept):
        z = (np.where(images[:, 0] > 0, 1.0, -1.0) @ weights.T + bias) * (scale if kept else 1)
        return gamma * (z - mean) / deviation + beta

    return choose(Network("classes", Input(1, fan_in, (128,)), (layer,)), "scale-dropout"), logits


@pytest.mark.parametrize("classes, gamma", [
    (257, 1.0), (1000, 1.0), (4096, 1.0), (1000, 5.0), (1000, 0.01),
    (10, 1e-300), (10, 1e-6), (10, 100.0), (10, 1e4), (2, 1e4)])
def test_many_classes_and_extreme_gains(classes, gamma):
    """Probabilities are within the bound of the float network, against plain exponentials."""
    network, logits = one_layer(classes, gamma)
    compiled = compile_network(network, TARGET)
    images = 255 * np.random.default_rng(0).integers(0, 2, (300, 1, 9)).astype(np.uint8)
    for kept in (0, 1):
        got = softmax(golden.forward(compiled, images, np.full((300, 1), kept)), compiled.head)
        assert abs(got / 65536 - float_softmax(logits(images, kept))).max() <= BOUND


#: Those that come with the project, and the means of arrays that a pass of them can take.
SHIPPED_NETWORKS = [("lenet5", 1, "ring"), ("lenet5_wide", 1, "ring"), *(
    (name, *ways) for name in ("lenet5_spinbayes", "lenet5_4bit_spinbayes")
    for ways in ((1, "ring"), (2, "ring"), (4, "ring"), (8, "ring"), (2, "any")))]


def bits_of(network, choice):
    """Random bits (N, W) for which each layer makes its choice (N, L)."""
    parts = [np.zeros((len(choice), 0), int)]
    for index, layer in enumerate(network.layers):
        for made in layer.choices:
            drawn = np.array([made.table.index(outcome) for outcome in choice[:, index].tolist()])
            width = len(made.table).bit_length() - 1
            parts.append(drawn[:, None] >> np.arange(width)[::-1] & 1)
    return np.concatenate(parts, axis=1).astype(bool)


#: Those of the other methods.
OF_METHODS = [(name_of("lenet5", method), 1, "ring") for method in METHODS
              if method not in (DEFAULT, "spinbayes")]


@pytest.mark.some(5)
@pytest.mark.parametrize("name, ways, ways_of", SHIPPED_NETWORKS + OF_METHODS)
def test_equals_float_model(name, ways, ways_of):
    """The torch model in float64: hidden bits exactly, probabilities to their bound."""
    network, path = network_of(name, ways=ways, ways_of=ways_of), SHIPPED / f"{name}.npz"
    model, network = load(network, path), compile_network(read(path, network), TARGET)
    images = np.concatenate([load_sample()[0][:20], random_images(network, 10)])
    rng, count, number = np.random.default_rng(1), len(images), 0
    if METHODS[network.method].choice in (MaskChoice, MixChoice):
        # What the masks or the channels keep is the bits themselves.
        bits = choice = rng.random((count, len(network.drops))) < 0.7
    elif METHODS[network.method].in_turn:
        number, bits = 2, np.zeros((count, 0), bool)
        choice = np.full((count, len(network.layers)), number)
    else:
        counts = [len(layer.array_sets) * layer.bank_count for layer in network.layers]
        choice = np.stack([rng.integers(0, size, count) for size in counts], 1)
        bits   = bits_of(network, choice)
    logits, maps = golden.forward(network, images, bits, number=number, maps=True)
    pixels, choice = torch.from_numpy(images), torch.from_numpy(choice)
    for bits, expected in zip(maps, model.hidden(pixels, choice)[1:], strict=True):
        assert (bits == expected.numpy()).all()
    with torch.no_grad():
        y = model(pixels, choice).numpy()
    assert abs(softmax(logits, network.head) / 65536 - float_softmax(y)).max() <= BOUND


@pytest.mark.some(1)
@pytest.mark.parametrize("name, ways, ways_of", SHIPPED_NETWORKS)
def test_bound_for_any_map(name, ways, ways_of):
    """Whatever reaches the last layer, and with any choice there; maps that make most of the errors of the
    gains come near the bound, so that it says something."""
    network = network_of(name, ways=ways, ways_of=ways_of)
    network = compile_network(read(SHIPPED / f"{name}.npz", network), TARGET)
    layer, rng, count = network.layers[-1], np.random.default_rng(0), 100
    levels = rng.integers(0, 2**layer.input_bits, (count, 1, 1, layer.fan_in)).astype(np.uint8)
    choice = rng.integers(0, len(layer.array_sets) * layer.bank_count, count)
    found  = difference(network, levels, choice)
    assert found.max() <= BOUND
    for _ in range(SEARCH):
        tried = levels.copy()
        place = rng.integers(0, layer.fan_in, count)
        tried[np.arange(count), 0, 0, place] = rng.integers(0, 2**layer.input_bits, count)
        error = difference(network, tried, choice)
        better = error >= found
        levels[better], found[better] = tried[better], error[better]
    assert BOUND / 4 < found.max() <= BOUND


#: Changes of a map, one by one, that are tried and kept where they make the error larger.
SEARCH = 200


def difference(network, levels, choice):
    """Largest error of a probability for each map ``levels`` (N, 1, 1, C) that enters the last layer, by
    the numbers of the checkpoint and in float64."""
    layer = network.layers[-1]
    with np.load(SHIPPED / f"{network.name}.npz") as file:
        part = {name: file[f"{layer.name}.{name}"].astype(float) for name in (
            "weight", "bias", "gamma", "beta", "mean", "variance", "epsilon")}
        scale = file[f"{layer.name}.scale"] if layer.crossbars == 1 else None
    value = layer.input_low + (1 - layer.input_low) * levels[:, 0, 0] / (2**layer.input_bits - 1)
    got, y = np.empty((2, len(levels), layer.outputs))
    array, bank = (choice, 0 * choice) if layer.crossbars > 1 else (0 * choice, choice)
    for outcome in np.unique(choice):
        chosen = choice == outcome
        weight, kept = part["weight"], 1.0
        if layer.crossbars > 1:
            weight = weight[list(layer.array_sets[outcome])].mean(0)
            weight = weight / (2**(layer.weight_bits - 1) - 1)
        elif outcome:
            kept = scale
        z = (value[chosen] @ weight.T + part["bias"]) * kept
        y[chosen] = part["beta"] + part["gamma"] * (z - part["mean"]) / np.sqrt(
            part["variance"] + part["epsilon"])
        sums = golden.layer_sums(layer, levels[chosen], outcome if layer.crossbars > 1 else 0)
        got[chosen] = softmax(golden.logits(layer, sums, array[chosen], bank[chosen]), network.head) / 65536
    return abs(got - float_softmax(y)).max(1)
