"""Binary layers in floating point, as they are trained (Scale-Dropout, III)."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.ir import Join, Layer


__all__ = ["BinaryConvolution", "normalize", "of_averages", "resized", "sign", "sign_of_weights",
           "small_kernel", "standardize", "vectors_of"]


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


def small_kernel(layer: Layer) -> tuple[int, int]:
    """Return height and width of the kernel of ``layer`` in averages of what enters."""
    return layer.kernel[0] // layer.average[0], layer.kernel[1] // layer.average[1]


def of_averages(layer: Layer, weight: Tensor) -> Tensor:
    """Return ``weight`` ``(..., height, width)``, for averages of what enters ``layer``, as that of its
    whole kernel: each is that of all of a window."""
    rows, columns = layer.average
    return weight.repeat_interleave(rows, -2).repeat_interleave(columns, -1)


def logits_of(y: Tensor) -> Tensor:
    """Return the logits ``(N, classes)`` of what leaves the last layer, ``(N, classes, 1, 1)``; or
    ``(N, H, W, classes)`` of a map of several positions."""
    return y.flatten(1) if y.shape[2:] == (1, 1) else y.movedim(1, -1)


def resized(node: Layer | Join, x: Tensor) -> Tensor:
    """Return the map that leaves a layer or join, of ``x`` ``(N, C, h, w)`` behind its pool, or joined."""
    rows, columns = node.resize
    return x if node.resize == (1, 1) else x.repeat_interleave(rows, 2).repeat_interleave(columns, 3)


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


def vectors_of(normalization: nn.BatchNorm2d) -> dict[str, Tensor]:
    """Return the parameters and statistics of ``normalization`` by their name in a checkpoint."""
    return {"gamma": normalization.weight, "beta": normalization.bias,
            "mean": normalization.running_mean, "variance": normalization.running_var}


class BinaryConvolution(nn.Module):
    """Binary convolution, max-pool, bias, scale and batch normalization of one layer.

    With ``s`` the pooled sum of products of signs and ``a`` the scale, the result is
    ``gamma * ((s + bias) * a - mean) / deviation + beta``, whose sign is not taken yet. Here nothing of it
    is random, and bias and scale, which the batch normalization cancels, stay 0 and 1. A method of
    :mod:`golden.methods` is a class of this kind that makes a choice in each pass, among several values of
    bias, scale and normalization, the *banks*, or among arrays of weights with all of these.

    Parameters
    ----------
    layer : :class:`gen.ir.Layer`
        Geometry and dropout probability. A fully connected layer is a convolution whose kernel is
        the whole map.

    Attributes
    ----------
    weight : Parameter ``(outputs, channels of a group, height, width)``
        Float proxies; the weights are the signs of their standardized values. Where the layer averages
        windows of what enters there is one for each window.
    signs : Tensor ``(outputs, channels, height, width)`` or None
        Weights of -1 and +1 that replace the proxies once :meth:`hold` was called.

    The ``state_dict()`` of the module includes epsilon, and the signs if the module holds signs. Loading a
    state with signs makes the module hold them; loading one without returns it to the proxies.
    """

    #: Name of the method, as commands and checkpoints have it.
    method = "deterministic"

    #: Whether all layers make the same choice in a pass: pass ``t`` takes number ``t`` modulo the choices.
    tied = False

    #: Numbers that a choice of the layer has.
    columns = 1

    def __init__(self, layer: Layer):
        super().__init__()
        self.layer = layer
        self.weight = nn.Parameter(
            torch.randn(layer.outputs, layer.group_channels, *small_kernel(layer)) * 0.1)
        self.bias = nn.Parameter(torch.zeros(layer.outputs), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(layer.outputs), requires_grad=False)
        self.normalization = nn.BatchNorm2d(layer.outputs)
        self.register_buffer("signs", None)

    def hold(self, signs: Tensor):
        """Use ``signs`` as the weights from now on, and the proxies no longer."""
        self.signs = signs.to(self.weight)
        self.weight.requires_grad_(False)

    def get_extra_state(self):
        return {"epsilon": self.normalization.eps}

    def set_extra_state(self, state):
        self.normalization.eps = state["epsilon"]

    def _load_from_state_dict(self, state, prefix, *rest):
        # torch loads a buffer only into one that is there already.
        if f"{prefix}signs" in state:
            self.hold(torch.empty_like(self.binary_weight()))
        else:
            self.signs = None
            self.weight.requires_grad_(True)
        super()._load_from_state_dict(state, prefix, *rest)

    def shares(self) -> list[float]:
        """Return the probability of each choice, which add up to 1."""
        return [1.0]

    def draw(self, rng: np.random.Generator, count: int, passes: int) -> np.ndarray:
        """Return random choices of ``count`` images and ``passes``, ``(count, passes, columns)``."""
        shares = self.shares()
        return rng.choice(len(shares), (count, passes, 1), p=shares)

    def stored(self) -> dict[str, Tensor | float]:
        """Return what a checkpoint holds of the layer, by name: ``weight`` ``(outputs, channels, height,
        width)``, vectors ``(outputs,)``, numbers. Where banks or arrays differ, each has a row of a
        further, first dimension."""
        return {"weight": self.binary_weight(), **self._vectors(), "epsilon": self.normalization.eps}

    @torch.no_grad()
    def take(self, stored: dict[str, Tensor | float]):
        """Hold what a checkpoint has stored, the counterpart of :meth:`stored`."""
        self.hold(stored["weight"])
        for name, vector in self._vectors().items():
            vector.copy_(stored[name])
        self.normalization.eps = stored["epsilon"]

    def _vectors(self):
        return {"bias": self.bias, "scale": self.scale, **vectors_of(self.normalization)}

    def restrict(self):
        """Bring all values into their limits, after a step of the optimizer."""

    def settle(self):
        """End the training: hold what a checkpoint stores, and train it no more."""

    def binary_weight(self) -> Tensor:
        """Return the weights, each -1 or +1, ``(outputs, channels, height, width)`` of the kernel."""
        if self.signs is not None:
            return self.signs
        return of_averages(self.layer, sign_of_weights(standardize(self.weight)))

    def sums(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the pooled sums ``s`` of the products of signs ``x`` ``(N, C, H, W)``, multiplied by
        ``mask`` with the border that the padding adds.

        For levels ``q`` of ``input_bits``, from 0 to L, ``x`` is ``2 q - L``, and stands for ``x / L``.
        """
        # Integers below 2 ** 24 are exact in float32, which is faster than float64.
        layer, kind, x, weight = self.layer, x.dtype, x.float(), self.binary_weight().float()
        most = 2**layer.input_bits - 1
        if any(layer.padding):
            rows, columns = layer.padding
            x = functional.pad(x, (columns, columns, rows, rows), value=-most)
        if mask is not None:
            x = x * mask
        if layer.kernel == layer.padded and layer.groups == 1:
            s = functional.linear(x.flatten(1), weight.flatten(1))[:, :, None, None] # same, faster
        else:
            s = functional.conv2d(x, weight, stride=layer.stride, groups=layer.groups)
        s = (functional.max_pool2d(s, layer.pool) if layer.pool != (1, 1) else s).to(kind)
        return s / most if most > 1 else s

    def normalize(self, s: Tensor, choice: Tensor | None = None) -> Tensor:
        """Return the value before the sign for pooled sums ``s`` and the choice ``(N,)`` of each sample.

        Without choices, they are drawn while training.
        """
        bias, scale = self.bias.view(1, -1, 1, 1), self.scale.view(1, -1, 1, 1)
        return normalize(self.normalization, (s + bias) * scale)

    def forward(self, x: Tensor, choice: Tensor | None = None) -> Tensor:
        return self.normalize(self.sums(x), choice)
