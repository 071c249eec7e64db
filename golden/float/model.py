"""The float BayNN, a network of binary layers with Scale-Dropout, and the checkpoints of all networks."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gen.checkpoint_file import STATED, CheckpointError, read_file
from gen.files import replacing
from gen.ir import Network
from golden.float.layers import BinaryConvolution, sign
from golden.float.spinbayes import SpinBayes


__all__ = ["BayNN", "CheckpointError", "export", "load", "paths"]


class BayNN(nn.Module):
    """A network of :mod:`gen.networks` in floating point, for training and as reference.

    Evaluate it in float64 (``model.double().eval()``) to compare with the compiled network.

    Parameters
    ----------
    network : :class:`gen.ir.Network`
        Layers and thresholds of the input. Its parameters, if it has any, are ignored.
    """

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.layers = nn.ModuleList(map(BinaryConvolution, network.layers))
        self.register_buffer("thresholds", torch.tensor(network.input.thresholds))

    def binarize(self, images: Tensor) -> Tensor:
        """Turn uint8 pixels ``(N, H, W)`` into signs ``(N, C, H, W)``, +1 for pixel >= threshold."""
        bits = images[:, None] >= self.thresholds.view(1, -1, 1, 1)
        return bits.to(self.layers[0].scale.dtype).mul_(2).sub_(1)

    def forward(self, images: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return the logits ``(N, classes)`` of uint8 ``images`` ``(N, H, W)`` in one pass.

        ``keep`` holds the keep bits, bool ``(N, L)``. Without it they are drawn while training, and
        all scales are kept in evaluation.
        """
        x = self.binarize(images)
        for index, layer in enumerate(self.layers):
            y = layer(x, None if keep is None else keep[:, index])
            x = sign(y)
        return y.flatten(1)

    @torch.no_grad()
    def hidden(self, images: Tensor, keep: Tensor) -> list[Tensor]:
        """Return the feature map that enters each layer, bool ``(N, H, W, C)``, from the input on."""
        x = self.binarize(images)
        maps = [x]
        for index, layer in enumerate(self.layers[:-1]):
            x = sign(layer(x, keep[:, index]))
            maps.append(x)
        return [(x > 0).permute(0, 2, 3, 1) for x in maps]


@torch.no_grad()
def paths(model: BayNN, images: Tensor) -> Tensor:
    """Return the class probabilities of every combination of keep bits, ``(N, 2 ** L, classes)``.

    The binary digits of a combination's index are its keep bits, that of the first layer being the highest.
    Combinations that share the bits of the first layers share their computation.
    """
    def walk(x, layers):
        layer, *rest = layers
        sums = layer.sums(x)
        for bit in (False, True):
            y = layer.normalize(sums, torch.full((len(x),), bit))
            if rest:
                yield from walk(sign(y), rest)
            else:
                yield y.flatten(1).softmax(1)

    return torch.stack(list(walk(model.binarize(images), list(model.layers))), 1)


def _vectors(layer):
    """Return the parameters of ``layer`` per output channel, by their name in a checkpoint."""
    normalization = layer.normalization
    vectors = {"bias": layer.bias}
    if isinstance(layer, BinaryConvolution):
        vectors["scale"] = layer.scale
    return vectors | {
        "gamma": normalization.weight,
        "beta": normalization.bias,
        "mean": normalization.running_mean,
        "variance": normalization.running_var,
    }


def export(model: BayNN | SpinBayes, path: Path):
    """Write ``model`` to ``path`` in the format of :mod:`gen.checkpoint_file`, whole or not at all.

    A :class:`~golden.float.spinbayes.SpinBayes` must have been sampled.

    Raises
    ------
    FileError
        If ``path`` cannot be written.
    """
    arrays = {"network": np.array(model.network.name),
              **{name: np.array(value) for name, value in STATED.items()},
              "thresholds": np.array(model.network.input.thresholds, np.int64)}
    bits = {layer.layer.weight_bits for layer in model.layers}
    if len(bits) == 1 and bits != {1}:
        arrays["weight_bits"] = np.int64(bits.pop())
    for layer in model.layers:
        name = layer.layer.name
        binary = isinstance(layer, BinaryConvolution)
        weights = layer.binary_weight() if binary else layer.arrays
        # torch keeps the channel before the kernel; a map arrives with the channel fastest.
        weights = weights.detach().movedim(-3, -1).flatten(-3)
        arrays[f"{name}.weight"] = weights.cpu().numpy().astype(np.int8)
        for key, vector in _vectors(layer).items():
            arrays[f"{name}.{key}"] = vector.detach().cpu().numpy().astype(np.float64)
        arrays[f"{name}.epsilon"] = np.float64(layer.normalization.eps)
        if binary:
            arrays[f"{name}.dropout"] = np.float64(layer.dropout.p)
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def load(network: Network, path: Path) -> BayNN | SpinBayes:
    """Return ``network`` as a float64 model in evaluation mode with the parameters of ``path``.

    Its weights are those in the file, and are not trained any further. If its layers have several
    crossbars, it is a :class:`~golden.float.spinbayes.SpinBayes` with the first crossbars of the file.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or made for another network.
    ValueError
        If some layers have one crossbar and others several.
    """
    several = {layer.crossbars > 1 for layer in network.layers}
    if len(several) > 1:
        raise ValueError(f"Layers of {network.name!r} must all have one crossbar or all have several for a "
                         "float model")
    thresholds, layers = read_file(path, network)
    model = (SpinBayes if several == {True} else BayNN)(network).double().eval()
    model.thresholds.copy_(torch.tensor(thresholds))
    with torch.no_grad():
        for layer, parameters in zip(model.layers, layers, strict=True):
            shape = layer.layer
            if parameters.weight_bits != shape.weight_bits:
                raise CheckpointError(f"Checkpoint {path} has weights of {parameters.weight_bits} bits, "
                                      f"but network {network.name!r} needs {shape.weight_bits}; make it "
                                      f"again with: python -m golden.train {network.name} --data DIR")
            weights = torch.tensor(parameters.weight).unflatten(-1, (*shape.kernel, shape.channels))
            binary = isinstance(layer, BinaryConvolution)
            layer.hold((weights[0] if binary else weights).movedim(-1, -3))
            for key, vector in _vectors(layer).items():
                vector.copy_(torch.tensor(getattr(parameters, key)))
            layer.normalization.eps = parameters.epsilon
            if binary:
                layer.dropout.p = parameters.dropout
    return model
