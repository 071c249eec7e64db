"""The float BayNN, a network of binary layers that make random choices."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from gen.ir import Network
from gen.methods import choose
from golden.float.layers import BinaryConvolution, sign
from golden.float.levels import levels_of_pixels


__all__ = ["BayNN", "paths"]


class BayNN(nn.Module):
    """A network of :mod:`gen.networks` in floating point, for training and as reference.

    Evaluate it in float64 (``model.double().eval()``) to compare with the compiled network.

    Parameters
    ----------
    network : :class:`gen.ir.Network`
        Layers and thresholds of the input. One that names no method gets the choices of this one. Its
        parameters, if it has any, are ignored.
    convolution : type
        What the layers are, and so the method: :class:`.BinaryConvolution`, or a class of that kind.
    """

    def __init__(self, network: Network, convolution: type[BinaryConvolution] = BinaryConvolution):
        super().__init__()
        if network.joins:
            raise ValueError(f"Network {network.name!r} must be a chain of layers, without joins")
        if not network.method:
            network = replace(choose(network, convolution.method), name=network.name)
        self.network = network
        self.layers = nn.ModuleList(map(convolution, network.layers))
        self.register_buffer("thresholds", torch.tensor(network.input.thresholds))

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.layers[0].method

    def draw(self, rng: np.random.Generator, count: int, passes: int) -> np.ndarray:
        """Return random choices of ``count`` images and ``passes``, those of the layers side by side: int64
        ``(count, passes, L)``, or of masks the random bits of a pass, bool ``(count, passes, W)``.

        Where layers are tied, nothing is random: pass ``t`` makes choice ``t`` modulo their number.
        """
        if self.layers[0].tied:
            numbers = np.arange(passes)[:, None] % len(self.layers[0].shares())
            return np.broadcast_to(numbers, (count, passes, len(self.layers))).copy()
        return np.concatenate([layer.draw(rng, count, passes) for layer in self.layers], -1)

    def settle(self):
        """End the training: hold what a checkpoint stores."""
        for layer in self.layers:
            layer.settle()

    def binarize(self, images: Tensor) -> Tensor:
        """Turn uint8 pixels, as of :func:`.levels_of_pixels`, into what the first layer takes: signs
        ``(N, C, H, W)``, or for levels ``q`` from 0 to ``L > 1`` the integers ``2 q - L``."""
        q = levels_of_pixels(images, self.thresholds, self.network.input)
        return q.to(self.layers[0].scale.dtype).mul_(2).sub_(2**self.network.input.bits - 1)

    def forward(self, images: Tensor, choice: Tensor | None = None) -> Tensor:
        """Return the logits ``(N, classes)`` of uint8 ``images`` ``(N, H, W)``, of several
        components ``(N, H, W, colours)``, in one pass.

        ``choice`` holds the choice of each image and layer, ``(N, L)``, where keep bits may be bool; or
        which groups each mask keeps, ``(N, W)``. Without it, layers choose at random while training, and
        in evaluation as their method says.
        """
        return self._behind(self.layers[0].sums(self.binarize(images)), choice)

    def passes(self, images: Tensor, choice: Tensor) -> Tensor:
        """Return the logits ``(N, T, classes)`` of the passes of ``choice``, as :meth:`draw` returns
        it, which share what they can of the first layer."""
        sums = self.layers[0].sums(self.binarize(images))
        return torch.stack([self._behind(sums, of_pass) for of_pass in choice.unbind(1)], 1)

    def _behind(self, sums, choice):
        """Return the logits for the pooled sums of the first layer."""
        of_layer = self._by_layer(choice)
        y = self.layers[0].normalize(sums, of_layer[0])
        for layer, own in zip(self.layers[1:], of_layer[1:], strict=True):
            y = layer(sign(y), own)
        return y.flatten(1)

    def _by_layer(self, choice):
        """Return the part of ``choice`` of each layer, ``(N,)`` or ``(N, columns)``; or None for all."""
        if choice is None:
            return [None] * len(self.layers)
        parts = choice.split([layer.columns for layer in self.layers], 1)
        return [part.squeeze(1) for part in parts]

    @torch.no_grad()
    def hidden(self, images: Tensor, choice: Tensor) -> list[Tensor]:
        """Return the feature map that enters each layer, levels ``(N, H, W, C)``, from the input on; those
        of one bit as bool."""
        x = self.binarize(images)
        maps = [x]
        for layer, own in zip(self.layers[:-1], self._by_layer(choice)[:-1], strict=True):
            x = sign(layer(x, own))
            maps.append(x)
        signs = [(x > 0).permute(0, 2, 3, 1) for x in maps]
        if self.network.input.bits > 1:
            signs[0] = levels_of_pixels(images, self.thresholds, self.network.input).permute(0, 2, 3, 1)
        return signs


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
            y = layer.normalize(sums, torch.full((len(x),), bit, device=x.device))
            if rest:
                yield from walk(sign(y), rest)
            else:
                yield y.flatten(1).softmax(1)

    return torch.stack(list(walk(model.binarize(images), list(model.layers))), 1)
