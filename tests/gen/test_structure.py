import json
import random
import re
from dataclasses import replace
from typing import get_args

import pytest

from gen.ir import Input, Join, Layer, Network
from gen.methods import METHODS, choose, known_names, network_of
from gen.structure import LATER, StructureError, dump_structure, load_structure, plain


NETWORK = choose(Network("small", Input(3, 4, (100, 200)), (
    Layer("conv", 3, 4, 2, (2, 2), 4), Layer("fc", 2, 3, 4, (2, 3), 2))), "scale-dropout")


def without_parameters(network):
    return replace(network, layers=tuple(
        replace(layer, **{name: Layer.__dataclass_fields__[name].default for name in LATER[Layer]})
        for layer in network.layers))


@pytest.mark.parametrize("name", known_names())
def test_every_network_is_what_it_was(name):
    network = network_of(name)
    assert load_structure(dump_structure(network)) == network


def test_choices_of_its_own(mixed_network, random_spinbayes):
    for network in mixed_network(), *map(random_spinbayes, range(8)):
        assert load_structure(dump_structure(network)) == without_parameters(network)


def test_joins():
    network = choose(Network("joined", Input(4, 4, (50,)), (
        Layer("stem", 4, 4, 1, (1, 1), 2, output_bits=4, fraction=1),
        Layer("behind", 4, 4, 2, (1, 1), 2, output_bits=4, fraction=1),
        Layer("last", 4, 4, 2, (4, 4), 3, source="sum"),
    ), joins=(Join("sum", "behind", "stem"),)), "scale-dropout")
    assert load_structure(dump_structure(network)) == network
    with pytest.raises(StructureError, match="^layer 'last' has the source 'sum', which is none of its"):
        load_structure(dump_structure(replace(network, joins=())))


@pytest.mark.parametrize("method", METHODS)
def test_numbers_of_choices(method):
    if METHODS[method].choice and METHODS[method].count > 1:
        network = choose(load_structure(dump_structure(replace(plain(NETWORK), name="small"))), method, 5)
        assert load_structure(dump_structure(network)) == network


def changed(*path, to):
    """The text of the network with another value at ``path``; an Ellipsis takes it out."""
    whole = part = json.loads(dump_structure(NETWORK))
    *way, last = path
    for name in way:
        part = part[name]
    if to is ...:
        del part[last]
    else:
        part[last] = to
    return json.dumps(whole)


@pytest.mark.parametrize("name, value", [("stride", 1), ("padding", 0), ("pool", 1), ("kernel", 2)])
def test_one_number_of_a_pair(name, value):
    """As files of older versions have it."""
    assert load_structure(changed("layers", 0, name, to=value)) == NETWORK
    assert json.loads(dump_structure(NETWORK))["layers"][0][name] == [value, value]


