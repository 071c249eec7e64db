import gc
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from gen.checkpoint import CheckpointError, read, read_parameters
from gen.ir import ArrayChoice, BankChoice, Draw, Input, Layer, MaskChoice, Network, Normalization, Target
from gen.methods import METHODS, choose
from gen.verify import MalformedNetwork, verify
from tests.conftest import with_choices


LAYERS = (Layer("conv", 3, 4, 2, (2, 2), 3), Layer("fc", 2, 3, 3, (2, 3), 2))
NETWORK = Network("small", Input(3, 4, (100, 200)), LAYERS)
FLOAT, INTEGER = "a float of 16, 32 or 64 bits", "an integer of at most 64 bits with a sign"
AGAIN = "gen/checkpoint_file.py says what it must hold"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.npz"


def refused(path, message):
    message = re.escape(f"Checkpoint {path} {message}; {AGAIN}")
    with pytest.raises(CheckpointError, match=f"^{message}$"):
        read(path, NETWORK)


def test_reads(path, write_checkpoint):
    write_checkpoint(path, NETWORK, conv__dropout=np.float64(0.125), thresholds=np.array([7, 9]))
    network = read(path, NETWORK)
    with np.load(path) as arrays:
        assert network.input == Input(3, 4, (7, 9))
        assert [layer.dropout for layer in network.layers] == [0.125, 0.5]
        assert network.draws == (Draw("conv", (0.125,)), Draw("fc", (0.5,)))
        assert (network.name, network.method) == ("small", "scale-dropout")
        for layer, plain in zip(network.layers, LAYERS, strict=True):
            weight = arrays[f"{layer.name}.weight"]
            for output, column in enumerate(layer.arrays[0]):
                assert [1 if column >> bit & 1 else -1 for bit in range(layer.fan_in)] \
                    == weight[output].tolist()
            dropped, part = layer.normalizations[0]
            assert dropped == replace(part, scale=(1.0,) * layer.outputs)
            for name in ("bias", "scale", "gamma", "beta", "mean"):
                assert getattr(part, name) == tuple(arrays[f"{layer.name}.{name}"].tolist())
            assert part.deviation == tuple(np.sqrt(
                arrays[f"{layer.name}.variance"] + arrays[f"{layer.name}.epsilon"]).tolist())
            assert layer.choices == (BankChoice(layer.name, (0, 1)),)
            assert replace(layer, arrays=(), normalizations=(), choices=(), dropout=plain.dropout) == plain


SPINBAYES = with_choices(Network("small", Input(3, 4, (1, 2, 3), 2), (
    Layer("conv", 3, 4, 1, (2, 2), 3, weight_bits=3, input_bits=2, input_low=0),
    Layer("fc", 2, 3, 3, (2, 3), 2))), [(4, 1), (2, 1)])

#: Its files have no scales.
NO_SCALES = {"conv__scale": None, "fc__scale": None}


@pytest.mark.parametrize("bits", [-1, 0, 9, 64])
def test_bits_of_no_weight(path, write_checkpoint, bits):
    write_checkpoint(path, SPINBAYES, weight_bits=np.int64(bits))
    with pytest.raises(CheckpointError, match=f"'weight_bits' of {bits}, but they must be from 1 to 8; "):
        read(path, SPINBAYES)


@pytest.mark.parametrize("changes, message", [
    ({"choices": (BankChoice("none", (0, 1)),)}, "chooses by draw 'none', but the network has only "),
    ({"outputs": 1}, "must have at least 2 classes"),
])
def test_impossible_network(path, write_checkpoint, changes, message):
    """The network is to blame, whatever the file has."""
    write_checkpoint(path, NETWORK)
    network = replace(NETWORK, layers=(LAYERS[0], replace(LAYERS[1], **changes)))
    with pytest.raises(MalformedNetwork, match=message):
        read(path, network)


