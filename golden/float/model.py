"""The float BayNN, a network of binary layers that make random choices."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from gen.graph import graph_of
from gen.ir import Network
from gen.methods import choose
from golden.float.graph import follow, numbered
from golden.float.layers import BinaryConvolution, logits_of, resized, sign
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
        if not network.method:
            network = replace(choose(network, convolution.method), name=network.name)
        self.network = network
        self.graph = graph_of(network)
        # Beside the trunk nothing is chosen.
        self.layers = nn.ModuleList(
            (convolution if index in self.graph.trunk else BinaryConvolution)(layer)
            for index, layer in enumerate(network.layers))
        self.register_buffer("thresholds", torch.tensor(network.input.thresholds))

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.layers[0].method

    @property
    def trunk(self) -> list[BinaryConvolution]:
        """The layers on the way from the input to the output, which choose; in a chain all."""
        return [self.layers[index] for index in self.graph.trunk]

    def draw(self, rng: np.random.Generator, count: int, passes: int) -> np.ndarray:
        """Return random choices of ``count`` images and ``passes``, those of the L layers of the trunk side
        by side: int64 ``(count, passes, L)``, or of masks the random bits of a pass, bool ``(count, passes,
        W)``.

        Where layers are tied, nothing is random: pass ``t`` makes choice ``t`` modulo their number.
        """
        if self.layers[0].tied:
            numbers = np.arange(passes)[:, None] % len(self.layers[0].shares())
            return np.broadcast_to(numbers, (count, passes, len(self.trunk))).copy()
        return np.concatenate([layer.draw(rng, count, passes) for layer in self.trunk], -1)

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
        """Return the logits ``(N, classes)``, or those of positions ``(N, H, W, classes)``, of uint8
        ``images`` ``(N, H, W)``, of several components ``(N, H, W, colours)``, in one pass.

        ``choice`` holds the choice of each image and layer of the trunk, ``(N, L)``, where keep bits may be
        bool; or which groups each mask keeps, ``(N, W)``. Without it, layers choose at random while
        training, and in evaluation as their method says.
        """
        return self._logits(self.layers[0].sums(self.binarize(images)), choice)

    def passes(self, images: Tensor, choice: Tensor) -> Tensor:
        """Return the logits ``(N, T, classes)``, or those of positions ``(N, T, H, W, classes)``, of the
        passes of ``choice``, as :meth:`draw` returns it, which share what they can of the first layer."""
        sums = self.layers[0].sums(self.binarize(images))
        return torch.stack([self._logits(sums, of_pass) for of_pass in choice.unbind(1)], 1)

    def _logits(self, sums, choice):
        """Return the logits for the pooled sums of the first layer."""
        *_, (_, y) = self._behind(sums, choice)
        return logits_of(y)

    def _behind(self, sums, choice):
        """Yield layers and joins with what leaves each of them, for the pooled sums of the first one."""
        own = self._by_layer(choice)

        def run(index, x):
            layer = self.layers[index]
            return layer.normalize(sums, own.get(0)) if index == 0 else layer(x, own.get(index))

        return follow(self.graph, self.network.layers, None, run, lambda y, bits, low: sign(y))

    def _by_layer(self, choice):
        """Return the part of ``choice`` of each layer of the trunk, ``(N,)`` or ``(N, columns)``."""
        if choice is None:
            return {}
        parts = choice.split([layer.columns for layer in self.trunk], 1)
        return {index: part.squeeze(1) for index, part in zip(self.graph.trunk, parts, strict=True)}

    @torch.no_grad()
    def hidden(self, images: Tensor, choice: Tensor) -> list[Tensor]:
        """Return the feature map that enters the first layer, and that which leaves each other but the
        last, levels ``(N, H, W, C)``; those of one bit as bool."""
        x = self.binarize(images)
        maps = [x > 0 if self.network.input.bits == 1 else
                levels_of_pixels(images, self.thresholds, self.network.input)]
        left = {node.name: y for node, y in self._behind(self.layers[0].sums(x), choice)}
        for layer in self.network.layers[:-1]:
            y = left[layer.name]
            maps.append(y > 0 if layer.fraction is None else numbered(layer, y).long())
        return [levels.permute(0, 2, 3, 1) for levels in maps]


@torch.no_grad()
def paths(model: BayNN, images: Tensor) -> Tensor:
    """Return the class probabilities of every combination of keep bits, ``(N, 2 ** L, classes)``, of a
    chain of layers.

    The binary digits of a combination's index are its keep bits, that of the first layer being the highest.
    Combinations that share the bits of the first layers share their computation.
    """
    def walk(x, layers):
        layer, *rest = layers
        sums = layer.sums(x)
        for bit in (False, True):
            y = layer.normalize(sums, torch.full((len(x),), bit, device=x.device))
            if rest:
                yield from walk(resized(layer.layer, sign(y)), rest)
            else:
                yield logits_of(y).softmax(-1)

    return torch.stack(list(walk(model.binarize(images), list(model.layers))), 1)
