# amaranth: UnusedElaboratable=no

import ast
import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gen.checkpoint import read_parameters, with_parameters
from gen.compile import compile_network
from gen.ir import (
    ArrayChoice,
    BankChoice,
    Draw,
    Generator,
    Head,
    Input,
    Layer,
    MaskChoice,
    MixChoice,
    Network,
    Target,
)
from gen.lower import lower
from gen.methods import (
    DEFAULT,
    METHODS,
    WAYS_OF,
    array_sets,
    choose,
    known_names,
    method_for,
    method_of,
    name_of,
    network_of,
    stated,
    with_dropout,
    with_random_layers,
)
from gen.networks import NETWORKS, mlp, resnet, vgg
from gen.random_parameters import random_parameters
from gen.verify import verify
from golden.network import forward
from golden.random.generator import choices
from golden.random.outcomes import outcomes
from tests.conftest import with_choices


ROOT = Path(__file__).parents[2]

#: Two layers without a choice.
PLAIN = Network("plain", Input(2, 2, (128,)), (
    Layer("conv", 2, 2, 1, (2, 2), 3, dropout=0.25), Layer("fc", 1, 1, 3, (1, 1), 2)))

#: Four layers, the middle ones of maps.
MAPS = Network("maps", Input(9, 9, (128,)), (
    Layer("first", 9, 9, 1, (2, 2), 3, pool=2), Layer("conv", 4, 4, 3, (3, 3), 5),
    Layer("flat", 2, 2, 5, (2, 2), 6), Layer("last", 1, 1, 6, (1, 1), 2, dropout=0.25)))

FAIR = 0.5, 0.5, 0.5

#: Choice and drops of a layer that drops with 1/4, and with 1/2: of each method, as its paper has it.
EXPECTED = {
    "scale-dropout":        (BankChoice, (0, 1), [(0.25,), (0.5,)]),
    "scale-dropout-mean":   (BankChoice, (0, 1), [(0.25,), (0.5,)]),
    "scale-dropout-random": (BankChoice, (1, 2, 3, 4, 0, 0, 0, 0), [(0.25, 0.5, 0.5), FAIR]),
    "spinbayes":            (ArrayChoice, (0, 1, 2, 3, 4, 5, 6, 7), [FAIR, FAIR]),
    "sub-set":              (BankChoice, (0, 1, 2, 3, 4, 5, 6, 7), [FAIR, FAIR]),
    "tiny-ensemble":        (BankChoice, (0, 1, 2, 3), None),
    "ensemble":             (ArrayChoice, (0, 1, 2, 3), None),
    # Two bits of all layers but the last.
    "affine":               (BankChoice, (0, 1, 2, 3), [(0.25, 0.25)]),
    "deterministic":        (None, (), []),
}

#: The method whose channels choose by themselves.
ELEMENT = "scale-dropout-element"

#: Groups of the layers of MAPS that are masked, by their names.
MASKED = {
    "spatial-spindrop":     {"conv": 3, "flat": 5},     # channels of maps
    "spindrop":             {"flat": 20, "last": 6},    # inputs of fully connected layers
}


def test_every_method_is_expected():
    assert EXPECTED.keys() | MASKED.keys() | {ELEMENT} == METHODS.keys() and DEFAULT in METHODS


@pytest.mark.parametrize("method", MASKED)
def test_masks(method):
    """None of pixels; a draw of its own for each layer, whose bits have one probability."""
    network = choose(MAPS, method)
    assert {layer.name: layer.mask_choice.groups for layer in network.layers
            if layer.choices} == MASKED[method]
    assert network.draws == tuple(
        Draw(name, (0.25 if name == "last" else 0.5,) * groups) for name, groups in MASKED[method].items())
    verify(network, Target())
    changed = with_dropout(network, {name: 0.1 for name in ("first", "conv", "flat", "last")})
    assert set(changed.drops) == {0.1} and len(changed.drops) == len(network.drops)
    assert [layer.dropout for layer in changed.layers] == [
        0.1 if layer.choices else layer.dropout for layer in network.layers]