def test_takes_the_first_arrays_and_the_bits_of_the_file(path, write_checkpoint):
    """A build may choose from fewer arrays than were made; how many bits these have, the file says."""
    made = with_choices(replace(SPINBAYES, layers=tuple(
        replace(layer, weight_bits=4) for layer in SPINBAYES.layers)), [(8, 1), (8, 1)])
    write_checkpoint(path, made, weight_bits=np.int64(4))
    whole, part = read(path, made), read(path, SPINBAYES)
    for layer, all_arrays, wanted in zip(part.layers, whole.layers, SPINBAYES.layers, strict=True):
        assert (layer.crossbars, layer.weight_bits) == (wanted.crossbars, 4)
        assert layer.arrays == all_arrays.arrays[:wanted.crossbars]


def test_refuses_more_arrays_than_there_are(path, write_checkpoint):
    write_checkpoint(path, SPINBAYES)
    wanted = with_choices(SPINBAYES, [(8, 1), (8, 1)])
    message = (f"Checkpoint {path} has 4 arrays in layer 'conv', not 8; ask for fewer, or make one with: "
               "python -m golden.train small --data DIR --crossbars 8 --out FILE")
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        read(path, wanted)


def test_reads_spinbayes(path, write_checkpoint):
    """Several arrays of weights of three bits in two's complement, and of binary ones; no scale."""
    write_checkpoint(path, SPINBAYES, **NO_SCALES)
    network = read(path, SPINBAYES)
    assert network.input == Input(3, 4, (1, 2, 3), 2)
    with np.load(path) as arrays:
        for layer, plain in zip(network.layers, SPINBAYES.layers, strict=True):
            assert f"{layer.name}.scale" not in arrays and f"{layer.name}.dropout" not in arrays
            fields = arrays[f"{layer.name}.weight"] if layer.weight_bits == 3 else (
                arrays[f"{layer.name}.weight"] > 0)
            assert [[[column >> place * layer.weight_bits & (1 << layer.weight_bits) - 1
                      for place in range(layer.fan_in)] for column in array]
                    for array in layer.arrays] == (fields & (1 << layer.weight_bits) - 1).tolist()
            assert len(set(layer.normalizations)) == 1 and len(layer.normalizations) == layer.crossbars
            assert layer.normalizations[0][0].scale == (1.0,) * layer.outputs
            assert replace(layer, arrays=(), normalizations=()) == plain


@pytest.mark.parametrize("name, array, message", [
    ("conv.weight", np.ones((3, 4), np.int8),
     "has 'conv.weight' of shape (3, 4), but network 'small' needs (4, 3, 4)"),
    ("conv.weight", np.full((4, 3, 4), -4, np.int8),
     "has 'conv.weight' with values not from -3 to 3"),
    ("conv.weight", np.full((4, 3, 4), -128, np.int8),
     "has 'conv.weight' with values not from -3 to 3"),
    ("fc.weight", np.zeros((2, 2, 18), np.int8),
     "has 'fc.weight' with values other than -1 and +1"),
])
def test_refuses_spinbayes(path, write_checkpoint, name, array, message):
    write_checkpoint(path, SPINBAYES, **{name: array})
    message = re.escape(f"Checkpoint {path} {message}; {AGAIN}")
    with pytest.raises(CheckpointError, match=f"^{message}$"):
        read(path, SPINBAYES)


@pytest.mark.parametrize("kind", [np.float16, np.float32, ">f8"])
def test_reads_the_same_network_from_any_float(path, tmp_path, write_checkpoint, kind):
    """The numbers count and not their type: variance and epsilon add up in float64."""
    write_checkpoint(path, NETWORK)
    with np.load(path) as file:
        short = {name: array.astype(kind) if array.dtype.kind == "f" else array
                 for name, array in file.items()}
    long = {name: array.astype(float) if array.dtype.kind == "f" else array
            for name, array in short.items()}
    np.savez(path, **short)
    np.savez(tmp_path / "long.npz", **long)
    network = read(path, NETWORK)
    assert network == read(tmp_path / "long.npz", NETWORK)
    for layer in network.layers:
        total = long[f"{layer.name}.variance"] + long[f"{layer.name}.epsilon"]
        assert layer.normalizations[0][0].deviation == tuple(map(math.sqrt, total.tolist()))


