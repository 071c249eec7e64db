"""The float BayNN: a network of binary layers with Scale-Dropout, and its checkpoints."""

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gen.ir import Network
from golden.layers import BinaryConvolution, sign


__all__ = ["BayNN", "CheckpointError", "export", "load", "paths"]


class CheckpointError(Exception):
    """A checkpoint that cannot be read or written, with the way out in its message."""


class BayNN(nn.Module):
    """A network of :mod:`gen.networks` in floating point, for training and as reference.

    Evaluate it in float64 (``model.double().eval()``) to compare with the compiled network.

    Parameters
    ----------
    network : :class:`gen.ir.Network`
        Layers and thresholds of the input. Parameters that it may hold are not looked at.
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
        """Return the bits that enter each layer, bool ``(N, H, W, C)``, the input's first."""
        x = self.binarize(images)
        maps = [x]
        for index, layer in enumerate(self.layers[:-1]):
            x = sign(layer(x, keep[:, index]))
            maps.append(x)
        return [(x > 0).permute(0, 2, 3, 1) for x in maps]


@torch.no_grad()
def paths(model: BayNN, images: Tensor) -> Tensor:
    """Return the class probabilities of every combination of keep bits, ``(N, 2 ** L, classes)``.

    The bits of a combination's index are the keep bits, those of the first layer highest. A prefix
    that combinations share is computed once.
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


_VECTORS = ("bias", "scale", "gamma", "beta", "mean", "variance")


def _vectors(layer):
    normalization = layer.normalization
    return dict(zip(_VECTORS, (
        layer.bias, layer.scale, normalization.weight, normalization.bias,
        normalization.running_mean, normalization.running_var), strict=True))


def export(model: BayNN, path: Path):
    """Write ``model`` to ``path`` in the format of :mod:`gen.checkpoint`, whole or not at all.

    Raises
    ------
    CheckpointError
        If ``path`` cannot be written.
    """
    arrays = {"network": np.array(model.network.name),
              "thresholds": np.array(model.network.input.thresholds, np.int64)}
    for layer in model.layers:
        name = layer.layer.name
        # torch keeps the channel before the kernel; a map arrives with the channel fastest.
        signs = layer.binary_weight().detach().permute(0, 2, 3, 1).flatten(1)
        arrays[f"{name}.weight"] = signs.numpy().astype(np.int8)
        for key, vector in _vectors(layer).items():
            arrays[f"{name}.{key}"] = vector.detach().numpy().astype(np.float64)
        arrays[f"{name}.epsilon"] = np.float64(layer.normalization.eps)
        arrays[f"{name}.dropout"] = np.float64(layer.dropout.p)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(temporary, path)
    except OSError as error:
        raise CheckpointError(f"Checkpoint {path} cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)


def load(network: Network, path: Path) -> BayNN:
    """Return ``network`` as a float64 model in evaluation mode with the parameters of ``path``.

    Its weights are the signs in the file and are not trained any further.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or made for a network of another shape.
    """
    again = f"make it again with: python -m golden.train {network.name} --data DIR"
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise CheckpointError(f"Checkpoint {path} does not exist; {again}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointError(f"Checkpoint {path} is damaged ({error}); {again}") from None

    def take(name, shape):
        if name not in arrays:
            raise CheckpointError(f"Checkpoint {path} has no {name!r}; {again}")
        if arrays[name].shape != shape:
            raise CheckpointError(f"Checkpoint {path} has {name!r} of shape {arrays[name].shape}, "
                                  f"but network {network.name!r} needs {shape}; {again}")
        return torch.tensor(arrays[name])

    model = BayNN(network).double().eval()
    model.thresholds.copy_(take("thresholds", (len(network.input.thresholds),)))
    with torch.no_grad():
        for layer in model.layers:
            shape, name = layer.layer, layer.layer.name
            signs = take(f"{name}.weight", (shape.outputs, shape.fan_in))
            layer.hold(signs.view(shape.outputs, *shape.kernel, shape.channels).permute(0, 3, 1, 2))
            for key, vector in _vectors(layer).items():
                vector.copy_(take(f"{name}.{key}", (shape.outputs,)))
            layer.normalization.eps = take(f"{name}.epsilon", ()).item()
            layer.dropout.p = take(f"{name}.dropout", ()).item()
    return model
