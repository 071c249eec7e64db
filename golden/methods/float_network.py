"""The same network with float weights and activations, whose layers drop at random: what the papers compare
with. Nothing of it is built."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.ir import Layer, Network
from golden.float.layers import logits_of, resized


__all__ = ["FloatConvolution", "FloatNetwork"]


class FloatConvolution(nn.Module):
    """Convolution, max-pool and batch normalization of one layer, with float weights.

    A method is a class of this kind that drops inputs or weights in each pass, in training and later, of
    layers that are :attr:`full`. On convolutions, dropping costs accuracy (Scale-Dropout, VII-A1).

    Parameters
    ----------
    layer : :class:`gen.ir.Layer`
        Geometry. A fully connected layer is a convolution whose kernel is the whole map.
    channels : int
        Input channels.
    """

    def __init__(self, layer: Layer, channels: int):
        super().__init__()
        self.layer = layer
        kernel, *others = (
            tuple(side // window for side, window in zip(sides, layer.average, strict=True))
            for sides in (layer.kernel, layer.stride, layer.padding))
        self.convolution = nn.Conv2d(channels, layer.outputs, kernel, *others, bias=False,
                                     groups=math.gcd(layer.groups, channels)) # of fewer channels, if any
        self.normalization = nn.BatchNorm2d(layer.outputs)

    @property
    def full(self) -> bool:
        """Whether the layer is fully connected."""
        return self.layer.positions == (1, 1)

    def restrict(self):
        """Nothing is limited."""

    def inputs(self, x: Tensor) -> Tensor:
        """Return what is left of the inputs ``x`` in this pass."""
        return x

    def weight(self) -> Tensor:
        """Return what is left of the weights in this pass."""
        return self.convolution.weight

    def forward(self, x: Tensor) -> Tensor:
        layer, convolution = self.layer, self.convolution
        x = self.inputs(x)
        x = functional.avg_pool2d(x, layer.average) if layer.average != (1, 1) else x
        s = functional.conv2d(x, self.weight(), stride=convolution.stride, padding=convolution.padding,
                              groups=convolution.groups)
        s = functional.max_pool2d(s, layer.pool) if layer.pool != (1, 1) else s
        return resized(layer, self.normalization(s))


class FloatNetwork(nn.Module):
    """A network of :mod:`gen.networks` with float weights, pixels as they are and rectified activations.

    Parameters
    ----------
    network : :class:`gen.ir.Network`
        Geometry of the layers.
    convolution : type
        What the layers are, and so the method.
    """

    def __init__(self, network: Network, convolution: type[FloatConvolution]):
        super().__init__()
        self.network = network
        self.layers = nn.ModuleList(convolution(layer, layer.channels if index else network.input.colours)
                                    for index, layer in enumerate(network.layers))

    def draw(self, rng: np.random.Generator, count: int, passes: int) -> np.ndarray:
        """Return no choices, int64 ``(count, passes, 0)``: layers drop by torch's random numbers."""
        return np.empty((count, passes, 0), np.int64)

    def passes(self, images: Tensor, choice: Tensor) -> Tensor:
        """Return the logits ``(N, T, classes)`` of the passes of ``choice`` ``(N, T, 0)``."""
        return torch.stack([self(images, of_pass) for of_pass in choice.unbind(1)], 1)

    def forward(self, images: Tensor, choice: Tensor | None = None) -> Tensor:
        """Return the logits ``(N, classes)`` of uint8 ``images`` ``(N, H, W)``, of several colours
        ``(N, H, W, colours)``, in one random pass."""
        x = images[:, None] if images.ndim == 3 else images.movedim(-1, 1)
        x = x.to(self.layers[0].convolution.weight.dtype) / 128 - 1
        for layer in self.layers:
            y = layer(x)
            x = functional.relu(y)
        return logits_of(y)
