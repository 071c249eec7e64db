import itertools
from dataclasses import replace

import numpy as np
import pytest

from gen.ir import ArrayChoice, BankChoice, Draw, Input, Layer, MaskChoice, MixChoice, Network
from gen.methods import METHODS, network_of
from gen.outcomes import branching, combinations, drawn, outcomes_of
from tests.conftest import make_spinbayes, with_choices


def network_of_choices(*choices, draws):
    """A network whose layers have these choices."""
    return Network("network", Input(1, 1, (128,)), tuple(
        Layer(f"layer{index}", 1, 1, 1, (1, 1), 1, choices=tuple(each))
        for index, each in enumerate(choices)), draws=draws)


def several(*counts):
    """A network whose layers choose one of so many arrays, each by a draw of its own."""
    layers = tuple(Layer(f"layer{index}", 1, 1, 1, (1, 1), 1) for index in range(len(counts)))
    return with_choices(Network("network", Input(1, 1, (128,)), layers), [(count, 1) for count in counts])


#: Draws that several layers share, with a table of their own each, and one that is the number of the pass.
SHARED = network_of_choices(
    [BankChoice("fair", (2, 0, 1, 0))], [ArrayChoice("turn", (0, 1, 2)), BankChoice("fair", (1, 1, 0, 0))],
    [], [ArrayChoice("uneven", (1, 0))],
    draws=(Draw("fair", (0.5, 0.25)), Draw("turn", None), Draw("uneven", (0.9,))))


def test_outcomes_of():
    """By their tables, a number beyond the end of one from its begin on; 0 where there is no choice."""
    numbers = {"fair": np.array([[0, 1, 2, 3]]), "turn": np.array([[3, 4, 5, 6]]),
               "uneven": np.array([[0, 1, 1, 0]])}
    assert outcomes_of(SHARED, numbers).tolist() == [[
        [[0, 2], [0, 1], [0, 0], [1, 0]], [[0, 0], [1, 1], [0, 0], [0, 0]],
        [[0, 1], [2, 0], [0, 0], [0, 0]], [[0, 0], [0, 0], [0, 0], [1, 0]]]]


def test_each_pass_mixes_by_itself():
    """The outcome behind the sum is then the number of the pass, whatever is drawn, and each pass has a map
    of its own from there on."""
    network = network_of_choices([BankChoice("keep", (0, 1))], [MixChoice("mix")], [],
                                 draws=(Draw("keep", (0.5,)), Draw("mix", (0.5,) * 70)))
    numbers = {None: np.array([[0, 1, 2]]), "keep": np.array([[1, 0, 1]])}
    assert outcomes_of(network, numbers).tolist() == [[
        [[0, 1], [0, 0], [0, 0]], [[0, 0], [0, 1], [0, 0]], [[0, 1], [0, 2], [0, 0]]]]
    for found in (drawn(network, 2, 7)[1], branching(network, 7)):
        assert found[:, 1, 1].tolist() == [*range(7)] and maps(found) == [2, 7, 7]


def test_equal_masks_that_are_merged():
    """Their outcome is the number of the last pass that has drawn the same."""
    network = network_of_choices([MaskChoice("mask", 1)], [MaskChoice("other", 1)],
                                 draws=(Draw("mask", (0.5,) * 2), Draw("other", (0.5,) * 70)))
    network = replace(network, layers=(replace(network.layers[0], merged=True), network.layers[1]))
    numbers = {None: np.array([[0, 1, 2, 3]] * 2), "mask": np.array([[2, 0, 2, 0], [3, 1, 2, 3]])}
    assert outcomes_of(network, numbers)[..., 0].tolist() == [
        [[2, 0], [3, 1], [2, 2], [3, 3]], [[3, 0], [1, 1], [2, 2], [3, 3]]]
    assert maps(branching(network, 7)) == [4, 7] and maps(branching(network, 3)) == [3, 3]
    for image in drawn(network, 20, 30):
        assert image[:, 1, 0].tolist() == [*range(30)]
        assert {image[last, 0, 0] == last for last in image[:, 0, 0]} == {True}
        assert len(set(image[:, 0, 0].tolist())) == 4


def test_drawn_as_likely_as_stated():
    """Every combination of the bits of a draw, within five deviations; the number of a pass exactly."""
    found = drawn(SHARED, 500, 8)
    assert found.shape == (500, 8, 4, 2)
    # Numbers 0 to 3 of the first draw: bits of 0 with 1/2, the most significant one, and with 1/4.
    shares = {(2, 1): 1 / 8, (0, 1): 3 / 8, (1, 0): 1 / 8, (0, 0): 3 / 8}
    pairs  = list(zip(found[:, :, 0, 1].ravel().tolist(), found[:, :, 1, 1].ravel().tolist(), strict=True))
    assert set(pairs) == set(shares)
    for pair, share in shares.items():
        assert abs(pairs.count(pair) / 4000 - share) < 5 * (share * (1 - share) / 4000)**0.5
    assert (found[:, :, 1, 0] == np.arange(8) % 3).all()
    assert not found[:, :, 2].any() and not found[:, :, [0, 3], [0, 1]].any()
    assert abs(found[:, :, 3, 0].mean() - 0.9) < 5 * (0.9 * 0.1 / 4000)**0.5


