"""Fold bias, scale and batch normalization into one bank per keep bit."""

import math
from dataclasses import replace
from fractions import Fraction

from gen.ir import Affine, Comparison, Layer, Network, Target


__all__ = ["fold"]


def fold(network: Network, target: Target) -> Network:
    """Turn the normalization of each layer into its banks (Scale-Dropout, eq. 2-9).

    Bank 0 is that of a dropped scale (``a = 1``), bank 1 that of a kept one (``a = scale``). The bit
    of a hidden layer, ``gamma * ((s + bias) * a - mean) / deviation + beta >= 0``, becomes
    ``(n >= threshold) ^ invert``, exactly: the parameters are rational numbers and so is the bound
    on ``n = (s + F) / 2``. ``invert`` is 1 where ``gamma * a`` is negative. A bit that no ``n``
    changes has one form only: threshold 0 for a constant 1, ``F + 1`` for a constant 0, both
    without invert.

    The output layer keeps its sums: ``log2(e) * y = gain * s + offset`` in float64, since the head
    works in powers of two.

    Needs: a normalization in every layer. Ensures: two banks in every layer, :class:`Comparison`
    in hidden layers and :class:`Affine` in the last; no normalization.
    """
    *hidden, last = network.layers
    return replace(network, layers=(
        *(_with_banks(layer, _comparison) for layer in hidden), _with_banks(last, _affine)))


def _with_banks(layer: Layer, bank) -> Layer:
    ones = (1.0,) * layer.outputs
    return replace(layer, normalization=None,
                   banks=(bank(layer, ones), bank(layer, layer.normalization.scale)))


def _channels(layer: Layer, a: tuple[float, ...]):
    """Yield ``(bias, a, gamma, beta, mean, deviation)`` of each output channel."""
    part = layer.normalization
    return zip(part.bias, a, part.gamma, part.beta, part.mean, part.deviation, strict=True)


def _comparison(layer: Layer, a: tuple[float, ...]) -> Comparison:
    channels = [_threshold(layer.fan_in, *map(Fraction, values)) for values in _channels(layer, a)]
    return Comparison(*zip(*channels, strict=True))


def _threshold(fan_in, bias, a, gamma, beta, mean, deviation) -> tuple[int, int]:
    """Return ``(threshold, invert)`` of one channel."""
    always, never = (0, 0), (fan_in + 1, 0)
    slope = gamma * a
    rest = beta * deviation - gamma * mean  # y * deviation = slope * (s + bias) + rest
    if slope == 0:
        return always if rest >= 0 else never
    root = (fan_in - bias - rest / slope) / 2  # y = 0 at n = root
    if slope > 0:
        return min(max(math.ceil(root), 0), fan_in + 1), 0
    # y >= 0 up to and including the root, so the first n of a 0 is the next integer.
    threshold = math.floor(root) + 1
    if threshold > fan_in:
        return always
    return (threshold, 1) if threshold > 0 else never


def _affine(layer: Layer, a: tuple[float, ...]) -> Affine:
    channels = [(math.log2(math.e) * gamma * a / deviation,
                 math.log2(math.e) * (gamma * (bias * a - mean) / deviation + beta))
                for bias, a, gamma, beta, mean, deviation in _channels(layer, a)]
    return Affine(*zip(*channels, strict=True))
