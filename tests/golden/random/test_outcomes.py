"""From the bits that a pass draws to the arrays and banks that it takes."""

from dataclasses import replace

import numpy as np
import pytest

from gen.ir import ArrayChoice, BankChoice, Draw, Input, Layer, MaskChoice, MixChoice, Network
from golden.random.outcomes import masks, mixes, numbers, outcomes, sharing


def network_of(draws, *choices):
    """A network with these draws, and a layer for each tuple of choices."""
    layers = tuple(Layer(f"layer{number}", 1, 1, 2, (1, 1), 2, choices=of_layer)
                   for number, of_layer in enumerate(choices))
    return Network("network", Input(1, 1, (1, 2)), layers, draws=tuple(draws))


#: Every number of two bits, the most significant one first.
TWO_BITS = np.array([[[0, 0], [0, 1], [1, 0], [1, 1]]], dtype=bool)


def test_numbers():
    """Bits of a pass go to the draws in turn, and those of a draw are a number, the highest bit first."""
    network = network_of([Draw("a", (0.5, 0.5, 0.5)), Draw("turn", None), Draw("b", (0.5,))])
    bits = np.array([[[1, 1, 0, 1], [0, 0, 1, 0]],
                     [[1, 0, 0, 0], [0, 1, 1, 1]],
                     [[0, 0, 0, 1], [1, 1, 1, 0]]])
    drawn = numbers(network, bits)
    assert list(drawn) == ["a", "turn", "b"]
    assert drawn["a"].tolist() == [[6, 1], [4, 3], [0, 7]]
    assert drawn["turn"].tolist() == [[0, 1]] * 3
    assert drawn["b"].tolist() == [[1, 0], [0, 1], [1, 0]]


def test_table():
    """The outcome is what the table has for the number; several numbers may have the same."""
    network = network_of([Draw("draw", (0.5, 0.5))], (BankChoice("draw", (2, 0, 2, 1)),))
    arrays, banks = outcomes(network, TWO_BITS)
    assert banks.tolist() == [[[2], [0], [2], [1]]]
    assert not arrays.any()


def test_shared_draw():
    """Choices by one draw are made by one number, each with its own table, and take its bits once."""
    network = network_of([Draw("draw", (0.5, 0.5))],
                         (ArrayChoice("draw", (3, 2, 1, 0)),), (), (BankChoice("draw", (0, 1, 1, 0)),),
                         (BankChoice("draw", (1, 0, 1, 2)), ArrayChoice("draw", (0, 0, 0, 1))))
    arrays, banks = outcomes(network, TWO_BITS)
    assert arrays[0].tolist() == [[3, 0, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert banks[0].tolist() == [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 0, 2]]


@pytest.mark.parametrize("first", [0, 1, 5])
def test_number_of_the_pass(first):
    """It runs through the table again and again, from that of the first pass on, alike for all images."""
    network = network_of([Draw("turn", None)],
                         (BankChoice("turn", (0, 2, 1)),), (ArrayChoice("turn", (1, 0)),))
    arrays, banks = outcomes(network, np.zeros((2, 7, 0), dtype=bool), first)
    assert banks[..., 0].tolist() == [[[0, 2, 1][(first + number) % 3] for number in range(7)]] * 2
    assert arrays[..., 1].tolist() == [[[1, 0][(first + number) % 2] for number in range(7)]] * 2
    assert not banks[..., 1].any() and not arrays[..., 0].any()


def test_bits_beside_the_number_of_the_pass():
    """A draw without bits takes none from those behind it."""
    network = network_of([Draw("a", (0.5,)), Draw("turn", None), Draw("b", (0.5,))],
                         (BankChoice("b", (0, 1)),), (BankChoice("turn", (1, 0)), ArrayChoice("a", (1, 0))))
    arrays, banks = outcomes(network, np.array([[[0, 1], [1, 0], [1, 1]]], dtype=bool))
    assert arrays[0].tolist() == [[0, 1], [0, 0], [0, 0]]
    assert banks[0].tolist() == [[1, 1], [0, 0], [1, 1]]


def test_words():
    """Of masks and of banks of channels, the bits themselves, by the layer; two may be of one draw."""
    network = network_of([Draw("a", (0.5,)), Draw("turn", None), Draw("b", (0.5,) * 2)],
                         (BankChoice("a", (0, 1)),), (MaskChoice("b", 2), MixChoice("b")),
                         (MixChoice("b"),))
    bits  = np.array([[[0, 1, 0], [1, 1, 1], [1, 0, 1]]], dtype=bool)
    words = [[[True, False], [True, True], [False, True]]]
    assert {index: word.tolist() for index, word in masks(network, bits).items()} == {1: words}
    assert {index: word.tolist() for index, word in mixes(network, bits).items()} == {1: words, 2: words}
    arrays, banks = outcomes(network, bits)
    assert banks[0].tolist() == [[0, 0, 0], [1, 0, 0], [1, 0, 0]] and not arrays.any()


def test_sharing():
    """The last of the passes with which each shares a map behind a layer: it has drawn the same in front of
    the sums there and in the layers before, and what the next layer chooses in front of its sums."""
    network = network_of(
        [Draw("bank", (0.5,)), Draw("mask", (0.5,) * 2), Draw("array", (0.5,))],
        (BankChoice("bank", (0, 1)),), (MaskChoice("mask", 2),), (ArrayChoice("array", (0, 1)),), ())
    bits = np.array([[[0, 1, 0, 0], [1, 1, 0, 0], [0, 1, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0]],
                     [[0, 1, 1, 0]] * 5], dtype=bool)
    merged = replace(network, layers=(network.layers[0], replace(network.layers[1], merged=True),
                                      *network.layers[2:]))
    found  = [each.tolist() for each in sharing(merged, bits)]
    assert found == [[[2, 4, 2, 3, 4], [4] * 5], *[[[0, 4, 2, 3, 4], [4] * 5]] * 3]
    alone = [[[0, 1, 2, 3, 4]] * 2] * 4
    assert [each.tolist() for each in sharing(network, bits)] == alone
    assert [each.tolist() for each in sharing(merged, bits, sequential=True)] == alone
    mixed = replace(merged, layers=(*merged.layers[:3], replace(merged.layers[3], choices=(
        MixChoice("mask"),))))
    assert [each.tolist() for each in sharing(mixed, bits)] == [*found[:3], alone[0]]


def test_nothing_is_drawn():
    """Each pass takes the only array and bank."""
    arrays, banks = outcomes(network_of([], (), ()), np.zeros((2, 5, 0), dtype=bool))
    assert arrays.shape == banks.shape == (2, 5, 2)
    assert not arrays.any() and not banks.any()


@pytest.mark.parametrize("width", [0, 1, 3])
def test_another_number_of_bits(width):
    network = network_of([Draw("draw", (0.5, 0.5))], (BankChoice("draw", (0, 1, 2, 3)),))
    with pytest.raises(ValueError, match=f"^A pass of 'network' draws 2 bits, not {width}$"):
        outcomes(network, np.zeros((1, 1, width), dtype=bool))
