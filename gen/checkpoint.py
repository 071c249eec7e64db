"""Read a checkpoint: a network and its parameters, from a file of :mod:`gen.checkpoint_file`."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gen.check_shapes import check_shapes
from gen.checkpoint_file import SHIPPED, CheckpointError, Parameters, read_file
from gen.ir import Comparison, Layer, Network, Normalization
from gen.methods import Method, drops_by_bits, has_dropout, method_for, with_draws, with_dropout
from gen.weights import pack


__all__ = ["CheckpointError", "SHIPPED", "check_probability", "read", "read_parameters", "with_parameters",
           "with_thresholds"]


def read(path: Path, network: Network | None = None) -> Network:
    """Return ``network``, or where none is given the one that the file holds, with weights, normalizations,
    dropout probabilities and thresholds from ``path``.

    A network without a method gets the choices of that of the file. Of more arrays or banks than a layer
    chooses from, the first are taken. The bits of a weight are those that the file was made for.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or made for another network; or if none is given, and it
        holds none.
    MalformedNetwork
        If there can be no network of that shape.
    """
    if network is not None:
        check_shapes(network)
    network, thresholds, layers = read_file(path, network)
    return with_parameters(with_thresholds(network, thresholds), layers)


def with_thresholds(network: Network, thresholds: np.ndarray) -> Network:
    """Return ``network`` with the ``thresholds`` of its input."""
    return replace(network, input=replace(network.input, thresholds=tuple(thresholds.tolist())))


def with_parameters(network: Network, layers: list[Parameters]) -> Network:
    """Return ``network`` with the parameters of its ``layers``."""
    network = replace(
        network,
        layers=tuple(_with_parameters(*both, method_for(network, scaled=both[1].scale is not None))
                     for both in zip(network.layers, layers, strict=True)))
    return with_dropout(network, {
        layer.name: own.dropout for layer, own in zip(network.layers, layers, strict=True)})


def read_parameters(network: Network, path: Path | str | None = None, p: float | None = None) -> Network:
    """Return ``network`` with the parameters in ``path``, or those that come with the project, and with the
    dropout probability ``p`` in all layers if given.

    Raises
    ------
    CheckpointError
        As :func:`read`; or if ``p`` is no probability, or the method of the network has none.
    MalformedNetwork
        As :func:`read`.
    """
    network = read(Path(path or SHIPPED / f"{network.name}.npz"), network)
    if p is None:
        return network
    check_probability(network, p)
    if not network.method:
        return with_draws(network, p)
    return with_dropout(network, {layer.name: p for layer in network.layers})


def check_probability(network: Network, p: float):
    """Raise :exc:`CheckpointError` unless layers of ``network`` can have the dropout probability ``p``."""
    if not network.method and not drops_by_bits(network):
        raise CheckpointError(f"Network {network.name!r} has choices of its own, some of which are not "
                              "dropped by a bit, with the probabilities of its draws; leave --p out")
    if network.method and not any(has_dropout(network, layer) for layer in network.layers):
        raise CheckpointError(f"Method {network.method!r} has no dropout probability; leave --p out")
    if not 0 <= p <= 1:
        raise CheckpointError(f"A dropout probability must be from 0 to 1, not {p}")


def _with_parameters(layer: Layer, own: Parameters, method: Method) -> Layer:
    layer = replace(layer, weight_bits=own.weight_bits,
                    arrays=tuple(pack(array, own.weight_bits) for array in own.weight))
    if own.threshold is not None:
        bank = Comparison(tuple(own.threshold.ravel().tolist()), tuple(own.invert.tolist()))
        return replace(layer, banks=((bank,),) * layer.crossbars)
    # In float64, whatever the file has: the next float32 is beside many thresholds.
    deviation = np.sqrt(own.variance + own.epsilon)
    scale = np.ones((1, layer.outputs)) if own.scale is None else own.scale
    if layer.choices: # a layer that chooses nothing drops nothing
        scale = method.scales(scale)
    gamma, beta = own.gamma, own.beta
    centred = method.affines is not None and bool(layer.choices)
    if centred:
        gamma, beta = method.affines(gamma, beta)
    rows  = [[tuple(row) for row in vectors.tolist()]
             for vectors in (own.bias, scale, gamma, beta, own.mean, deviation)]

    def normalization(number):
        return Normalization(*(vectors[number % len(vectors)] for vectors in rows), centred=centred)

    return replace(layer, normalizations=tuple(
        tuple(normalization(outcome * layer.bank_count + bank) for bank in range(layer.bank_count))
        for outcome in range(len(layer.array_sets))))
