import math
import re
from dataclasses import replace

import pytest

from gen.ir import (
    Affine,
    Comparison,
    Folding,
    Generator,
    Head,
    Input,
    Layer,
    Logit,
    Network,
    Normalization,
    Target,
    Tile,
)
from gen.networks import NETWORKS
from gen.verify import ImpossibleTarget, MalformedNetwork, check_target, verify


TARGET = Target(array_rows=8, array_columns=4)

HIDDEN = Layer("conv", 6, 7, 2, (3, 3), 3, pool=2)
LAST = Layer("fc", 2, 2, 3, (2, 2), 4)
NETWORK = Network("network", Input(6, 7, (50, 100)), (HIDDEN, LAST))
VECTOR = (0.5,) * 4


def with_last(**changes):
    return replace(NETWORK, layers=(HIDDEN, replace(LAST, **changes)))


def with_hidden(**changes):
    return replace(NETWORK, layers=(replace(HIDDEN, **changes), LAST))


def with_tiles(*tiles, folding=None):
    """Weights of the last layer are 12 by 4; an array holds 4 by 4."""
    return with_last(tiles=tuple(Tile(range(*rows), range(*columns)) for rows, columns in tiles),
                     folding=folding)


THREE = (((0, 4), (0, 4)), ((4, 8), (0, 4)), ((8, 12), (0, 4)))


@pytest.mark.parametrize("network", [
    NETWORK, *NETWORKS.values(), with_tiles(*THREE),
    with_tiles(*THREE, folding=Folding(3, 2, 2, 2)),
    with_last(weights=(0, 1, 2**12 - 1, 5), normalization=Normalization(*(VECTOR,) * 6)),
    with_last(banks=(Affine(VECTOR, VECTOR),) * 2),
    with_last(banks=(Logit((-2**27,) * 4, (2**31 - 1,) * 4),) * 2),
    with_hidden(banks=(Comparison((0, 5, 19), (0, 1, 0)),) * 2),
    replace(NETWORK, generator=Generator(2**64 - 1, (0, 65536))),
])
def test_accepts(network):
    verify(network, TARGET)