@pytest.mark.parametrize("kind", [np.int8, np.int64, ">i2"])
def test_reads_the_same_network_from_any_integer(path, write_checkpoint, kind):
    write_checkpoint(path, NETWORK)
    expected = read(path, NETWORK)
    with np.load(path) as file:
        arrays = {name: array.astype(kind) if name.endswith("weight") else array.astype(np.uint8)
                  if name == "thresholds" else array for name, array in file.items()}
    np.savez(path, **arrays)
    assert read(path, NETWORK) == expected


def test_missing(path):
    refused(path, "does not exist")


def damaged(path, write_checkpoint, content=None, change=None):
    write_checkpoint(path, NETWORK)
    content = path.read_bytes() if content is None else content
    path.write_bytes(content if change is None else change(content))
    with pytest.raises(CheckpointError,
                       match=f"^Checkpoint {re.escape(str(path))} is damaged .*; {AGAIN}$"):
        read(path, NETWORK)


def test_empty(path, write_checkpoint):
    damaged(path, write_checkpoint, content=b"")


def test_no_archive(path, write_checkpoint):
    damaged(path, write_checkpoint, content=b"no archive at all, but a line of text")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_cut_short(path, write_checkpoint):
    damaged(path, write_checkpoint, change=lambda content: content[:len(content) // 2])
    gc.collect() # np.load leaves such a file open, to be noticed in another test


def test_changed_byte(path, write_checkpoint):
    def change(content):
        where = content.index(b"conv.weight.npy") + 150
        return content[:where] + bytes([content[where] ^ 1]) + content[where + 1:]

    damaged(path, write_checkpoint, change=change)


def test_array_instead_of_an_archive(path, write_checkpoint, tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    damaged(path, write_checkpoint, content=(tmp_path / "array.npy").read_bytes())


def test_changed_byte_of_compressed_data(path, write_checkpoint):
    """The checkpoints of the project are compressed; their damage shows in another error."""
    def compress(content):
        with np.load(path) as arrays:
            np.savez_compressed(path, **arrays)
        content = path.read_bytes()
        where = content.index(b"conv.weight.npy") + 40
        return content[:where] + bytes(value ^ 255 for value in content[where:where + 8]) \
            + content[where + 8:]

    damaged(path, write_checkpoint, change=compress)


@pytest.mark.parametrize("offset, value", [(6, 99), (8, 1), (10, 99)])
def test_changed_directory(path, write_checkpoint, offset, value):
    """Another version, flag or compression method of a file."""
    def change(content):
        where = content.index(b"PK\1\2") + offset
        return content[:where] + bytes([value]) + content[where + 1:]

    damaged(path, write_checkpoint, change=change)


def test_pickle(path):
    np.savez(path, thresholds=np.array([{}], dtype=object))
    refused(path, "has 'thresholds' of shape (1,), but network 'small' needs (2,)")
    np.savez(path, thresholds=np.array([{}, {}], dtype=object))
    refused(path, f"has 'thresholds' of type object, but it must be {INTEGER}")


@pytest.mark.parametrize("name", ["conv.weight", "fc.epsilon", "fc.dropout", "conv.gamma",
                                  "fc.variance", "thresholds"])
def test_left_out(path, write_checkpoint, name):
    write_checkpoint(path, NETWORK, **{name: None})
    refused(path, f"has no {name!r}")


@pytest.mark.parametrize("name, array, message", [
    ("conv.weight", np.ones((3, 9), np.int8),
     "has 'conv.weight' of shape (3, 9), but network 'small' needs (3, 8)"),
    ("fc.beta", np.ones(3), "has 'fc.beta' of shape (3,), but network 'small' needs (2,)"),
    ("fc.dropout", np.ones(1), "has 'fc.dropout' of shape (1,), but network 'small' needs ()"),
    ("thresholds", np.array([1]),
     "has 'thresholds' of shape (1,), but network 'small' needs (2,)"),
    ("conv.weight", np.ones((3, 8)),
     f"has 'conv.weight' of type float64, but it must be {INTEGER}"),
    ("conv.mean", np.array([0, np.nan, 0]),
     "has 'conv.mean' with values that are not finite numbers"),
    ("conv.mean", np.array([0, np.inf, 0]),
     "has 'conv.mean' with values that are not finite numbers"),
    ("conv.mean", np.array([0, 1, 2]), f"has 'conv.mean' of type int64, but it must be {FLOAT}"),
    ("conv.mean", np.zeros(3, np.longdouble),
     f"has 'conv.mean' of type {np.dtype(np.longdouble)}, but it must be {FLOAT}"),
    ("conv.mean", np.zeros(3, complex), f"has 'conv.mean' of type complex128, but it must be {FLOAT}"),
    ("conv.mean", np.zeros(3, "V2"), f"has 'conv.mean' of type |V2, but it must be {FLOAT}"),
    ("conv.mean", np.zeros(3, [("mean", "f8")]),
     f"has 'conv.mean' of type [('mean', '<f8')], but it must be {FLOAT}"),
    ("thresholds", np.array([1.0, 2.0]),
     f"has 'thresholds' of type float64, but it must be {INTEGER}"),
    ("thresholds", np.array([1, 2], np.uint64),
     f"has 'thresholds' of type uint64, but it must be {INTEGER}"),
    ("thresholds", np.array([True, True]), f"has 'thresholds' of type bool, but it must be {INTEGER}"),
    ("conv.weight", np.zeros((3, 8), np.int8), "has 'conv.weight' with values other than -1 and +1"),
    ("conv.variance", np.array([1, -1e-5, 1]),
     "has 'conv.variance' of -1e-05, but with epsilon it must be above zero, and finite"),
    ("conv.dropout", np.float64(1.01),
     "has 'conv.dropout' of 1.01, which is no probability"),
    ("conv.dropout", np.float64(-0.5), "has 'conv.dropout' of -0.5, which is no probability"),
    ("thresholds", np.array([2, 1]), "has 'thresholds' [2, 1], which must ascend from 1 to 256"),
    ("thresholds", np.array([0, 1]), "has 'thresholds' [0, 1], which must ascend from 1 to 256"),
    ("thresholds", np.array([1, 257]), "has 'thresholds' [1, 257], which must ascend from 1 to 256"),
])
def test_refuses(path, write_checkpoint, name, array, message):
    write_checkpoint(path, NETWORK, **{name: array})
    refused(path, message)


@pytest.mark.parametrize("epsilon", [1.5e308, -1.5e308])
def test_no_deviation(path, write_checkpoint, epsilon):
    """Neither above what a float holds, nor below zero."""
    write_checkpoint(path, NETWORK, conv__variance=np.full(3, 1e308), conv__epsilon=np.float64(epsilon))
    refused(path, "has 'conv.variance' of 1e+308, but with epsilon it must be above zero, and finite")


FEATURES = "bias", "gamma", "beta", "mean", "variance"


def of_method(method, *count):
    return choose(NETWORK, method, *count)


@pytest.mark.parametrize("method", METHODS)
def test_every_method(path, write_checkpoint, method):
    """Each bank has its rows of the file, or the one row that all have in common, and the scale that the
    method makes of those of the file. A network without a method becomes the same."""
    wanted = of_method(method)
    write_checkpoint(path, wanted)
    network = read(path, wanted)
    verify(network, Target())
    assert network == read(path, replace(NETWORK, name=wanted.name))
    assert (network.method, network.draws, network.head) == (method, wanted.draws, wanted.head)
    with np.load(path) as arrays:
        assert str(arrays["method"]) == method
        for layer, plain in zip(network.layers, wanted.layers, strict=True):
            assert replace(layer, arrays=(), normalizations=()) == plain
            assert len(layer.arrays) == len(layer.normalizations) == layer.crossbars
            own = {name: np.atleast_2d(arrays[f"{layer.name}.{name}"]) for name in FEATURES}
            alpha = np.ones((1, layer.outputs)) if method == "spinbayes" else np.atleast_2d(
                arrays[f"{layer.name}.scale"])
            dropped = {"scale-dropout": np.ones(layer.outputs),
                       "scale-dropout-element": np.ones(layer.outputs),
                       "scale-dropout-mean": np.full(layer.outputs, alpha.mean())}
            scales = np.stack([dropped[method], alpha[0]]) if method in dropped else alpha
            inverted = method == "affine" and layer.choices != ()
            if inverted: # one or gamma, and zero or beta, by the bits of the number
                one, gamma, beta = np.ones(layer.outputs), own["gamma"][0], own["beta"][0]
                own |= {"gamma": np.stack([one, one, gamma, gamma]),
                        "beta": np.stack([0 * beta, beta, 0 * beta, beta])}
            for number, part in enumerate(part for of_array in layer.normalizations for part in of_array):
                def row(values, number=number):
                    return tuple(values[number % len(values)].tolist())

                deviation = np.sqrt(own["variance"] + arrays[f"{layer.name}.epsilon"])
                assert part == Normalization(
                    row(own["bias"]), row(scales), row(own["gamma"]), row(own["beta"]), row(own["mean"]),
                    row(deviation), inverted)


@pytest.mark.parametrize("name", ["gamma", "beta", "scale"])
def test_what_is_dropped_has_one_row(path, write_checkpoint, name):
    """The method says what is in its place, so a file cannot."""
    wanted = of_method("affine")
    write_checkpoint(path, wanted, **{f"conv__{name}": np.ones((4, 3))})
    message = (f"Checkpoint {path} has 'conv.{name}' of shape (4, 3), but network {wanted.name!r} needs "
               f"(3,); {AGAIN}")
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        read(path, wanted)


@pytest.mark.parametrize("method, count, rows", [
    ("ensemble", 4, 4), ("ensemble", 2, 4), ("tiny-ensemble", 3, 5), ("sub-set", 4, 4), ("spinbayes", 2, 2),
    ("scale-dropout-random", 2, 3), ("scale-dropout", None, 2), ("scale-dropout-mean", None, 7),
])
def test_rows_of_banks(path, write_checkpoint, method, count, rows):
    """Any vector may have a row for each bank; of more, the first are taken."""
    wanted = of_method(method, count)
    values = np.random.default_rng(1).normal(size=(rows, 3))
    write_checkpoint(path, wanted, conv__bias=values, conv__variance=abs(values) + 1)
    found = [part for of_array in read(path, wanted).layers[0].normalizations for part in of_array]
    assert 2 <= len(found) <= rows
    for part, row in zip(found, values, strict=False):
        assert part.bias == tuple(row.tolist())
        assert part.deviation == tuple(np.sqrt(abs(row) + 1 + 1e-5).tolist())


@pytest.mark.parametrize("method, count, name, rows, needed, more", [
    ("ensemble", 4, "bias", 3, 4, 4), ("tiny-ensemble", 8, "gamma", 4, 8, 8),
    ("sub-set", 4, "scale", 2, 4, 4),
    ("scale-dropout-random", 4, "scale", 4, 5, 4), ("spinbayes", 2, "mean", 0, 2, 2),
    ("scale-dropout", None, "beta", 1, 2, None), ("deterministic", None, "beta", 0, 1, None),
])
def test_refuses_fewer_rows_than_banks(path, write_checkpoint, method, count, name, rows, needed, more):
    wanted = of_method(method, count)
    write_checkpoint(path, wanted, **{f"conv__{name}": np.ones((rows, 3))})
    way_out = AGAIN if more is None else (
        f"ask for fewer, or make one with: python -m golden.train {wanted.name} --data DIR "
        f"--crossbars {more} --out FILE")
    message = f"Checkpoint {path} has 'conv.{name}' of {rows} rows in layer 'conv', not {needed}; {way_out}"
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        read(path, wanted)


@pytest.mark.parametrize("method", ["scale-dropout", "scale-dropout-mean"])
def test_the_trained_scale_stands_alone(path, write_checkpoint, method):
    """Which of two rows it would be is not said."""
    wanted = of_method(method)
    write_checkpoint(path, wanted, conv__scale=np.ones((2, 3)))
    message = (f"Checkpoint {path} has 'conv.scale' of shape (2, 3), but network {wanted.name!r} needs "
               f"(3,); {AGAIN}")
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        read(path, wanted)


def test_another_method(path, write_checkpoint):
    write_checkpoint(path, replace(of_method("ensemble"), name="small"))
    message = (f"Checkpoint {path} is of method 'ensemble', not 'sub-set'; name that method with --method, "
               "or a checkpoint of 'sub-set'")
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        read(path, replace(of_method("sub-set"), name="small"))


@pytest.mark.parametrize("method", ["deterministic", "spindrop", "affine"])
def test_another_method_of_a_file_that_states_none(path, write_checkpoint, method):
    """It has scales, so it is of the default method, unless its name says another."""
    network = of_method(method)
    write_checkpoint(path, replace(network, name="small"), method=None)
    message = (f"Checkpoint {path} states no method, so it is of method 'scale-dropout', not {method!r}; "
               f"name that method with --method, or a checkpoint of {method!r}")
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        read(path, network)
    write_checkpoint(path, network)
    stated = read(path, network)
    write_checkpoint(path, network, method=None)
    assert read(path, network) == stated


@pytest.mark.parametrize("stated, message", [
    (np.array("dropconnect"), f"states method 'dropconnect', which is none of {', '.join(METHODS)}"),
    (np.array(""), f"states method '', which is none of {', '.join(METHODS)}"),
    (np.array(["sub-set"]), "has 'method' of shape (1,), but network 'small' needs ()"),
    (np.array(1), "has 'method' of type int64, but it must be a string"),
])
def test_no_method(path, write_checkpoint, stated, message):
    write_checkpoint(path, NETWORK, method=stated)
    refused(path, message)


def test_a_file_that_states_no_method(path, write_checkpoint):
    """It is of the default method if it has scales, else of the one whose files never had any."""
    write_checkpoint(path, NETWORK)
    with np.load(path) as arrays:
        assert "method" not in arrays
    assert read(path, NETWORK).method == "scale-dropout"
    write_checkpoint(path, replace(of_method("spinbayes"), name="small"), method=None)
    assert read(path, NETWORK).method == "spinbayes"


def test_choices_of_its_own(path, write_checkpoint):
    """They stay, whatever is made of the file; and they have the scales of the file, if there are any."""
    own = with_choices(NETWORK, [0.25, (4, 1)])
    write_checkpoint(path, own)
    network = read(path, own)
    assert (network.method, network.draws) == ("", own.draws)
    with np.load(path) as arrays:
        scales = [tuple(arrays[f"{layer.name}.scale"].tolist()) for layer in own.layers]
    assert [[[part.scale for part in of_array] for of_array in layer.normalizations]
            for layer in network.layers] == [[[scales[0]] * 2], [[scales[1]]] * 4]


@pytest.mark.parametrize("method", ["scale-dropout", "scale-dropout-mean", "scale-dropout-random"])
def test_dropout_probability_that_is_asked_for(path, write_checkpoint, method):
    """In place of those of the file, for the keep bit alone."""
    wanted = of_method(method)
    write_checkpoint(path, wanted, conv__dropout=np.float64(0.125))
    fair = wanted.draws[0].drops[1:]
    assert [draw.drops for draw in read_parameters(wanted, path).draws] == [(0.125, *fair), (0.5, *fair)]
    network = read_parameters(wanted, path, 0.75)
    assert [draw.drops for draw in network.draws] == [(0.75, *fair)] * 2
    assert [layer.dropout for layer in network.layers] == [0.75] * 2


@pytest.mark.parametrize("p", [-0.5, 1.01, math.nan])
def test_no_dropout_probability(path, write_checkpoint, p):
    write_checkpoint(path, NETWORK)
    with pytest.raises(CheckpointError, match=f"^A dropout probability must be from 0 to 1, not {p}$"):
        read_parameters(NETWORK, path, p)


@pytest.mark.parametrize("method", [
    method for method, made in METHODS.items() if not made.keeps and made.choice is not MaskChoice])
def test_method_without_a_dropout_probability(path, write_checkpoint, method):
    write_checkpoint(path, of_method(method))
    with pytest.raises(CheckpointError,
                       match=f"^Method {method!r} has no dropout probability; leave --p out$"):
        read_parameters(of_method(method), path, 0.5)


def test_bits_of_its_own_that_drop(path, write_checkpoint):
    """Each has the probability that is asked for: of masks, and of one of two banks."""
    network = with_choices(NETWORK, [0.5, 0.25])
    assert not network.method
    masked  = replace(network.layers[1], choices=(MaskChoice("mask", network.layers[1].fan_in),))
    network = replace(network, layers=(network.layers[0], masked), draws=(
        network.draws[0], Draw("mask", (0.25,) * masked.fan_in)))
    write_checkpoint(path, network)
    assert read_parameters(network, path).drops == network.drops
    assert read_parameters(network, path, 0.125).drops == (0.125,) * len(network.drops)
    assert read_parameters(network, path, 0.0).drops == (0.0,) * len(network.drops)


@pytest.mark.parametrize("choice, drops", [
    (BankChoice("own", (1, 0)), (0.5,)), (BankChoice("own", (0, 1, 1, 1)), (0.5, 0.5)),
    (BankChoice("own", (0, 1)), None), (ArrayChoice("own", (0, 1)), (0.5,))])
def test_choices_of_its_own_have_their_probabilities(path, write_checkpoint, choice, drops):
    """Where no bit says that what was trained is dropped."""
    network = with_choices(NETWORK, [0.5, 0.25])
    network = replace(network, layers=(network.layers[0], replace(network.layers[1], choices=(choice,))),
                      draws=(network.draws[0], Draw("own", drops)))
    write_checkpoint(path, network)
    with pytest.raises(CheckpointError, match=(
            f"^Network {network.name!r} has choices of its own, some of which are not dropped by a bit, "
            "with the probabilities of its draws; leave --p out$")):
        read_parameters(network, path, 0.5)


@pytest.mark.parametrize("method, count", [
    ("scale-dropout-random", 5), ("sub-set", 8), ("tiny-ensemble", 4)])
def test_banks_that_are_all_the_same(path, write_checkpoint, method, count):
    """A file with one row of everything would make banks between which there is nothing to choose."""
    network, ones = of_method(method), np.ones(NETWORK.layers[1].outputs)
    write_checkpoint(path, network, **{f"{NETWORK.layers[1].name}__{name}": ones for name in (
        "bias", "scale", "gamma", "beta", "mean", "variance")})
    asked = count - METHODS[method].keeps
    with pytest.raises(CheckpointError, match=(
            f"^Checkpoint {path} has the same constants for all {count} banks of layer "
            f"'{NETWORK.layers[1].name}', so there is nothing to choose; ask for fewer, or make one with: "
            f"python -m golden.train .* --data DIR --crossbars {asked} --out FILE$")):
        read_parameters(network, path)
