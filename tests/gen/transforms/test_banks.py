import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gen.ir import (
    Affine,
    ArrayChoice,
    BankChoice,
    Centred,
    Comparison,
    Input,
    Layer,
    Network,
    Normalization,
    Target,
)
from gen.transforms.banks import CENTRED_BITS, SHARE, float_sum, make_banks
from gen.weights import pack, unpack


TARGET = Target()


def y(normalization, channel, s):
    """Value before the sign (Scale-Dropout, eq. 7-8), as a rational number."""
    bias, scale, gamma, beta, mean, deviation = (
        Fraction(getattr(normalization, name)[channel])
        for name in ("bias", "scale", "gamma", "beta", "mean", "deviation"))
    return gamma * ((s + bias) * scale - mean) / deviation + beta


def one_channel(fan_in, bias=0.0, scale=1.0, gamma=1.0, beta=0.0, mean=0.0, deviation=1.0):
    """Fold a hidden layer of one channel and return ``(threshold, invert)`` of each bank: with the scale
    dropped to one, and kept."""
    layer = Layer("hidden", 1, 1, fan_in, (1, 1), 1, arrays=((0,),), normalizations=(tuple(
        Normalization((bias,), (each,), (gamma,), (beta,), (mean,), (deviation,))
        for each in (1.0, scale)),))
    last = Layer("last", 1, 1, 1, (1, 1), 2, arrays=((0, 0),), normalizations=((Normalization(
        *((1.0, 1.0),) * 6),) * 2,))
    network = Network("network", Input(1, 1, (128,) * fan_in), (layer, last))
    return [(bank.threshold[0], bank.invert[0])
            for bank in make_banks(network, TARGET).layers[0].banks[0]]


@pytest.mark.parametrize("parameters, dropped, kept", [
    ({}, (0, 0), (0, 0)),                                 # s >= 0
    ({"mean": 0.5}, (1, 0), (1, 0)),                      # s >= 0.5
    ({"mean": 2.0}, (2, 0), (2, 0)),                      # s >= 2, met exactly
    ({"mean": 2.0, "scale": 2.0}, (2, 0), (1, 0)),        # kept: s >= 1
    ({"mean": 4.0, "scale": 4.0}, (4, 0), (1, 0)),        # kept: s >= 1
    ({"gamma": -1.0}, (1, 1), (1, 1)),                    # s <= 0 is NOT s >= 1
    ({"scale": -1.0}, (0, 0), (1, 1)),
    ({"scale": 0.0}, (0, 0), (-8, 0)),                    # kept: 0 >= 0, always 1
    ({"scale": 0.0, "mean": 1.0}, (1, 0), (9, 0)),        # kept: -1 >= 0, never 1
    ({"gamma": 0.0}, (-8, 0), (-8, 0)),                   # beta = 0 gives 1
    ({"gamma": 0.0, "beta": -1e-300}, (9, 0), (9, 0)),
    ({"bias": 8.0}, (-8, 0), (-8, 0)),                    # s >= -8 always holds
    ({"bias": -8.0}, (8, 0), (8, 0)),                     # only s = 8
    ({"bias": -8.5}, (9, 0), (9, 0)),
    ({"bias": -8.0, "gamma": -1.0}, (-8, 0), (-8, 0)),    # s <= 8 always holds
    ({"bias": 8.0, "gamma": -1.0}, (-7, 1), (-7, 1)),     # only s = -8
    ({"bias": 8.5, "gamma": -1.0}, (9, 0), (9, 0)),
    ({"mean": 1e300}, (9, 0), (9, 0)),
])
def test_threshold(parameters, dropped, kept):
    assert one_channel(8, **parameters) == [dropped, kept]


@pytest.mark.parametrize("seed", range(20))
def test_every_sum_of_random_networks(random_network, seed):
    network = random_network(seed)
    for before, after in zip(network.layers[:-1], make_banks(network, TARGET).layers, strict=False):
        assert after.normalizations == ()
        for normalization, bank in zip(before.normalizations[0], after.banks[0], strict=True):
            assert isinstance(bank, Comparison)
            for channel, (threshold, invert) in enumerate(
                    zip(bank.threshold, bank.invert, strict=True)):
                assert -before.fan_in <= threshold <= before.fan_in + 1
                for s in range(-before.fan_in, before.fan_in + 1):
                    expected = y(normalization, channel, s) >= 0
                    assert (s >= threshold) ^ invert == expected