@pytest.mark.parametrize("network, message", [
    (replace(NETWORK, layers=()), "Network 'network' has no layers"),
    (replace(NETWORK, input=Input(6, 7, (0, 100))),
     "Input thresholds must ascend from 1 to 255, not (0, 100)"),
    (replace(NETWORK, input=Input(6, 7, (100, 50))),
     "Input thresholds must ascend from 1 to 255, not (100, 50)"),
    (replace(NETWORK, input=Input(6, 7, (1, 256))),
     "Input thresholds must ascend from 1 to 255, not (1, 256)"),
    (with_hidden(height=0), "Layer 'conv' must have height of at least 1, not 0"),
    (with_hidden(stride=0), "Layer 'conv' must have stride of at least 1, not 0"),
    (with_hidden(outputs=0), "Layer 'conv' must have outputs of at least 1, not 0"),
    (with_hidden(kernel=(0, 3)), "Layer 'conv' must have a kernel of at least 1 by 1, not 0 by 3"),
    (with_hidden(pool=3), "Layer 'conv' must have a pool of 1 or 2, not 3"),
    (with_hidden(padding=3),
     "Layer 'conv' must have padding from 0 to 2, less than its kernel, not 3"),
    (with_hidden(padding=-1),
     "Layer 'conv' must have padding from 0 to 2, less than its kernel, not -1"),
    (with_hidden(kernel=(3, 8)),
     "Layer 'conv' has a kernel of 3 by 8, but its padded map is only 6 by 7"),
    (with_hidden(kernel=(6, 3)),
     "Layer 'conv' has a pool of 2 by 2, but its map of sums is only 1 by 5"),
    (with_hidden(dropout=1.5),
     "Layer 'conv' must have a dropout probability from 0 to 1, not 1.5"),
    (with_hidden(dropout=math.nan),
     "Layer 'conv' must have a dropout probability from 0 to 1, not nan"),
    (with_hidden(name="conv 1"),
     "Layer 'conv 1' must have a name of letters, digits and _ only"),
    (with_hidden(name="fc"),
     "Network 'network' has 2 layers named 'fc', but each must have a name of its own"),
    (replace(NETWORK, input=Input(6, 7, (50,))),
     "The input has a map of 6 by 7 by 1, but layer 'conv' takes one of 6 by 7 by 2"),
    (with_hidden(outputs=5),
     "Layer 'conv' has a map of 2 by 2 by 5, but layer 'fc' takes one of 2 by 2 by 3"),
    (with_last(kernel=(1, 2)),
     "Layer 'fc' is the last and must end in a map of 1 by 1, not 2 by 1"),
    (with_last(kernel=(1, 1), pool=2),
     "Layer 'fc' is the last and must have a pool of 1, as it has logits and no bits, not 2"),
    (with_last(outputs=1), "Layer 'fc' is the last and must have at least 2 classes, not 1"),
    (with_last(weights=(0,) * 3), "Layer 'fc' has 3 weight columns, but 4 outputs"),
    (with_last(weights=(0, 0, 0, 2**12)),
     "Layer 'fc' has a fan-in of 12, but the weight column 0x1000"),
    (with_last(normalization=Normalization(*(VECTOR,) * 2, (0.5,) * 3, *(VECTOR,) * 3)),
     "Layer 'fc' has 3 gamma values, but 4 outputs"),
    (with_last(normalization=Normalization(*(VECTOR,) * 3, (math.inf,) * 4, *(VECTOR,) * 2)),
     "Layer 'fc' must have a finite beta, not inf"),
    (with_last(normalization=Normalization(*(VECTOR,) * 5, (1.0, 1.0, 0.0, 1.0))),
     "Layer 'fc' must have deviation above 0, not 0.0"),
    (with_last(banks=(Affine(VECTOR, VECTOR),) * 2,
               normalization=Normalization(*(VECTOR,) * 6)),
     "Layer 'fc' has both a normalization and banks, but banks are made of it"),
    (with_last(banks=(Affine(VECTOR, VECTOR),)),
     "Layer 'fc' has 1 banks, but a keep bit selects one of 2"),
    (with_last(banks=(Comparison((0,) * 4, (0,) * 4),) * 2),
     "Layer 'fc' has a bank of Comparison, but the last layer takes Affine or Logit"),
    (with_hidden(banks=(Affine((0.0,) * 3, (0.0,) * 3),) * 2),
     "Layer 'conv' has a bank of Affine, but a hidden layer takes Comparison"),
    (with_hidden(banks=(Comparison((0, 0, 0), (0, 0)),) * 2),
     "Layer 'conv' has 2 invert values, but 3 outputs"),
    (with_hidden(banks=(Comparison((0, 20, 0), (0,) * 3),) * 2),
     "Layer 'conv' must have thresholds from 0 to 19, not 20"),
    (with_hidden(banks=(Comparison((0, 0, 0), (0, 2, 0)),) * 2),
     "Layer 'conv' must have invert bits 0 or 1, not 2"),
    (with_last(banks=(Affine((math.inf,) * 4, VECTOR),) * 2),
     "Layer 'fc' must have a finite gain, not inf"),
    (with_last(banks=(Logit((0,) * 4, (2**31,) * 4),) * 2),
     "Layer 'fc' has a logit of 2147483648, but it must fit in 32 bits"),
    (with_last(banks=(Logit((-2**28,) * 4, (0,) * 4),) * 2),
     "Layer 'fc' has a logit of -3221225472, but it must fit in 32 bits"),
    (with_last(folding=Folding(4, 5, 1, 1)),
     "Layer 'fc' must read from 1 to 4 columns at a time, not 5"),
    (with_last(folding=Folding(4, 3, 1, 1)),
     "Layer 'fc' has 1 column groups of 3, but 4 outputs"),
    (with_last(folding=Folding(5, 4, 1, 1)),
     "Layer 'fc' must read from 1 to 4 inputs of a tile at a time, not 5"),
    (with_last(folding=Folding(4, 4, 0, 1)), "Layer 'fc' must have at least 1 row group, not 0"),
    (with_tiles(((0, 5), (0, 4))),
     "Layer 'fc' has a tile of 5 by 4, but an array holds only 4 by 4"),
    (with_tiles(((10, 13), (0, 4))),
     "Layer 'fc' has a tile that ends at 13 by 4, but weights of 12 by 4"),
    (with_tiles(THREE[1], THREE[0], THREE[2]),
     "Layer 'fc' must have its tiles in the order of their columns, then of their rows, "
     "not [(0, 4), (0, 0), (0, 8)]"),
    (with_tiles(*THREE[:2]), "Layer 'fc' has 48 weights, but its tiles hold 32"),
    (with_tiles(THREE[0], ((3, 7), (0, 4)), THREE[2]),
     "Layer 'fc' has two tiles that hold the weight of input 3 and output 0"),
    (with_tiles(*THREE, folding=Folding(2, 4, 1, 1)),
     "Layer 'fc' has 1 row groups of 2, but tiles of 4 inputs"),
    (with_tiles(((0, 4), (0, 4)), ((4, 6), (0, 4)), ((6, 10), (0, 4)), ((10, 12), (0, 4)),
                folding=Folding(4, 4, 1, 1)),
     "Layer 'fc' has tiles of 4 and of 2 inputs, but only the last may be smaller"),
    (with_tiles(*((rows, columns) for columns in ((0, 1), (1, 4)) for rows, _ in THREE),
                folding=Folding(4, 2, 1, 2)),
     "Layer 'fc' has a tile from column 1, but groups of 2 columns, and none may lie in two tiles"),
    (replace(NETWORK, head=Head(fraction=4, table_bits=5)),
     "The head has 4 fraction bits in a logit, but 5 in its table"),
    (replace(NETWORK, head=Head(confidence=65536)),
     "The head must have a confidence from 0 to 65535, not 65536"),
    (replace(NETWORK, generator=Generator(0, (0, 0))),
     "The generator must have a seed from 1 to 18446744073709551615, not 0"),
    (replace(NETWORK, generator=Generator(1, (0,))),
     "The generator has 1 drop values, but the network has 2 layers"),
    (replace(NETWORK, generator=Generator(1, (0, 65537))),
     "The generator must have drop values from 0 to 65536, not 65537"),
])
def test_rejects(network, message):
    with pytest.raises(MalformedNetwork, match=f"^{re.escape(message)}$"):
        verify(network, TARGET)


