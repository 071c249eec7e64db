"""The float SpinBayes network: a pass reads one of the N crossbars of each layer."""

import numpy as np
import torch
from torch import Tensor, nn

from gen.ir import Network
from golden.float.bayes import BayesianConvolution
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
        self.layers = nn.ModuleList(map(BayesianConvolution, network.layers))
        self.register_buffer("thresholds", torch.tensor(network.input.thresholds))

    def settle(self):
        """Take N samples of each layer's posterior as its crossbars (SpinBayes, 3.2)."""
        for layer in self.layers:
            layer.settle()

    def draw(self, rng: np.random.Generator, count: int, passes: int) -> np.ndarray:
        """Return random choices of ``count`` images and ``passes``, int64 ``(count, passes, L)``."""
        outcomes = [len(layer.layer.array_sets) for layer in self.layers]
        return rng.integers(outcomes, size=(count, passes, len(outcomes)))

    def levels(self, images: Tensor) -> Tensor:
        """Turn uint8 pixels ``(N, H, W)`` into levels ``(N, C, H, W)``: counts of reached thresholds."""
        return levels_of_pixels(images, self.thresholds, self.network.input).to(self.layers[0].bias.dtype)

    def forward(self, images: Tensor, choice: Tensor | None = None) -> Tensor:
        """Return the logits ``(N, classes)`` of uint8 ``images`` ``(N, H, W)`` in one pass.

        ``choice`` holds the array, or set of arrays, of each image and layer, int64 ``(N, L)``; without it,
        they are drawn at random.
        """
        q = self.levels(images)
        for index, layer in enumerate(self.layers):
            y = layer(q, None if choice is None else choice[:, index])
            q = levels_of(y, layer.layer.output_bits, layer.layer.output_low)
        return y.flatten(1)

    def passes(self, images: Tensor, choice: Tensor) -> Tensor:
        """Return the logits ``(N, T, classes)`` of the passes of ``choice`` ``(N, T, L)``."""
        return torch.stack([self(images, of_pass) for of_pass in choice.unbind(1)], 1)

    @torch.no_grad()
    def hidden(self, images: Tensor, choice: Tensor) -> list[Tensor]:
        """Return the feature map that enters each layer, int64 ``(N, H, W, C)``, from the input on."""
        maps = [self.levels(images)]
        for index, layer in enumerate(self.layers[:-1]):
            y = layer(maps[-1], choice[:, index])
            maps.append(levels_of(y, layer.layer.output_bits, layer.layer.output_low))
        return [q.long().permute(0, 2, 3, 1) for q in maps]
