"""Round the banks of the output layer to integers."""

from dataclasses import replace
from fractions import Fraction

from gen.ir import Affine, Logit, Network, Target
from gen.passes.fold import float_sum


__all__ = ["quantize"]


def quantize(network: Network, target: Target) -> Network:
    """Turn ``gain * s + offset`` of the output layer into the integer ``gain * sum + offset``.

    The unit is ``2 ** -network.head.fraction``; each number is rounded to the nearest integer, the
    even one at equal distance. What relates ``s`` to the sum (:func:`gen.passes.fold.float_sum`) is
    folded in with the gain as rounded, so the error of a logit grows with ``|s|``, not with the sum:
    with ``s = step * sum + start`` it is at most ``|s| / (2 * step) + 1 / 2`` units.

    Needs: weights, and banks, finite. Ensures: the banks of the last layer are :class:`Logit`.
    """
    *hidden, last = network.layers
    unit = 2 ** network.head.fraction
    return replace(network, layers=(*hidden, replace(last, banks=tuple(
        _quantize(bank, *float_sum(last, choice), unit) for choice, bank in enumerate(last.banks)))))


def _quantize(bank: Affine, step: Fraction, starts: tuple[Fraction, ...], unit: int) -> Logit:
    gain = tuple(round(unit * step * Fraction(value)) for value in bank.gain)
    return Logit(gain, tuple(
        round(unit * Fraction(value) + start / step * rounded)
        for value, start, rounded in zip(bank.offset, starts, gain, strict=True)))
