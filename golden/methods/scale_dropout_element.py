"""Element-wise Scale-Dropout: each channel keeps its scale, or drops it, by itself (Scale-Dropout, III-B).

The paper names it, and measures nothing of it. It states no probability for it: of 0.1, 0.2, 0.3 and 0.5,
that with the smallest loss on training images that were held back is taken.
"""

from functools import partial

import numpy as np
import torch
from torch import nn

from gen.ir import Layer
from golden.methods.scale_dropout import ScaleConvolution, jitter, spread_objective
from golden.methods.tuning import Tuning


__all__ = ["LAYER", "P", "TUNING", "ElementScaleConvolution", "begin"]


P = 0.3 #: Dropout probability of each scale.


class ElementScaleConvolution(ScaleConvolution):
    """A layer of which each output channel keeps its scale, or drops it to one, by a keep bit of its own.

    A choice is a keep bit for each channel.
    """

    method = "scale-dropout-element"

    def __init__(self, layer: Layer):
        super().__init__(layer)
        self.columns = layer.outputs
        self.dropout.per_channel = True

    def draw(self, rng: np.random.Generator, count: int, passes: int) -> np.ndarray:
        return rng.random((count, passes, self.columns)) >= self.dropout.p


@torch.no_grad()
def begin(model: nn.Module, p: float):
    """Spread the scales of ``model``, and drop each of them with probability ``p``."""
    jitter(model)
    for layer in model.trunk:
        layer.dropout.p = p


LAYER  = ElementScaleConvolution
TUNING = Tuning(ElementScaleConvolution, partial(begin, p=P), spread_objective)
