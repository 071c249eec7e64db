import itertools
from dataclasses import replace

import numpy as np
import pytest

from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.costs import build_seconds, costs, reads_per_map
from gen.energy.operations import RANDOM, operations
from gen.estimate import timeline
from gen.ir import Target
from gen.lower import lower
from gen.maps import expected
from gen.methods import METHODS, network_of
from tests.conftest import make_checkpoint, with_choices


TARGET = Target(array_rows=32, array_columns=64, passes=3, passes_max=4)


def exact_runs(network, passes):
    """Mean number of runs per layer, from every combination of choices of every pass."""
    layers = network.layers
    outcomes = [[(outcome, 1 / layer.crossbars if layer.crossbars > 1 else
                  (draw.drops[0], 1 - draw.drops[0])[outcome])
                 for outcome in range(layer.crossbars * layer.bank_count)]
                for layer, draw in zip(layers, network.draws, strict=True)]
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
    """Against all combinations."""
    network = random_spinbayes(seed, hidden=1)
    network = with_choices(network, [
        draw.drops[0] if layer.crossbars == 1 else (min(layer.crossbars, 4), 1)
        for layer, draw in zip(network.layers, network.draws, strict=True)])
    assert expected(network, 2).entering == pytest.approx(exact_runs(network, 2))
    assert expected(network, 1).entering == pytest.approx([1.0] * len(network.layers))


def test_random_bits_of_points(random_network):
    """Two fair bits for each bit of a pass, once for all four points and again for the fifth pass."""
    network = with_choices(random_network(0, hidden=1), [0.25, 0.5])
    target  = replace(TARGET, masks="balanced", passes=4)
    network = compile_network(network, target)
    for passes, bits in (4, 2), (5, 4):
        result = costs(network, replace(target, passes=passes, passes_max=5))
        assert [layer["random_bits_per_prediction"] for layer in result["layers"].values()] == [bits, bits]
        assert result["total"]["random_bits_per_prediction"] == 2 * bits
        counts = operations(lower(network, target), network, expected(network, passes), passes)
        assert counts[RANDOM]["random source"]["random_bits"] == 2 * bits


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
        columns = len({tile.columns for tile in layer.tiles})
        assert part["word_lines"] == layer.crossbars * layer.rows_per_weight * layer.fan_in * columns
        assert part["adcs"] == engine.crossbar.tiles * engine.crossbar.geometry.columns_per_read
        assert part["banks"] == engine.lanes * layer.crossbars
        assert part["random_bits_per_prediction"] == 3 * accelerator.mask_bank.draws[
            network.layers.index(layer)]
    rng   = np.random.default_rng(1)
    drawn = np.zeros((200, 3, 3, 2), int)
    for index, (layer, draw) in enumerate(zip(network.layers, network.draws, strict=True)):
        drawn[..., index, 0] = rng.integers(layer.crossbars, size=(200, 3))
        drawn[..., index, 1] = layer.bank_count > 1 and rng.random((200, 3)) >= draw.drops[0]
    counts = np.mean([timeline(accelerator, image[None]).maps for image in drawn], axis=0)
    runs = [part["runs_shared"] for part in result["layers"].values()]
    assert np.abs(counts - runs).max() < 0.25
    assert result["total"]["arrays"] == sum(part["arrays"] for part in result["layers"].values())


def test_binary_and_multi_level_cells(random_network, random_spinbayes):
    """A binary weight takes two cells of one junction; one of 4 bits takes four cells of four junctions."""
    plain = compile_network(random_network(1, hidden=1), TARGET)
    weights = [layer.fan_in * layer.outputs for layer in plain.layers]
    assert [part["cells"] for part in costs(plain, TARGET)["layers"].values()] == [
        2 * count for count in weights]
    assert costs(plain, TARGET)["method"] == "Of its own"
    network = random_spinbayes(1, hidden=1)
    network = compile_network(network, TARGET)
    for layer, part in zip(network.layers, costs(network, TARGET)["layers"].values(), strict=True):
        count = layer.crossbars * layer.fan_in * layer.outputs
        if layer.weight_bits == 4:
            assert (part["cells"], part["junctions"]) == (4 * count, 16 * count)


@pytest.mark.parametrize("method", METHODS)
def test_every_method(tmp_path, method):
    """What it stores and draws, in every layer and once for all of them; and what its paper has."""
    network = network_of("lenet5", method)
    make_checkpoint(tmp_path / "checkpoint.npz", network)
    network = compile_network(read(tmp_path / "checkpoint.npz", network), Target())
    result, made = costs(network, Target()), METHODS[method]
    arrays, banks, bits, drawn = {
        "scale-dropout":        (1, 2, 1, 5), "scale-dropout-mean": (1, 2, 1, 5),
        "scale-dropout-random": (1, 5, 3, 15), "spinbayes": (8, 1, 3, 15), "sub-set": (1, 8, 3, 15),
        "tiny-ensemble":        (1, 4, 0, 0), "ensemble": (4, 1, 0, 0), "deterministic": (1, 1, 0, 0),
        # A bit for each channel, or for each channel or input that is masked.
        "scale-dropout-element": (1, 2, {"conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84, "fc3": 10}, 236),
        "spatial-spindrop":     (1, 1, {"conv2": 6, "fc1": 16}, 22),
        "spindrop":             (1, 1, {"fc1": 256, "fc2": 120, "fc3": 84}, 460),
        # The last layer has no choice.
        "affine":               (1, {"fc3": 1}, dict.fromkeys(("conv1", "conv2", "fc1", "fc2"), 2), 8),
    }[method]
    assert (result["network"], result["method"], result["passes"]) == (network.name, made.title, 20)
    for layer in network.layers:
        part = result["layers"][layer.name]
        own  = bits.get(layer.name, 0) if isinstance(bits, dict) else bits
        each = banks.get(layer.name, 4) if isinstance(banks, dict) else banks
        assert (part["arrays"], part["banks"], part["choice_bits"]) == (
            arrays * len(layer.tiles), arrays * each, own)
        assert part["random_bits_per_prediction"] == 20 * own
    total = result["total"]
    assert (total["banks"], total["choice_bits"], total["random_bits_per_prediction"]) == (
        17 if method == "affine" else 5 * arrays * banks, drawn, 20 * drawn)
    assert result["random_sources"] == {"per_layer": None, "per_model": min(1, drawn)}
    assert result["random_sources_quoted"] == {
        "per_layer": 3 if made.sources_quoted == "layer" else None,
        "per_model": 1 if made.sources_quoted == "model" else None,
        "source": f"quoted: {made.sources_paper}" if made.sources_paper else None}


@pytest.mark.parametrize("name, options, least, most", [
    ("lenet5", {}, 2, 4),
    ("lenet5", {"view": "macro"}, 1, 2),
    ("lenet5_wide", {}, 6, 10),
    ("lenet5_spinbayes", {}, 5, 8),     # eight arrays of weights of four bits
    ("lenet5_wide", {"interval": 1}, 60, 300), # all at once
])
def test_build_seconds(name, options, least, most):
    target  = Target(**options)
    network = read(SHIPPED / f"{name}.npz", network_of(name))
    assert least <= build_seconds(compile_network(network, target), target) <= most


def test_build_seconds_with_weights_in_files(weights_in_files):
    """A build takes little longer than writing the files."""
    network = read(SHIPPED / "lenet5_spinbayes.npz", network_of("lenet5_spinbayes"))
    network = compile_network(network, Target())
    with weights_in_files():
        assert 3 <= build_seconds(network, Target()) <= 5
