"""Fold bias, scale and batch normalization into the thresholds or gains of each bank."""

import math
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import chain

import numpy as np

from gen.ir import Affine, Centred, Comparison, Layer, Network, Normalization, Target, Value
from gen.weights import unpack


__all__ = ["CENTRED_BITS", "SHARE", "VALUE_BITS", "exact_values", "float_sum", "make_banks"]


#: Largest error of z of a :class:`gen.ir.Centred` bank, as a share of what one more of the sum adds to z in
#: the channel with the largest gain. A sum of binary products goes in steps of 2.
SHARE = Fraction(1, 16)

#: Bits that z has at most, as the verifier demands.
CENTRED_BITS = 32

#: Bits that ``gain * sum + offset`` of a :class:`gen.ir.Value` has at most, and those of them that are
#: dropped, likewise.
VALUE_BITS, VALUE_DROPPED = 48, 40


def make_banks(network: Network, target: Target) -> Network:
    """Turn the normalizations of each layer into its banks (Scale-Dropout, eq. 2-9).

    A hidden layer has ``y = gamma * ((s + bias) * scale - mean) / deviation + beta``; its output level is
    the number of ``j`` from 1 to ``L = 2 ** output_bits - 1`` with ``y >= y_j``, where
    ``y_j = low + (j - 1 / 2) * (1 - low) / L`` is midway between the values of two levels. It becomes
    the number of thresholds that the sum has reached, inverted bit by bit where ``gamma * scale`` is
    negative, exactly: the parameters are rational numbers and so is the bound of each ``y_j``.

    A level that no sum changes has one form only: as many thresholds as the level at ``sums.start``,
    which every sum reaches, the others at ``sums.stop``, which none does, and no invert.

    Where normalization is inverted, the bit is ``y >= mean(y)``, for which any positive multiple of y
    will do. It is ``z = gain * sum + offset``, integers of as few fraction bits as keep z within
    :data:`SHARE` of that of the float parameters for any sum, and so its distance to the mean within
    twice as much, or fewer where z would not fit in :data:`CENTRED_BITS`. Their unit is the smallest of
    the largest gains of the banks: those of a bank that drops them to one value become a power of two,
    which takes no multiplier. What all offsets of a bank have in common is left out, as the mean has it
    too.

    A layer of values in fixed point has y itself, ``(gain * sum + offset) >> dropped``, rounded to the
    nearest, where ``dropped`` bits are so many that the rounding of the gains is off by a quarter of the
    unit at most and no value of any sum is another one for it; or fewer where that would not fit in
    :data:`VALUE_BITS`, and values beside half of a unit are then off by one.

    The output layer keeps its sums: ``log2(e) * y = gain * s + offset`` in float64, since the head
    works in powers of two; or of a regression ``y``.

    A hidden layer that has banks, as its checkpoint gave thresholds, keeps them.

    Needs: weights, and normalizations or, in hidden layers, banks. Ensures: a bank for each normalization,
    :class:`Comparison`, :class:`Centred` or :class:`Value` in hidden layers and :class:`Affine` in the
    last; no normalizations.
    """
    *hidden, last = network.layers
    factor = 1.0 if network.head.regression else math.log2(math.e)
    return replace(network, layers=(*(
        layer if layer.banks else
        _with_values(layer) if layer.fraction is not None else
        _with_centred(layer) if layer.normalizations[0][0].centred else _with_banks(layer, _comparison)
        for layer in hidden), _with_banks(last, partial(_affine, factor))))


def float_sum(layer: Layer, outcome: int) -> tuple[Fraction, tuple[Fraction, ...]]:
    """Return ``step`` and per output channel ``start`` of ``s = step * sum + start``, for an outcome of the
    choice of arrays.

    ``s`` is the sum of the products of values, ``sum`` what the crossbars return (:mod:`gen.ir`). A start
    is what ``s`` is where the sum is 0: the sum of all weights times the value for which an input adds 0 to
    the sum. That value is 0, and so are all starts, of binary weights with levels from -1 to 1, and of
    others with levels from 0 to 1. Else a start is that of inputs which are all active.
    """
    levels, low = 2**layer.input_bits - 1, layer.input_low
    most = layer.ways * max(1, 2**(layer.weight_bits - 1) - 1)
    # A value is `origin + slope * (2 q - L)` for binary weights, `origin + slope * q` for others.
    if layer.weight_bits == 1:
        slope, origin = Fraction(1 - low, 2 * levels), Fraction(1 + low, 2)
    else:
        slope, origin = Fraction(1 - low, levels), Fraction(low)
    total = sum(unpack(layer, array).sum(1) for array in layer.array_sets[outcome]).tolist()
    return slope / most, tuple(origin * weights / most for weights in total)


