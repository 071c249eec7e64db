import math
import re
from dataclasses import replace

import pytest

from gen.check_shapes import check_shapes
from gen.check_target import ImpossibleTarget, check_target
from gen.ir import (
    Affine,
    ArrayChoice,
    BankChoice,
    Centred,
    Comparison,
    Draw,
    Folding,
    Generator,
    Head,
    HealthTest,
    Input,
    Join,
    Layer,
    Logit,
    MaskChoice,
    MixChoice,
    Network,
    Normalization,
    PointSet,
    Target,
    Tile,
    Value,
)
from gen.methods import array_sets, known_names, network_of
from gen.verify import MalformedNetwork, verify


TARGET = Target(array_rows=8, array_columns=4)

#: Each layer keeps or drops its scales.
HIDDEN = Layer("conv", 6, 7, 2, (3, 3), 3, pool=2, choices=(BankChoice("first", (0, 1)),))
LAST = Layer("fc", 2, 2, 3, (2, 2), 4, choices=(BankChoice("second", (0, 1)),))
DRAWS = Draw("first", (0.5,)), Draw("second", (0.5,))
NETWORK = Network("network", Input(6, 7, (50, 100)), (HIDDEN, LAST), draws=DRAWS)
VECTOR = (0.5,) * 4
NORMALIZATION = Normalization(*(VECTOR,) * 6)
OF_HIDDEN = Normalization(*((0.5,) * 3,) * 6)


def with_last(**changes):
    return replace(NETWORK, layers=(HIDDEN, replace(LAST, **changes)))


def with_hidden(**changes):
    return replace(NETWORK, layers=(replace(HIDDEN, **changes), LAST))


def with_tiles(*tiles, folding=None):
    """Weights of the last layer are 12 by 4; an array holds 4 by 4."""
    return with_last(tiles=tuple(Tile(range(*rows), range(*columns)) for rows, columns in tiles),
                     folding=folding)


#: The first layer has weights of 4 bits in one of 4 arrays, each in four columns of an array.
SPINBAYES = Network("spinbayes", Input(6, 7, tuple(range(1, 15)), 3), (
    replace(HIDDEN, weight_bits=4, input_bits=3, input_low=0, output_bits=2,
            choices=(ArrayChoice("first", (0, 1, 2, 3)),)),
    replace(LAST, weight_bits=2, input_bits=2, choices=(ArrayChoice("second", (0, 1)),))),
    draws=(Draw("first", (0.5, 0.5)), Draw("second", (0.5,))))
WIDE = Target(array_rows=18, array_columns=4)


def levels(**changes):
    return replace(SPINBAYES, layers=(replace(SPINBAYES.layers[0], **changes), SPINBAYES.layers[1]))


def with_draws(*draws):
    return replace(NETWORK, draws=draws)


def choosing(*choices, network=None):
    """A network whose first layer has these choices."""
    network = network or NETWORK
    return replace(network, layers=(replace(network.layers[0], choices=choices), network.layers[1]))


def pointed(**changes):
    """A network whose passes go through two points of two bits."""
    points = PointSet(**{"bits": 2, "points": ((0, 3), (2, 1)), "drop": (4, 1)} | changes)
    return replace(NETWORK, generator=Generator((1,), (32768,) * 4, points))


THREE = (((0, 4), (0, 4)), ((4, 8), (0, 4)), ((8, 12), (0, 4)))


@pytest.mark.parametrize("network", [
    NETWORK, *map(network_of, known_names()), with_tiles(*THREE),
    with_tiles(*THREE, folding=Folding(3, 2, 2, 2)),
    with_last(arrays=((0, 1, 2**12 - 1, 5),), normalizations=((NORMALIZATION,) * 2,)),
    with_last(banks=((Affine(VECTOR, VECTOR),) * 2,)),
    with_last(banks=((Logit((-2**27,) * 4, (2**29 - 1,) * 4, 0),) * 2,)),     # 12 * 2**27 + 2**29 is 2**31
    with_last(banks=((Logit((-2**58,) * 4, (2**60 - 1,) * 4, 31),) * 2,)),
    with_hidden(banks=((Comparison((-18, 5, 19), (0, 1, 0)),) * 2,)),
    with_hidden(banks=((Centred((-2**26, 0, 2**26), (2**29, -5, 2**29 - 1)),) * 2,)),
    *(with_hidden(name=name) for name in ("conv 1", "features.0.conv", "/conv/MatMul", "größe", "always",
                                          "softmax", "c" * 100)),
    *(with_hidden(dropout=p) for p in (0.0, 1.0)),
    *(with_draws(Draw("first", (p,)), DRAWS[1]) for p in (0.0, 1.0, 8e-6, 1 - 8e-6)),
    replace(NETWORK, generator=Generator((2**64 - 1,), (0, 65536))),
    replace(NETWORK, generator=Generator((1,), (0, 65536)), head=Head(agreement=100)),
    replace(NETWORK, generator=Generator((1, 2), (0, 65536))),
    pointed(), replace(pointed(), health=(HealthTest((0, 3), 0, 9, 9, 9),)),
    replace(pointed(), generator=replace(pointed().generator, seeds=(1, 2, 3, 4))),
    # No choice and nothing drawn; the number of a pass, of any table; a draw for both layers, with another
    # table in each; and a choice of each kind in one layer.
    Network("network", NETWORK.input, (replace(HIDDEN, choices=()), replace(LAST, choices=())),
            generator=Generator((), ())),
    replace(choosing(BankChoice("first", (2, 0, 1))), draws=(Draw("first", None), DRAWS[1])),
    replace(choosing(BankChoice("second", (1, 0))), draws=DRAWS[1:]),
    replace(choosing(BankChoice("first", (0, 1)), ArrayChoice("array", (1, 0, 2, 2))),
            draws=(*DRAWS, Draw("array", (0.1, 0.9)))),
    replace(choosing(ArrayChoice("first", (0, 1, 2)), network=SPINBAYES),
            draws=(Draw("first", None), SPINBAYES.draws[1])),
    *(choosing(ArrayChoice("first", (0, 1, 2, 3), array_sets(4, ways)), network=SPINBAYES)
      for ways in (2, 3, 4)),
    choosing(ArrayChoice("first", (0, 1, 2, 1), ((1, 2), (0, 3), (0, 2))), network=SPINBAYES),
    SPINBAYES,
    levels(arrays=((0x70000000,) * 3,) * 4, normalizations=((Normalization(
        (0.5,) * 3, (1.0,) * 3, *((0.5,) * 3,) * 4),),) * 4),
    levels(banks=((Comparison((-882, 0, 883) * 3, (0, 1, 0)),),) * 4),
    levels(folding=Folding(4, 1, 5, 3),
           tiles=tuple(Tile(range(0, 18), range(column, column + 1)) for column in range(3))),
])
def test_accepts(network):
    verify(network, TARGET if network.name == "network" else WIDE)


