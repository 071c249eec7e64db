"""What methods that drop inputs have in common: a mask on what enters a layer.

A dropped input is 0, neither -1 nor +1, and so adds nothing to a sum. Those that are kept are not
multiplied by ``1 / (1 - p)``, as float networks have it: the batch normalization behind would cancel the
factor.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from gen.ir import Layer
from golden.float.layers import BinaryConvolution
from golden.methods.tuning import Tuning


__all__ = ["MaskedConvolution", "set_dropout", "tuning"]


class MaskedConvolution(BinaryConvolution):
    """A layer whose inputs are dropped by groups, as its :class:`gen.ir.MaskChoice` has them: those of a
    channel, with the border that padding adds; or each input of a fully connected layer by itself.

    A choice is a bit for each group, 0 to drop it, with the probability of :attr:`p`. The ``state_dict()``
    includes that probability.

    Attributes
    ----------
    p : float or None
        Dropout probability; None where nothing is dropped.
    """

    def __init__(self, layer: Layer):
        super().__init__(layer)
        self.columns = 0 if layer.mask_choice is None else layer.mask_choice.groups
        self.p = layer.dropout if self.columns else None

    def get_extra_state(self):
        return {"dropout": self.p, **super().get_extra_state()}

    def set_extra_state(self, state):
        super().set_extra_state(state)
        self.p = state["dropout"]

    def draw(self, rng: np.random.Generator, count: int, passes: int) -> np.ndarray:
        return rng.random((count, passes, self.columns)) >= (self.p or 0)

    def stored(self) -> dict[str, Tensor | float]:
        return super().stored() | ({"dropout": self.p} if self.columns else {})

    def take(self, stored: dict[str, Tensor | float]):
        super().take(stored)
        self.p = stored["dropout"] if self.columns else None

    def forward(self, x: Tensor, choice: Tensor | None = None) -> Tensor:
        """Return the value before the sign for signs ``x`` ``(N, C, H, W)`` and the groups to keep, bool
        ``(N, groups)``.

        Groups that are not given are drawn while training, for each sample anew; in evaluation all are
        kept.
        """
        if not self.columns or choice is None and not self.training:
            return self.normalize(self.sums(x))
        if choice is None:
            choice = torch.rand(len(x), self.columns, device=x.device) >= self.p
        size = (1, 1) if self.columns == self.layer.channels else self.layer.kernel
        mask = choice.reshape(len(x), *size, self.layer.channels).movedim(-1, 1)
        return self.normalize(self.sums(x, mask))


@torch.no_grad()
def set_dropout(model: nn.Module, p: float):
    """Let the layers of ``model`` that have a mask drop with probability ``p``."""
    for layer in model.trunk:
        if layer.columns:
            layer.p = p


def tuning(convolution: type[MaskedConvolution], p: float) -> Tuning:
    """Return how a method that drops with probability ``p`` is trained."""
    return Tuning(convolution, partial(set_dropout, p=p))
