import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from gen.checkpoint import read
from gen.compile import compile_network
from gen.ir import Network, Target
from gen.networks import NETWORKS
from golden import network as golden
from golden.head import average, softmax
from golden.model import load
from golden.random import keep_bits


TARGET = Target()


def random_images(network, count, seed=0):
    return np.random.default_rng(seed).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)


def combinations(network):
    """Every choice of keep bits, the first layer's bit highest."""
    return np.array(list(itertools.product([False, True], repeat=len(network.layers))))


def slow(network, image, keep):
    """One pass of an uncompiled network by the definitions: products of signs, one at a time, and
    rational numbers. Returns the signs that leave each hidden layer, and the float logits ``y``."""
    x = [[[1 if pixel >= low else -1 for low in network.input.thresholds] for pixel in row]
         for row in image.tolist()]
    maps = []
    for layer, bit in zip(network.layers, keep, strict=True):
        part, side = layer.normalization, layer.padding
        empty = [-1] * layer.channels
        wide = [empty] * (layer.width + 2 * side)
        x = [wide] * side + [[empty] * side + row + [empty] * side for row in x] + [wide] * side
        sums = {}
        for row, column, output in itertools.product(*map(range, layer.positions),
                                                      range(layer.outputs)):
            s, number = 0, 0
            for dy, dx, channel in itertools.product(*map(range, layer.kernel),
                                                     range(layer.channels)):
                weight = 1 if layer.weights[output] >> number & 1 else -1
                s += weight * x[row * layer.stride + dy][column * layer.stride + dx][channel]
                number += 1
            sums[row, column, output] = s
        height, width, _ = layer.output_shape
        y = [[[None] * layer.outputs for _ in range(width)] for _ in range(height)]
        for row, column, output in itertools.product(range(height), range(width),
                                                     range(layer.outputs)):
            s = max(sums[row * layer.pool + dy, column * layer.pool + dx, output]
                    for dy in range(layer.pool) for dx in range(layer.pool))
            z = (s + Fraction(part.bias[output])) * (Fraction(part.scale[output]) if bit else 1)
            y[row][column][output] = Fraction(part.gamma[output]) * (z - Fraction(
                part.mean[output])) / Fraction(part.deviation[output]) + Fraction(part.beta[output])
        x = [[[1 if value >= 0 else -1 for value in pixel] for pixel in row] for row in y]
        maps.append(x)
    return maps[:-1], np.array(y, dtype=float)[0, 0]


@pytest.mark.parametrize("seed", range(25))
def test_equals_definitions(random_network, seed):
    """The first link: hidden bits exactly, logits to their rounding."""
    network = random_network(seed)
    compiled = compile_network(network, TARGET)
    images = random_images(network, 2)
    for keep in combinations(network):
        logits, maps = golden.forward(compiled, images, np.array([keep] * 2), maps=True)
        for index, image in enumerate(images):
            expected, y = slow(network, image, keep)
            assert len(maps) == len(expected)
            for bits, signs in zip(maps, expected, strict=True):
                assert (2 * bits[index].astype(int) - 1).tolist() == signs
            error = logits[index] / 4096 - y * np.log2(np.e)
            assert (abs(error) <= (network.layers[-1].fan_in / 4 + 1) / 4096).all()


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
    keep = keep_bits(network.generator, 10, passes)
    expected = np.stack([softmax(golden.forward(network, images, keep[:, number]), network.head)
                         for number in range(passes)], axis=1)
    prediction, probabilities = golden.predict(network, images, keep)
    assert (probabilities == expected).all()
    reference = average(expected, network.head)
    for name in ("sums", "squares", "votes", "confident", "prediction", "reject"):
        assert (getattr(prediction, name) == getattr(reference, name)).all()


def test_exact_is_where_passes_tend_to(random_network):
    network = compile_network(random_network(3, hidden=2), Target(passes=1000, passes_max=1000))
    images = random_images(network, 3)
    keep = keep_bits(network.generator, 3, 1000)
    mean = golden.predict(network, images, keep)[0].sums / 65536 / 1000
    # 5 standard deviations of a mean of 1000 values between 0 and 1.
    assert abs(mean - golden.exact(network, images)).max() < 5 * 0.5 / 1000**0.5


def test_exact_with_certain_keep_bits(random_network):
    network = random_network(4, hidden=2)
    network = replace(network, layers=tuple(
        replace(layer, dropout=p) for layer, p in zip(network.layers, (0.0, 1.0, 0.0), strict=True)))
    compiled = compile_network(network, TARGET)
    images = random_images(network, 4)
    logits = golden.forward(compiled, images, np.array([[True, False, True]] * 4))
    assert (golden.exact(compiled, images) == softmax(logits, compiled.head) / 65536).all()
    assert golden.path_probabilities(compiled).tolist() == [0, 0, 0, 0, 0, 1, 0, 0]


def test_input_bits(random_network):
    network = NETWORKS["lenet5"]
    images = np.zeros((1, 28, 28), dtype=np.uint8)
    images[0, 0, :6] = 63, 64, 127, 128, 191, 192
    bits = golden.input_bits(network, images)
    assert bits.shape == (1, 28, 28, 3)
    assert bits[0, 0, :6].astype(int).tolist() == [
        [0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]]


def test_refuses_images_of_another_size():
    with pytest.raises(ValueError, match=r"^Images of 'lenet5' must be \(N, 28, 28\), "
                                         r"not \(5, 28, 27\)$"):
        golden.input_bits(NETWORKS["lenet5"], np.zeros((5, 28, 27), dtype=np.uint8))


def test_refuses_too_many_combinations(random_network):
    layer = random_network(0).layers[-1]
    network = Network("deep", random_network(0).input, (layer,) * 11)
    for call in (golden.paths, golden.exact):
        with pytest.raises(ValueError, match="^Network 'deep' must have at most 10 layers to "
                                             "enumerate its keep bits, not 11$"):
            call(network, random_images(network, 1))


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_float_model(tmp_path, write_checkpoint, name):
    """The torch model in float64, on a checkpoint: hidden bits exactly, logits to rounding."""
    network = NETWORKS[name]
    write_checkpoint(tmp_path / "checkpoint.npz", network)
    compiled = compile_network(read(tmp_path / "checkpoint.npz", network), TARGET)
    model = load(network, tmp_path / "checkpoint.npz")
    images = random_images(network, 20)
    keep = np.random.default_rng(1).integers(0, 2, (20, 5)).astype(bool)
    logits, maps = golden.forward(compiled, images, keep, maps=True)
    pixels, choice = torch.from_numpy(images), torch.from_numpy(keep)
    for bits, expected in zip(maps, model.hidden(pixels, choice)[1:], strict=True):
        assert (bits == expected.numpy()).all()
    with torch.no_grad():
        y = model(pixels, choice).numpy()
    assert abs(logits / 4096 - y * np.log2(np.e)).max() <= (84 / 4 + 1) / 4096
