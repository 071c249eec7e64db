"""The checkpoints of all methods: write a float model, and read it again."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gen.checkpoint_file import CheckpointError, members, read_file
from gen.files import replacing
from gen.ir import Network
from gen.methods import METHODS
from golden.float.model import BayNN
from golden.float.spinbayes import SpinBayes
from golden.methods import file_of


__all__ = ["CONVOLUTIONS", "CheckpointError", "export", "load"]


#: The layers of binary networks by the method.
CONVOLUTIONS = {method: file_of(method).LAYER for method in METHODS if METHODS[method].weight_bits == 1}


def export(model: BayNN | SpinBayes, path: Path):
    """Write ``model`` to ``path`` in the format of :mod:`gen.checkpoint_file`, whole or not at all.

    It must hold what is stored, as its ``settle()`` makes it.

    Raises
    ------
    FileError
        If ``path`` cannot be written.
    """
    arrays = members(model.network)
    for layer in model.layers:
        stored = layer.stored()
        # torch keeps the channel before the kernel; a map arrives with the channel fastest.
        stored["weight"] = stored["weight"].movedim(-3, -1).flatten(-3)
        for name, value in stored.items():
            kind = np.int8 if name == "weight" else np.float64
            arrays[f"{layer.layer.name}.{name}"] = _array(value, kind)
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def _array(value, kind):
    return (value.detach().cpu().numpy() if isinstance(value, Tensor) else np.array(value)).astype(kind)


def load(network: Network, path: Path) -> nn.Module:
    """Return ``network`` as a float64 model in evaluation mode with the parameters of ``path``.

    It is a :class:`.BayNN` of the method of the network, or of that of the file where the network has no
    choices; or a :class:`.SpinBayes`, with the first crossbars of the file. Its weights are those in the
    file, and are not trained any further.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or made for another network.
    ValueError
        If the choices of ``network`` are its own.
    """
    if network.draws and not network.method:
        raise ValueError(f"Choices of {network.name!r} must be those of a method for a float model, not "
                         "its own")
    network, thresholds, layers = read_file(path, network)
    if any(layer.value_thresholds for layer in network.layers) or any(
            found for join in network.joins for found in join.thresholds):
        raise CheckpointError(f"Checkpoint {path} has thresholds of values in fixed point, which a float "
                              "model has not; take the golden model of the compiled network")
    model = (SpinBayes(network) if network.method == SpinBayes.method else
             BayNN(network, CONVOLUTIONS[network.method]))
    model.double().eval()
    model.thresholds.copy_(torch.tensor(thresholds))
    for layer, parameters in zip(model.layers, layers, strict=True):
        shape = layer.layer
        if parameters.threshold is not None:
            raise CheckpointError(f"Checkpoint {path} has thresholds in layer {shape.name!r}, and not the "
                                  "numbers that a float model needs; take the golden model of the compiled "
                                  "network")
        if parameters.weight_bits != shape.weight_bits:
            raise CheckpointError(f"Checkpoint {path} has weights of {parameters.weight_bits} bits, "
                                  f"but network {network.name!r} needs {shape.weight_bits}; make it "
                                  f"again with: python -m golden.train {network.name} --data DIR")
        stored = {name: _tensor(value) if isinstance(value, np.ndarray) else value
                  for name, value in asdict(parameters).items()}
        stored["weight"] = stored["weight"].unflatten(
            -1, (*shape.kernel, shape.group_channels)).movedim(-1, -3)
        layer.take(stored)
    return model


def _tensor(rows):
    return torch.tensor(rows if len(rows) > 1 else rows[0])
