# amaranth: UnusedElaboratable=no
"""Designs in which ways part and meet again: all that they answer is right, and comes when said."""

from dataclasses import replace

import pytest

from gen.build import build_network
from gen.checkpoint import with_parameters
from gen.ir import ArrayChoice, Input, Join, Layer, Network, Target
from gen.methods import METHODS, choose
from gen.random_parameters import random_parameters


VALUES = {"output_bits": 6, "fraction": 2}

#: Two residual blocks: beside the first one a map goes as it is, beside the second, which has another size,
#: through a convolution. Both of their layers run for maps that passes have already parted, and the first
#: of these takes levels of two bits, by thresholds of each channel; in the first block a map becomes
#: larger. What comes from beside the second block is limited more.
RESIDUAL = Network("residual", Input(6, 7, (80, 160)), (
    Layer("stem", 6, 7, 2, (3, 3), 3, padding=1, **VALUES),
    Layer("first", 6, 7, 3, (3, 3), 4, padding=1, stride=(2, 1), resize=(2, 1)),
    Layer("second", 6, 7, 4, (3, 3), 3, padding=1, **VALUES),
    Layer("third", 6, 7, 3, (3, 3), 4, padding=1, stride=2, input_bits=2,
          value_thresholds=(-3, 0, 7, -9, -3, 1, 2, 4, 32), value_inverts=(0, 1, 0), source="sum"),
    Layer("beside", 6, 7, 3, (1, 1), 4, stride=2, source="sum", **VALUES),
    Layer("fourth", 3, 4, 4, (3, 3), 4, padding=1, source="third", **VALUES),
    Layer("last", 3, 4, 4, (3, 4), 3, source="sum2"),
), joins=(Join("sum", "second", "stem"), Join("sum2", "fourth", "beside", branch_thresholds=(
    *[-32] * 12, *range(-20, 20), *[32] * 11))))

#: The first of these blocks alone.
BLOCK = replace(RESIDUAL, name="block", joins=RESIDUAL.joins[:1], layers=(
    *RESIDUAL.layers[:3], Layer("last", 6, 7, 3, (6, 7), 3, source="sum")))

#: Two ways inside each other, as in a U-Net; the inner one meets at the entrance of the layer at which the
#: outer one does, and one branch has two layers. One layer is depthwise, and on both
#: ways a map becomes larger.
NESTED = Network("nested", Input(5, 5, (100,)), (
    Layer("first", 5, 5, 1, (3, 3), 3, padding=1),
    Layer("second", 5, 5, 3, (3, 3), 2, padding=1),
    Layer("third", 5, 5, 2, (5, 3), 4, padding=(0, 1), groups=2, resize=(5, 1)),
    Layer("beside", 5, 5, 3, (1, 1), 2, source="first"),
    Layer("behind", 5, 5, 2, (3, 4), 3, padding=(1, 0), pool=(1, 2), resize=(1, 5)),
    Layer("last", 5, 5, 9, (5, 5), 3, source="outer"),
), joins=(Join("inner", "third", "second", "concat"), Join("outer", "inner", "behind", "concat")))


#: Joined maps that become larger: a sum, beside which there is no layer; and channels of two ways and then
#: of a third one, which become larger in either join, one of them in its layer before.
LARGER = Network("larger", Input(6, 4, (90,)), (
    Layer("stem", 6, 4, 1, (3, 3), 3, padding=1, stride=2, **VALUES),
    Layer("first", 3, 2, 3, (3, 3), 4, padding=1),
    Layer("second", 3, 2, 4, (1, 1), 3, **VALUES),
    Layer("third", 6, 4, 3, (3, 3), 4, padding=1, stride=(2, 1), source="sum"),
    Layer("beside", 6, 4, 3, (1, 1), 2, stride=(2, 1), source="sum"),
    Layer("behind", 6, 4, 3, (1, 1), 3, stride=(2, 1), resize=(1, 2), source="sum"),
    Layer("last", 6, 8, 9, (6, 8), 3, source="outer"),
), joins=(Join("sum", "second", "stem", resize=2),
          Join("inner", "third", "beside", "concat", resize=(1, 2)),
          Join("outer", "inner", "behind", "concat", resize=(2, 1))))


@pytest.mark.some(1)
@pytest.mark.parametrize("network, method, options", [
    pytest.param(BLOCK, "scale-dropout", {}, marks=pytest.mark.long),
    (RESIDUAL, "scale-dropout", {"schedule": "sequential", "view": "macro"}),
    pytest.param(RESIDUAL, "spinbayes", {}, marks=pytest.mark.long),
    (BLOCK, "spatial-spindrop", {}),
    pytest.param(BLOCK, "scale-dropout-element", {}, marks=pytest.mark.long),
    pytest.param(NESTED, "scale-dropout", {"protect": True}, marks=pytest.mark.long),
    (NESTED, "ensemble", {}),
    (NESTED, "spatial-spindrop", {}),
    (LARGER, "scale-dropout", {}),
    pytest.param(LARGER, "ensemble", {"schedule": "sequential", "protect": True}, marks=pytest.mark.long),
    pytest.param(LARGER, "scale-dropout-element", {"view": "macro"}, marks=pytest.mark.long),
])
def test_graphs(tmp_path, check_maps, check_cycles, network, method, options):
    """Every bit of every map, in the cycles of the estimate."""
    network = choose(network, method, **({"count": 2} if METHODS[method].choice is ArrayChoice else {}))
    network = with_parameters(network, random_parameters(network, 5))
    columns = max(layer.columns_per_weight for layer in network.layers)
    target  = Target(array_rows=16, array_columns=columns, passes=5, passes_max=6, **options)
    build_network(network, target, tmp_path)
    check_maps(tmp_path, 8)
    check_cycles(tmp_path, target, 8, 5)


def test_choices_beside_the_trunk():
    """Layers on a branch choose nothing."""
    network = choose(RESIDUAL, "scale-dropout")
    assert [bool(layer.choices) for layer in network.layers] == [True, True, True, True, False, True, True]
    assert [draw.name for draw in network.draws] == ["stem", "first", "second", "third", "fourth", "last"]
    assert replace(network.layers[4], weight_bits=1) == RESIDUAL.layers[4]
