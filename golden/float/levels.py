"""Levels: the integers that activations of several bits are rounded to."""

import torch
from torch import Tensor

from gen.ir import Input


__all__ = ["levels_of", "levels_of_pixels", "values_of"]


class _Levels(torch.autograd.Function):

    @staticmethod
    def forward(context, y, bits, low):
        most = 2**bits - 1
        context.save_for_backward(y)
        context.most, context.low = most, low
        if most == 1:
            return (y >= (1 + low) / 2).to(y.dtype) # below, rounding would lift y just under zero
        return torch.floor((y - low) * (most / (1 - low)) + 0.5).clamp_(0, most)

    @staticmethod
    def backward(context, gradient):
        y, = context.saved_tensors
        most, low = context.most, context.low
        # Distance from the middle of the range: 1 at its ends.
        distance = (2 * (y - low) / (1 - low) - 1).abs_()
        if most == 1:
            slope = (2 - 2 * distance).clamp_(min=0)
        else:
            slope = (distance < 1 + 1 / most).to(y.dtype)
        return gradient * slope * (most / (1 - low)), None, None


def levels_of(y: Tensor, bits: int, low: int) -> Tensor:
    """Round ``y`` to the nearest of ``2 ** bits`` levels from ``low`` to 1, and number them from 0.

    The result has the shape and type of ``y``. Level ``q`` of ``L = 2 ** bits - 1`` stands for
    ``low + (1 - low) * q / L``; half-way between two levels, the upper one is taken. With one bit and
    ``low = -1`` this is the sign. The gradient is estimated as that of the value without rounding, up to
    half a level beyond the range; for one bit as that of a parabola, like :func:`golden.float.layers.sign`.
    """
    return _Levels.apply(y, bits, low)


class _Values(torch.autograd.Function):

    @staticmethod
    def forward(context, y, bits, fraction):
        unit, most = 2**fraction, 2**(bits - 1)
        context.save_for_backward(y)
        context.limits = (-most - 0.5) / unit, (most - 0.5) / unit
        return torch.floor(y * unit + 0.5).clamp_(-most, most - 1) / unit

    @staticmethod
    def backward(context, gradient):
        y, = context.saved_tensors
        least, most = context.limits
        return gradient * ((y >= least) & (y < most)), None, None


def values_of(y: Tensor, bits: int, fraction: int) -> Tensor:
    """Round ``y`` to the nearest value in fixed point of ``bits`` bits, ``fraction`` of them behind the
    point, no less and no more than these hold.

    The result has the shape and type of ``y``. The gradient is that of the value without rounding, and zero
    beyond what the bits hold.
    """
    return _Values.apply(y, bits, fraction)


def levels_of_pixels(images: Tensor, thresholds: Tensor, part: Input) -> Tensor:
    """Turn uint8 pixels ``(N, H, W)``, of several components ``(N, H, W, colours)``, into the levels
    ``(N, C, H, W)`` of the input ``part``: counts of the ``thresholds`` that each component has reached, or
    without thresholds the components."""
    x = images[:, None] if part.colours == 1 else images.movedim(-1, 1)
    if not len(thresholds):
        return x
    reached = x[:, :, None] >= thresholds.view(-1, 1, 1)
    return reached.unflatten(2, (-1, 2**part.bits - 1)).sum(3).flatten(1, 2)