@pytest.mark.parametrize("changes", [
    {}, {"passes": 1, "passes_max": 1}, {"passes": 1024, "passes_max": 1024}, {"interval": 1},
    {"array_rows": 2, "array_columns": 1}, {"seed": 2**64 - 1}, {"schedule": "sequential"},
    {"rng": "mtj", "crossbars": "macro", "mtj_currents": (0, 255)}])
def test_accepts_target(changes):
    check_target(Target(**changes))


@pytest.mark.parametrize("changes, message", [
    ({"array_rows": 0}, "Array rows must be even and at least 2, as a weight takes two "
                        "complementary cells, not 0"),
    ({"array_rows": 255}, "Array rows must be even and at least 2, as a weight takes two "
                          "complementary cells, not 255"),
    ({"array_columns": 0}, "Array columns must be at least 1, not 0"),
    ({"passes_max": 0}, "The largest number of passes must be from 1 to 1024, not 0"),
    ({"passes_max": 1025}, "The largest number of passes must be from 1 to 1024, not 1025"),
    ({"passes": 0}, "The number of passes must be from 1 to the largest, 32, not 0"),
    ({"passes": 33}, "The number of passes must be from 1 to the largest, 32, not 33"),
    ({"schedule": "fast"}, "Target schedule must be 'shared' or 'sequential', not 'fast'"),
    ({"rng": "dice"}, "Target rng must be 'emulated' or 'mtj', not 'dice'"),
    ({"crossbars": ""}, "Target crossbars must be 'emulated' or 'macro', not ''"),
    ({"interval": 0}, "The interval must be at least 1 cycle, not 0"),
    ({"clock_mhz": 0.0}, "The clock must be above 0 MHz, not 0.0"),
    ({"clock_mhz": math.nan}, "The clock must be above 0 MHz, not nan"),
    ({"set_ns": 0}, "The set time must be above 0 ns, not 0"),
    ({"read_ns": -1.0}, "The read time must be above 0 ns, not -1.0"),
    ({"reset_ns": math.inf}, "The reset time must be above 0 ns, not inf"),
    ({"array_ns": 0.0}, "The array time must be above 0 ns, not 0.0"),
    ({"mtj_bits": 0}, "A SET current code must have at least 1 bit, not 0"),
    ({"mtj_currents": (0, 255, 256)}, "A SET current code must be from 0 to 255, not 256"),
    ({"mtj_currents": (-1,)}, "A SET current code must be from 0 to 255, not -1"),
    ({"seed": 0}, "The seed must be from 1 to 18446744073709551615, not 0"),
    ({"seed": 2**64}, "The seed must be from 1 to 18446744073709551615, not 18446744073709551616"),
])
def test_rejects_target(changes, message):
    with pytest.raises(ImpossibleTarget, match=f"^{re.escape(message)}$"):
        check_target(Target(**changes))
