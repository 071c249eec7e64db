"""Round the banks of the output layer to integers."""

from dataclasses import replace
from fractions import Fraction

from gen.ir import Affine, Logit, Network, Target


__all__ = ["quantize"]


def quantize(network: Network, target: Target) -> Network:
    """Turn ``gain * s + offset`` of the output layer into the integer ``gain * n + offset``.

    The unit is ``2 ** -network.head.fraction``; each number is rounded to the nearest integer, the
    even one at equal distance. ``s = 2 n - F`` is folded in with the gain as rounded, so the error of
    a logit grows with ``|s|``, not with ``n``: at most ``|s| / 4 + 1 / 2`` units.

    Needs: banks, finite. Ensures: the banks of the last layer are :class:`Logit`.
    """
    *hidden, last = network.layers
    unit = 2 ** network.head.fraction
    return replace(network, layers=(*hidden, replace(last, banks=tuple(
        _quantize(bank, last.fan_in, unit) for bank in last.banks))))


def _quantize(bank: Affine, fan_in: int, unit: int) -> Logit:
    gain = tuple(round(2 * unit * Fraction(value)) for value in bank.gain)
    return Logit(gain, tuple(round(unit * Fraction(value) - Fraction(fan_in * step, 2))
                             for value, step in zip(bank.offset, gain, strict=True)))
