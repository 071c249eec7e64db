"""Round the banks of the output layer to integers."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import count

import numpy as np

from gen.check_target import ImpossibleTarget
from gen.ir import Affine, Head, Layer, Logit, Network, Target
from gen.precision import BOUND, guard_bits, worst_error
from gen.transforms.banks import float_sum
from gen.weights import unpack


__all__ = ["quantize"]


#: Most fraction bits of a number of a regression, and what its magnitude in 16 bits stays below.
FRACTION_MAX, NUMBER_MAX = 15, 2**15 - 1


def quantize(network: Network, target: Target) -> Network:
    """Turn the float gain and offset of the output layer into integers.

    A logit of the float network is ``gain * s + offset``, where s is the sum of what weights and inputs
    stand for. In hardware it is ``(gain * sum + offset) >> dropped``, where ``sum`` is the integer that the
    crossbars give. Gain and offset have ``dropped`` fraction bits more than the logit: as few as keep the
    probabilities of the head within :data:`gen.precision.BOUND` of the float network.

    The gain is rounded to the nearest integer. The offset is chosen so that the error of the gain is zero
    in the middle of the sums that the weights of the channel allow, and so the same at both ends. This
    error is computed exactly, and its largest value over all channels and banks is what is tested. The
    offset includes half a unit of a logit, so that the shift rounds to the nearest.

    The numbers of a regression get as many fraction bits as keep them in 16 bits for every sum, 15 at most,
    and ``dropped`` is such that the scaled sum is within a quarter of their unit.

    Needs: weights, and banks, finite. Ensures: the banks of the last layer are :class:`Logit`;
    ``head.guard`` has the guard bits of the softmax of so many classes, or for a regression
    ``head.fraction`` the fraction bits of its numbers.

    Raises
    ------
    ImpossibleTarget
        If numbers of a regression do not fit into 16 bits.
    """
    *hidden, last = network.layers
    channels = [[list(_lines(last, outcome, bank)) for bank in banks]
                for outcome, banks in enumerate(last.banks)]
    lines = {line for banks in channels for bank in banks for line in bank}
    head = (replace(network.head, fraction=_fraction(last, lines)) if network.head.regression else
            replace(network.head, guard=guard_bits(last.outputs)))
    for dropped in count():
        unit = 2**(head.fraction + dropped)
        if all(_is_close(head, last.outputs, _round(*line, unit)[2]) for line in lines):
            break
    half = 2**dropped // 2

    def quantized(bank):
        gain, offset, _ = zip(*(_round(*line, unit) for line in bank), strict=True)
        return Logit(gain, tuple(value + half for value in offset), dropped)

    last = replace(last, banks=tuple(tuple(map(quantized, banks)) for banks in channels))
    return replace(network, layers=(*hidden, last), head=head)


def _fraction(layer: Layer, lines) -> int:
    """Fraction bits with which the numbers of a regression, ``lines`` of :func:`_lines`, fit into 16
    bits."""
    largest = max(abs(slope * value + start) for slope, start, *ends in lines for value in ends)
    # Rounding takes less than one unit.
    for bits in range(FRACTION_MAX, -1, -1):
        if largest * 2**bits < NUMBER_MAX:
            return bits
    raise ImpossibleTarget(f"Layer {layer.name!r} has numbers of up to {float(largest):,.0f}, but those of "
                           f"a regression must be below {NUMBER_MAX:,}; train with smaller targets, and "
                           "multiply what the network answers")


def _is_close(head: Head, outputs: int, error: Fraction) -> bool:
    """Whether scaled sums are close enough to those of the float network if they err by ``error``."""
    if head.regression:
        return 4 * error * 2**head.fraction <= 1
    return worst_error(head, outputs, float(error)) <= BOUND


def _lines(layer: Layer, outcome: int, bank: Affine) -> Iterator[tuple[Fraction, ...]]:
    """Yield for each channel ``slope`` and ``start`` of the logit ``slope * sum + start``, and the least
    and the largest sum that its weights allow."""
    step, starts = float_sum(layer, outcome)
    weights = sum(unpack(layer, array) for array in layer.array_sets[outcome])
    weight_max = layer.ways * max(1, 2**(layer.weight_bits - 1) - 1)
    # An input stands for a number from `input_low`, which is -1 or 0, to 1.
    products = weights, layer.input_low * weights
    least, largest = np.minimum(*products).sum(1).tolist(), np.maximum(*products).sum(1).tolist()
    for gain, offset, start, *ends in zip(bank.gain, bank.offset, starts, least, largest, strict=True):
        gain = Fraction(gain)
        yield (gain * step, gain * start + Fraction(offset),
               *((Fraction(end, weight_max) - start) / step for end in ends))


def _round(slope, start, least, largest, unit) -> tuple[int, int, Fraction]:
    """Return gain and offset in units of ``1 / unit``, and the largest error of a scaled sum."""
    gain = round(slope * unit)
    gain_error = gain - slope * unit
    offset = round(start * unit - gain_error * (least + largest) / 2)
    return gain, offset, max(
        abs(gain_error * end + offset - start * unit) for end in (least, largest)) / unit