def test_neurons_are_those_of_a_whole_map():
    """A convolution as large as its map, which has a border, has several positions."""
    layer = Layer("conv", 3, 3, 2, (3, 3), 4)
    assert METHODS["spindrop"].groups(layer) == 18
    assert METHODS["spindrop"].groups(replace(layer, padding=(1, 1))) == 0
    assert METHODS["spindrop"].groups(replace(layer, groups=2)) == 18


@pytest.mark.parametrize("method, groups", [
    ("spatial-spindrop", {"conv": 3, "flat": 6}), ("spindrop", {"flat": 24, "last": 6})])
def test_masks_of_groups_of_channels(method, groups):
    """A mask is one of the map that enters, whatever outputs see of it."""
    first, conv, flat, last = MAPS.layers
    network = choose(replace(MAPS, layers=(
        first, replace(conv, outputs=6, groups=3), replace(flat, channels=6, groups=6), last)), method)
    assert {layer.name: layer.mask_choice.groups for layer in network.layers if layer.choices} == groups
    verify(network, Target())


def test_layers_that_are_named_twice():
    with pytest.raises(ValueError, match="^Layer 'flat' is named twice among those to be masked; name it "
                                         "once$"):
        choose(MAPS, "spatial-spindrop", masked=["flat", "conv", "flat"])
    with pytest.raises(ValueError, match="^Layer 'fc' is named twice among those to be random; name it "
                                         "once$"):
        with_random_layers(choose(PLAIN, "scale-dropout"), ["fc", "fc"])


@pytest.mark.parametrize("method, masked, groups", [
    ("spatial-spindrop", ["flat"], {"flat": 5}),                       # before the classifier
    ("spatial-spindrop", ["conv", "flat", "last"], {"conv": 3, "flat": 5, "last": 6}),
    ("spindrop", ["last"], {"last": 6}), ("spindrop", [], {})])
def test_masks_of_some_layers(method, masked, groups):
    network = choose(MAPS, method, masked=masked)
    assert {layer.name: layer.mask_choice.groups for layer in network.layers if layer.choices} == groups
    assert {draw.name: len(draw.drops) for draw in network.draws} == groups
    verify(network, Target())


@pytest.mark.parametrize("method, name, message", [
    ("spatial-spindrop", "first",
     "Method 'spatial-spindrop' can mask the inputs of conv, flat, last, not of 'first'"),
    ("spindrop", "conv", "Method 'spindrop' can mask the inputs of flat, last, not of 'conv'"),
    ("spindrop", "", "Method 'spindrop' can mask the inputs of flat, last, not of ''"),
    ("sub-set", "conv", "Method 'sub-set' masks no inputs; leave --masked out")])