@pytest.mark.parametrize("seed", range(50))
def test_changes_at_its_threshold(seed):
    """Parameters of any size: the float model changes between threshold - 1 and threshold."""
    rng = np.random.default_rng(seed)
    fan_in = int(rng.integers(1, 2000))
    parameters = {"bias": rng.normal(), "scale": rng.lognormal(0, 0.35), "gamma": rng.normal(),
                  "beta": rng.normal(), "mean": rng.normal(0, fan_in**0.5),
                  "deviation": rng.uniform(0.1, fan_in**0.5)}
    parameters = {name: float(value) for name, value in parameters.items()}
    kept = Normalization(**{name: (value,) for name, value in parameters.items()})
    banks = one_channel(fan_in, **parameters)
    for normalization, (threshold, invert) in zip((replace(kept, scale=(1.0,)), kept), banks, strict=True):
        for s in {-fan_in, threshold - 1, threshold, fan_in} & set(range(-fan_in, fan_in + 1)):
            expected = y(normalization, 0, s) >= 0
            assert (s >= threshold) ^ invert == expected


def level(layer, array, bank, channel, m):
    """Output level by its definition, for a sum ``m``, in rational numbers."""
    most, top = 2**(layer.weight_bits - 1) - 1, 2**layer.input_bits - 1
    ways = layer.ways
    weights = [w for number in layer.array_sets[array] for w in unpack(layer, number)[channel].tolist()]
    if layer.weight_bits == 1:
        # m = sum(w (2 q - L)), so that sum(w q) is:
        most, m = 1, Fraction(m + top * sum(weights), 2)
    # x = low + (1 - low) q / L, and w stands for w / W; with several ways s is a mean.
    s = (layer.input_low * Fraction(sum(weights)) + (1 - layer.input_low) * Fraction(m, top)) / most / ways
    value = y(layer.normalizations[array][bank], channel, s)
    low, levels = layer.output_low, 2**layer.output_bits - 1
    return sum(value >= low + (j - Fraction(1, 2)) * (1 - low) / levels for j in range(1, levels + 1))


def compared(layer, bank, channel, m):
    """Output level by the bank of a compiled layer."""
    levels = 2**layer.output_bits - 1
    thresholds = bank.threshold[channel * levels:(channel + 1) * levels]
    return sum(m >= threshold for threshold in thresholds) ^ (levels if bank.invert[channel] else 0)


@pytest.mark.parametrize("seed", range(12))
def test_every_sum_of_random_spinbayes(random_spinbayes, seed):
    """Levels of several bits from several arrays, at every sum; where there are too many sums, around
    each threshold, at the ends, and at some between."""
    rng = np.random.default_rng(seed)
    network = random_spinbayes(seed, hidden=2)
    for before, after in zip(network.layers[:-1], make_banks(network, TARGET).layers, strict=False):
        assert list(map(len, after.banks)) == [before.bank_count] * before.crossbars
        for array, number in np.ndindex(before.crossbars, before.bank_count):
            bank = after.banks[array][number]
            sums = before.sums
            if len(sums) > 300:
                near = {threshold + step for threshold in bank.threshold for step in (-1, 0, 1)}
                sums = [m for m in {*near, sums.start, 0, sums.stop - 1,
                                    *rng.choice(sums, 20).tolist()} if m in sums]
            for channel in range(before.outputs):
                for m in sums:
                    assert compared(after, bank, channel, m) == level(before, array, number, channel, m)


def levels_of(weights, weight_bits=4, input_bits=1, input_low=0, output_bits=2, output_low=0,
              gamma=1.0, beta=0.0, mean=0.0, deviation=1.0, bias=0.0):
    """Fold a hidden layer of one channel and two arrays of ``weights``; return its banks."""
    weights = np.array(weights)
    layer = Layer("hidden", 1, 1, weights.shape[1], (1, 1), 1, choices=(ArrayChoice("hidden", (0, 1)),),
                  weight_bits=weight_bits, input_bits=input_bits, input_low=input_low,
                  output_bits=output_bits, output_low=output_low,
                  arrays=tuple(pack(row[None], weight_bits) for row in weights), normalizations=(
                      (Normalization((bias,), (1.0,), (gamma,), (beta,), (mean,), (deviation,)),),) * 2)
    last = Layer("last", 1, 1, 1, (1, 1), 2, arrays=((0, 0),),
                 normalizations=((Normalization(*((1.0, 1.0),) * 6),),))
    network = Network("network", Input(1, 1, (128,) * weights.shape[1]), (layer, last))
    return [(bank.threshold, bank.invert[0]) for bank, in make_banks(network, TARGET).layers[0].banks]