@pytest.mark.parametrize("network, message", [
    (replace(NETWORK, layers=()), "Network 'network' has no layers"),
    (replace(NETWORK, input=Input(6, 7, (0, 100))),
     "Input thresholds must ascend from 1 to 256, not (0, 100)"),
    (replace(NETWORK, input=Input(6, 7, (100, 50))),
     "Input thresholds must ascend from 1 to 256, not (100, 50)"),
    (replace(NETWORK, input=Input(6, 7, (1, 257))),
     "Input thresholds must ascend from 1 to 256, not (1, 257)"),
    (replace(NETWORK, input=Input(6, 7, (1, 2), colours=2)),
     "The input must have pixels of 1 or 3 components, not 2"),
    (replace(NETWORK, input=Input(6, 7, (), bits=1)),
     "The input has no thresholds, so it must have levels of 8 bits, those of its pixels, not of 1"),
    (with_hidden(height=0), "Layer 'conv' must have height of at least 1, not 0"),
    (with_hidden(stride=0), "Layer 'conv' must have a stride of at least 1 by 1, not 0 by 0"),
    (with_hidden(outputs=0), "Layer 'conv' must have outputs of at least 1, not 0"),
    (with_hidden(kernel=(0, 3)), "Layer 'conv' must have a kernel of at least 1 by 1, not 0 by 3"),
    (with_hidden(pool=(2, 0)), "Layer 'conv' must have a pool of at least 1 by 1, not 2 by 0"),
    (with_hidden(padding=(0, 3)),
     "Layer 'conv' must have padding of 0 to 2 by 2, less than its kernel, not 0 by 3"),
    (with_hidden(padding=-1),
     "Layer 'conv' must have padding of 0 to 2 by 2, less than its kernel, not -1 by -1"),
    (with_hidden(kernel=(3, 8)),
     "Layer 'conv' has a kernel of 3 by 8, but its padded map is only 6 by 7"),
    (with_hidden(kernel=(6, 3)),
     "Layer 'conv' has a pool of 2 by 2, but its map of sums is only 1 by 5"),
    (with_hidden(dropout=1.5),
     "Layer 'conv' must have a dropout probability from 0 to 1, not 1.5"),
    (with_hidden(dropout=math.nan),
     "Layer 'conv' must have a dropout probability from 0 to 1, not nan"),
    *((with_hidden(name=name),
       f"Layer {name!r} must have a name of 1 to 100 printable characters, with at least one of the "
       "letters a to z or digits") for name in ("", "_", "层", "conv\n1", "c" * 101)),
    *((with_hidden(name=name),
       f"Network 'network' has layers named {name!r} and 'fc', but names must differ in their letters (of "
       "either case) or digits") for name in ("fc", "FC", "_fc_", "/fc")),
    (with_draws(Draw("first", (7e-6,)), DRAWS[1]),
     "Draw 'first' must have a dropout probability of 0, of 1, or farther than 2**-17 from both, as random "
     "bits are compared with 16 bits of it, not 7e-06"),
    (with_draws(DRAWS[0], Draw("second", (1 - 7e-6,))),
     "Draw 'second' must have a dropout probability of 0, of 1, or farther than 2**-17 from both, as "
     "random bits are compared with 16 bits of it, not 0.999993"),
    (with_draws(Draw("first", (0.5, 1.5)), DRAWS[1]),
     "Draw 'first' must have dropout probabilities from 0 to 1, not 1.5"),
    (with_draws(Draw("first", (-0.5,)), DRAWS[1]),
     "Draw 'first' must have dropout probabilities from 0 to 1, not -0.5"),
    (with_draws(Draw("first", (math.nan,)), DRAWS[1]),
     "Draw 'first' must have dropout probabilities from 0 to 1, not nan"),
    (with_draws(Draw("first", ()), DRAWS[1]), "Draw 'first' must have at least one bit"),
    (with_draws(*DRAWS, Draw("third", (0.5,))), "Draw 'third' has no layer that chooses by it"),
    (with_draws(*DRAWS, Draw("third", None)), "Draw 'third' has no layer that chooses by it"),
    (with_draws(*DRAWS, Draw("first", (0.5, 0.5))),
     "Network 'network' has two draws named 'first', but each must have a name of its own"),
    (with_draws(DRAWS[0]),
     "Layer 'fc' chooses by draw 'second', but the network has only ['first']"),
    (with_draws(), "Layer 'conv' chooses by draw 'first', but the network has only []"),
    (choosing(MixChoice("first")),
     "Layer 'conv' must have a bit of draw 'first' for each of 3 output channels, not 1"),
    (replace(choosing(MixChoice("first")), draws=(Draw("first", None), DRAWS[1])),
     "Layer 'conv' must have a bit of draw 'first' for each of 3 output channels, not 0"),
    (replace(choosing(MixChoice("nobody")), draws=DRAWS[1:]),
     "Layer 'conv' chooses by draw 'nobody', but the network has only ['second']"),
    (choosing(MixChoice("first"), BankChoice("first", (0, 1))),
     "Layer 'conv' must have a choice of banks for all channels or one for each channel, not both"),
    (choosing(BankChoice("first", (0, 1)), BankChoice("second", (0, 1))),
     "Layer 'conv' must have at most one choice of each kind, not ['BankChoice', 'BankChoice']"),
    (choosing(ArrayChoice("first", (0, 1)), BankChoice("first", (0, 1)), ArrayChoice("second", (0, 1))),
     "Layer 'conv' must have at most one choice of each kind, not ['ArrayChoice', 'BankChoice', "
     "'ArrayChoice']"),
    *((choosing(kind("first", table)),
       f"Layer 'conv' must have an outcome for each of 2 numbers of draw 'first', not {len(table)}")
      for kind in (ArrayChoice, BankChoice) for table in ((), (0,), (0, 1, 2), (0, 1, 2, 3))),
    *((choosing(kind("first", table)),
       f"Layer 'conv' must have outcomes from 0 up, at least two and without a gap, not {found}")
      for kind in (ArrayChoice, BankChoice)
      for table, found in (((0, 2), [0, 2]), ((1, 2), [1, 2]), ((0, 0), [0]), ((1, 1), [1]),
                           ((-1, 0), [-1, 0]))),
    (replace(choosing(BankChoice("first", ())), draws=(Draw("first", None), DRAWS[1])),
     "Layer 'conv' must have outcomes from 0 up, at least two and without a gap, not []"),
    (replace(choosing(BankChoice("first", (0,))), draws=(Draw("first", None), DRAWS[1])),
     "Layer 'conv' must have outcomes from 0 up, at least two and without a gap, not [0]"),
    (replace(NETWORK, input=Input(6, 7, (50,))),
     "The input has a map of 6 by 7 by 1, but layer 'conv' takes one of 6 by 7 by 2"),
    (with_hidden(outputs=5),
     "Layer 'conv' has a map of 2 by 2 by 5, but layer 'fc' takes one of 2 by 2 by 3"),
    (with_last(kernel=(1, 2), outputs=2**15 + 1),
     "Layer 'fc' is the last and must have at most 65,536 logits, those of all classes of all positions, "
     "not 65,538"),
    (with_last(kernel=(1, 1), pool=2),
     "Layer 'fc' is the last and must have a pool of 1 by 1, as it has logits and no bits, not 2 by 2"),
    (with_last(outputs=1), "Layer 'fc' is the last and must have at least 2 classes, not 1, unless the "
                           "network is a regression (answer = \"numbers\", or regression=True)"),
    (with_last(arrays=((0,) * 3,)), "Layer 'fc' has 3 weight columns, but 4 outputs"),
    (with_last(arrays=((0, 0, 0, 2**12),)),
     "Layer 'fc' has a fan-in of 12, but the weight column 0x1000"),
    (with_last(normalizations=((Normalization(*(VECTOR,) * 2, (0.5,) * 3, *(VECTOR,) * 3),) * 2,)),
     "Layer 'fc' has 3 gamma values, but 4 outputs"),
    (with_last(normalizations=((NORMALIZATION, replace(NORMALIZATION, beta=(math.inf,) * 4)),)),
     "Layer 'fc' must have a finite beta, not inf"),
    (with_last(normalizations=((replace(NORMALIZATION, deviation=(1.0, 1.0, 0.0, 1.0)), NORMALIZATION),)),
     "Layer 'fc' must have deviation above 0, not 0.0"),
    (with_last(banks=((Affine(VECTOR, VECTOR),) * 2,),
               normalizations=((NORMALIZATION,) * 2,)),
     "Layer 'fc' has both normalizations and banks, but banks are made of them"),
    (with_last(banks=((Affine(VECTOR, VECTOR),),)),
     "Layer 'fc' must have banks of 1 arrays, each of 2 banks, not of [1]"),
    (with_last(banks=((Affine(VECTOR, VECTOR),),) * 2),
     "Layer 'fc' must have banks of 1 arrays, each of 2 banks, not of [1, 1]"),
    (with_last(normalizations=((NORMALIZATION,) * 3,)),
     "Layer 'fc' must have normalizations of 1 arrays, each of 2 banks, not of [3]"),
    (with_last(normalizations=((NORMALIZATION,) * 2,) * 2),
     "Layer 'fc' must have normalizations of 1 arrays, each of 2 banks, not of [2, 2]"),
    (with_last(banks=((Comparison((0,) * 4, (0,) * 4),) * 2,)),
     "Layer 'fc' has a bank of Comparison, but the last layer takes Affine or Logit"),
    (with_hidden(banks=((Affine((0.0,) * 3, (0.0,) * 3),) * 2,)),
     "Layer 'conv' has a bank of Affine, but a hidden layer takes Comparison or Centred"),
    (with_hidden(banks=((Comparison((0,) * 3, (0,) * 3), Centred((1,) * 3, (0,) * 3)),)),
     "Layer 'conv' must have inverted normalization in all banks or in none, not in 1 of 2"),
    (with_hidden(normalizations=((replace(OF_HIDDEN, centred=True), OF_HIDDEN),)),
     "Layer 'conv' must have inverted normalization in all banks or in none, not in 1 of 2"),
    (replace(with_hidden(normalizations=((replace(OF_HIDDEN, centred=True),) * 2,),
                         choices=(MixChoice("first"),)), draws=(Draw("first", (0.5,) * 3), DRAWS[1])),
     "Layer 'conv' must have no choice of a bank for each channel with inverted normalization, as each "
     "pass would have a mean of its own"),
    (with_last(normalizations=((replace(NORMALIZATION, centred=True),) * 2,)),
     "Layer 'fc' is the last and must have no inverted normalization, as it has logits and no bits"),
    (with_last(banks=((Centred(VECTOR, VECTOR),) * 2,)),
     "Layer 'fc' has a bank of Centred, but the last layer takes Affine or Logit"),
    (with_hidden(banks=((Centred((1, 2**27), (0, 0, 0)),) * 2,)),
     "Layer 'conv' has 2 gain values, but 3 outputs"),
    (with_hidden(banks=((Centred((1, 1, 2**27), (0,) * 3),) * 2,)),
     "Layer 'conv' has a value to compare with the mean of -2415919104, but it must fit in 32 bits"),
    (levels(banks=((Centred((1,) * 3, (0,) * 3),),) * 4),
     "Layer 'conv' must have output levels of 1 bit with inverted normalization, not 2"),
    (with_hidden(banks=((Comparison((0, 0, 0), (0, 0)),) * 2,)),
     "Layer 'conv' has 2 invert values, but 3 outputs"),
    (with_hidden(banks=((Comparison((0, 20, 0), (0,) * 3),) * 2,)),
     "Layer 'conv' must have thresholds from -18 to 19, not 20"),
    (with_hidden(banks=((Comparison((0, -19, 0), (0,) * 3),) * 2,)),
     "Layer 'conv' must have thresholds from -18 to 19, not -19"),
    (with_hidden(banks=((Comparison((0, 0, 0), (0, 2, 0)),) * 2,)),
     "Layer 'conv' must have invert bits 0 or 1, not 2"),
    (with_last(banks=((Affine((math.inf,) * 4, VECTOR),) * 2,)),
     "Layer 'fc' must have a finite gain, not inf"),
    (with_last(banks=((Logit((0,) * 3, (0,) * 4, 0),) * 2,)),
     "Layer 'fc' has 3 gain values, but 4 outputs"),
    (with_last(banks=((Logit((0,) * 4, (0,) * 4, -1),) * 2,)),
     "Layer 'fc' must drop from 0 to 31 bits of a scaled sum, the same in all banks, not -1"),
    (with_last(banks=((Logit((0,) * 4, (0,) * 4, 32),) * 2,)),
     "Layer 'fc' must drop from 0 to 31 bits of a scaled sum, the same in all banks, not 32"),
    (with_last(banks=((Logit((0,) * 4, (0,) * 4, 3), Logit((0,) * 4, (0,) * 4, 2)),)),
     "Layer 'fc' must drop from 0 to 31 bits of a scaled sum, the same in all banks, not 2"),
    (with_last(banks=((Logit((0,) * 4, (2**41,) * 4, 10),) * 2,)),
     "Layer 'fc' has a logit of 2147483648, but it must fit in 32 bits"),
    (with_last(banks=((Logit((0,) * 4, (2**31,) * 4, 0),) * 2,)),
     "Layer 'fc' has a logit of 2147483648, but it must fit in 32 bits"),
    (with_last(banks=((Logit((2**28,) * 4, (0,) * 4, 0),) * 2,)),
     "Layer 'fc' has a logit of -3221225472, but it must fit in 32 bits"),
    (with_last(banks=((Logit((0,) * 4, (-10**200,) * 4, 0),) * 2,)),
     "Layer 'fc' has a logit of about -10**200, but it must fit in 32 bits"),
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
    (replace(NETWORK, head=Head(fraction=9)),
     "The head must have a logit of 10 to 16 fraction bits, not 9"),
    (replace(NETWORK, head=Head(fraction=17)),
     "The head must have a logit of 10 to 16 fraction bits, not 17"),
    (replace(NETWORK, head=Head(guard=31)),
     "The head must have from 0 to 30 guard bits in an exponential, not 31"),
    (replace(NETWORK, head=Head(confidence=65536)),
     "The head must have a confidence from 0 to 65535, not 65536"),
    (replace(NETWORK, head=Head(agreement=0)),
     "The head must have an agreement from 1 to 100 per cent, not 0"),
    (replace(NETWORK, head=Head(agreement=101)),
     "The head must have an agreement from 1 to 100 per cent, not 101"),
    (pointed(bits=0), "Points must have coordinates of 1 to 16 bits, not 0"),
    (pointed(bits=17), "Points must have coordinates of 1 to 16 bits, not 17"),
    (pointed(drop=(4,)),
     "Points must have a drop value from 0 to 4 for each of the 2 bits of a pass, not (4,)"),
    (pointed(drop=(4, 5)),
     "Points must have a drop value from 0 to 4 for each of the 2 bits of a pass, not (4, 5)"),
    *((pointed(points=points),
       "Points must be one or more, each with a coordinate from 0 to 3 for each of the 2 bits of a pass")
      for points in ((), ((0, 3), (0,)), ((0, 3), (0, 4)), ((-1, 0),))),
    (replace(pointed(), health=(HealthTest((0, 4), 0, 9, 9, 9),)),
     "A health test must watch some of the 4 bits of a shift, not (0, 4)"),
    (replace(pointed(), generator=replace(pointed().generator, drop=(0, 0))),
     "The generator has 2 drop values, but a shift draws 4 bits"),
    (replace(pointed(), generator=replace(pointed().generator, seeds=(1, 2))),
     "The generator must have one source or one for each of the 4 bits of a shift, not 2"),
    (replace(NETWORK, generator=Generator((0,), (0, 0))),
     "The generator must have seeds from 1 to 18446744073709551615, not 0"),
    (replace(NETWORK, generator=Generator((1, 2, 3), (0, 0))),
     "The generator must have one source or one for each of the 2 bits of a pass, not 3"),
    (replace(NETWORK, generator=Generator((), (0, 0))),
     "The generator must have one source or one for each of the 2 bits of a pass, not 0"),
    (replace(NETWORK, generator=Generator((1,), (0,))),
     "The generator has 1 drop values, but a pass draws 2 bits"),
    (replace(SPINBAYES, generator=Generator((1,), (0, 0))),
     "The generator has 2 drop values, but a pass draws 3 bits"),
    (replace(SPINBAYES, generator=Generator((1, 2), (0, 0, 0))),
     "The generator must have one source or one for each of the 3 bits of a pass, not 2"),
    (Network("network", NETWORK.input, (replace(HIDDEN, choices=()), replace(LAST, choices=())),
             generator=Generator((1,), ())),
     "The generator must have one source or one for each of the 0 bits of a pass, not 1"),
    (replace(NETWORK, generator=Generator((1,), (0, 65537))),
     "The generator must have drop values from 0 to 65536, not 65537"),
    (replace(NETWORK, generator=Generator((1,), (0, 1)), health=(HealthTest((1, 2), 0, 9, 9, 9),)),
     "A health test must watch some of the 2 bits of a pass, not (1, 2)"),
    (replace(NETWORK, generator=Generator((1,), (0, 1)), health=(HealthTest((), 0, 9, 9, 9),)),
     "A health test must watch some of the 2 bits of a pass, not ()"),
])
def test_rejects(network, message):
    with pytest.raises(MalformedNetwork, match=f"^{re.escape(message)}$"):
        verify(network, TARGET if network.name == "network" else WIDE)