def test_drawn():
    """Each image is another, bits that are certain are so, and all of it is always the same."""
    network = replace(several(2, 2, 2, 8), draws=(
        Draw("layer0", (0.0,)), Draw("layer1", (1.0,)), Draw("layer2", (0.25,)),
        Draw("layer3", (0.5, 0.5, 0.5))))
    found = drawn(network, 500, 8)[..., 0]
    assert found[..., 0].min() == 1 and found[..., 1].max() == 0
    assert abs(found[..., 2].mean() - 0.75) < 5 * (0.75 * 0.25 / 4000)**0.5
    counts = np.bincount(found[..., 3].ravel(), minlength=8)
    assert len(counts) == 8 and np.abs(counts - 500).max() < 5 * (500 * 7 / 8)**0.5
    assert len(np.unique(found[..., 2:].reshape(500, -1), axis=0)) == 500
    assert np.array_equal(found, drawn(network, 500, 8)[..., 0])


@pytest.mark.parametrize("names", [("", "turn"), ("turn", "")])
def test_any_name_of_a_draw(names):
    """The number of the pass is that of the pass, whatever draws are called."""
    random, turn = names
    network = network_of_choices([BankChoice(random, (0, 1))], [BankChoice(turn, (0, 1, 2))],
                                 draws=(Draw(random, (0.5,)), Draw(turn, None)))
    for found in (drawn(network, 2, 9)[0], branching(network, 9)):
        assert found[:, 1, 1].tolist() == [0, 1, 2] * 3


@pytest.mark.parametrize("method", ["tiny-ensemble", "ensemble", "deterministic"])
def test_passes_in_turn(method):
    """What is not random is the same for every image, and as it will be."""
    network = network_of("lenet5", method)
    found   = drawn(network, 3, 10)
    turns   = np.arange(10) % 4 if METHODS[method].in_turn else np.zeros(10)
    kind    = 0 if method == "ensemble" else 1
    assert (found[..., kind] == turns[:, None]).all() and not found[..., 1 - kind].any()
    assert (branching(network, 10) == found[0]).all()


def maps(found):
    """How many different outcomes there are up to each layer."""
    return [len({tuple(map(tuple, one[:layer + 1])) for one in found.tolist()})
            for layer in range(found.shape[1])]


def test_branching():
    """Twenty passes give each of five layers as many maps as there can be."""
    found = branching(network_of("lenet5"), 20)
    assert found.shape == (20, 5, 2)
    assert maps(found) == [min(20, 2**(layer + 1)) for layer in range(5)]
    assert maps(branching(several(8, 4, 2), 20)) == [8, 20, 20]


@pytest.mark.parametrize("passes", [1, 3, 7, 20, 200])
@pytest.mark.parametrize("seed", range(6))
def test_branching_gives_the_most(seed, passes):
    """No more than passes, and no more than there are combinations, but as many."""
    network = make_spinbayes(seed, hidden=2)
    choices = [layer.choices[0] for layer in network.layers]
    assert maps(branching(network, passes)) == [
        min(passes, combinations(network, choices[:index + 1])) for index in range(3)]


def test_branching_of_outcomes_and_not_of_numbers():
    """Numbers of a draw that lead to the same outcomes everywhere are one."""
    network = network_of_choices([BankChoice("draw", (0, 0, 0, 1))], [BankChoice("other", (1, 0, 0, 0))],
                                 draws=(Draw("draw", (0.5, 0.5)), Draw("other", (0.5, 0.5))))
    assert maps(branching(network, 2)) == [2, 2]
    assert maps(branching(network, 4)) == [2, 4]


@pytest.mark.parametrize("indices", [
    [0], [1], [0, 1], [0, 1, 3], [3], [2], []])
def test_combinations_of_shared_draws(indices):
    """By counting them all: draws that choices share are drawn once."""
    choices = [choice for index in indices for choice in SHARED.layers[index].choices]
    found   = set()
    for numbers in itertools.product(range(4), range(3), range(2)):
        drawn = dict(zip(("fair", "turn", "uneven"), numbers, strict=True))
        found.add(tuple(choice.table[drawn[choice.draw]] for choice in choices))
    assert combinations(SHARED, choices) == len(found)


def test_combinations():
    assert combinations(SHARED, []) == 1
    both = [choice for layer in SHARED.layers for choice in layer.choices if choice.draw == "fair"]
    assert (combinations(SHARED, both[:1]), combinations(SHARED, both)) == (3, 4)
    # Tables of the number of a pass, whose lengths differ: pairs come round after six passes.
    turns = [BankChoice("turn", (0, 1)), BankChoice("turn", (0, 1, 2))]
    assert combinations(SHARED, turns) == 6 and combinations(SHARED, turns[:1] * 2) == 2