@pytest.mark.parametrize("path, value, message", [
    (["kind"], "Nothing", "the network must be of kind Network, not 'Nothing'"),
    (["kind"], ["Network"], "the network must be of kind Network, not ['Network']"),
    (["more"], 1, "the network has 'more', which no Network has"),
    (["generator"], None, "the network has 'generator', which no Network has"),
    (["input"], ..., "the network has no 'input'"),
    (["name"], "../up", "the network must have a name of letters, digits, '_', '-' and '.', not '../up'"),
    (["name"], "", "the network must have a name of letters, digits, '_', '-' and '.', not ''"),
    (["name"], "a\nb", "name must be a text of at most 100 printable characters, not 'a\\nb'"),
    (["name"], "\ud800", "name must be a text of at most 100 printable characters, not '\\ud800'"),
    (["name"], "a" * 101, f"name must be a text of at most 100 printable characters, not '{'a' * 56}..."),
    (["method"], "magic", f"method 'magic' is none of {', '.join(METHODS)}"),
    (["method"], "ensemble", "the choices of its layers are not those of method 'ensemble'; with choices "
                             "of its own, it must have the method ''"),
    (["method"], "spinbayes", "the choices of its layers are not those of method 'spinbayes'; with choices "
                              "of its own, it must have the method ''"),
    (["draws"], [], "layer 'conv' chooses by draw 'conv', but the network has only []"),
    (["draws"], {}, "draws must be a list, not {}"),
    (["draws", 0, "drops"], 0.5, "draws[0].drops must be a list, not 0.5"),
    (["draws", 0, "drops"], [2], "draw 'conv' must have dropout probabilities from 0 to 1, not 2.0"),
    (["draws", 0, "drops"], [0.5] * 17, "layer 'conv' must choose by a draw of at most 16 bits, not 17"),
    (["draws", 0, "drops"], [0.5] * 70000, "draws[0].drops must have at most 65,536 items, not 70,000"),
    (["layers"], [], "network 'small' has no layers"),
    (["layers", 0, "kind"], "Target", "layers[0] must be of kind Layer, not 'Target'"),
    (["layers", 0, "arrays"], [], "layers[0] has 'arrays', which no Layer has"),
    (["layers", 0, "kernel"], [2], "layers[0].kernel must be a list of 2, not [2]"),
    (["layers", 0, "kernel"], [2, 2.0], "layers[0].kernel[1] must be a whole number from -2147483648 to "
                                        "2147483648, not 2.0"),
    (["layers", 0, "height"], True, "layers[0].height must be a whole number from -2147483648 to "
                                    "2147483648, not True"),
    (["layers", 0, "outputs"], 10**60, "layers[0].outputs must be a whole number from -2147483648 to "
                                       "2147483648, not " + str(10**60)[:57] + "..."),
    (["layers", 1, "outputs"], 10**9, "layer 'fc' is the last and must have at most 65,536 logits, those "
                                      "of all classes of all positions, not 1,000,000,000"),
    (["layers", 0, "pool"], 0, "layer 'conv' must have a pool of at least 1 by 1, not 0 by 0"),
    (["layers", 0, "stride"], 2.0, "layers[0].stride must be a list of 2, not 2.0"),
    (["layers", 0, "stride"], True, "layers[0].stride must be a list of 2, not True"),
    (["layers", 0, "choices", 0, "kind"], "Choice", "layers[0].choices[0] must be of kind "
     + " or ".join(kind.__name__ for kind in get_args(get_args(Layer.__annotations__["choices"])[0]))
     + ", not 'Choice'"),
    (["layers", 0, "choices", 0, "table"], [0, 2**31], "layer 'conv' must have outcomes from 0 up, at "
                                                       "least two and without a gap, not [0, 2147483648]"),
    (["layers", 0, "choices", 0, "table"], [-1, 0], "layer 'conv' must have outcomes from 0 up, at "
                                                    "least two and without a gap, not [-1, 0]"),
    (["input", "bits"], 40, "the input must have levels of 1 to 8 bits, not 40"),
    (["head"], None, "head must be of kind Head, not None"),
])
def test_refuses(path, value, message):
    with pytest.raises(StructureError, match=f"^{re.escape(message)}$"):
        load_structure(changed(*path, to=value))


@pytest.mark.parametrize("text, message", [
    ("", "it is no JSON (Expecting value: line 1 column 1 (char 0))"),
    ("[" * 200_000, "it is nested too deeply"),
    ('{"a":' * 100_000, "it is nested too deeply"),
    ("1" * 5000, "it is no JSON (Exceeds the limit (4300 digits) for integer string conversion: value h)"),
    ("NaN", "NaN is no number that it may have"),
    ("[1e999]", "the network must be of kind Network, not [inf]"),
    ('{"kind": "Network", "kind": "Network"}', "it has 'kind' twice"),
    (" " * (2**20 + 1), "it must have at most 1,048,576 characters, not 1,048,577"),
])
def test_no_structure(text, message):
    with pytest.raises(StructureError, match=f"^{re.escape(message)}$"):
        load_structure(text)


def test_as_many_layers_as_there_may_be():
    network = json.loads(dump_structure(replace(NETWORK, draws=(), method="", layers=())))
    network["layers"] = [{"kind": "Layer", "name": f"a{n}", "height": 1, "width": 1, "channels": 1,
                          "kernel": [1, 1], "outputs": 1} for n in range(1001)]
    with pytest.raises(StructureError, match="^the network must have at most 1,000 layers, not 1,001$"):
        load_structure(json.dumps(network))


def test_as_many_weights_as_there_may_be():
    network = replace(NETWORK, draws=(), method="", joins=(), input=Input(1, 1, (50,)), layers=(
        Layer("wide", 1, 1, 1, (1, 1), 2**14), Layer("wider", 1, 1, 2**14, (1, 1), 2**14)))
    with pytest.raises(StructureError,
                       match="^the network must have at most 268,435,456 weights, not 268,451,840$"):
        load_structure(dump_structure(network))


@pytest.mark.parametrize("seed", range(3))
def test_any_change_ends_in_one_line(seed):
    """Characters changed, cut out and doubled: another network is read, or one line says what is wrong."""
    rng, lines, whole = random.Random(seed), 0, dump_structure(NETWORK)
    for _ in range(300):
        text = list(whole)
        for _ in range(rng.choice((1, 1, 3))):
            place = rng.randrange(len(text))
            match rng.randrange(3):
                case 0:
                    text[place] = rng.choice('0129-.eE"[]{},:ntx\u2028\ud800')
                case 1:
                    del text[place:place + rng.randrange(40)]
                case 2:
                    text[place:place] = text[place:place + rng.randrange(40)]
        try:
            load_structure("".join(text))
        except StructureError as error:
            lines += 1
            assert str(error).isprintable() and len(str(error)) < 400
    assert lines > 200
