"""Binary layers with Scale-Dropout, in floating point, as they are trained (Scale-Dropout, III)."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.dropout import _DropoutNd

from gen.ir import Layer


__all__ = [
    "BinaryConvolution", "SCALE_LIMITS", "ScaleDropout", "normalize", "sign", "sign_of_weights",
    "standardize",
]


SCALE_LIMITS = (0.25, 4.0) #: No scale leaves this range.


class _Sign(torch.autograd.Function):
    """Sign of an activation. The gradient is that of the parabola ``x (2 - |x|)`` inside -1..1."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return _sign(x)

    @staticmethod
    def backward(context, gradient):
        x, = context.saved_tensors
        return gradient * (2 - 2 * x.abs()).clamp_(min=0)


class _SignOfWeights(torch.autograd.Function):
    """Sign of a standardized weight. The gradient passes unchanged."""

    @staticmethod
    def forward(context, weight):
        return _sign(weight)

    @staticmethod
    def backward(context, gradient):
        return gradient


def _sign(x):
    # `torch.sign` has sign(0) = 0; here it is +1.
    return (x >= 0).to(x.dtype).mul_(2).sub_(1)


def sign(x: Tensor) -> Tensor:
    """Return -1 where ``x`` is below zero and +1 elsewhere.

    The gradient is estimated as ``max(0, 2 - 2 |x|)``.
    """
    return _Sign.apply(x)


def sign_of_weights(weight: Tensor) -> Tensor:
    """Return -1 where ``weight`` is below zero and +1 elsewhere; the gradient is the identity."""
    return _SignOfWeights.apply(weight)


def standardize(weight: Tensor) -> Tensor:
    """Shift and scale each output channel of ``weight`` ``(outputs, ...)`` to mean 0 and deviation 1.

    Scale-Dropout, eq. 12 to 15, over all inputs of a channel. A channel of equal weights becomes 0.
    """
    flat = weight.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    deviation = centred.square().mean(1, keepdim=True).clamp(min=1e-24).sqrt()
    return (centred / deviation).view_as(weight)


def normalize(normalization: nn.BatchNorm2d, z: Tensor) -> Tensor:
    """Return the batch normalization of ``z`` ``(N, C, H, W)``; while training, that of the batch.

    In evaluation it is written out as the compiler reads it,
    ``gamma * (z - mean) / deviation + beta``, so that in float64 both agree to the last bits.
    """
    if normalization.training:
        return normalization(z)
    deviation = (normalization.running_var.double() + normalization.eps).sqrt()
    gamma, beta, mean, deviation = (vector.to(z).view(1, -1, 1, 1) for vector in (
        normalization.weight, normalization.bias, normalization.running_mean, deviation))
    return gamma * (z - mean) / deviation + beta


class ScaleDropout(_DropoutNd):
    """Multiply by a scale vector, or by one: Unitary Dropout (Scale-Dropout, eq. 5 to 7).

    A keep bit of 1 keeps the whole vector, a keep bit of 0 drops it to one. Bits that are not given are
    drawn while training, 0 with probability ``p``; in evaluation they are all 1. Wrappers for Monte
    Carlo dropout find this module by its base class and leave it in training mode.

    Parameters
    ----------
    p : float
        Dropout probability, from 0 to 1. A :exc:`ValueError` is raised otherwise.
    per_sample : bool
        Whether a bit is drawn per sample. With one bit for a whole batch, as in the paper, the scale gets
        no gradient: the batch normalization that follows cancels it.
    """

    def __init__(self, p: float = 0.5, *, per_sample: bool = True):
        super().__init__(p)
        self.per_sample = per_sample

    def forward(self, x: Tensor, scale: Tensor, keep: Tensor | None = None) -> Tensor:
        """Scale ``x`` ``(N, C, H, W)`` by ``scale`` ``(C,)`` where bool ``keep`` ``(N,)`` is true."""
        scale = scale.view(1, -1, 1, 1)
        if keep is None:
            if not self.training:
                return x * scale
            keep = torch.rand(len(x) if self.per_sample else 1, device=x.device) >= self.p
        return x * torch.where(keep.view(-1, 1, 1, 1), scale, torch.ones_like(scale))


class BinaryConvolution(nn.Module):
    """Binary convolution, max-pool, bias, Scale-Dropout and batch normalization of one layer.

    With ``s`` the pooled sum of products of signs, and ``a`` the scale, or 1 if the keep bit is 0, the
    result is ``gamma * ((s + bias) * a - mean) / deviation + beta``, whose sign is not taken yet.

    Parameters
    ----------
    layer : :class:`gen.ir.Layer`
        Geometry and dropout probability. A fully connected layer is a convolution whose kernel is
        the whole map.

    Attributes
    ----------
    weight : Parameter ``(outputs, channels, height, width)``
        Float proxies; the weights are the signs of their standardized values.
    signs : Tensor ``(outputs, channels, height, width)`` or None
        Weights of -1 and +1 that replace the proxies once :meth:`hold` was called.

    The ``state_dict()`` of the module includes dropout probability and epsilon, and the signs if the module
    holds signs. Loading a state with signs makes the module hold them; loading one without returns it to
    the proxies.
    """

    def __init__(self, layer: Layer):
        super().__init__()
        self.layer = layer
        self.weight = nn.Parameter(torch.randn(layer.outputs, layer.channels, *layer.kernel) * 0.1)
        self.bias = nn.Parameter(torch.zeros(layer.outputs))
        self.scale = nn.Parameter(torch.ones(layer.outputs))
        self.dropout = ScaleDropout(layer.dropout)
        self.normalization = nn.BatchNorm2d(layer.outputs)
        self.register_buffer("signs", None)

    def hold(self, signs: Tensor):
        """Use ``signs`` as the weights from now on, and the proxies no longer."""
        self.signs = signs.to(self.weight)
        self.weight.requires_grad_(False)

    def get_extra_state(self):
        return {"dropout": self.dropout.p, "epsilon": self.normalization.eps}

    def set_extra_state(self, state):
        self.dropout.p, self.normalization.eps = state["dropout"], state["epsilon"]

    def _load_from_state_dict(self, state, prefix, *rest):
        # torch loads a buffer only into one that is there already.
        if f"{prefix}signs" in state:
            self.hold(torch.empty_like(self.weight))
        else:
            self.signs = None
            self.weight.requires_grad_(True)
        super()._load_from_state_dict(state, prefix, *rest)

    def restrict(self):
        """Clip the scale to its limits, after a step of the optimizer."""
        self.scale.clamp_(*SCALE_LIMITS)

    def binary_weight(self) -> Tensor:
        """Return the weights, each -1 or +1, in the shape of :attr:`weight`."""
        return sign_of_weights(standardize(self.weight)) if self.signs is None else self.signs

    def sums(self, x: Tensor) -> Tensor:
        """Return the pooled integer sums ``s`` of signs ``x`` of shape ``(N, C, H, W)``."""
        layer, weight = self.layer, self.binary_weight()
        if layer.padding:
            x = functional.pad(x, (layer.padding,) * 4, value=-1)
        if layer.positions == (1, 1):
            s = functional.linear(x.flatten(1), weight.flatten(1))[:, :, None, None] # same, faster
        else:
            s = functional.conv2d(x, weight, stride=layer.stride)
        return functional.max_pool2d(s, layer.pool) if layer.pool > 1 else s

    def normalize(self, s: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return the value before the sign for pooled sums ``s`` and keep bits ``(N,)``."""
        return normalize(self.normalization,
                         self.dropout(s + self.bias.view(1, -1, 1, 1), self.scale, keep))

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        return self.normalize(self.sums(x), keep)
