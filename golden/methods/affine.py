"""Affine dropout with inverted normalization (Ahmed et al., Enhancing Reliability of Neural Networks at the
Edge: Inverted Normalization with Stochastic Affine Transformations, III).

The affine transformation stands before the normalization, which has no parameters: ``z = w x + b`` for the
sum ``x`` of a layer, and ``y = (z - mean) / deviation`` over all channels and positions of the map of one
image, in training as in inference. A pass drops the whole vector w to ones, and b to zeros, each by a bit
of its own.

Every layer but the last, whose ten logits a normalization without a gain would flatten. The paper
normalizes behind convolutions and leaves the others open.
"""

from functools import partial

import torch
from torch import Tensor, nn

from gen.ir import Layer
from golden.float.layers import BinaryConvolution
from golden.methods.tuning import Tuning


__all__ = ["LAYER", "P", "TUNING", "AffineConvolution", "begin"]


P        = 0.3   #: Dropout probability of w and of b (IV-A1).
EPSILON  = 1e-5  #: Added to the variance of a map.
FRACTION = 8     #: Fraction bits of w and b when they are stored.


class AffineConvolution(BinaryConvolution):
    """A layer with inverted normalization, or the last one, which has a batch normalization and no choice.

    With the pooled sum ``s`` the ``x`` of the module is ``((s + bias) * scale - mean) / sqrt(variance +
    epsilon)``, where bias and mean are 0. While training the variance is the number of inputs, so that w
    and b are of one size; when they are stored it is 1. A choice is the number ``2 * (w kept) + (b kept)``.
    The ``state_dict()`` includes the dropout probability.

    Attributes
    ----------
    inverted : bool
        Whether this is not the last layer.
    gain, offset : Parameter ``(outputs,)``
        w and b, which begin at random (III-C).
    mean, variance : Tensor ``(outputs,)``
    p : float or None
        Dropout probability of either; None where nothing is dropped.
    """

    method = "affine"

    def __init__(self, layer: Layer):
        super().__init__(layer)
        self.inverted = bool(layer.choices)
        self.p = layer.dropout if self.inverted else None
        if self.inverted:
            self.gain   = nn.Parameter(1 + 0.3 * torch.randn(layer.outputs))
            self.offset = nn.Parameter(0.3 * torch.randn(layer.outputs))
            self.register_buffer("mean", torch.zeros(layer.outputs))
            self.register_buffer("variance", torch.full((layer.outputs,), float(layer.fan_in)))

    def get_extra_state(self):
        return {"dropout": self.p, **super().get_extra_state()}

    def set_extra_state(self, state):
        super().set_extra_state(state)
        self.p = state["dropout"]

    def shares(self) -> list[float]:
        if not self.inverted:
            return super().shares()
        return [first * second for first in (self.p, 1 - self.p) for second in (self.p, 1 - self.p)]

    @torch.no_grad()
    def settle(self):
        """Make w and b multiples of ``2 ** -FRACTION``, for ``x = s``: numbers as hardware has them, which
        the compiler need not round."""
        if not self.inverted:
            return
        self.offset.mul_((self.variance + self.normalization.eps).sqrt())
        self.variance.fill_(1)
        self.normalization.eps = 0.0
        for vector in (self.gain, self.offset):
            vector.copy_((vector * 2**FRACTION).round() / 2**FRACTION)

    def stored(self) -> dict[str, Tensor | float]:
        return super().stored() | ({"dropout": self.p} if self.inverted else {})

    def take(self, stored: dict[str, Tensor | float]):
        super().take(stored)
        self.p = stored["dropout"] if self.inverted else None

    def _vectors(self):
        own = {"gamma": self.gain, "beta": self.offset, "mean": self.mean,
               "variance": self.variance} if self.inverted else {}
        return super()._vectors() | own

    def affine(self, s: Tensor, choice: Tensor) -> Tensor:
        """Return z of pooled sums ``s`` ``(N, C, H, W)`` for the choice ``(N,)`` of each sample."""
        bias, scale, mean, gain, offset = (vector.view(1, -1, 1, 1) for vector in (
            self.bias, self.scale, self.mean, self.gain, self.offset))
        deviation = (self.variance.double() + self.normalization.eps).sqrt().to(s).view(1, -1, 1, 1)
        keep_gain, keep_offset = ((choice.long() >> bit & 1).bool().view(-1, 1, 1, 1) for bit in (1, 0))
        # In the order in which the compiler reads it, so that in float64 both agree to the last bits.
        x = (s + bias) * scale - mean
        return torch.where(keep_gain, gain, 1.0) * x / deviation + torch.where(keep_offset, offset, 0.0)

    def normalize(self, s: Tensor, choice: Tensor | None = None) -> Tensor:
        """Return the value before the sign for pooled sums ``s`` and the choice ``(N,)`` of each sample.

        Without choices, they are drawn while training, for each sample anew; in evaluation all is kept.
        """
        if not self.inverted:
            return super().normalize(s)
        if choice is None:
            kept = torch.rand(len(s), 2, device=s.device) >= (self.p if self.training else 0)
            choice = 2 * kept[:, 0] + kept[:, 1]
        z = self.affine(s, choice)
        centred = z - z.mean((1, 2, 3), keepdim=True)
        return centred / (centred.square().mean((1, 2, 3), keepdim=True) + EPSILON).sqrt()


@torch.no_grad()
def begin(model: nn.Module, p: float):
    """Make w and b of the batch normalization of each layer but the last, so that w is one on average, and
    let them drop with probability ``p``.

    The paper begins at random. From a trained network that would undo its thresholds, and it makes no
    difference at the end of a long training.
    """
    for layer in model.trunk:
        if not layer.inverted:
            continue
        known = layer.normalization
        slope = known.weight / (known.running_var + known.eps).sqrt()
        gain, offset = slope * layer.variance.sqrt(), known.bias - slope * known.running_mean
        layer.gain.copy_(gain / gain.mean())
        layer.offset.copy_(offset / gain.mean())
        layer.p = p


LAYER = AffineConvolution

#: Thresholds that the normalization of a batch has learned are of little use to that of a map, so more is
#: to be learned than by other methods, in larger steps.
TUNING = Tuning(AffineConvolution, partial(begin, p=P), peak=3e-3, longer=4)
