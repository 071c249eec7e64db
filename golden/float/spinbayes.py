"""The float SpinBayes network: a pass reads one of the N crossbars of each layer."""

import numpy as np
import torch
from torch import Tensor, nn

from gen.graph import graph_of
from gen.ir import Network
from golden.float.bayes import BayesianConvolution
from golden.float.graph import follow, numbered
from golden.float.layers import logits_of
from golden.float.levels import levels_of, levels_of_pixels


__all__ = ["SpinBayes"]


class SpinBayes(nn.Module):
    """A network of :mod:`gen.networks` whose layers have several crossbars, in floating point.

    It is trained with weights drawn from their posterior; then :meth:`settle` fills the crossbars.
    Evaluate it in float64 (``model.double().eval()``) to compare with the compiled network.

    Parameters
    ----------
    network : :class:`gen.ir.Network`
        Layers and thresholds of the input. Its parameters, if it has any, are ignored.
    """

    method = "spinbayes" #: As commands and checkpoints have it.

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.graph = graph_of(network)
        self.layers = nn.ModuleList(map(BayesianConvolution, network.layers))
        self.register_buffer("thresholds", torch.tensor(network.input.thresholds))

    @property
    def trunk(self) -> list[BayesianConvolution]:
        """The layers on the way from the input to the output, which choose; in a chain all."""
        return [self.layers[index] for index in self.graph.trunk]

    def settle(self):
        """Take N samples of each layer's posterior as its crossbars (SpinBayes, 3.2)."""
        for layer in self.layers:
            layer.settle()

    def draw(self, rng: np.random.Generator, count: int, passes: int) -> np.ndarray:
        """Return random choices of ``count`` images and ``passes``, those of the L layers of the trunk side
        by side, int64 ``(count, passes, L)``."""
        outcomes = [len(layer.layer.array_sets) for layer in self.trunk]
        return rng.integers(outcomes, size=(count, passes, len(outcomes)))

    def levels(self, images: Tensor) -> Tensor:
        """Turn uint8 pixels ``(N, H, W)`` into levels ``(N, C, H, W)``: counts of reached thresholds."""
        return levels_of_pixels(images, self.thresholds, self.network.input).to(self.layers[0].bias.dtype)

    def forward(self, images: Tensor, choice: Tensor | None = None) -> Tensor:
        """Return the logits ``(N, classes)`` of uint8 ``images`` ``(N, H, W)`` in one pass.

        ``choice`` holds the array, or set of arrays, of each image and layer of the trunk, int64 ``(N,
        L)``; without it, they are drawn at random.
        """
        *_, (_, y) = self._through(self.levels(images), choice)
        return logits_of(y)

    def _through(self, q, choice):
        """Yield layers and joins with what leaves each of them, for the levels ``q`` of the input."""
        own = {} if choice is None else dict(zip(self.graph.trunk, choice.unbind(1), strict=True))
        return follow(self.graph, self.network.layers, q,
                      lambda index, x: self.layers[index](x, own.get(index)), levels_of)

    def passes(self, images: Tensor, choice: Tensor) -> Tensor:
        """Return the logits ``(N, T, classes)`` of the passes of ``choice`` ``(N, T, L)``."""
        return torch.stack([self(images, of_pass) for of_pass in choice.unbind(1)], 1)

    @torch.no_grad()
    def hidden(self, images: Tensor, choice: Tensor) -> list[Tensor]:
        """Return the feature map that enters the first layer, and that which leaves each other but the
        last, int64 ``(N, H, W, C)``."""
        maps = [self.levels(images)]
        left = {node.name: q for node, q in self._through(maps[0], choice)}
        for layer in self.network.layers[:-1]:
            q = left[layer.name]
            maps.append(q if layer.fraction is None else numbered(layer, q))
        return [q.long().permute(0, 2, 3, 1) for q in maps]
