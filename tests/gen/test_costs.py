import itertools
from dataclasses import replace

import numpy as np
import pytest

from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.costs import build_seconds, costs, expected_runs, reads_per_map
from gen.estimate import timeline
from gen.ir import Target
from gen.lower import lower
from gen.networks import NETWORKS


TARGET = Target(array_rows=32, array_columns=64, passes=3, passes_max=4)


def exact_runs(network, passes):
    """Mean number of runs per layer, from every combination of choices of every pass."""
    layers = network.layers
    outcomes = [[(outcome, 1 / layer.crossbars if layer.crossbars > 1 else
                  (layer.dropout, 1 - layer.dropout)[outcome]) for outcome in range(layer.choices)]
                for layer in layers]
    one_pass = [(tuple(outcome for outcome, _ in drawn), np.prod([share for _, share in drawn]))
                for drawn in itertools.product(*outcomes)]
    means = np.zeros(len(layers))
    for drawn in itertools.product(one_pass, repeat=passes):
        weight = np.prod([share for _, share in drawn])
        for index, layer in enumerate(layers):
            runs = {choices[:index + (layer.crossbars > 1)] for choices, _ in drawn}
            means[index] += weight * len(runs)
    return means


@pytest.mark.parametrize("seed", range(4))
def test_expected_runs(random_spinbayes, seed):
    """Against all combinations; 2,000 draws are within 5 standard errors, and no mean is above T."""
    network = random_spinbayes(seed, hidden=1)
    network = replace(network, layers=tuple(
        replace(layer, crossbars=min(layer.crossbars, 4)) for layer in network.layers))
    runs = expected_runs(network, 2)
    assert np.abs(np.array(runs) - exact_runs(network, 2)).max() < 5 * 0.5 / 2000**0.5
    assert expected_runs(network, 1) == [1.0] * len(runs)


@pytest.mark.parametrize("seed", range(4))
def test_counts_what_the_hardware_does(compiled, seed):
    """Reads of a map are those of its engine, and of an array per row tile; runs are the timeline's."""
    network, target = compiled(seed, TARGET, hidden=2)
    accelerator = lower(network, target)
    result = costs(network, target)
    for layer, engine in zip(network.layers, accelerator.engines, strict=True):
        positions = layer.positions[0] * layer.positions[1]
        assert reads_per_map(layer) == positions * engine.reader.reads * engine.crossbar.tiles
        part = result["layers"][layer.name]
        assert part["arrays"] == layer.crossbars * len(layer.tiles)
        assert part["random_bits_per_prediction"] == 3 * accelerator.mask_bank.choice_bits[
            network.layers.index(layer)]
    rng   = np.random.default_rng(1)
    drawn = np.stack([rng.integers(layer.crossbars, size=(200, 3)) if layer.crossbars > 1
                      else rng.random((200, 3)) >= layer.dropout for layer in network.layers], axis=-1)
    counts = np.mean([timeline(accelerator, image[None].astype(int)).maps for image in drawn], axis=0)
    expected = [part["runs_shared"] for part in result["layers"].values()]
    assert np.abs(counts - expected).max() < 0.25
    assert result["total"]["arrays"] == sum(part["arrays"] for part in result["layers"].values())


def test_binary_and_multi_level_cells(random_network, random_spinbayes):
    """Two cells of one junction hold a binary weight; one of 4 bits, four of four."""
    plain = compile_network(random_network(1, hidden=1), TARGET)
    weights = [layer.fan_in * layer.outputs for layer in plain.layers]
    assert [part["cells"] for part in costs(plain, TARGET)["layers"].values()] == [
        2 * count for count in weights]
    assert costs(plain, TARGET)["method"] == "Scale-Dropout"
    network = random_spinbayes(1, hidden=1)
    network = compile_network(network, TARGET)
    for layer, part in zip(network.layers, costs(network, TARGET)["layers"].values(), strict=True):
        count = layer.crossbars * layer.fan_in * layer.outputs
        if layer.weight_bits == 4:
            assert (part["cells"], part["junctions"]) == (4 * count, 16 * count)


@pytest.mark.parametrize("name, options, least, most", [
    ("lenet5", {}, 2, 4),
    ("lenet5", {"view": "macro"}, 1, 2),
    ("lenet5_wide", {}, 6, 10),
    ("lenet5_spinbayes", {}, 5, 8),     # eight arrays of weights of four bits
    ("lenet5_wide", {"interval": 1}, 60, 300), # all at once
])
def test_build_seconds(name, options, least, most):
    target  = Target(**options)
    network = read(SHIPPED / f"{name}.npz", NETWORKS[name])
    assert least <= build_seconds(compile_network(network, target), target) <= most


def test_build_seconds_with_weights_in_files(weights_in_files):
    """They take little longer than to write them."""
    network = read(SHIPPED / "lenet5_spinbayes.npz", NETWORKS["lenet5_spinbayes"])
    network = compile_network(network, Target())
    with weights_in_files():
        assert 3 <= build_seconds(network, Target()) <= 5
