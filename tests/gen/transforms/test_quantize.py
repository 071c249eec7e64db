from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gen.check_target import ImpossibleTarget
from gen.ir import REGRESSION, Affine, Head, Input, Layer, Logit, Network, Target
from gen.precision import BOUND, worst_error
from gen.transforms.banks import make_banks
from gen.transforms.quantize import quantize
from gen.weights import pack, unpack


TARGET = Target()


def quantized(gain, offset, fan_in=5, outputs=2, **fields):
    layer = Layer("last", 1, 1, fan_in, (1, 1), outputs, arrays=((0,) * outputs,),
                  banks=((Affine((gain,) * outputs, (offset,) * outputs),) * 2,), **fields)
    network = quantize(Network("network", Input(1, 1, (1,) * fan_in), (layer,)), TARGET)
    return network.layers[0].banks, network.head


@pytest.mark.parametrize("gain, offset, logit", [
    (0.0, 0.0, (0, 0)),
    (1.0, 0.0, (1024, 0)),
    (1.0, 3.0, (1024, 3 * 1024)),
    (-0.5, 0.25, (-512, 256)),
    (0.0, 1 / 3, (0, 341)),
])
def test_drops_nothing_from_what_is_exact(gain, offset, logit):
    banks, _ = quantized(gain, offset)
    assert banks == ((Logit(*((value,) * 2 for value in logit), 0),) * 2,)


@pytest.mark.parametrize("gain, fan_in, dropped, logit", [
    # 1 / 3 is 1365 / 4096, 1 / 3 of a unit too small. In the middle of all sums, 0, the logit is 0, so the
    # offset is half a logit.
    (1 / 3, 5, 2, (1365, 2)),
    (1 / 3, 900, 9, (174763, 256)),
])
def test_rounds(gain, fan_in, dropped, logit):
    banks, _ = quantized(gain, 0.0, fan_in)
    assert banks == ((Logit(*((value,) * 2 for value in logit), dropped),) * 2,)


def test_classes():
    """What exponentials take of the bound is bounded by guard bits, and gains have what is left."""
    dropped, heads = zip(*((banks[0][0].dropped, head) for banks, head in (
        quantized(1 / 3, 0.0, 900, outputs) for outputs in (2, 10, 300))), strict=True)
    assert dropped == (9, 10, 10)
    assert heads == (Head(), Head(), Head(guard=5))


def ends(layer, array, channel):
    """The sums ``s`` and those of the crossbars for the inputs that make them least and largest."""
    each   = [unpack(layer, number)[channel] for number in layer.array_sets[array]]
    weight = sum(each)
    levels = 2**layer.input_bits - 1
    for sign in (-1, 1):
        level = np.where(sign * weight > 0, levels, 0)
        value = [layer.input_low + Fraction((1 - layer.input_low) * one, levels) for one in level.tolist()]
        most  = layer.ways * max(1, 2**(layer.weight_bits - 1) - 1)
        s = sum(a * b for a, b in zip(value, weight.tolist(), strict=True)) / most
        if layer.weight_bits == 1:
            yield s, int(sum(own @ (2 * level - levels) for own in each))
        else:
            yield s, int(level @ weight)


def check_bound(network):
    """The error of a scaled sum is known and within the bound at both ends, so between them; it would not
    be with a bit less."""
    before, compiled = network.layers[-1], quantize(network, TARGET)
    after, head = compiled.layers[-1], compiled.head
    dropped = after.banks[0][0].dropped
    worst = fewer = 0
    pairs = [(array, pair) for array, both in enumerate(zip(before.banks, after.banks, strict=True))
             for pair in zip(*both, strict=True)]
    for array, (affine, logit) in pairs:
        for channel in range(before.outputs):
            gain, offset = Fraction(affine.gain[channel]), Fraction(affine.offset[channel])
            (low, least), (high, largest) = ends(before, array, channel)
            for s, m in ((low, least), (high, largest)):
                scaled = Fraction(logit.gain[channel] * m + logit.offset[channel] - (2**dropped >> 1),
                                  2**(head.fraction + dropped))
                worst = max(worst, abs(scaled - gain * s - offset))
            if largest > least:
                slope = gain * (high - low) / (largest - least) * 2**(head.fraction + dropped - 1)
                fewer = max(fewer, abs(slope - round(slope)) * (largest - least) / 2)
    assert worst_error(head, before.outputs, float(worst)) <= BOUND
    # Not only the error of the gain, but half a unit of the offset, at most.
    assert not dropped or worst_error(head, before.outputs, float(
        (fewer + Fraction(1, 2)) / 2**(head.fraction + dropped - 1))) > BOUND
    return dropped


