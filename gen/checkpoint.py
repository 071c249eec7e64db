"""Read a checkpoint: a network and its parameters, from a file of :mod:`gen.checkpoint_file`."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gen.check_shapes import check_shapes
from gen.checkpoint_file import CheckpointError, Parameters, read_file
from gen.ir import Layer, Network, Normalization
from gen.weights import pack


__all__ = ["CheckpointError", "SHIPPED", "read"]


#: Folder of the checkpoints that come with the project, ``<network>.npz``.
SHIPPED = Path(__file__).parent / "checkpoints"


def read(path: Path, network: Network) -> Network:
    """Return ``network`` with weights, normalization, dropout and thresholds from ``path``.

    Of more arrays than a layer chooses from, the first are taken. The bits of a weight are those that
    the file was made for.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or made for another network.
    MalformedNetwork
        If there can be no network of that shape.
    """
    check_shapes(network)
    _, thresholds, layers = read_file(path, network)
    return replace(
        network, input=replace(network.input, thresholds=tuple(thresholds.tolist())),
        layers=tuple(_with_parameters(*both) for both in zip(network.layers, layers, strict=True)))


def _with_parameters(layer: Layer, own: Parameters) -> Layer:
    scale = np.ones((1, layer.outputs)) if own.scale is None else own.scale
    # In float64, whatever the file has: the next float32 is beside many thresholds.
    deviation = np.sqrt(own.variance + own.epsilon)
    return replace(
        layer,
        weight_bits=own.weight_bits,
        dropout=layer.dropout if own.dropout is None else own.dropout,
        arrays=tuple(pack(array, own.weight_bits) for array in own.weight),
        normalization=Normalization(*(tuple(vector[0].tolist()) for vector in (
            own.bias, scale, own.gamma, own.beta, own.mean, deviation))))
