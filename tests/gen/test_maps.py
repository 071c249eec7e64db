import itertools

import numpy as np
import pytest

from gen import maps
from gen.ir import ArrayChoice, BankChoice, Draw, Input, Layer, MaskChoice, MixChoice, Network
from gen.maps import expected, given, one_by_one
from gen.methods import METHODS, name_of, network_of
from gen.outcomes import outcomes_of


PIXELS = Input(4, 4, (128,))


def network_with(*chosen, draws, merged=()):
    """Layers of 1 by 1 maps with these choices, behind a first one without any; equal masks of the layers
    ``merged`` run as one."""
    behind = [Layer(f"layer{index}", 1, 1, 6, (1, 1), 6, choices=choices, merged=index + 1 in merged)
              for index, choices in enumerate(chosen)]
    return Network("some", PIXELS, (Layer("first", 4, 4, 1, (4, 4), 6), *behind), draws=draws)


def plain_loop(network, passes):
    """Mean maps over every combination of all bits of all passes, each weighted by its probability; passes
    are told apart one by one."""
    entering, leaving, active = (np.zeros(len(network.layers)) for _ in range(3))
    drops = [round(65536 * drop) / 65536 for drop in network.drops]
    one_pass = list(itertools.product((0, 1), repeat=len(drops)))
    for bits in itertools.product(one_pass, repeat=passes):
        weight = np.prod([1 - drop if bit else drop for row in bits
                          for bit, drop in zip(row, drops, strict=True)])
        states = [()] * passes
        for index, layer in enumerate(network.layers):
            for kinds, total in (((ArrayChoice, MaskChoice), entering), ((BankChoice, MixChoice), leaving)):
                for choice in layer.choices:
                    if isinstance(choice, kinds):
                        states = [(*state, _outcome(network, choice, number, bits[number], layer.merged))
                                  for number, state in enumerate(states)]
                        if isinstance(choice, MaskChoice):
                            masked = {state: bits[number] for number, state in enumerate(states)}
                total[index] += weight * len(set(states))
            mask = layer.mask_choice
            if mask is None:
                active[index] += weight * layer.fan_in * len({state for state in _before(states, layer)})
            else:
                places = network.places(mask.draw)
                active[index] += weight * sum(
                    row[places[i % mask.groups]] for row in masked.values() for i in range(layer.fan_in))
    return entering, leaving, active


def _before(states, layer):
    """States without the choice behind the sums of ``layer``."""
    behind = layer.bank_choice is not None or layer.mix_choice is not None
    return [state[:-1] if behind else state for state in states]


def _outcome(network, choice, number, row, merged):
    if isinstance(choice, MaskChoice | MixChoice):
        # Each pass has its own, or those with the same.
        return tuple(row[place] for place in network.places(choice.draw)) if merged else number
    draw = next(draw for draw in network.draws if draw.name == choice.draw)
    if draw.drops is not None:
        number = 0
        for place in network.places(choice.draw):
            number = 2 * number + row[place]
    return choice.table[number % len(choice.table)]


NETWORKS = {
    "banks": network_with((BankChoice("a", (0, 1)),), (BankChoice("b", (0, 1)),),
                          draws=(Draw("a", (0.2,)), Draw("b", (0.7,)))),
    "arrays": network_with((ArrayChoice("a", (2, 0, 1, 0)),), (BankChoice("b", (1, 0)),),
                           draws=(Draw("a", (0.3, 0.6)), Draw("b", (0.5,)))),
    "shared draw": network_with((BankChoice("a", (0, 1, 1)),), (ArrayChoice("a", (0, 1)),
                                                               BankChoice("b", (0, 1))),
                                draws=(Draw("b", (0.4,)), Draw("a", (0.5, 0.9)))),
    "turn": network_with((BankChoice("t", (0, 1)),), (ArrayChoice("a", (0, 1)),),
                         draws=(Draw("t", None), Draw("a", (0.25,)))),
    "mask": network_with((BankChoice("a", (0, 1)),), (MaskChoice("m", 2),),
                         draws=(Draw("a", (0.2,)), Draw("m", (0.1, 0.6)))),
    "merged": network_with(
        (BankChoice("a", (0, 1)),), (MaskChoice("m", 2),), (BankChoice("b", (0, 1)),), merged=(2,),
        draws=(Draw("a", (0.2,)), Draw("m", (0.1, 0.6)), Draw("b", (0.5,)))),
    "merged, shared draw": network_with((BankChoice("m", (0, 1, 1, 0)),), (MaskChoice("m", 2),),
                                        draws=(Draw("m", (0.1, 0.6)),), merged=(2,)),
    "mix": network_with((MixChoice("m"),), (BankChoice("a", (0, 1)),),
                        draws=(Draw("m", (0.5, 0.5)), Draw("a", (0.2,)))),
    "certain": network_with((BankChoice("a", (0, 1)),), (BankChoice("b", (0, 1)),),
                            draws=(Draw("a", (0.0,)), Draw("b", (1.0,)))),
    "none": network_with((), draws=()),
}


