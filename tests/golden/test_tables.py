"""The golden model by tables equals the reference, bit for bit, for all that a network can be."""

import functools
from dataclasses import fields, replace

import numpy as np
import pytest

from gen.checkpoint import with_parameters
from gen.compile import compile_network
from gen.ir import Input, Layer, Network, Target
from gen.methods import choose, known_names, network_of
from gen.networks import resnet
from gen.options import trained
from gen.random_parameters import random_parameters
from golden import layer_tables, tables
from golden import network as reference
from golden.data import load_sample
from golden.random.generator import choices


#: Arrays wide enough for weights of eight bits.
WIDE = Target(array_rows=16, array_columns=128)

#: Limits with which words are short and tables are left out, and maps and images come in several parts.
SMALL = ((layer_tables, "ENTRIES", 2**5), (layer_tables, "CACHED", 2**10), (tables, "LEVELS", 2**9))


@pytest.fixture(params=[(), SMALL], ids=["usual", "small"], autouse=True)
def limits(request, monkeypatch):
    for limit in request.param:
        monkeypatch.setattr(*limit)
    tables._tables.cache_clear()


TINY = choose(resnet("tiny", (8, 12), 2, pixels=8), "scale-dropout")


def random_images(network, count):
    return np.random.default_rng(0).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)


def made(network, seed=1):
    """Compiled, with random parameters."""
    return compile_network(with_parameters(network, random_parameters(network, seed)), Target())


def assert_equal(network, images, passes):
    bits = choices(network.generator, len(images), passes)
    (found, probabilities), (wanted, expected) = (
        golden.predict(network, images, bits) for golden in (tables, reference))
    assert probabilities.dtype == expected.dtype and (probabilities == expected).all()
    for field in fields(wanted):
        assert np.array_equal(getattr(found, field.name), getattr(wanted, field.name)), field.name


def test_shipped_network():
    network = compile_network(trained({"network": "lenet5"}), Target())
    assert_equal(network, load_sample()[0][:150], 20)
    images = random_images(network, 7)
    assert (tables.paths(network, images) == reference.paths(network, images)).all()


@pytest.mark.some(7)
@pytest.mark.parametrize("name", ["lenet5_4bit_spinbayes", *(
    name for name in known_names() if name.startswith("lenet5") and not name.startswith(("lenet5_4bit",
                                                                                          "lenet5_wide")))])
def test_every_method(name):
    network = made(network_of(name))
    assert_equal(network, load_sample()[0][:7], 5)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("make", ["random_network", "random_spinbayes", "centred_network"])
def test_every_layer(make, seed, request):
    """Padding, strides and pools; levels and weights of several bits; several arrays; sums that reach no
    threshold or all; inverted normalization."""
    network = compile_network(request.getfixturevalue(make)(seed), WIDE)
    assert_equal(network, random_images(network, 5), 7)


def test_every_choice(mixed_network):
    network = compile_network(mixed_network(), WIDE)
    assert_equal(network, random_images(network, 9), 11)


@pytest.mark.parametrize("gain", [1, 100])
def test_joins(gain):
    """Of values, which enter layers as signs, and a layer beside; of large ones, too, which are clipped."""
    network = compile_network(with_parameters(TINY, [
        replace(own, gamma=own.gamma * gain) for own in random_parameters(TINY, 1)]), Target())
    assert_equal(network, random_images(network, 3), 5)


@pytest.mark.parametrize("method", ["scale-dropout", "scale-dropout-element", "spinbayes"])
def test_groups_and_larger_maps(method):
    network = made(choose(Network("grouped", Input(6, 7, (80, 160)), (
        Layer("first", 6, 7, 2, (3, 3), 4, padding=1, groups=2, pool=2, resize=(2, 1)),
        Layer("second", 6, 3, 4, (3, 3), 6, padding=1, resize=(1, 2), output_bits=5, fraction=3),
        Layer("last", 6, 6, 6, (6, 6), 3))), method))
    assert_equal(network, random_images(network, 5), 6)


@functools.cache
def long():
    """Sums of many words, beyond narrow integers, whose channels reach the ends of what sums can be."""
    network = choose(Network("long", Input(9, 9, (128,)), (
        Layer("first", 9, 9, 1, (3, 3), 40, padding=1),
        Layer("second", 9, 9, 40, (5, 5), 3, pool=(2, 3)),
        Layer("last", 2, 1, 3, (2, 1), 2))), "scale-dropout")
    first, second, last = random_parameters(network, 1)
    ends = second.weight.copy()
    ends[:, 1], ends[:, 2] = 1, -1
    return compile_network(with_parameters(network, [
        replace(first, weight=np.ones_like(first.weight)), replace(second, weight=ends), last]), Target())


def test_long_sums():
    network = long()
    images  = random_images(network, 8)
    images[:3], images[3] = 255, 0
    assert_equal(network, images, 4)


def test_images_of_another_size():
    network = long()
    with pytest.raises(ValueError, match=r"^Images of 'long' must be \(N, 9, 9\), not \(1, 8, 9\)$"):
        tables.predict(network, np.zeros((1, 8, 9), np.uint8), choices(network.generator, 1, 1))


@pytest.mark.parametrize("passes", [1, 20, 1000])
def test_batches(passes):
    network = long()
    parts = list(tables.batches(network, 250, passes))
    assert np.concatenate([np.arange(250)[part] for part in parts]).tolist() == list(range(250))


@pytest.mark.parametrize("limits", [()], ids=["usual"], indirect=True)
@pytest.mark.parametrize("network, sums, levels", [
    (network_of("lenet5"), [], ["fc3"]),
    (network_of("lenet5_spatial_spindrop"), ["conv2", "fc1"], ["fc3"]),
    (network_of("lenet5_affine"), [], ["conv1", "conv2", "fc1", "fc2", "fc3"]),
    (TINY, ["stem"], ["fc"]),
], ids=lambda value: getattr(value, "name", ""))
def test_what_is_left_to_the_reference(network, sums, levels):
    layers = [layer for _, layer in tables._tables(made(network)).values()]
    assert [each.layer.name for each in layers if not each.words] == sums
    assert [each.layer.name for each in layers if not each.banks] == levels
