"""Layers of torch for networks that become hardware: binary weights, signs, and what drops at random.

They stand among modules of torch in a model of one's own, and train like these::

    from torch import nn
    from spincim.nn import BinaryConv2d, BinaryLinear, ScaleDropout, Sign

    model = nn.Sequential(
        Sign(),
        BinaryConv2d(1, 8, 5), nn.MaxPool2d(2), ScaleDropout(8), nn.BatchNorm2d(8), Sign(), nn.Flatten(),
        BinaryLinear(8 * 12 * 12, 10), ScaleDropout(10), nn.BatchNorm1d(10),
    )

What drops is a dropout module of torch by its base class: wrappers for Monte Carlo dropout, which keep such
modules in training mode, find it. :func:`spincim.convert` makes a design of the model.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.dropout import _DropoutNd

from golden.float.layers import sign, sign_of_weights, standardize
from golden.float.levels import values_of
from golden.methods import scale_dropout


__all__ = ["BinaryConv2d", "BinaryLinear", "Fixed", "ScaleDropout", "Sign", "SpatialSpinDrop", "SpinDrop"]


class Sign(nn.Module):
    """-1 where the input is below zero, +1 elsewhere: also at 0, where ``torch.sign`` is 0.

    The gradient is estimated as ``max(0, 2 - 2 |x|)``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return sign(x)


class Fixed(nn.Module):
    """Values in fixed point, which can be added: the nearest multiple of ``2 ** -fraction``, no less and no
    more than ``bits`` bits in two's complement hold.

    It stands behind what is to be added, and behind the sum, which the hardware holds in as many bits. The
    gradient is that of the value without rounding, and zero beyond what the bits hold. A :exc:`ValueError`
    is raised for more than 8 bits, or 16 of fraction.
    """

    def __init__(self, bits: int = 8, fraction: int = 4):
        super().__init__()
        if bits not in range(2, 9) or fraction not in range(17):
            raise ValueError("Values in fixed point must have from 2 to 8 bits and from 0 to 16 of "
                             f"fraction, not {bits} and {fraction}")
        self.bits, self.fraction = bits, fraction

    def forward(self, x: Tensor) -> Tensor:
        return values_of(x, self.bits, self.fraction)

    def extra_repr(self) -> str:
        return f"bits={self.bits}, fraction={self.fraction}"


class _Binary:
    """The weights of a layer: signs of float proxies, which are trained."""

    def binary_weight(self) -> Tensor:
        """Return the weights, each -1 or +1, in the shape of ``weight``; a proxy of 0 is +1. The gradient
        passes to the proxies unchanged."""
        return sign_of_weights(standardize(self.weight) if self.standardized else self.weight)


class BinaryConv2d(_Binary, nn.Conv2d):
    """A convolution with weights of -1 and +1.

    Parameters
    ----------
    padding_value : float
        What the border holds: the lowest value of what enters. A channel that
        :class:`SpatialSpinDrop` has dropped has a border of 0.
    standardized : bool
        Whether the proxies of an output channel are first brought to mean 0 and deviation 1
        (Scale-Dropout, eq. 12 to 15).

    All others are those of :class:`torch.nn.Conv2d`; padding must be a number.
    """

    def __init__(self, *arguments, padding_value: float = -1.0, standardized: bool = False, **options):
        super().__init__(*arguments, **options)
        if isinstance(self.padding, str) or self.padding_mode != "zeros":
            raise ValueError("A binary convolution must have a padding that is a number, of padding_value, "
                             f"not {self.padding!r} of mode {self.padding_mode!r}")
        self.padding_value, self.standardized = padding_value, standardized

    def forward(self, x: Tensor) -> Tensor:
        weight, (height, width) = self.binary_weight(), self.padding
        if height or width:
            kept = (x != 0).flatten(2).any(2)[:, :, None, None]
            border = functional.pad(torch.zeros_like(x), (width, width, height, height), value=1.0)
            x = functional.pad(x, (width, width, height, height)) + border * kept * self.padding_value
        return functional.conv2d(x, weight, self.bias, self.stride, 0, self.dilation, self.groups)


class BinaryLinear(_Binary, nn.Linear):
    """A fully connected layer with weights of -1 and +1; ``standardized`` as of :class:`BinaryConv2d`."""

    def __init__(self, *arguments, standardized: bool = False, **options):
        super().__init__(*arguments, **options)
        self.standardized = standardized

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.binary_weight(), self.bias)


class ScaleDropout(scale_dropout.ScaleDropout):
    """Multiply each channel by its scale, which is trained, or drop all scales to 1: one random bit of each
    sample drops them, with probability ``p`` (Scale-Dropout, eq. 5 to 7).

    It stands between a binary layer and the batch normalization behind it. In evaluation the scales are
    kept.

    Parameters
    ----------
    channels : int
        Of what enters, ``(N, channels)`` or ``(N, channels, H, W)``.
    p : float
        Dropout probability.
    per_sample : bool
        Whether a bit is drawn per sample, or one for a whole batch, whose scales then get no gradient.
    """

    def __init__(self, channels: int, p: float = 0.5, *, per_sample: bool = True):
        super().__init__(p, per_sample=per_sample)
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Scale ``x``, by bool ``keep`` ``(N,)`` where it is given."""
        whole = x[:, :, None, None] if x.ndim == 2 else x
        return super().forward(whole, self.scale, keep).view_as(x)


class _Mask(_DropoutNd):

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Drop of ``x``, by bool ``keep`` where it is given, ``(N, channels)``."""
        if x.ndim != self.dimensions:
            raise ValueError(f"{type(self).__name__} must take {self.dimensions} dimensions, not {x.ndim}")
        if keep is None:
            if not self.training:
                return x
            keep = torch.rand(x.shape[:2], device=x.device) >= self.p
        return x * keep.view(*keep.shape, *[1] * (x.ndim - 2))


class SpinDrop(_Mask):
    """Drop each neuron ``(N, neurons)`` that enters a fully connected layer with probability ``p``: it is
    0, neither -1 nor +1, and adds nothing (NeuSpin, III-A1). What is kept is not multiplied by
    ``1 / (1 - p)``. A :exc:`ValueError` is raised for anything but vectors."""

    dimensions = 2


class SpatialSpinDrop(_Mask):
    """Drop each channel ``(N, channels, H, W)`` that enters a layer with probability ``p``, otherwise as
    :class:`SpinDrop` (NeuSpin, III-A2). A :exc:`ValueError` is raised for anything but maps."""

    dimensions = 4