@pytest.mark.parametrize("passes", [1, 2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_expected_is_the_mean_of_all_combinations(name, passes):
    found = expected(NETWORKS[name], passes)
    for figures, loop in zip((found.entering, found.leaving, found.active),
                             plain_loop(NETWORKS[name], passes), strict=True):
        assert np.allclose(figures, loop, rtol=1e-12, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_given_choices_have_that_mean(method):
    """Of every method; 200 images drawn are within 5 standard errors."""
    network = network_of(name_of("lenet5", method))
    rng, images, passes = np.random.default_rng(3), 200, 5
    numbers = {None: np.broadcast_to(np.arange(passes), (images, passes))}
    for draw in network.draws:
        bits = rng.random((images, passes, len(draw.drops or ()))) >= np.array(draw.drops or ())
        numbers[draw.name] = numbers[None] if draw.drops is None else (
            bits[..., -62:] @ (1 << np.arange(min(62, bits.shape[-1]))[::-1]))
    drawn = [given(network, outcomes) for outcomes in outcomes_of(network, numbers)]
    found = expected(network, passes)
    for name in ("entering", "leaving"):
        values = np.array([getattr(each, name) for each in drawn], dtype=float)
        error  = np.maximum(values.std(0), 0.1) / images**0.5 # some differ in one image of many
        assert (np.abs(values.mean(0) - getattr(found, name)) <= 5 * error + 1e-9).all()


def test_one_pass_after_another():
    network = NETWORKS["mask"]
    found = one_by_one(network, 7)
    assert found.entering == found.leaving == (7, 7, 7)
    # The last layer keeps inputs 0, 2, 4 with 0.9 and 1, 3, 5 with 0.4, in steps of 1 / 65536.
    kept = 3 * ((65536 - 6554) + (65536 - 39322)) / 65536
    assert found.active == (7 * 16, 7 * 6, pytest.approx(7 * kept, rel=1e-12))
    assert one_by_one(network, 7, {2: 30}).active == (7 * 16, 7 * 6, 30)


def test_many_different_probabilities(monkeypatch):
    """Where there are too many to tell apart, those that nearly agree are taken together."""
    rng   = np.random.default_rng(0)
    draws = tuple(Draw(str(index), (float(p),)) for index, p in enumerate(rng.uniform(0.1, 0.9, 12)))
    network = network_with(*((BankChoice(draw.name, (0, 1)),) for draw in draws), draws=draws)
    exact = expected(network, 20).leaving
    monkeypatch.setattr(maps, "_SHARES_MAX", 50)
    for cached in (maps._product, maps._together):
        cached.cache_clear()
    rounded = expected(network, 20).leaving
    for cached in (maps._product, maps._together):
        cached.cache_clear()
    assert rounded != exact and np.allclose(rounded, exact, rtol=1e-5, atol=0)


def test_a_thousand_passes_of_many_layers():
    """Neither time nor digits are lost: 20 layers of four outcomes each."""
    draws = tuple(Draw(str(index), (0.3, 0.4 + index / 1000)) for index in range(20))
    network = network_with(*((BankChoice(draw.name, (0, 1, 2, 3)),) for draw in draws), draws=draws)
    found = expected(network, 1000)
    assert found.leaving[0] == 1 and np.diff(found.leaving).min() > -1e-9
    assert 999 < found.leaving[-1] <= 1000 + 1e-9


def test_choices_of_very_many_outcomes():
    """More than one number can tell apart, together."""
    network  = network_with(*((BankChoice("a", (0, 1)),) for _ in range(11)), draws=(Draw("a", (0.5,)),))
    outcomes = np.random.default_rng(0).choice([0, 2, 2**20], (50, 12, 2), p=[0.8, 0.1, 0.1])
    found    = given(network, outcomes)
    states   = outcomes.reshape(50, -1).tolist()
    counts   = [len({tuple(state[:columns]) for state in states}) for columns in range(1, 25)]
    assert (found.entering, found.leaving) == (tuple(counts[::2]), tuple(counts[1::2]))