@pytest.mark.parametrize("parameters, thresholds, invert", [
    # W = 7, so s = m / 7; level j from y = 1/6, 3/6, 5/6 on, that is from m = 7/6, 21/6, 35/6 on.
    ({}, (2, 4, 6), 0),
    ({"gamma": 6.0, "mean": 1 / 3, "deviation": 7.0}, (4, 7, 10), 0),
    ({"gamma": 42.0}, (1, 1, 1), 0),                  # y = 6 m
    ({"gamma": -1.0, "beta": 1.0}, (2, 4, 6), 1),     # y = 1 - m / 7, a level less at 7/6, 21/6, ...
    ({"gamma": 7.0, "beta": 0.5}, (0, 0, 1), 0),      # y = m + 1/2, exactly the second bound at 0
    ({"gamma": -7.0, "beta": 0.5}, (0, 1, 1), 1),     # and y = 1/2 - m counts its tie as well
    ({"gamma": 0.0, "beta": 0.5}, (-14, -14, 15), 0), # a constant level 2
    ({"gamma": 0.0, "beta": 1.0}, (-14,) * 3, 0),
    ({"gamma": 0.0}, (15,) * 3, 0),
    ({"bias": 3.0}, (-14,) * 3, 0),
    ({"bias": 3.0, "gamma": -1.0}, (15,) * 3, 0),
    ({"bias": -3.0, "gamma": -1.0}, (-14,) * 3, 0),
    ({"gamma": 0.1, "beta": 0.71}, (-14, -14, 9), 0), # level 2, and 3 from m = 8.6 on
    ({"gamma": 1e-9, "beta": 0.5}, (-14, 0, 15), 0),
    ({"gamma": 1e-9, "beta": 0.6}, (-14, -14, 15), 0),
    ({"gamma": -1e-9, "beta": 0.6}, (-14, -14, 15), 0), # the same constant, without invert
])
def test_levels(parameters, thresholds, invert):
    assert levels_of([[1, 2], [7, -7]], **parameters) == [(thresholds, invert)] * 2


def test_lowest_level_of_minus_one():
    """x = -1, 1 and so s = (2 m - sum of w) / 7: each array has its own bank."""
    assert levels_of([[7, 7], [7, -7]], input_low=-1, output_bits=1, output_low=-1) \
        == [((7,), 0), ((0,), 0)]
    # y_j = -2/3, 0, 2/3.
    assert levels_of([[7, 7], [7, -7]], input_low=-1, output_low=-1) \
        == [((5, 7, 10), 0), ((-2, 0, 3), 0)]


def test_equal_banks_of_all_arrays_where_low_is_zero(random_spinbayes):
    for seed in range(10):
        network = random_spinbayes(seed)
        for layer in make_banks(network, TARGET).layers:
            if layer.crossbars > 1 and layer.input_low == 0:
                assert len(set(layer.banks)) == 1


@pytest.mark.parametrize("arrays, banks", [(1, 3), (4, 1), (2, 3)])
def test_each_array_and_bank_has_its_own(arrays, banks):
    """In its place, whatever the others are; so a layer may choose both."""
    rng = np.random.default_rng(0)
    weights = rng.choice([-1, 1], (arrays, 1, 9))
    parts = [[Normalization(*((float(value),) for value in rng.uniform(0.5, 2, 6))) for _ in range(banks)]
             for _ in range(arrays)]
    choices = ArrayChoice("array", tuple(range(arrays))), BankChoice("bank", tuple(range(banks)))
    layer = Layer("hidden", 1, 1, 9, (1, 1), 1, choices=choices, input_low=0, arrays=tuple(
        pack(array, 1) for array in weights), normalizations=tuple(map(tuple, parts)))
    last = Layer("last", 1, 1, 1, (1, 1), 2, arrays=((0, 0),),
                 normalizations=((Normalization(*((1.0, 1.0),) * 6),),))
    after = make_banks(Network("network", Input(1, 1, (128,) * 9), (layer, last)), TARGET).layers[0]
    assert list(map(len, after.banks)) == [banks] * arrays
    for array, number in np.ndindex(arrays, banks):
        for m in layer.sums:
            assert compared(after, after.banks[array][number], 0, m) == level(layer, array, number, 0, m)