def test_masks_that_cannot_be(method, name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        choose(MAPS, method, masked=[name])


def test_a_bank_for_each_channel():
    """A draw of its own for each layer, with a bit for each output channel."""
    network = choose(PLAIN, ELEMENT)
    assert [layer.choices for layer in network.layers] == [
        (MixChoice(layer.name),) for layer in PLAIN.layers]
    assert network.draws == tuple(
        Draw(layer.name, (layer.dropout,) * layer.outputs) for layer in PLAIN.layers)
    assert {layer.bank_count for layer in network.layers} == {2}
    verify(network, Target())
    changed = with_dropout(network, {PLAIN.layers[0].name: 0.1})
    assert [set(draw.drops) for draw in changed.draws] == [{0.1}, {PLAIN.layers[1].dropout}]


@pytest.mark.parametrize("method", EXPECTED)
def test_choices_and_draws(method):
    network = choose(PLAIN, method)
    kind, table, drops = EXPECTED[method]
    members = drops is None
    assert [layer.choices for layer in network.layers] == [
        () if not members and index >= len(drops) else (kind("member" if members else layer.name, table),)
        for index, layer in enumerate(PLAIN.layers)]
    assert network.draws == ((Draw("member", None),) if members else tuple(
        Draw(layer.name, each) for layer, each in zip(PLAIN.layers, drops, strict=False)))
    assert network.method == method and method_for(network) is METHODS[method]
    assert {layer.weight_bits for layer in network.layers} == {4 if method == "spinbayes" else 1}
    verify(network, Target())


@pytest.mark.parametrize("method, count, table, drops", [
    ("spinbayes", 2, (0, 1), (0.5,)), ("spinbayes", 16, tuple(range(16)), (0.5,) * 4),
    ("sub-set", 4, (0, 1, 2, 3), (0.5, 0.5)),
    ("scale-dropout-random", 2, (1, 2, 0, 0), (0.25, 0.5)),
    ("scale-dropout-random", 8, (*range(1, 9), *(0,) * 8), (0.25, 0.5, 0.5, 0.5)),
    ("tiny-ensemble", 3, (0, 1, 2), None), ("ensemble", 5, (0, 1, 2, 3, 4), None),
])
def test_counts(method, count, table, drops):
    network = choose(PLAIN, method, count)
    [choice] = network.layers[0].choices
    assert (choice.table, network.draws[0].drops) == (table, drops)
    verify(network, Target())


def test_array_sets():
    """Consecutive ones, modulo N, or all there are; each array is in as many as any other."""
    assert array_sets(4, 3) == ((0, 1, 2), (1, 2, 3), (0, 2, 3), (0, 1, 3))
    assert array_sets(3, 2, "any") == ((0, 1), (0, 2), (1, 2))
    for count, ways_of in itertools.product(range(2, 8), WAYS_OF):
        assert array_sets(count, 1, ways_of) == tuple((array,) for array in range(count))
        for ways in range(1, count):
            sets = array_sets(count, ways, ways_of)
            assert len(set(sets)) == len(sets) == (count if ways_of == "ring" else math.comb(count, ways))
            assert {sum(array in arrays for arrays in sets) for array in range(count)} == {
                len(sets) * ways // count}


@pytest.mark.parametrize("count, ways, ways_of, sets", [
    (8, 1, "ring", 8), (8, 2, "ring", 8), (5, 2, "ring", 5), (8, 8, "ring", 8),
    (3, 2, "any", 3), (5, 2, "any", 10), (8, 4, "any", 70), (4, 1, "any", 4)])
def test_ways(count, ways, ways_of, sets):
    """As many bits as for so many outcomes, all alike, whatever their number is."""
    network = choose(PLAIN, "spinbayes", count, ways, ways_of)
    for layer, draw in zip(network.layers, network.draws, strict=True):
        assert (layer.crossbars, layer.ways, len(layer.array_sets)) == (count, ways, sets)
        assert layer.array_sets == array_sets(count, ways, ways_of)
        assert draw.drops == METHODS["spinbayes"].drops(0.5, sets)
        assert layer.array_choice.table == METHODS["spinbayes"].table(sets)
    verify(network, Target())


@pytest.mark.parametrize("method, count, ways, ways_of, message", [
    ("spinbayes", 4, 0, "ring", "Ways must be from 1 to 4, of 4 arrays, not 0"),
    ("spinbayes", None, 9, "ring", "Ways must be from 1 to 8, of 8 arrays, not 9"),
    ("spinbayes", 4, 4, "any", "Ways must be from 1 to 3, of 4 arrays, for more than one set, not 4"),
    ("spinbayes", 16, 8, "any",
     "Sets of 8 of 16 arrays must be at most 1,024 to choose from, not 12,870; ask for fewer with "
     "--crossbars, or leave --ways-of out for a ring"),
    *(("ensemble", None, 2, ways_of,
       "Method 'ensemble' has a normalization for each of its arrays and none for sets of them; leave "
       "--ways out") for ways_of in WAYS_OF),
    ("sub-set", None, 1, "any", "Method 'sub-set' has one array per layer; leave --ways-of out"),
])
def test_ways_that_cannot_be(method, count, ways, ways_of, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        choose(PLAIN, method, count, ways, ways_of)


def test_head_and_passes():
    """Those of the papers; a head of its own stays."""
    assert choose(PLAIN, "spinbayes").head == Head(confidence=58982, agreement=99)
    assert {choose(PLAIN, method).head for method in METHODS if method != "spinbayes"} == {Head()}
    own = Network(PLAIN.name, PLAIN.input, PLAIN.layers, Head(agreement=80))
    assert {choose(own, method).head for method in METHODS} == {Head(agreement=80)}
    assert {name: made.passes for name, made in METHODS.items()} == {
        name: 10 if name == "spinbayes" else 20 for name in METHODS}


def test_quoted_sources_say_where():
    for made in METHODS.values():
        assert made.sources_quoted in ("", "model", "layer")
        assert bool(made.sources_quoted) == bool(made.sources_paper)


@pytest.mark.parametrize("method, count, ways, message", [
    *((method, 8, 1, f"Method {method!r} has nothing to choose --crossbars of; leave it out")
      for method in ("scale-dropout", "scale-dropout-mean", ELEMENT, "affine", "deterministic", *MASKED)),
    *((method, None, 2, f"Method {method!r} has one array per layer; leave --ways out")
      for method in (*(name for name, (kind, *_) in EXPECTED.items() if kind is not ArrayChoice), ELEMENT)),
    *((method, count, 1, f"Arrays or banks to choose from must be from 2 to 1,024, not {count:,}")
      for method in ("scale-dropout-random", "spinbayes", "sub-set", "tiny-ensemble", "ensemble")
      for count in (1, 0, -8, 1025, 10**9)), # refused before a table of so many
])
def test_what_cannot_be_chosen(method, count, ways, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        choose(PLAIN, method, count, ways)


@pytest.mark.parametrize("count", range(2, 33))
def test_outcomes_are_alike(count):
    """The chances of all numbers that give one outcome add up to 1 / N; powers of two take no more bits
    than log2 N, and others one more for each further one among their binary digits."""
    made  = METHODS["spinbayes"]
    drops, table = made.drops(0.25, count), made.table(count)
    assert len(drops) == count.bit_length() - 1 + count.bit_count() - 1 and len(table) == 2**len(drops)
    bits  = np.arange(len(table))[:, None] >> np.arange(len(drops))[::-1] & 1
    share = np.where(bits, 1 - np.array(drops), drops).prod(1)
    assert np.bincount(table, share) == pytest.approx(np.full(count, 1 / count))
    if count.bit_count() == 1:
        assert drops == (0.5,) * (count.bit_length() - 1) and table == tuple(range(count))
    # Beside a keep bit: kept, or each of N values.
    made = METHODS["scale-dropout-random"]
    drops, table = made.drops(0.25, count), made.table(count)
    bits  = np.arange(len(table))[:, None] >> np.arange(len(drops))[::-1] & 1
    share = np.where(bits, 1 - np.array(drops), drops).prod(1)
    assert np.bincount(table, share) == pytest.approx([0.75, *[0.25 / count] * count])


def test_five_of_eight_numbers():
    assert METHODS["sub-set"].drops(0.0, 5) == (0.8, 0.5, 0.5)
    assert METHODS["sub-set"].table(5) == (0, 1, 2, 3, 4, 4, 4, 4)
    network = choose(PLAIN, "spinbayes", 5)
    assert [layer.crossbars for layer in network.layers] == [5, 5]
    verify(network, Target(array_columns=16))


@pytest.mark.parametrize("method", ["spinbayes", "sub-set"])
def test_what_the_generator_draws_is_alike(method):
    """Of 16 bits for each probability, within five deviations."""
    network = choose(PLAIN, method, 5)
    drop    = tuple(round(p * 65536) for p in network.drops)
    drawn   = choices(Generator((1,), drop), 2000, 10)
    for taken in outcomes(network, drawn):
        for layer in range(2):
            found = np.bincount(taken[..., layer].ravel(), minlength=5) / 20_000
            if found[0] < 1: # a choice
                assert abs(found - 0.2).max() < 5 * (0.2 * 0.8 / 20_000)**0.5


def test_scales():
    """Of the banks, as many as the table has outcomes, in their order."""
    one = np.array([[1.5, 0.5, 4.0]])
    assert METHODS["scale-dropout"].scales(one).tolist() == [[1, 1, 1], [1.5, 0.5, 4]]
    assert METHODS[ELEMENT].scales(one).tolist() == [[1, 1, 1], [1.5, 0.5, 4]]
    assert METHODS["scale-dropout-mean"].scales(one).tolist() == [[2, 2, 2], [1.5, 0.5, 4]]
    rows = np.arange(15.0).reshape(5, 3)
    for method in METHODS.keys() - {"scale-dropout", "scale-dropout-mean", ELEMENT}:
        assert METHODS[method].scales(rows) is rows


def test_affines():
    """Of the banks by the number drawn: gamma is dropped to one in the first two, beta to zero in the first
    and third."""
    gamma, beta = np.array([[1.5, 0.5]]), np.array([[-1.0, 2.0]])
    gammas, betas = METHODS["affine"].affines(gamma, beta)
    assert gammas.tolist() == [[1, 1], [1, 1], [1.5, 0.5], [1.5, 0.5]]
    assert betas.tolist() == [[0, 0], [-1, 2], [0, 0], [-1, 2]]
    assert {name for name, made in METHODS.items() if made.affines} == {"affine"}


def test_dropout_of_both_bits():
    """Of the layer that is named; the last one has none."""
    network = choose(MAPS, "affine")
    changed = with_dropout(network, {"conv": 0.75, "last": 0.75})
    assert [draw.drops for draw in changed.draws] == [(0.5, 0.5), (0.75, 0.75), (0.5, 0.5)]
    assert [layer.dropout for layer in changed.layers] == [0.5, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("method", [name for name in EXPECTED if name != "affine"])
def test_with_dropout(method):
    """The keep bit alone has another probability, in the layers that are named."""
    network = choose(PLAIN, method)
    changed = with_dropout(network, {"fc": 0.75})
    if not METHODS[method].keeps:
        assert changed == network
        return
    first, second = network.draws
    assert changed.draws == (first, Draw("fc", (0.75, *second.drops[1:])))
    assert [layer.dropout for layer in changed.layers] == [0.25, 0.75]
    assert with_dropout(changed, {"fc": 0.5}) == network


def test_with_dropout_of_its_own():
    own = with_choices(PLAIN, [0.5, (4, 1)])
    assert with_dropout(own, {"conv": 0.75}) == own
    assert not method_for(own).keeps and method_for(own).scaled
    assert not method_for(own, scaled=False).scaled


@pytest.mark.parametrize("method", [name for name, made in METHODS.items()
                                    if made.keeps or made.choice is MaskChoice])
def test_random_layers(method):
    """The others are as where all their bits are 1, and draw none."""
    network = choose(MAPS, method)
    network = with_parameters(network, random_parameters(network, 1))
    names   = [layer.name for layer in network.layers if layer.choices]
    images  = np.random.default_rng(0).integers(0, 256, (6, 9, 9), dtype=np.uint8)
    every   = compile_network(network, Target())
    for random in ([names[0]], names[1:], []):
        found = with_random_layers(network, random)
        assert [draw.name for draw in found.draws] == random
        assert [layer.name for layer in found.layers if layer.choices] == random
        found = compile_network(found, Target())
        drawn = choices(found.generator, 6, 1)[:, 0]
        bits  = np.ones((6, len(every.drops)), bool)
        bits[:, [place for name in random for place in every.places(name)]] = drawn
        logits, maps = forward(every, images, bits, maps=True)
        assert all(map(np.array_equal, forward(found, images, drawn, maps=True)[1], maps))
        # Logits are rounded as all banks of the last layer need it, so they are those of the same banks.
        assert (forward(with_random_layers(every, random), images, drawn) == logits).all()


@pytest.mark.parametrize("method, names, message", [
    ("sub-set", ["conv"], "Network 'maps_sub_set' has no dropout that layers could be without; leave "
                          "--random-layers out"),
    ("deterministic", ["conv"], "Network 'maps_deterministic' has no dropout that layers could be without; "
                                "leave --random-layers out"),
    ("spindrop", ["first"], "Random layers of 'maps_spindrop' can be flat, last, not 'first'; which are "
                            "best says: python -m golden.random_layers NETWORK --data DIR"),
])
def test_random_layers_that_cannot_be(method, names, message):
    with pytest.raises(ValueError) as error:
        with_random_layers(choose(MAPS, method), names)
    assert str(error.value) == message


def test_what_a_file_states():
    assert stated("ensemble", scaled=False) == stated("ensemble", scaled=True) == "ensemble"
    assert (stated(None, scaled=True), stated(None, scaled=False)) == ("scale-dropout", "spinbayes")


@pytest.mark.parametrize("name", known_names())
def test_names_and_back(name):
    base, method = method_of(name)
    assert name_of(base, method) == name
    assert network_of(name) == network_of(base, method) == choose(NETWORKS[base], method)
    assert network_of(name).name == name
    # What the name says is the default only.
    for other in METHODS:
        if name_of(base, other) not in known_names():
            continue
        assert network_of(name, other) == network_of(base, other)


def test_names():
    others = {"lenet5_4bit_spindrop", "lenet5_4bit_spatial_spindrop", "lenet5_4bit_affine",
              "resnet20_affine", "resnet18_affine"}
    assert len(set(known_names())) == len(known_names())
    assert set(known_names()) | others == {name_of(base, method) for base in NETWORKS for method in METHODS}
    assert not others & set(known_names())
    assert {"lenet5", "lenet5_wide", "lenet5_spinbayes", "lenet5_4bit_spinbayes", "lenet5_tiny_ensemble",
            "lenet5_wide_scale_dropout_random"} <= set(known_names())
    assert method_of("lenet5_tiny_ensemble") == ("lenet5", "tiny-ensemble")
    assert method_of("somebodys") == ("somebodys", DEFAULT)
    with pytest.raises(KeyError):
        network_of("lenet6_spinbayes")


@pytest.mark.parametrize("method, why", [
    *((masks, "an input that is dropped adds 0, which only levels from -1 to 1 have amid them")
      for masks in ("spindrop", "spatial-spindrop")),
    ("affine", "a sum that is compared with the mean of its map gives one bit"),
])
def test_methods_that_are_not_for_a_network(method, why):
    """The name is not listed, and what the compiler would refuse is refused when it is asked for."""
    with pytest.raises(ValueError, match=f"^Method '{method}' is not for network 'lenet5_4bit': {why}; "
                                         "take another method, as 'spinbayes'$"):
        network_of("lenet5_4bit", method)


@pytest.mark.some(12)
@pytest.mark.parametrize("name", known_names())
def test_what_is_listed_builds(name, tmp_path, write_checkpoint):
    """With parameters, every transform takes it, and hardware is chosen for it. A large network stands for
    itself with fewer channels."""
    network = network_of(name)
    if name.startswith("vgg_small"):
        network = choose(vgg("vgg_small", (4, 8, 8), 16), network.method)
    if name.startswith("mlp"):
        network = choose(mlp("mlp", (5, 4)), network.method)
    if name.startswith("resnet"):
        network = choose(resnet("resnet", (2, 3), 1, pixels=4), network.method)
    write_checkpoint(tmp_path / "checkpoint.npz", network)
    target  = Target(passes=2, passes_max=2)
    network = compile_network(read_parameters(network, tmp_path / "checkpoint.npz"), target)
    assert len(lower(network, target).engines) == len(network.layers)


def test_networks_have_no_choice():
    for network in NETWORKS.values():
        assert not network.draws and not network.method and network.head == Head()
        assert not any(layer.choices for layer in network.layers)
        verify(network, Target())


def names_a_method(text):
    """Strings of a Python file that are the name of a method or its title, and no docstring."""
    tree = ast.parse(text)
    docstrings = {node.body[0].value for node in ast.walk(tree)
                  if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
                  and isinstance(node.body[0], ast.Expr)}
    # A string alone in a line says what the name above it is.
    docstrings |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    words = {*METHODS, *(made.title for made in METHODS.values()),
             *(method.replace("-", "_") for method in METHODS)}
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)
            and isinstance(node.value, str) and node not in docstrings and node.value in words]


@pytest.mark.parametrize("package", ["gen", "hdl"])
def test_no_other_file_knows_a_method(package):
    """What builds works on draws and choices, so that what a reader adds to METHODS is built as well."""
    paths = set((ROOT / package).rglob("*.py")) - {ROOT / "gen" / "methods.py"}
    assert len(paths) > 10
    assert {path.name: found for path in paths if (found := names_a_method(path.read_text()))} == {}


def test_what_knows_a_method_is_found():
    assert names_a_method('"""spinbayes"""\nif x == "spinbayes":\n    y = "Sub-set inference"\n') == [
        "spinbayes", "Sub-set inference"]
    assert names_a_method((ROOT / "gen" / "methods.py").read_text())