def _with_banks(layer: Layer, bank) -> Layer:
    known = {}

    def make(outcome, normalization):
        key = normalization, float_sum(layer, outcome)
        if key not in known:
            known[key] = bank(layer, *key)
        return known[key]

    return replace(layer, normalizations=(), banks=tuple(
        tuple(make(outcome, normalization) for normalization in of_array)
        for outcome, of_array in enumerate(layer.normalizations)))


def _channels(part: Normalization):
    """Yield ``(bias, scale, gamma, beta, mean, deviation)`` of each output channel."""
    return zip(part.bias, part.scale, part.gamma, part.beta, part.mean, part.deviation, strict=True)


def _comparison(layer: Layer, normalization: Normalization,
                line: tuple[Fraction, tuple[Fraction, ...]]) -> Comparison:
    step, starts = line
    levels, low = 2**layer.output_bits - 1, layer.output_low
    bounds = [low + Fraction(2 * number - 1, 2 * levels) * (1 - low)
              for number in range(1, levels + 1)]
    thresholds, inverts = [], []
    for values, start in zip(_channels(normalization), starts, strict=True):
        bias, *others = map(Fraction, values)
        threshold, invert = _thresholds(layer.sums, bounds, step, start + bias, *others)
        thresholds += threshold
        inverts.append(invert)
    return Comparison(tuple(thresholds), tuple(inverts))


def _thresholds(sums, bounds, step, start, a, gamma, beta, mean, deviation) -> tuple[list[int], int]:
    """Return the thresholds and the invert bit of one channel: ``s + bias = step * sum + start``."""
    slope = gamma * a
    # (y - bound) * deviation = slope * (step * sum + start) + rest, which ascends with a lower bound.
    rests = [(beta - bound) * deviation - gamma * mean for bound in bounds]
    if slope == 0:
        return _constant(sums, sum(rest >= 0 for rest in rests), len(bounds)), 0
    roots = [(-rest / slope - start) / step for rest in rests] # y = bound at sum = root
    if slope > 0:
        thresholds = [math.ceil(root) for root in roots]
    else:
        # y >= bound up to and including the root, so the next integer is the first without it.
        thresholds = [math.floor(root) + 1 for root in reversed(roots)]
    thresholds = [min(max(value, sums.start), sums.stop) for value in thresholds]
    invert = int(slope < 0)
    if set(thresholds) <= {sums.start, sums.stop}:
        reached = thresholds.count(sums.start)
        return _constant(sums, len(bounds) - reached if invert else reached, len(bounds)), 0
    return thresholds, invert


def _constant(sums, level, levels):
    return [sums.start] * level + [sums.stop] * (levels - level)


def _with_values(layer: Layer) -> Layer:
    lines = [[list(_lines(layer, outcome, normalization)) for normalization in of_array]
             for outcome, of_array in enumerate(layer.normalizations)]
    unit, most = 2**layer.fraction, layer.sums.stop
    largest = max(abs(slope) * most + abs(start) for of_array in lines for bank in of_array
                  for slope, start in bank) * unit + 1
    # A gain is off by half of one at most, so its product with a sum by half of the largest.
    dropped = min((2 * most).bit_length(), VALUE_DROPPED)
    while dropped and not _fits(largest, most, dropped):
        dropped -= 1
    wanted = [[_rounded(layer, bank) for bank in of_array] for of_array in lines]
    while True:
        banks = [[_value(layer, bank, dropped) for bank in of_array] for of_array in lines]
        if not _fits(largest, most, dropped + 1) or all(
                map(partial(_is_exact, layer), chain(*banks), chain(*wanted))):
            return replace(layer, normalizations=(), banks=tuple(map(tuple, banks)))
        dropped += 1