@pytest.mark.parametrize("network, message", [
    (replace(SPINBAYES, input=replace(SPINBAYES.input, bits=0)),
     "The input must have levels of 1 to 8 bits, not 0"),
    (replace(SPINBAYES, input=replace(SPINBAYES.input, bits=4)),
     "The input has 14 thresholds, but a channel of 4 bits takes 15"),
    (replace(SPINBAYES, input=replace(SPINBAYES.input, bits=1, thresholds=(1, 2))),
     "The input has levels of 1 bit from 0, but layer 'conv' takes levels of 3 bits from 0"),
    (levels(output_low=0),
     "Layer 'conv' has levels of 2 bits from 0, but layer 'fc' takes levels of 2 bits from -1"),
    (levels(output_bits=1),
     "Layer 'conv' has levels of 1 bit from -1, but layer 'fc' takes levels of 2 bits from -1"),
    (levels(output_bits=9), "Layer 'conv' must have output levels of 1 to 8 bits, not 9"),
    (levels(input_bits=0), "Layer 'conv' must have input levels of 1 to 8 bits, not 0"),
    (levels(input_low=1), "Layer 'conv' must have input levels from -1 or 0, not 1"),
    (levels(weight_bits=9), "Layer 'conv' must have weights of 1 to 8 bits, not 9"),
    (levels(weight_bits=0), "Layer 'conv' must have weights of 1 to 8 bits, not 0"),
    *((choosing(ArrayChoice("first", (0, 1, 2, 0), sets), network=SPINBAYES),
       f"Layer 'conv' must have {what}")
      for sets, what in (
          (((0, 1), (2, 3)), "a set of arrays for each of 3 outcomes, not 2"),
          (((0, 1), (2, 3), (0, 1, 2)),
           "sets of arrays that ascend, each of as many, not [0, 1, 2] beside [0, 1]"),
          *((((0, 1), wrong, (2, 3)),
             f"sets of arrays that ascend, each of as many, not {list(wrong)} beside [0, 1]")
            for wrong in ((1, 0), (2, 2))),
          (((), (), ()), "sets of arrays that ascend, each of as many, not [] beside []"),
          (((0, 1), (0, 4), (1, 2)), "arrays from 0 up in its sets, without a gap, not [0, 1, 2, 4]"))),
    (choosing(ArrayChoice("first", (0, 1, 2, 0), array_sets(4, 2, "any")[:3]), network=replace(
        SPINBAYES, layers=(replace(SPINBAYES.layers[0], normalizations=((),)), SPINBAYES.layers[1]))),
     "Layer 'conv' must have normalizations of 3 sets of arrays, each of 1 banks, not of [0]"),
    (levels(arrays=((0,) * 3,)), "Layer 'conv' has the weights of 1 arrays, but chooses from 4"),
    (levels(normalizations=((Normalization(*((0.5,) * 3,) * 6),),)),
     "Layer 'conv' must have normalizations of 4 arrays, each of 1 banks, not of [1]"),
    (levels(normalizations=(*((Normalization(*((0.5,) * 3,) * 6),),) * 3, ())),
     "Layer 'conv' must have normalizations of 4 arrays, each of 1 banks, not of [1, 1, 1, 0]"),
    (levels(arrays=((0,) * 3, (0,) * 3, (0,) * 2, (0,) * 3)),
     "Layer 'conv' has 2 weight columns, but 3 outputs"),
    (levels(arrays=((0, 0, 1 << 72),) * 4),
     "Layer 'conv' has a fan-in of 18, but the weight column 0x1000000000000000000"),
    (levels(arrays=((0, 0, 0x80),) * 4), "Layer 'conv' must have weights from -7 to 7, not -8"),
    (levels(banks=((Comparison((0,) * 9, (0,) * 3),),) * 2),
     "Layer 'conv' must have banks of 4 arrays, each of 1 banks, not of [1, 1]"),
    (levels(banks=((Comparison((0,) * 9, (0,) * 3),) * 4,)),
     "Layer 'conv' must have banks of 4 arrays, each of 1 banks, not of [4]"),
    (levels(banks=((Comparison((0,) * 3, (0,) * 3),),) * 4),
     "Layer 'conv' has 3 threshold values, but 3 outputs that take 3 each"),
    (levels(banks=((Comparison((0,) * 8 + (884,), (0,) * 3),),) * 4),
     "Layer 'conv' must have thresholds from -882 to 883, not 884"),
    (replace(SPINBAYES, layers=(SPINBAYES.layers[0], replace(SPINBAYES.layers[1], banks=(
        (Logit((2**28,) * 4, (-2**30,) * 4, 0),),) * 2))),
     "Layer 'fc' has a logit of -10737418240, but it must fit in 32 bits"),
    (levels(banks=((Comparison((0, 0, 0, 5, 4, 6, 0, 0, 0), (0,) * 3),),) * 4),
     "Layer 'conv' must have thresholds that ascend in each channel, not (5, 4, 6)"),
    (levels(folding=Folding(5, 1, 4, 3)),
     "Layer 'conv' must read from 1 to 4 inputs of a tile at a time, not 5"),
    (levels(folding=Folding(4, 2, 4, 2)),
     "Layer 'conv' must read from 1 to 1 columns at a time, not 2"),
    (levels(tiles=(Tile(range(18), range(3)),)),
     "Layer 'conv' has a tile of 18 by 3, but an array holds only 18 by 1"),
])
def test_rejects_spinbayes(network, message):
    with pytest.raises(MalformedNetwork, match=f"^{re.escape(message)}$"):
        verify(network, WIDE)


