"""Networks and checkpoints with random parameters, and one build of the shipped network."""

from dataclasses import replace

import numpy as np
import pytest

from gen.build import build
from gen.ir import Input, Layer, Network, Normalization, Target


def make_checkpoint(path, network, seed=0, **changes):
    """Write random parameters for ``network`` to ``path`` in the format of :mod:`gen.checkpoint`.

    Keyword arguments replace arrays; None leaves one out. Dots are written as two underscores.
    """
    rng = np.random.default_rng(seed)
    arrays = {"network": np.array(network.name),
              "thresholds": np.array(network.input.thresholds, np.int64)}
    for layer in network.layers:
        shape, fan_in = layer.outputs, layer.fan_in
        arrays |= {f"{layer.name}.{name}": value for name, value in {
            "weight": rng.choice([-1, 1], (shape, fan_in)).astype(np.int8),
            "bias": rng.normal(0, 1, shape),
            "scale": rng.lognormal(0, 0.35, shape),
            "gamma": rng.normal(1, 0.7, shape),
            "beta": rng.normal(0, 0.5, shape),
            "mean": rng.normal(0, fan_in**0.5 / 2, shape),
            "variance": rng.uniform(0.5, 1.5, shape) * fan_in,
            "epsilon": np.float64(1e-5),
            "dropout": np.float64(layer.dropout),
        }.items()}
    for name, value in changes.items():
        arrays[name.replace("__", ".")] = value
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


def make_network(seed, hidden=None):
    """Return a small random network with parameters and every feature: padding, stride, pool,
    several input thresholds, slopes of all signs including zero."""
    rng = np.random.default_rng(seed)
    height, width = (int(size) for size in rng.integers(6, 10, 2))
    thresholds = tuple(sorted(int(value) for value in rng.integers(1, 256, rng.integers(1, 4))))
    shape = height, width, len(thresholds)
    layers = []
    for index in range(int(rng.integers(0, 3)) if hidden is None else hidden):
        kernel = tuple(int(rng.integers(1, min(3, side) + 1)) for side in shape[:2])
        layer = Layer(f"layer{index}", *shape, kernel, int(rng.integers(1, 6)),
                      stride=int(rng.integers(1, 3)), padding=int(rng.integers(0, min(kernel))),
                      dropout=float(rng.uniform(0, 1)))
        if min(layer.positions) >= 2 and rng.integers(2):
            layer = replace(layer, pool=2)
        layers.append(layer)
        shape = layer.output_shape
    layers.append(Layer("last", *shape, shape[:2], int(rng.integers(2, 5)),
                        dropout=float(rng.uniform(0, 1))))
    return Network(f"random{seed}", Input(height, width, thresholds), tuple(
        replace(layer, normalization=_make_normalization(rng, layer), weights=tuple(
            int("".join(map(str, rng.integers(0, 2, layer.fan_in))), 2)
            for _ in range(layer.outputs)))
        for layer in layers))


def _make_normalization(rng, layer):
    count, deviation = layer.outputs, layer.fan_in**0.5
    # Quarters give sums that meet their bound exactly, which no random float does.
    scale, gamma = (np.round(4 * rng.normal(1, 1, count)) / 4 for _ in range(2))
    return Normalization(*(tuple(map(float, values)) for values in (
        np.round(4 * rng.normal(0, 1, count)) / 4, scale, gamma,
        np.round(4 * rng.normal(0, 1, count)) / 4,
        np.round(4 * rng.normal(0, deviation, count)) / 4,
        np.round(4 * rng.uniform(0.25, 2 * deviation, count)) / 4)))


@pytest.fixture(scope="session")
def write_checkpoint():
    return make_checkpoint


@pytest.fixture(scope="session")
def random_network():
    return make_network


@pytest.fixture(scope="session")
def lenet5(tmp_path_factory):
    """Folder of a build of the shipped LeNet-5 for the default target; to be read only."""
    folder = tmp_path_factory.mktemp("build") / "lenet5"
    build("lenet5", Target(), folder)
    return folder
