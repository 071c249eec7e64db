import itertools
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gen.check_target import ImpossibleTarget
from gen.compile import compile_network
from gen.ir import ArrayChoice, BankChoice, Draw, Input, Layer, MaskChoice, MixChoice, Network, Target
from gen.methods import network_of
from gen.transforms.exhaust import exhaust, pass_count
from golden.network import path_probabilities, paths, turns


def network_with(draws, *choices):
    """A network whose layers have these choices."""
    layers = tuple(Layer(f"layer{index}", 1, 1, 8, (1, 1), 8, choices=tuple(each))
                   for index, each in enumerate(choices))
    return Network("net", Input(1, 1, tuple(range(20, 180, 20))), layers, draws=draws)


def of_all(passes, **options):
    return Target(masks="all", passes=passes, passes_max=1024, **options)


def taken(network, passes):
    """How often passes take each combination of outcomes, by the number of the pass."""
    assert [draw.drops for draw in network.draws] == [None]
    return Counter(tuple(choice.table[number % len(choice.table)]
                         for layer in network.layers for choice in layer.choices)
                   for number in range(passes))


def test_draws_as_they_are():
    network = network_of("lenet5")
    assert exhaust(network, Target()) is network


def test_each_combination_as_often_as_its_probability():
    """Of bits of different probabilities, of a table with fewer outcomes than numbers, of draws that two
    layers share, and of one that is the number of the pass already."""
    draws = (Draw("keep", (0.25,)), Draw("pair", (0.5, 0.125)), Draw("member", None))
    table = (0, 2, 1, 0)
    network = network_with(
        draws, [BankChoice("keep", (0, 1))], [ArrayChoice("pair", table), BankChoice("keep", (1, 0))],
        [BankChoice("member", (0, 1, 2))])
    count = 4 * 2 * 8 * 3
    assert pass_count(network) == count
    wanted = Counter()
    for keep, high, low, member in itertools.product((0, 1), (0, 1), (0, 1), range(3)):
        chance = (0.75 if keep else 0.25) * 0.5 * (0.875 if low else 0.125) / 3
        wanted[keep, table[2 * high + low], 1 - keep, member] += round(count * chance)
    for times in 1, 2:
        found = taken(exhaust(network, of_all(times * count)), times * count)
        assert found == Counter({outcome: times * number for outcome, number in wanted.items()})


def test_the_mean_is_exact(random_network):
    """It is that over all random bits, each with its probability."""
    network = random_network(3, hidden=1)
    network = replace(network, draws=tuple(
        replace(draw, drops=(p,)) for draw, p in zip(network.draws, (0.5, 0.25), strict=True)))
    assert pass_count(network) == 8
    drawn = compile_network(network, Target(passes=8))
    every = compile_network(network, of_all(8))
    assert (len(drawn.drops), every.drops, every.health, turns(every)) == (2, (), (), 8)
    images = np.random.default_rng(0).integers(
        0, 256, (5, network.input.height, network.input.width), dtype=np.uint8)
    found   = np.sort(paths(every, images), axis=1)
    chances = path_probabilities(drawn)
    wanted  = np.sort(np.repeat(paths(drawn, images), np.round(8 * chances).astype(int), axis=1), axis=1)
    assert (found == wanted).all()


@pytest.mark.parametrize("network, passes, options, message", [
    (network_of("lenet5"), 20, {}, "All combinations are 32 passes, so T must be a multiple of 32, not 20"),
    (network_of("lenet5"), 64, {"rng": "mtj"},
     "With --masks all nothing is drawn, so there are no junctions; leave --rng mtj out"),
    (network_of("lenet5_deterministic"), 1, {},
     "Network 'lenet5_deterministic' draws nothing at random; leave --masks all out"),
    (network_of("lenet5_spinbayes"), 20, {},
     "Network 'lenet5_spinbayes' draws what has more than 1,024 combinations, each as often as its "
     "probability says; leave --masks all out"),
    (network_with((Draw("third", (1 / 3,)),), [BankChoice("third", (0, 1))]), 3, {},
     "Network 'net' draws what has more than 1,024 combinations, each as often as its probability says; "
     "leave --masks all out"),
    *((network_with((Draw("same", (p,)),), [BankChoice("same", (0, 1))]), 2, {},
       "Network 'net' draws bits for 'same' that are always alike, with a probability of 0 or 1, so there "
       "is nothing to combine; leave --masks all out, or choose another --p") for p in (0.0, 1.0)),
    *((network_with((Draw("word", (0.5,) * 8),), [choice]), 256, {},
       "Layer 'layer0' draws a bit for each of its channels or inputs, which have too many combinations; "
       "leave --masks all out") for choice in (MaskChoice("word", 8), MixChoice("word")))])
def test_refuses(network, passes, options, message):
    with pytest.raises(ImpossibleTarget, match=f"^{re.escape(message)}$"):
        exhaust(network, of_all(passes, **options))