def check_centred(before, after):
    """Each z, less what all channels have in common, is that of the float parameters up to one factor and
    the share that is stated."""
    assert after.normalizations == ()
    assert list(map(len, after.banks)) == [before.bank_count] * before.crossbars
    slopes, found = {}, {}
    for array, number in np.ndindex(before.crossbars, before.bank_count):
        part, bank = before.normalizations[array][number], after.banks[array][number]
        assert isinstance(bank, Centred)
        step, starts = float_sum(before, array)
        for channel, start in enumerate(starts):
            ends = [y(part, channel, step * m + start) for m in (0, 1)]
            slopes[array, number, channel] = ends[1] - ends[0], ends[0]
            found[array, number, channel]  = bank.gain[channel], bank.offset[channel]
    largest = [max(abs(slope) for (*where, _), (slope, _) in slopes.items() if where == list(place))
               for place in np.ndindex(before.crossbars, before.bank_count)]
    unit   = min(filter(None, largest), default=1)
    factor = next(2**bits / unit for bits in range(40)
                  if Fraction(before.sums.stop, 2**(bits + 1)) <= SHARE)
    for array, number in np.ndindex(before.crossbars, before.bank_count):
        # The error of each z is at most the share, around one shift for all channels.
        errors = [found[array, number, channel][0] * m + found[array, number, channel][1]
                  - factor * (slopes[array, number, channel][0] * m + slopes[array, number, channel][1])
                  for channel in range(before.outputs) for m in (before.sums[0], 0, before.sums[-1])]
        assert max(errors) - min(errors) <= 2 * SHARE * factor * unit


@pytest.mark.parametrize("seed", range(20))
def test_inverted_normalization_of_random_networks(centred_network, seed):
    network = centred_network(seed)
    for before, after in zip(network.layers[:-1], make_banks(network, TARGET).layers, strict=False):
        check_centred(before, after)


@pytest.mark.parametrize("seed", range(5))
def test_inverted_normalization_of_every_kind_of_layer(mixed_network, seed):
    """Of arrays and banks, and levels and weights of several bits."""
    network = mixed_network(seed)
    for before, after in zip(network.layers, make_banks(network, TARGET).layers, strict=True):
        if before.normalizations[0][0].centred:
            check_centred(before, after)


def centred_banks(gains, offsets, fan_in=8):
    """Banks of a layer with these gains and offsets of each bank and channel."""
    count = len(gains[0])
    parts = tuple(Normalization(*((0.0,) * count, (1.0,) * count, tuple(gain), tuple(offset),
                                  (0.0,) * count, (1.0,) * count), centred=True)
                  for gain, offset in zip(gains, offsets, strict=True))
    layer = Layer("hidden", 1, 1, fan_in, (1, 1), count, arrays=((0,) * count,), normalizations=(parts,),
                  choices=(BankChoice("bank", tuple(range(len(gains)))),))
    last = Layer("last", 1, 1, count, (1, 1), 2, arrays=((0, 0),),
                 normalizations=((Normalization(*((1.0, 1.0),) * 6),),))
    network = Network("network", Input(1, 1, (128,) * fan_in), (layer, last))
    return make_banks(network, TARGET).layers[0].banks[0]


def test_dropped_gains_are_a_power_of_two():
    """And multiples of 2 ** -7 are exact: 9 / 2 ** 8 is below 1 / 16, but 9 / 2 ** 7 is not."""
    dropped, kept = centred_banks([(1.0, 1.0, 1.0), (1.5, -0.25, 1 + 2**-7)],
                                  [(0.0, 0.0, 0.0), (3.0, -1.0, 2**-7)])
    assert dropped == Centred((128, 128, 128), (0, 0, 0))
    assert kept == Centred((192, -32, 129), (384 - 85, -128 - 85, 1 - 85)) # the mean of 384, -128, 1


