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


#: Most fraction bits of a number of a regression, and what no number in these units reaches.
MOST_FRACTION, NUMBER_MOST = 15, 2**15 - 1


def quantize(network: Network, target: Target) -> Network:
    """Turn ``gain * s + offset`` of the output layer into ``(gain * sum + offset) >> dropped``, integers.

    Those of gain and offset have ``dropped`` bits more than a logit: as few as keep the probabilities of
    the head within :data:`gen.precision.BOUND` of the float network. The gain is rounded to the nearest
    integer. The offset makes up for that in the middle of the values that ``s`` can have with the weights
    of its channel, so at both ends the error is the same; it is known exactly and the largest of all
    channels and banks counts. Half of what is dropped is part of the offset, so that a logit is rounded to
    the nearest.

    Numbers of a regression get as many fraction bits as keep them in 16 bits for every sum, 15 at most, and
    ``dropped`` is such that the scaled sum is within a quarter of their unit.

    Needs: weights, and banks, finite. Ensures: the banks of the last layer are :class:`Logit`, and
    ``head.guard`` is that of the number of classes, or of a regression ``head.fraction`` that of its
    numbers.

    Raises
    ------
    ImpossibleTarget
        If numbers of a regression do not fit into 16 bits.
    """
    *hidden, last = network.layers
    channels = [[list(_channels(last, outcome, bank)) for bank in banks]
                for outcome, banks in enumerate(last.banks)]
    different = {channel for banks in channels for bank in banks for channel in bank}
    head = (replace(network.head, fraction=_fraction(last, different)) if network.head.regression else
            replace(network.head, guard=guard_bits(last.outputs)))
    for dropped in count():
        unit = 2**(head.fraction + dropped)
        if all(_is_close(head, last.outputs, _round(*channel, unit)[2]) for channel in different):
            break
    half = 2**dropped // 2

    def quantized(bank):
        gain, offset, _ = zip(*(_round(*channel, unit) for channel in bank), strict=True)
        return Logit(gain, tuple(value + half for value in offset), dropped)

    last = replace(last, banks=tuple(tuple(map(quantized, banks)) for banks in channels))
    return replace(network, layers=(*hidden, last), head=head)


def _fraction(layer: Layer, channels) -> int:
    """Fraction bits with which the numbers of all ``channels`` of a regression fit into 16 bits."""
    largest = max(abs(slope * value + start) for slope, start, *ends in channels for value in ends)
    # Rounding takes less than one unit.
    for bits in range(MOST_FRACTION, -1, -1):
        if largest * 2**bits < NUMBER_MOST:
            return bits
    raise ImpossibleTarget(f"Layer {layer.name!r} has numbers of up to {float(largest):,.0f}, but those of "
                           f"a regression must be below {NUMBER_MOST:,}; train with smaller targets, and "
                           "multiply what the network answers")


def _is_close(head: Head, outputs: int, wrong: Fraction) -> bool:
    """Whether scaled sums that are ``wrong`` by as much are close enough."""
    if head.regression:
        return 4 * wrong * 2**head.fraction <= 1
    return worst_error(head, outputs, float(wrong)) <= BOUND


def _channels(layer: Layer, outcome: int, bank: Affine) -> Iterator[tuple[Fraction, ...]]:
    """Yield for each channel ``slope`` and ``start`` of the logit ``slope * sum + start``, and the least
    and the largest sum that its weights allow."""
    step, starts = float_sum(layer, outcome)
    weights = sum(unpack(layer, array) for array in layer.array_sets[outcome])
    most = layer.ways * max(1, 2**(layer.weight_bits - 1) - 1)
    # An input is anything from `input_low` to 1.
    ends = weights, layer.input_low * weights
    least, largest = np.minimum(*ends).sum(1).tolist(), np.maximum(*ends).sum(1).tolist()
    for gain, offset, start, *s in zip(bank.gain, bank.offset, starts, least, largest, strict=True):
        gain = Fraction(gain)
        yield (gain * step, gain * start + Fraction(offset),
               *((Fraction(value, most) - start) / step for value in s))


def _round(slope, start, least, largest, unit) -> tuple[int, int, Fraction]:
    """Return gain and offset in units of ``1 / unit``, and the largest error of a scaled sum."""
    gain = round(slope * unit)
    wrong = gain - slope * unit
    offset = round(start * unit - wrong * (least + largest) / 2)
    return gain, offset, max(
        abs(wrong * value + offset - start * unit) for value in (least, largest)) / unit