@pytest.mark.parametrize("changes", [
    {}, {"passes": 1, "passes_max": 1}, {"passes": 1024, "passes_max": 1024}, {"interval": 1},
    {"array_rows": 2, "array_columns": 1}, {"seed": 2**64 - 1}, {"schedule": "sequential"},
    {"rng": "mtj", "view": "macro", "mtj_currents": (0, 255), "mtj_reset_current": 255}])
def test_accepts_target(changes):
    check_target(Target(**changes))


@pytest.mark.parametrize("changes, message", [
    ({"array_rows": 0}, "Array rows must be even and from 2 to 1048576, as a weight takes two "
                        "complementary cells, not 0"),
    ({"array_rows": 255}, "Array rows must be even and from 2 to 1048576, as a weight takes two "
                          "complementary cells, not 255"),
    ({"array_rows": 2**20 + 2}, "Array rows must be even and from 2 to 1048576, as a weight takes two "
                                "complementary cells, not 1048578"),
    ({"array_columns": 0}, "Array columns must be from 1 to 1048576, not 0"),
    ({"array_columns": 2**20 + 1}, "Array columns must be from 1 to 1048576, not 1048577"),
    ({"passes_max": 0}, "The largest number of passes must be from 1 to 1024, not 0"),
    ({"passes_max": 1025}, "The largest number of passes must be from 1 to 1024, not 1025"),
    ({"passes": 0}, "The number of passes must be from 1 to the largest, 32, not 0"),
    ({"passes": 33}, "The number of passes must be from 1 to the largest, 32, not 33"),
    ({"schedule": "fast"}, "Target schedule must be 'shared' or 'sequential', not 'fast'"),
    ({"rng": "dice"}, "Target rng must be 'emulated' or 'mtj', not 'dice'"),
    ({"sources": "both"}, "Target sources must be 'model' or 'layer', not 'both'"),
    ({"cells_per_read": 0}, "The multi-level cells of a bit line in a read must be from 1 to 1048576, "
                            "not 0"),
    ({"view": ""}, "Target view must be 'emulated' or 'macro', not ''"),
    ({"interval": 0}, "The interval must be from 1 to 1000000000 cycles, not 0"),
    ({"interval": 10**9 + 1}, "The interval must be from 1 to 1000000000 cycles, not 1000000001"),
    ({"clock_mhz": 0.0}, "The clock must be from 0.001 to 10000 MHz, not 0.0"),
    ({"clock_mhz": math.nan}, "The clock must be from 0.001 to 10000 MHz, not nan"),
    ({"clock_mhz": math.inf}, "The clock must be from 0.001 to 10000 MHz, not inf"),
    ({"clock_mhz": 125e6}, "The clock must be from 0.001 to 10000 MHz, not 125000000.0"),
    ({"set_ns": 0}, "The set time must be above 0 and at most 8192 ns, 1024 cycles of 125 MHz, not 0"),
    ({"read_ns": -1.0}, "The read time must be above 0 and at most 8192 ns, 1024 cycles of 125 MHz, "
                        "not -1.0"),
    ({"reset_ns": math.inf}, "The reset time must be above 0 and at most 8192 ns, 1024 cycles of 125 MHz, "
                             "not inf"),
    ({"array_ns": 1e300}, "The array time must be above 0 and at most 8192 ns, 1024 cycles of 125 MHz, "
                          "not 1e+300"),
    ({"clock_mhz": 1000, "set_ns": 1025.0}, "The set time must be above 0 and at most 1024 ns, 1024 cycles "
                                            "of 1000 MHz, not 1025.0"),
    ({"mtj_bits": 1}, "A write current code must have from 2 to 16 bits, not 1"),
    ({"mtj_bits": 17}, "A write current code must have from 2 to 16 bits, not 17"),
    ({"mtj_currents": (0, 255, 256)}, "A SET current code must be from 0 to 255, not 256"),
    ({"mtj_currents": (-1,)}, "A SET current code must be from 0 to 255, not -1"),
    ({"mtj_reset_current": 256}, "A RESET current code must be from 0 to 255, not 256"),
    ({"mtj_reset_current": -1}, "A RESET current code must be from 0 to 255, not -1"),
    ({"mtj_reset_current": "1"}, "Target mtj_reset_current must be a whole number or none, not '1'"),
    ({"seed": 0}, "The seed must be from 1 to 18446744073709551615, not 0"),
    ({"seed": 2**64}, "The seed must be from 1 to 18446744073709551615, not 18446744073709551616"),
    ({"passes": "20"}, "Target passes must be a whole number, not '20'"),
    ({"passes": 20.0}, "Target passes must be a whole number, not 20.0"),
    ({"seed": True}, "Target seed must be a whole number, not True"),
    ({"clock_mhz": None}, "Target clock_mhz must be a number, not None"),
    ({"protect": 1}, "Target protect must be true or false, not 1"),
    ({"view": 3}, "Target view must be a text, not 3"),
    ({"interval": 1.5}, "Target interval must be a whole number or none, not 1.5"),
    ({"mtj_currents": (1, "2")}, "Target mtj_currents must be whole numbers, not (1, '2')"),
    ({"mtj_currents": 5}, "Target mtj_currents must be whole numbers, not 5"),
])
def test_rejects_target(changes, message):
    with pytest.raises(ImpossibleTarget, match=f"^{re.escape(message)}$"):
        check_target(Target(**changes))


