"""Round the banks of the output layer to integers."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import count

import numpy as np

from gen.ir import Affine, Layer, Logit, Network, Target
from gen.precision import BOUND, guard_bits, worst_error
from gen.transforms.banks import float_sum
from gen.weights import unpack


__all__ = ["quantize"]


def quantize(network: Network, target: Target) -> Network:
    """Turn ``gain * s + offset`` of the output layer into ``(gain * sum + offset) >> dropped``, integers.

    Those of gain and offset have ``dropped`` bits more than a logit: as few as keep the probabilities of
    the head within :data:`gen.precision.BOUND` of the float network. The gain is rounded to the nearest
    integer. The offset makes up for that in the middle of the values that ``s`` can have with the weights
    of its channel, so at both ends the error is the same; it is known exactly and the largest of all
    channels and banks counts. Half of what is dropped is part of the offset, so that a logit is rounded to
    the nearest.

    Needs: weights, and banks, finite. Ensures: the banks of the last layer are :class:`Logit`, and
    ``head.guard`` is that of the number of classes.
    """
    *hidden, last = network.layers
    head = replace(network.head, guard=guard_bits(last.outputs))
    channels = [[list(_channels(last, outcome, bank)) for bank in banks]
                for outcome, banks in enumerate(last.banks)]
    different = {channel for banks in channels for bank in banks for channel in bank}
    for dropped in count():
        unit = 2**(head.fraction + dropped)
        if all(worst_error(head, last.outputs, float(_round(*channel, unit)[2])) <= BOUND
               for channel in different):
            break
    half = 2**dropped // 2

    def quantized(bank):
        gain, offset, _ = zip(*(_round(*channel, unit) for channel in bank), strict=True)
        return Logit(gain, tuple(value + half for value in offset), dropped)

    last = replace(last, banks=tuple(tuple(map(quantized, banks)) for banks in channels))
    return replace(network, layers=(*hidden, last), head=head)


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
