import math
from dataclasses import replace

import pytest

from gen.ir import BankChoice, Draw, Input, Layer, MaskChoice, MixChoice, Network, Target
from gen.maps import expected
from gen.methods import network_of, with_dropout
from gen.transforms.folding import runs
from gen.transforms.merge import GROUPS_MAX, merge


def masked(*choices, draws):
    """A network whose layers have these choices, of eight channels each."""
    layers = tuple(Layer(f"layer{index}", 1, 1, 8, (1, 1), 8, choices=tuple(each))
                   for index, each in enumerate(choices))
    return Network("masked", Input(1, 1, (20, 40, 60, 80, 100, 120, 140, 160)), layers, draws=draws)


def merged(network, **options):
    return [layer.name for layer in merge(network, Target(**options)).layers if layer.merged]


def distinct(p, groups, passes):
    """The mean number of different masks: by how many groups they drop."""
    return sum(math.comb(groups, count) * (1 - (1 - p**count * (1 - p)**(groups - count))**passes)
               for count in range(groups + 1))


@pytest.mark.parametrize("p, passes, chosen", [
    (0.05, 20, True), (0.2, 20, True), (0.5, 20, False), (0.5, 100, True), (0.05, 1, False),
    (1.0, 2, True)])
def test_merges_where_it_saves_an_eighth(p, passes, chosen):
    network = masked([MaskChoice("mask", 8)], draws=(Draw("mask", (p,) * 8),))
    assert (distinct(p, 8, passes) <= 7 / 8 * passes) == chosen
    assert merged(network, passes=passes, passes_max=100) == ["layer0"] * chosen
    result = merge(network, Target(passes=passes, passes_max=100))
    mean   = distinct(p, 8, passes) if chosen else passes
    assert expected(result, passes).entering[0] == pytest.approx(mean, rel=1e-3)
    # The folding is for the mean, too.
    assert runs(result, Target(passes=passes, passes_max=100)) == [*expected(result, passes).entering]


def test_of_methods():
    """Where a channel is a group, and hardly ever dropped; where there are hundreds, in no layer."""
    network = with_dropout(network_of("lenet5", "spatial-spindrop"), {"conv2": 0.05, "fc1": 0.05})
    assert merged(network) == ["conv2", "fc1"]
    assert merged(network, schedule="sequential") == []
    assert merged(network_of("lenet5", "spindrop")) == []
    assert merged(network_of("lenet5")) == []


def test_where_passes_are_apart_already():
    """Behind a mix of banks, or a mask that is not merged: nothing is saved. Behind one that is, it is."""
    rare, even = Draw("rare", (0.05,) * 8), Draw("even", (0.5,) * 8)
    for first in (MixChoice("even"), MaskChoice("even", 8)):
        assert merged(masked([first], [MaskChoice("rare", 8)], draws=(rare, even))) == []
    network = masked([MaskChoice("rare", 8), BankChoice("bank", (0, 1))], [MaskChoice("rare", 8)],
                     draws=(rare, Draw("bank", (0.5,))))
    assert merged(network) == ["layer0", "layer1"]
    found = merge(network, Target())
    assert runs(found, Target()) == [*expected(found, 20).entering]
    assert runs(replace(found, layers=network.layers), Target()) == [20, 20]


def test_large_masks():
    """Of more bits than a number has; of so many that no float counts them, they stay apart."""
    network = masked([MaskChoice("mask", 8)], draws=(Draw("mask", (0.01,) * 70),))
    found   = replace(network, layers=(replace(network.layers[0], merged=True),))
    assert expected(found, 20).entering[0] == pytest.approx(distinct(0.01, 70, 20), rel=1e-3)
    for groups, merges in (GROUPS_MAX, True), (GROUPS_MAX + 1, False):
        network = masked([MaskChoice("mask", groups)], draws=(Draw("mask", (0.0001,) * groups),))
        assert merge(network, Target()).layers[0].merged == merges