#: A map of values, and beside it the same map through another layer.
JOINED = Network("joined", Input(4, 4, (50,)), (
    Layer("stem", 4, 4, 1, (1, 1), 2, output_bits=4, fraction=1),
    Layer("behind", 4, 4, 2, (1, 1), 2, output_bits=4, fraction=1),
    Layer("last", 4, 4, 2, (4, 4), 3, source="sum"),
), joins=(Join("sum", "behind", "stem"),))


def joined(layer=None, join=None, **changes):
    """``JOINED`` with changes of a layer, or of its join."""
    return replace(JOINED, layers=tuple(
        replace(each, **changes) if each.name == layer else each for each in JOINED.layers),
        joins=(replace(JOINED.joins[0], **(join or {})),))


@pytest.mark.parametrize("network, message", [
    (joined(join={"operation": "times"}), "Join 'sum' must be 'add' or 'concat', not 'times'"),
    (joined(join={"operation": "concat"}),
     "Join 'sum' has a map of 4 by 4 by 4, but layer 'last' takes one of 4 by 4 by 2"),
    (joined("behind", fraction=2),
     "Layer 'behind' and layer 'stem' meet in join 'sum' and must have the same levels, not 4 bits of "
     "which 2 are fraction and 4 bits of which 1 are fraction"),
    (joined(join={"resize": (2, 0)}), "Join 'sum' must have a resize of at least 1 by 1, not 2 by 0"),
    (joined(join={"resize": (1, 2)}),
     "Join 'sum' has a map of 4 by 8 by 2, but layer 'last' takes one of 4 by 4 by 2"),
    (joined(join={"resize": 2**19}), "Join 'sum' must have a map that leaves of at most 1,048,576 rows and "
                                     "columns, not 2097152 by 2097152"),
    (joined("behind", outputs=3), "Layer 'behind' and layer 'stem' meet in join 'sum' and must have maps "
                                  "of the same size, not 4 by 4 by 3 and 4 by 4 by 2"),
    (joined("behind", pool=2), "Layer 'behind' must have a pool of 1 by 1, as values are added before "
                               "they are pooled, not 2 by 2"),
    (joined("behind", output_bits=1), "Layer 'behind' must have values of 2 to 8 bits, not 1"),
    (joined("behind", fraction=17), "Layer 'behind' must have values of 0 to 16 fraction bits, not 17"),
    (joined("last", input_bits=4), "Join 'sum' has signs, levels of 1 bit from -1, but layer 'last' takes "
                                   "levels of 4 bits from -1"),
    (joined("last", input_bits=2, value_thresholds=(-8, 0)),
     "Layer 'last' must have 3 thresholds of values that ascend from -8 to 8, or as many for each channel, "
     "not (-8, 0)"),
    (joined("last", input_bits=2, value_thresholds=(-8, 0, 9)),
     "Layer 'last' must have 3 thresholds of values that ascend from -8 to 8, or as many for each channel, "
     "not (-8, 0, 9)"),
    (joined("last", value_thresholds=(0, 9)),
     "Layer 'last' must have 1 thresholds of values that ascend from -8 to 8, or as many for each channel, "
     "not (0, 9)"),
    (joined("last", value_thresholds=(0, 3), value_inverts=(1,)),
     "Layer 'last' must have 0 or 1 for each channel whose level is inverted, beside thresholds of values, "
     "or nothing"),
    (joined("last", value_thresholds=(0, 3), value_inverts=(1, 2)),
     "Layer 'last' must have 0 or 1 for each channel whose level is inverted, beside thresholds of values, "
     "or nothing"),
    (joined("last", value_inverts=(1, 0)),
     "Layer 'last' must have 0 or 1 for each channel whose level is inverted, beside thresholds of values, "
     "or nothing"),
    (joined("stem", value_thresholds=(0,)),
     "Layer 'stem' has thresholds of values in fixed point, but the input has levels of 1 bit from -1"),
    (joined(join={"branch_thresholds": (0,) * 14}),
     "Join 'sum' must have thresholds of values in fixed point, 15 that ascend from -8 to 8"),
    (joined(join={"trunk_thresholds": (*range(-8, 6), 9)}),
     "Join 'sum' must have thresholds of values in fixed point, 15 that ascend from -8 to 8"),
    (joined("last", average=3),
     "Layer 'last' must have a kernel of whole windows of 3 by 3 to average, not 4 by 4"),
    (joined("last", average=(2, 4)),
     "Layer 'last' must have a stride of whole windows of 2 by 4 to average, not 1 by 1"),
    (joined("last", average=(2, 4), stride=4, weight_bits=1, arrays=((0xffffffff, 0, 0xff00ff),)),
     "Layer 'last' must have the same weights in each window of 2 by 4 that it averages"),
    (joined(join={"name": "total"}), "Layer 'last' has the source 'sum', which is none of its layers and "
                                     "joins"),
    (joined(join={"name": "Stem"}), "Network 'joined' has layers or joins named 'stem' and 'Stem', but "
                                    "names must differ in their letters (of either case) or digits"),
    (joined("behind", source="sum"), "Layer 'behind' has the source 'sum', which comes no earlier"),
    (joined("behind", banks=((Value((1, 1), (0, 0), 41),),)),
     "Layer 'behind' must drop from 0 to 40 bits of a scaled sum, the same in all banks, not 41"),
    (joined("behind", banks=((Value((1, 2), (0, 2**47 - 4), 40),),)),
     "Layer 'behind' has a value before bits are dropped of 140737488355328, but it must fit in 48 bits"),
])
def test_joins(network, message):
    verify(JOINED, TARGET)
    with pytest.raises(MalformedNetwork) as raised:
        verify(network, TARGET)
    assert str(raised.value) == message


