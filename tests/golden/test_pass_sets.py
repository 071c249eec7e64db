"""Pass sets, against the T passes one after another."""

import itertools

import numpy as np
import pytest

from gen.compile import compile_network
from gen.ir import Target
from golden.network import activate, forward, input_levels, layer_sums
from golden.pass_sets import members, part, replay
from golden.random.generator import choices
from golden.random.outcomes import outcomes


PASSES = 9


def layer_output(layer, x, array, bank):
    """The map that ``layer`` makes of the map ``x`` (1, H, W, C) with an array and a bank."""
    return activate(layer, layer_sums(layer, x, array), np.array([array]), np.array([bank]))


def sent_maps(network, image, taken):
    """For each layer the pass sets and maps that it sends for an image, and whether a map is the last, with
    the array and bank of all passes, (T, L, 2)."""
    maps, of_layers = [((1 << len(taken)) - 1, input_levels(network, image[None]), True)], []
    for index, layer in enumerate(network.layers):
        of_passes = [tuple(pair) for pair in taken[:, index].tolist()]
        maps = [(pass_set, layer_output(layer, x, *outcome), is_last)
                for entering, x, last in maps
                for outcome, pass_set, is_last in replay(part(entering, of_passes), last)]
        of_layers.append(maps)
    return of_layers


def check_maps(network, seed):
    images = np.random.default_rng(seed).integers(
        0, 256, (2, network.input.height, network.input.width), dtype=np.uint8)
    drawn = choices(network.generator, 2, PASSES)
    for image, bits, taken in zip(images, drawn, np.stack(outcomes(network, drawn), axis=-1), strict=True):
        alone = [forward(network, image[None], of_pass[None], number=number, maps=True)
                 for number, of_pass in enumerate(bits)]
        of_layers = sent_maps(network, image, taken)
        for index, maps in enumerate(of_layers):
            assert sorted(itertools.chain(*(members(pass_set) for pass_set, _, _ in maps))) == [
                *range(PASSES)]
            for pass_set, x, _ in maps:
                for number in members(pass_set):
                    logit, hidden = alone[number]
                    assert np.array_equal(x, [*hidden, logit][index])
            assert len(maps) == len(np.unique(taken[:, :index + 1], axis=0))
            assert [last for _, _, last in maps] == [*[False] * (len(maps) - 1), True]


@pytest.mark.parametrize("seed", range(4))
def test_every_pass_has_its_map(compiled, seed):
    """A pass is in the set of exactly one map, and it is the map that the pass computes alone. Passes with
    the same choices so far have the same map, so no map is computed twice."""
    network, _ = compiled(seed, Target(array_rows=16, passes=PASSES), hidden=2)
    check_maps(network, seed)


def test_every_kind_of_choice(mixed_network):
    """The same where layers choose in every way there is."""
    check_maps(compile_network(mixed_network(), Target(array_rows=16, passes=PASSES)), 0)


def test_example():
    """That of the module."""
    first = part(0b1111, [1, 0, 0, 1])
    assert list(first.items()) == [(0, 0b0110), (1, 0b1001)]
    assert [part(pass_set, [0, 1, 1, 1]) for pass_set in first.values()] == [
        {1: 0b0110}, {0: 0b0001, 1: 0b1000}]


def test_two_choices_at_once():
    """They divide a set as one after the other, and passes that are not in it do not count."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        pass_set = int(rng.integers(1 << PASSES))
        drawn, next_drawn = rng.integers(0, 2, PASSES).tolist(), rng.integers(0, 4, PASSES).tolist()
        nested = {(outcome, array): pass_set
                  for outcome, entering in part(pass_set, drawn).items()
                  for array, pass_set in part(entering, next_drawn).items()}
        assert list(part(pass_set, [*zip(drawn, next_drawn, strict=True)]).items()) == list(nested.items())


def test_replay():
    branches = {(0, 0): 0, (0, 1): 0b011, (1, 0): 0b100, (1, 1): 0}
    assert list(replay(branches, True)) == [((0, 1), 0b011, False), ((1, 0), 0b100, True)]
    assert list(replay(branches, False)) == [((0, 1), 0b011, False), ((1, 0), 0b100, False)]
    assert list(replay({0: 0}, True)) == []