@pytest.mark.parametrize("factor", [1e-9, 0.01, 1, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_bound(random_network, seed, factor):
    network = make_banks(random_network(seed), TARGET)
    last = network.layers[-1]
    banks = tuple(tuple(Affine(tuple(factor * value for value in bank.gain), bank.offset)
                        for bank in of_array) for of_array in last.banks)
    check_bound(replace(network, layers=(*network.layers[:-1], replace(last, banks=banks))))


@pytest.mark.parametrize("seed", range(20))
def test_bound_of_spinbayes(random_spinbayes, seed):
    """For any weights and levels, in each bank."""
    network = make_banks(random_spinbayes(seed), TARGET)
    check_bound(network)
    last = network.layers[-1]
    assert list(map(len, quantize(network, TARGET).layers[-1].banks)) == [last.bank_count] * last.crossbars


def test_bound_of_large_sums():
    """More bits, the more a sum can be, but of its own weights only."""
    rng, dropped = np.random.default_rng(0), []
    for most in (7, 1):
        weights = rng.integers(-most, most, (9, 300), endpoint=True)
        gain    = tuple(rng.normal(size=9).tolist())
        layer = Layer("last", 1, 1, 300, (1, 1), 9, weight_bits=4, input_bits=4, input_low=0,
                      arrays=(pack(weights, 4),), banks=((Affine(gain, (1.0,) * 9),) * 2,))
        dropped.append(check_bound(Network("large", Input(1, 1, (1,) * 300 * 15, 4), (layer,))))
    assert dropped[0] > dropped[1] > 5


def test_leaves_hidden_layers(random_network):
    network = make_banks(random_network(0, hidden=2), TARGET)
    assert quantize(network, TARGET).layers[:-1] == network.layers[:-1]


@pytest.mark.parametrize("gain, offset, fraction", [
    (0.001, 0.0, 15), (1 / 3, 0.25, 14), (1 / 3, -30.0, 10), (1000.0, 0.0, 2), (6553.3, 0.0, 0)])
def test_numbers_of_a_regression(gain, offset, fraction):
    """As many fraction bits as keep every number in 16 bits, each within three quarters of its unit."""
    layer = Layer("last", 1, 1, 5, (1, 1), 1, arrays=((0,),), banks=((Affine((gain,), (offset,)),),))
    network = quantize(Network("network", Input(1, 1, (1,) * 5), (layer,), REGRESSION), TARGET)
    [[bank]] = network.layers[0].banks
    assert network.head == replace(REGRESSION, fraction=fraction)
    for s in range(-5, 6, 2):
        number = bank.gain[0] * s + bank.offset[0] >> bank.dropped
        assert abs(number - (gain * s + offset) * 2**fraction) <= 0.75 and abs(number) < 2**15
    most = max(abs(5 * gain + offset), abs(-5 * gain + offset)) * 2**(fraction + 1)
    assert fraction == 15 or most >= 2**15 - 1


def test_numbers_that_do_not_fit():
    layer = Layer("last", 1, 1, 5, (1, 1), 1, arrays=((0,),), banks=((Affine((6553.5,), (0.0,)),),))
    with pytest.raises(ImpossibleTarget, match="^Layer 'last' has numbers of up to 32,768, but those of a "
                                               "regression must be below 32,767; train with smaller "
                                               "targets, and multiply what the network answers$"):
        quantize(Network("network", Input(1, 1, (1,) * 5), (layer,), REGRESSION), TARGET)
