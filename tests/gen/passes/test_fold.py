import math
from fractions import Fraction

import numpy as np
import pytest

from gen.ir import Affine, Comparison, Input, Layer, Network, Normalization, Target
from gen.passes.fold import fold


TARGET = Target()


def y(normalization, channel, keep, s):
    """Value before the sign (Scale-Dropout, eq. 7-8), as a rational number."""
    bias, scale, gamma, beta, mean, deviation = (
        Fraction(getattr(normalization, name)[channel])
        for name in ("bias", "scale", "gamma", "beta", "mean", "deviation"))
    z = (s + bias) * (scale if keep else 1)
    return gamma * (z - mean) / deviation + beta


def one_channel(fan_in, bias=0.0, scale=1.0, gamma=1.0, beta=0.0, mean=0.0, deviation=1.0):
    """Fold a hidden layer of one channel and return ``(threshold, invert)`` of each bank."""
    layer = Layer("hidden", 1, 1, fan_in, (1, 1), 1, weights=(0,), normalization=Normalization(
        (bias,), (scale,), (gamma,), (beta,), (mean,), (deviation,)))
    last = Layer("last", 1, 1, 1, (1, 1), 2, weights=(0, 0), normalization=Normalization(
        *((1.0, 1.0),) * 6))
    network = Network("network", Input(1, 1, (128,) * fan_in), (layer, last))
    return [(bank.threshold[0], bank.invert[0])
            for bank in fold(network, TARGET).layers[0].banks]


@pytest.mark.parametrize("parameters, dropped, kept", [
    ({}, (4, 0), (4, 0)),                                 # s >= 0 is n >= 4 of 8
    ({"mean": 0.5}, (5, 0), (5, 0)),                      # s >= 0.5
    ({"mean": 2.0}, (5, 0), (5, 0)),                      # s >= 2, met exactly
    ({"mean": 2.0, "scale": 2.0}, (5, 0), (5, 0)),        # kept: s >= 1
    ({"mean": 4.0, "scale": 4.0}, (6, 0), (5, 0)),        # kept: s >= 1
    ({"gamma": -1.0}, (5, 1), (5, 1)),                    # s <= 0 is NOT n >= 5
    ({"scale": -1.0}, (4, 0), (5, 1)),
    ({"scale": 0.0}, (4, 0), (0, 0)),                     # kept: 0 >= 0, always 1
    ({"scale": 0.0, "mean": 1.0}, (5, 0), (9, 0)),        # kept: -1 >= 0, never 1
    ({"gamma": 0.0}, (0, 0), (0, 0)),                     # beta = 0 gives 1
    ({"gamma": 0.0, "beta": -1e-300}, (9, 0), (9, 0)),
    ({"bias": 8.0}, (0, 0), (0, 0)),                      # s >= -8 always holds
    ({"bias": -8.0}, (8, 0), (8, 0)),                     # only n = 8
    ({"bias": -8.5}, (9, 0), (9, 0)),
    ({"bias": -8.0, "gamma": -1.0}, (0, 0), (0, 0)),      # s <= 8 always holds
    ({"bias": 8.0, "gamma": -1.0}, (1, 1), (1, 1)),       # only n = 0
    ({"bias": 8.5, "gamma": -1.0}, (9, 0), (9, 0)),
    ({"mean": 1e300}, (9, 0), (9, 0)),
])
def test_threshold(parameters, dropped, kept):
    assert one_channel(8, **parameters) == [dropped, kept]


@pytest.mark.parametrize("seed", range(20))
def test_every_sum_of_random_networks(random_network, seed):
    network = random_network(seed)
    for before, after in zip(network.layers[:-1], fold(network, TARGET).layers, strict=False):
        assert after.normalization is None
        for keep, bank in enumerate(after.banks):
            assert isinstance(bank, Comparison)
            for channel, (threshold, invert) in enumerate(
                    zip(bank.threshold, bank.invert, strict=True)):
                assert 0 <= threshold <= before.fan_in + 1
                for n in range(before.fan_in + 1):
                    expected = y(before.normalization, channel, keep, 2 * n - before.fan_in) >= 0
                    assert (n >= threshold) ^ invert == expected


@pytest.mark.parametrize("seed", range(50))
def test_changes_at_its_threshold(seed):
    """Parameters of any size: the float model changes between threshold - 1 and threshold."""
    rng = np.random.default_rng(seed)
    fan_in = int(rng.integers(1, 2000))
    parameters = {"bias": rng.normal(), "scale": rng.lognormal(0, 0.35), "gamma": rng.normal(),
                  "beta": rng.normal(), "mean": rng.normal(0, fan_in**0.5),
                  "deviation": rng.uniform(0.1, fan_in**0.5)}
    parameters = {name: float(value) for name, value in parameters.items()}
    normalization = Normalization(**{name: (value,) for name, value in parameters.items()})
    for keep, (threshold, invert) in enumerate(one_channel(fan_in, **parameters)):
        for n in {0, threshold - 1, threshold, fan_in} & set(range(fan_in + 1)):
            expected = y(normalization, 0, keep, 2 * n - fan_in) >= 0
            assert (n >= threshold) ^ invert == expected


@pytest.mark.parametrize("seed", range(10))
def test_output_layer(random_network, seed):
    network = random_network(seed)
    before, after = network.layers[-1], fold(network, TARGET).layers[-1]
    assert after.normalization is None
    for keep, bank in enumerate(after.banks):
        assert isinstance(bank, Affine)
        for channel in range(before.outputs):
            for s in (-before.fan_in, 0, before.fan_in):
                expected = float(y(before.normalization, channel, keep, s)) * math.log2(math.e)
                assert bank.gain[channel] * s + bank.offset[channel] \
                    == pytest.approx(expected, rel=1e-12, abs=1e-12)
