"""Random parameters, with which a network has cycles, arrays and cells before it is trained."""

import numpy as np

from gen.checkpoint_file import Parameters
from gen.ir import Layer, Network
from gen.methods import has_dropout, method_for
from gen.weights import tied


__all__ = ["random_parameters"]


def random_parameters(network: Network, seed: int) -> list[Parameters]:
    """Return random parameters of each layer of ``network``, the same for the same ``seed``.

    Weights are even; the constants of the batch normalization are such that its results have a deviation of
    about 1, so that bits of both values come of them. What the network answers means nothing.
    """
    rng = np.random.default_rng(seed)
    return [_parameters(network, layer, rng) for layer in network.layers]


def _parameters(network: Network, layer: Layer, rng) -> Parameters:
    method = method_for(network)
    count  = 1 if method.single else layer.crossbars * layer.bank_count
    rows   = count, layer.outputs
    shape  = layer.crossbars, layer.outputs, layer.fan_in
    most   = 2**(layer.weight_bits - 1) - 1
    weight = rng.choice([-1, 1], shape) if layer.weight_bits == 1 else rng.integers(-most, most + 1, shape)
    # Of uniform weights of several bits, and of levels from 0 to 1, a third of the square of the largest.
    power  = layer.ways * layer.fan_in / (1 if most == 0 else 3) / (3 if layer.input_low == 0 else 1)
    return Parameters(
        weight=tied(layer, weight.astype(np.int64)), weight_bits=layer.weight_bits,
        bias=rng.normal(0, 1, rows), gamma=rng.normal(1, 0.3, rows), beta=rng.normal(0, 0.3, rows),
        mean=np.zeros(rows), variance=power * rng.uniform(0.5, 1.5, rows), epsilon=1e-5,
        scale=rng.lognormal(0, 0.35, rows) if method.scaled else None,
        dropout=layer.dropout if has_dropout(network, layer) else None)