def _fits(largest, most, dropped):
    return dropped <= VALUE_DROPPED and largest * 2**dropped + most < 2**(VALUE_BITS - 1)


def _value(layer, bank, dropped) -> Value:
    scale, half = 2**(layer.fraction + dropped), Fraction(1, 2) * 2**dropped
    return Value(tuple(round(slope * scale) for slope, _ in bank),
                 tuple(math.floor(start * scale + half) for _, start in bank), dropped)


def _rounded(layer, bank) -> np.ndarray:
    """What each sum becomes in each channel, int64 (C, sums)."""
    sums = np.array(layer.sums)
    unit = 2**layer.fraction
    line = [(slope * unit, start * unit + Fraction(1, 2)) for slope, start in bank]
    slope, start = (np.array(list(map(float, values)))[:, None] for values in zip(*line, strict=True))
    exact = slope * sums + start
    found = np.floor(exact)
    for channel, place in np.argwhere(abs(exact - np.round(exact)) < 1e-6): # where floats may be wrong
        found[channel, place] = math.floor(line[channel][0] * int(sums[place]) + line[channel][1])
    return _held(layer, found).astype(np.int64)


def _is_exact(layer, value: Value, wanted: np.ndarray) -> bool:
    gain, offset = (np.array(numbers, np.int64)[:, None] for numbers in (value.gain, value.offset))
    return bool((_held(layer, gain * np.array(layer.sums) + offset >> value.dropped) == wanted).all())


def _held(layer, values):
    most = 2**(layer.output_bits - 1)
    return np.clip(values, -most, most - 1)


def exact_values(layer: Layer) -> bool:
    """Return whether :func:`make_banks` makes of ``layer``, of values in fixed point, one whose values are
    those of its normalization, rounded to the nearest, for every sum."""
    lines = [[list(_lines(layer, outcome, normalization)) for normalization in of_array]
             for outcome, of_array in enumerate(layer.normalizations)]
    return all(_is_exact(layer, value, _rounded(layer, bank)) for value, bank in zip(
        chain(*_with_values(layer).banks), chain(*lines), strict=True))


def _with_centred(layer: Layer) -> Layer:
    lines = [[list(_lines(layer, outcome, normalization)) for normalization in of_array]
             for outcome, of_array in enumerate(layer.normalizations)]
    largest = [most for of_array in lines for bank in of_array
               if (most := max(abs(slope) for slope, _ in bank))]
    # Rounding is off by a half at most: the offset, and the gain for each one of the largest sum.
    fraction = math.ceil(layer.sums.stop / (2 * SHARE) - 1).bit_length()
    unit = 1 / min(largest, default=Fraction(1))
    most = unit * max(abs(slope) * layer.sums.stop + 2 * abs(start) + 1
                      for of_array in lines for bank in of_array for slope, start in bank)
    # A layer of so many inputs that z would not fit rounds more.
    while fraction and most * 2**fraction + layer.sums.stop >= 2**(CENTRED_BITS - 1):
        fraction -= 1
    scale = unit * 2**fraction

    def centred(bank):
        gain, offset = ([round(value * scale) for value in values] for values in zip(*bank, strict=True))
        common = sum(offset) // len(offset)
        return Centred(tuple(gain), tuple(value - common for value in offset))

    return replace(layer, normalizations=(),
                   banks=tuple(tuple(map(centred, of_array)) for of_array in lines))


def _lines(layer: Layer, outcome: int, normalization: Normalization):
    """Yield for each channel ``slope`` and ``start`` of ``y = slope * sum + start``."""
    step, starts = float_sum(layer, outcome)
    for values, start in zip(_channels(normalization), starts, strict=True):
        bias, a, gamma, beta, mean, deviation = map(Fraction, values)
        slope = gamma * a * step / deviation
        yield slope, (gamma * ((start + bias) * a - mean)) / deviation + beta


def _affine(factor: float, layer: Layer, normalization: Normalization, line) -> Affine:
    channels = [(factor * gamma * a / deviation,
                 factor * (gamma * (bias * a - mean) / deviation + beta))
                for bias, a, gamma, beta, mean, deviation in _channels(normalization)]
    return Affine(*zip(*channels, strict=True))