@pytest.mark.parametrize("groups, bits, message", [
    (1, 9, None), (1, 36, None), (1, 3, None), (2, 4, None), (4, 4, None), (4, 12, None),
    (1, 7, "Layer 'masked' must have groups of its 36 inputs that are equally large, not 7"),
    (2, 18, "Layer 'masked' has 2 groups of channels, so its mask must have a bit for each of 4 channels, "
            "or as many bits for each, not 18"),
    (4, 2, "Layer 'masked' has 4 groups of channels, so its mask must have a bit for each of 4 channels, "
           "or as many bits for each, not 2"),
])
def test_masks(groups, bits, message):
    network = Network("masks", Input(3, 3, (50,)), (
        Layer("first", 3, 3, 1, (1, 1), 4),
        Layer("masked", 3, 3, 4, (3, 3), 4, groups=groups, choices=(MaskChoice("drawn", bits),))),
        draws=(Draw("drawn", (0.5,) * bits),))
    if message is None:
        check_shapes(network)
        return
    with pytest.raises(MalformedNetwork) as raised:
        check_shapes(network)
    assert str(raised.value) == message


def test_levels_are_not_added():
    levels = replace(JOINED, layers=tuple(replace(layer, fraction=None, output_bits=1)
                                          for layer in JOINED.layers))
    with pytest.raises(MalformedNetwork, match="are added in join 'sum' and must have values in fixed "
                                               "point, not levels of 1 bit from -1$"):
        verify(levels, TARGET)
