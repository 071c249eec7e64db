"""Scale-Dropout: a layer keeps its scale vector in a pass, or drops it to one (Scale-Dropout, III)."""

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from gen.ir import Layer
from golden.float.layers import BinaryConvolution, normalize


__all__ = [
    "LAYER", "SCALE_LIMITS", "ScaleConvolution", "ScaleDropout", "jitter", "objective", "spread_objective",
]


PHI    = 1e-5  #: Pull of the mean scale towards one (Scale-Dropout, VI-B).
SPREAD = 0.35  #: Target standard deviation of the logarithm of the scales.

SCALE_LIMITS = (0.25, 4.0) #: No scale leaves this range.


class ScaleDropout(_DropoutNd):
    """Multiply by a scale vector, or by what it is dropped to, here one (Scale-Dropout, eq. 5 to 7).

    A keep bit of 1 keeps the whole vector, a keep bit of 0 drops it. Bits that are not given are
    drawn while training, 0 with probability ``p``; in evaluation they are all 1. Wrappers for Monte
    Carlo dropout find this module by its base class and leave it in training mode.

    Parameters
    ----------
    p : float
        Dropout probability, from 0 to 1. A :exc:`ValueError` is raised otherwise.
    per_sample : bool
        Whether a bit is drawn per sample. With one bit for a whole batch, as in the paper, the scale gets
        no gradient: the batch normalization that follows cancels it.
    per_channel : bool
        Whether a bit is drawn for each channel (element-wise), instead of one for the whole vector.
    """

    def __init__(self, p: float = 0.5, *, per_sample: bool = True, per_channel: bool = False):
        super().__init__(p)
        self.per_sample  = per_sample
        self.per_channel = per_channel

    def forward(self, x: Tensor, scale: Tensor, keep: Tensor | None = None,
                dropped: Tensor | None = None) -> Tensor:
        """Scale ``x`` ``(N, C, H, W)`` by ``scale`` ``(C,)`` where bool ``keep`` ``(N,)``, or ``(N, C)``
        with a bit for each channel, is true, and by ``dropped`` ``(C,)`` or ``(N, C)`` elsewhere."""
        scale = scale.view(1, -1, 1, 1)
        if keep is None:
            if not self.training:
                return x * scale
            keep = torch.rand(len(x) if self.per_sample else 1, x.shape[1] if self.per_channel else 1,
                              device=x.device) >= self.p
        dropped = torch.ones_like(scale) if dropped is None else dropped.view(-1, scale.shape[1], 1, 1)
        return x * torch.where(keep.view(len(keep), -1, 1, 1), scale, dropped)


class ScaleConvolution(BinaryConvolution):
    """A layer whose scale is kept or dropped to one: Unitary Dropout (Scale-Dropout, III-B).

    A choice is the keep bit: 0 drops the scale, with the probability of :attr:`dropout`. The
    ``state_dict()`` includes that probability.
    """

    method = "scale-dropout"

    def __init__(self, layer: Layer):
        super().__init__(layer)
        self.bias.requires_grad_(True)
        self.scale.requires_grad_(True)
        self.dropout = ScaleDropout(layer.dropout)

    def get_extra_state(self):
        return {"dropout": self.dropout.p, **super().get_extra_state()}

    def set_extra_state(self, state):
        super().set_extra_state(state)
        self.dropout.p = state["dropout"]

    def shares(self) -> list[float]:
        return [self.dropout.p, 1 - self.dropout.p]

    def stored(self) -> dict[str, Tensor | float]:
        return super().stored() | {"dropout": self.dropout.p}

    def take(self, stored: dict[str, Tensor | float]):
        super().take(stored)
        self.dropout.p = stored["dropout"]

    def restrict(self):
        """Clip the scale to its limits, after a step of the optimizer."""
        self.scale.clamp_(*SCALE_LIMITS)

    def dropped(self) -> Tensor | None:
        """Return what the scale is dropped to, ``(outputs,)``; None for one."""

    def normalize(self, s: Tensor, choice: Tensor | None = None) -> Tensor:
        z = self.dropout(s + self.bias.view(1, -1, 1, 1), self.scale,
                         None if choice is None else choice.bool(), self.dropped())
        return normalize(self.normalization, z)


def objective(loss: Tensor, model: nn.Module, spread: float = 0.0, decay: float = 0.0) -> Tensor:
    """Return the loss to be minimized: Scale-Dropout, eq. 17, with the terms of a stage.

    Parameters
    ----------
    loss : Tensor ``()``
        Negative log likelihood, or distillation loss.
    spread : float
        Weight of the term that keeps the scales spread.
    decay : float
        Weight of the squared proxies, lambda of eq. 17.
    """
    for layer in model.trunk:
        loss = loss + PHI * (1 - layer.scale.mean()) ** 2
        if decay:
            loss = loss + decay * layer.weight.square().sum()
        if spread and len(layer.scale) > 1: # one scale cannot be spread
            loss = loss + spread * (layer.scale.log().std() - SPREAD) ** 2
    return loss


@torch.no_grad()
def jitter(model: nn.Module):
    """Multiply each scale by a random log-normal factor, so that the scales begin with a spread."""
    for layer in model.trunk:
        layer.scale.mul_(torch.exp(SPREAD * torch.randn_like(layer.scale)))
        layer.restrict()


def spread_objective(loss: Tensor, model: nn.Module, count: int, done: float) -> Tensor:
    """Return the :func:`objective` of a stage that spreads the scales."""
    return objective(loss, model, spread=0.1)


LAYER = ScaleConvolution