@pytest.mark.parametrize("gain, offset", [(2.4, 0.1), (2.4, 20000.0), (100.0, -3.0)])
def test_large_layers_round_more(gain, offset):
    """What is compared with the mean fits in the bits that it may have, with one of them at most to spare
    where that takes fraction bits."""
    dropped, kept = centred_banks([(1.0, 1.0), (gain, -0.5)], [(0.0, 0.0), (offset, 1.0)], fan_in=8192)
    most = max(abs(one) * 8192 + abs(start) for one, start in zip(kept.gain, kept.offset, strict=True))
    assert 2**(CENTRED_BITS - 3) < most < 2**(CENTRED_BITS - 1)
    assert set(dropped.gain) < {2**bits for bits in range(17)}


@pytest.mark.parametrize("gains, expected", [
    ([(0.0, 0.0)], (0, 0)),             # of no gain the unit is one
    ([(0.0, 0.0), (0.5, -0.25)], (0, 0)),
])
def test_gains_of_zero(gains, expected):
    banks = centred_banks(gains, [(1.0, -1.0)] * len(gains))
    assert banks[0].gain == expected and banks[0].offset[0] == -banks[0].offset[1] > 0


def returned(layer, row, q, active):
    """What an array returns for the levels ``q`` and the weights ``row`` of the inputs that are ``active``
    (bool): of binary weights ``2 n - A`` of each bit plane."""
    if layer.weight_bits > 1:
        return int((q * row)[active].sum())
    places = np.arange(layer.input_bits)
    equal  = (q[:, None] >> places & 1) == (row > 0)[:, None]
    return int((2 * equal[active].sum(0) - active.sum()) @ 2**places)


def test_float_sum(random_spinbayes):
    """The sum of products of values, for random levels, equals the line through the sum."""
    rng = np.random.default_rng(0)
    for seed in range(10):
        for layer in random_spinbayes(seed).layers:
            q = rng.integers(0, 2**layer.input_bits, layer.fan_in)
            top, most = 2**layer.input_bits - 1, max(2**(layer.weight_bits - 1) - 1, 1)
            x = [layer.input_low + (1 - layer.input_low) * Fraction(int(level), top) for level in q]
            for array in range(layer.crossbars):
                step, starts = float_sum(layer, array)
                arrays = [unpack(layer, number) for number in layer.array_sets[array]]
                for start, *rows in zip(starts, *arrays, strict=True):
                    m = sum(returned(layer, row, q, np.full(layer.fan_in, True)) for row in rows)
                    assert step * m + start == sum(
                        value * int(w) for row in rows
                        for value, w in zip(x, row, strict=True)) / most / layer.ways
                    assert m in layer.sums


@pytest.mark.parametrize("weight_bits, low", [(1, -1), (4, 0)])
def test_inactive_inputs_are_values_of_zero(weight_bits, low):
    """Whichever inputs are active: the line through the sum is the same, and goes through 0."""
    rng = np.random.default_rng(0)
    for input_bits in (1, 3):
        weights = rng.integers(-1, 1, (2, 9)) * 2 + 1 if weight_bits == 1 else rng.integers(-7, 8, (2, 9))
        layer = Layer("layer", 1, 1, 9, (1, 1), 2, weight_bits=weight_bits, input_bits=input_bits,
                      input_low=low, arrays=(pack(weights, weight_bits),))
        step, starts = float_sum(layer, 0)
        assert starts == (0, 0)
        for _ in range(20):
            q, active = rng.integers(0, 2**input_bits, 9), rng.integers(0, 2, 9) > 0
            for row in weights:
                s = sum((low + (1 - low) * Fraction(int(level), 2**input_bits - 1)) * int(weight)
                        for level, weight in zip(q[active], row[active], strict=True))
                assert step * returned(layer, row, q, active) == s / max(1, 2**(weight_bits - 1) - 1)


@pytest.mark.parametrize("seed", range(10))
def test_output_layer(random_network, seed):
    network = random_network(seed)
    before, after = network.layers[-1], make_banks(network, TARGET).layers[-1]
    assert after.normalizations == ()
    for normalization, bank in zip(before.normalizations[0], after.banks[0], strict=True):
        assert isinstance(bank, Affine)
        for channel in range(before.outputs):
            for s in (-before.fan_in, 0, before.fan_in):
                expected = float(y(normalization, channel, s)) * math.log2(math.e)
                assert bank.gain[channel] * s + bank.offset[channel] \
                    == pytest.approx(expected, rel=1e-12, abs=1e-12)
