import io
import os
import random
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from gen.checkpoint import SHIPPED
from gen.checkpoint import read as read_checkpoint
from gen.checkpoint_file import STATED, CheckpointError, Parameters, read_file, read_structure, write_file
from gen.compile import compile_network
from gen.ir import Comparison, Input, Layer, Network, Target, load
from gen.methods import METHODS, choose, network_of
from gen.verify import MalformedNetwork
from tests.conftest import with_choices


NETWORK = Network("small", Input(3, 4, (100, 200)), (
    Layer("conv", 3, 4, 2, (2, 2), 3), Layer("fc", 2, 3, 3, (2, 3), 2)))
AGAIN = "gen/checkpoint_file.py says what it must hold"


@pytest.fixture
def path(tmp_path, write_checkpoint):
    write_checkpoint(tmp_path / "small.npz", NETWORK)
    return tmp_path / "small.npz"


def refused(path, message, way_out=AGAIN, network=NETWORK):
    with pytest.raises(CheckpointError, match=f"^{re.escape(f'Checkpoint {path} {message}; {way_out}')}$"):
        read_file(path, network)


def change(path, **members):
    """Replace members by the bytes given, or take them out; dots are written as two underscores."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    for name, content in members.items():
        contents[f"{name.replace('__', '.')}.npy"] = content
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)


def npy(array, header=None, **save):
    """Return ``array`` as a file of numpy, whose header says what is given."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), **save)
    if header is None:
        return buffer.getvalue()
    text = header.encode("latin1").ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + np.asanyarray(array).tobytes()


def header(shape="(3,)", descr="'<f8'", fortran="False"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


def test_reads_what_is_written(path):
    network, thresholds, layers = read_file(path, NETWORK)
    assert network == replace(choose(NETWORK, "scale-dropout"), name="small")
    with np.load(path) as file:
        assert thresholds.dtype == np.int64 and thresholds.tolist() == [100, 200]
        for layer, own in zip(NETWORK.layers, layers, strict=True):
            assert own.weight.dtype == np.int64 and own.weight_bits == 1
            assert own.weight.tolist() == [file[f"{layer.name}.weight"].tolist()]
            for name in ("bias", "scale", "gamma", "beta", "mean", "variance"):
                found = getattr(own, name)
                assert found.dtype == np.float64 and found.shape == (1, layer.outputs)
                assert (found[0] == file[f"{layer.name}.{name}"]).all()
            assert (own.epsilon, own.dropout) == (1e-5, 0.5)


def test_fortran_order(path):
    expected = read_file(path, NETWORK)[2][0].weight
    change(path, conv__weight=npy(np.asfortranarray(expected[0])))
    assert b"'fortran_order': True" in path.read_bytes()
    assert (read_file(path, NETWORK)[2][0].weight == expected).all()


def test_second_version_of_the_format(path):
    expected = read_file(path, NETWORK)[2][0].mean[0]
    change(path, conv__mean=npy(expected, version=(2, 0)))
    assert (read_file(path, NETWORK)[2][0].mean == expected).all()


@pytest.mark.parametrize("member, message", [
    (b"", "is damaged ('conv.mean': EOF: reading magic string, expected 8 bytes got 0)"),
    (b"no array but text", "is damaged ('conv.mean': "),
    (npy(np.zeros(3))[:20], "is damaged ('conv.mean': "),
    (npy(np.zeros(3))[:-1], "is damaged ('conv.mean': its header states another size)"),
    (npy(np.zeros(3)) + b"\0", "is damaged ('conv.mean': its header states another size)"),
    (npy(np.zeros(3), version=(3, 0)),
     "is damaged ('conv.mean': version (3, 0) of its format is for other arrays)"),
    (npy(np.zeros(3), header()[:-4]), "is damaged ('conv.mean': "),
    (npy(np.zeros(3), "[" * 110), "is damaged ('conv.mean': "),
    (npy(np.zeros(3), "a\0b"), "is damaged ('conv.mean': "),
    (npy(np.zeros(3), header("(3L,)")), "is damaged ('conv.mean': "),
    (npy(np.zeros(3), header(descr="'no type'")), "is damaged ('conv.mean': "),
    (npy(np.zeros(3), header("(-3,)")), "has 'conv.mean' of shape (-3,), but network 'small' needs (3,)"),
    (npy(np.zeros(3), header("()")), "has 'conv.mean' of shape (), but network 'small' needs (3,)"),
    (npy(np.zeros(3), header("(1000000000000,)")),
     "has 'conv.mean' of shape (1000000000000,), but network 'small' needs (3,)"),
    (npy(np.zeros(3), header(descr="'|O'")), "has 'conv.mean' of type object, but it must be"),
    (npy(np.zeros(3), header(descr="'<U200000000'")), "has 'conv.mean' of type <U200000000, but"),
    (None, "has no 'conv.mean'"),
])
def test_damaged_member(path, member, message):
    """The archive is whole, a member of it is not."""
    change(path, conv__mean=member)
    with pytest.raises(CheckpointError) as error:
        read_file(path, NETWORK)
    text = str(error.value)
    assert text.startswith(f"Checkpoint {path} {message}") and text.endswith(f"; {AGAIN}")
    assert "\n" not in text and len(text) < len(str(path)) + 350


def test_long_header(path):
    """numpy's own message has three lines."""
    text = header().encode() + b" " * 30000 + b"\n"
    change(path, conv__mean=b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(24))
    with pytest.raises(CheckpointError, match="is damaged .'conv.mean': Header info length .*; gen/check"):
        read_file(path, NETWORK)


def test_arrays_that_are_not_there_take_no_memory(path):
    """A header may claim any number of arrays to choose from."""
    network = with_choices(NETWORK, [(4, 1), 0.5])
    change(path, conv__weight=npy(np.ones((4, 3, 8), np.int8), header("(1000000000000, 3, 8)", "'|i1'")))
    tracemalloc.start()
    refused(path, "is damaged ('conv.weight': its header states another size)", network=network)
    change(path, conv__weight=npy(np.ones((4, 3, 8), np.int8)),
           conv__bias=npy(np.ones((4, 3)), header("(1000000000000, 3)")))
    refused(path, "is damaged ('conv.bias': its header states another size)", network=network)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_member_twice(path):
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("fc.mean.npy", npy(np.zeros(2)))
    refused(path, "has 'fc.mean.npy' twice")


def test_swapped_members(path):
    with zipfile.ZipFile(path) as archive:
        one, other = (archive.read(f"{name}.npy") for name in ("conv.weight", "fc.weight"))
    change(path, conv__weight=other, fc__weight=one)
    refused(path, "has 'conv.weight' of shape (2, 18), but network 'small' needs (3, 8)")


@pytest.mark.parametrize("seed", range(8))
def test_any_damage_ends_in_one_line(path, tmp_path, seed):
    """Bytes changed, cut out, doubled: another array is read, or one line says what is wrong."""
    with np.load(path) as file:
        np.savez_compressed(tmp_path / "compressed.npz", **file)
    rng, lines = random.Random(seed), 0
    for whole in (path.read_bytes(), (tmp_path / "compressed.npz").read_bytes()):
        for _ in range(150):
            content = bytearray(whole)
            for _ in range(rng.choice((1, 1, 1, 5, 50))):
                content[rng.randrange(len(content))] = rng.randrange(256)
            start = rng.randrange(len(content))
            match rng.randrange(4):
                case 0:
                    del content[start:]
                case 1:
                    del content[start:start + rng.randrange(1, 200)]
                case 2:
                    content[start:start] = content[:rng.randrange(200)]
            path.write_bytes(content)
            try:
                read_file(path, NETWORK)
            except CheckpointError as error:
                lines += 1
                assert str(error).startswith(f"Checkpoint {path} ") and str(error).isprintable()
                assert len(str(error)) < len(str(path)) + 400
    assert lines > 150


@pytest.mark.parametrize("seed", range(4))
def test_any_damage_of_a_member_ends_in_one_line(path, seed):
    """The same where the checksums of the archive are right."""
    with zipfile.ZipFile(path) as archive:
        contents = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    rng, lines = random.Random(seed), 0
    for _ in range(200):
        name = rng.choice(list(contents))
        content = bytearray(contents[name])
        for _ in range(rng.choice((1, 1, 3))):
            content[rng.randrange(min(len(content), rng.choice((12, 70, 1000))))] = rng.randrange(256)
        change(path, **{name.replace(".", "__"): bytes(content)})
        try:
            read_file(path, NETWORK)
        except CheckpointError as error:
            lines += 1
            assert str(error).startswith(f"Checkpoint {path} ") and str(error).isprintable()
        change(path, **{name.replace(".", "__"): contents[name]})
    read_file(path, NETWORK)
    assert lines > 100


FILE = "name a file that golden.train has written"
OTHER = "name another file, or change its permissions"


def test_no_file(path, tmp_path):
    refused(tmp_path / "none.npz", "does not exist")
    refused(tmp_path, "is a folder, not a file", FILE)
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is no regular file", FILE)
    refused(path / "below", "cannot be read (Not a directory)", OTHER)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "cannot be read (Too many levels of symbolic links)", OTHER)


def test_unreadable(path, monkeypatch):
    """As the administrator, whom no file refuses, would not see it."""
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    refused(path, "cannot be read (Permission denied)", OTHER)


@pytest.mark.parametrize("content", [b"", b"a line of text\n", b"PK\5\6" + bytes(18), npy(np.zeros(3))])
def test_no_archive_of_arrays(path, content):
    path.write_bytes(content)
    message = "has no 'thresholds'" if content[:2] == b"PK" else "is damaged (File is not a zip file)"
    refused(path, message)


@pytest.mark.parametrize("name, found, way_out", [
    ("order", "channel, height, width",
     "from the order of torch, each weight (outputs, channels, height, width) becomes "
     "weight.permute(0, 2, 3, 1).flatten(1), that of a linear layer behind a map likewise"),
    ("pool", "after sign",
     "train with the max-pool before the batch normalization; where no gamma and no scale of the layer is "
     "negative, both are the same, and the file may state it so"),
    ("padding", "zeros",
     "train with a border of the lowest value, such as torch.nn.functional.pad(x, border, value=-1)"),
])
def test_states_what_cannot_be_built(path, name, found, way_out):
    change(path, **{name: npy(np.array(found))})
    refused(path, f"states {name!r} of {found!r}, but it must be {STATED[name]!r}", way_out)


@pytest.mark.parametrize("found, message, way_out", [
    (np.array("other"), "is of network 'other', not 'small'",
     "name that network, or a checkpoint of 'small'"),
    (np.array("a\n" * 100), "is of network '" + r"a\n" * 25 + "a..., not 'small'",
     "name that network, or a checkpoint of 'small'"),
    (np.array(["small"]), "has 'network' of shape (1,), but network 'small' needs ()", AGAIN),
    (np.array(b"small"), "has 'network' of type |S5, but it must be a string", AGAIN),
    (np.array(1.0), "has 'network' of type float64, but it must be a string", AGAIN),
])
def test_other_network(path, found, message, way_out):
    """Networks of the same shapes are not the same network."""
    change(path, network=npy(found))
    refused(path, message, way_out)


def test_no_text(path):
    change(path, order=npy(np.array([0x110000], np.uint32)[0], header("()", "'<U1'")))
    with pytest.raises(CheckpointError, match="is damaged .'order': .*; gen/checkpoint_file.py says"):
        read_file(path, NETWORK)


@pytest.mark.parametrize("left_out, names, values", [
    (["order"], "'order'", "'height, width, channel'"),
    (["pool", "padding"], "'pool' and 'padding'", "'before normalization' and 'lowest level'"),
    (["network", *STATED], "'network', 'order', 'pool' and 'padding'",
     "'small', 'height, width, channel', 'before normalization' and 'lowest level'"),
])
def test_says_what_a_file_leaves_open(path, caplog, left_out, names, values):
    expected = read_file(path, NETWORK)[2][0].weight
    assert caplog.messages == []
    change(path, **dict.fromkeys(left_out))
    assert (read_file(path, NETWORK)[2][0].weight == expected).all()
    assert caplog.messages == [f"Checkpoint {path} does not state {names}; taken as {values}"]


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.npz")), ids=lambda path: path.stem)
def test_shipped_checkpoints_leave_nothing_open(path, caplog):
    read_file(path, network_of(path.stem))
    assert caplog.messages == []


def test_a_command_says_so_in_one_line(path, write_checkpoint):
    """A command that reads an older file prints one line, and what it always does."""
    write_checkpoint(path, network_of("lenet5"), order=None)
    run = subprocess.run([sys.executable, "-m", "gen.compile", "lenet5", "--checkpoint", path],
                         capture_output=True, text=True, check=True)
    assert run.stderr == (f"Checkpoint {path} does not state 'order'; taken as 'height, width, channel'\n")
    assert load(run.stdout).name == "lenet5"


# A file that holds its network.

def parameters_of(path, network):
    return read_file(path, network)[2]


@pytest.mark.parametrize("method", METHODS)
def test_a_file_of_its_own(path, tmp_path, write_checkpoint, method):
    """What is written is read without being told a network, and is what it was."""
    network = choose(NETWORK, method)
    write_checkpoint(path, network, conv__variance=np.full(3, 3.0), thresholds=np.array([7, 9]))
    read = read_file(path, network)
    write_file(tmp_path / "own.npz", replace(network, input=replace(network.input, thresholds=(7, 9))),
               read[2])
    own = read_file(tmp_path / "own.npz")
    assert own[0] == replace(network, input=replace(network.input, thresholds=(7, 9)))
    assert own[1].tolist() == [7, 9]
    for one, other in zip(own[2], read[2], strict=True):
        for name in Parameters.__slots__:
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert read_checkpoint(tmp_path / "own.npz") == read_checkpoint(path, network)


def test_weights_of_any_bits(path, tmp_path, write_checkpoint):
    """Layers may differ in them."""
    network = with_choices(NETWORK, [(2, 1), 0.5])
    network = replace(network, layers=(replace(network.layers[0], weight_bits=4), network.layers[1]))
    write_checkpoint(path, network)
    write_file(tmp_path / "own.npz", network, parameters_of(path, network))
    assert read_file(tmp_path / "own.npz")[0] == network
    assert [layer.weight_bits for layer in read_checkpoint(tmp_path / "own.npz").layers] == [4, 1]


def test_the_network_of_the_file_is_the_one_that_is_asked_for(tmp_path, path):
    """Layers of the same sizes may be others."""
    held = choose(NETWORK, "scale-dropout")
    write_file(tmp_path / "own.npz", held, parameters_of(path, held))
    assert read_file(tmp_path / "own.npz", held)[0] == held
    other = replace(held, layers=(replace(held.layers[0], padding=1, stride=2), held.layers[1]))
    refused(tmp_path / "own.npz", "is of another network than 'small': its layer 'conv' differs",
            "name a checkpoint of this network, or leave out its name and take the network of the file",
            other)
    refused(tmp_path / "own.npz", "is of another network than 'small': its layers have other names",
            "name a checkpoint of this network, or leave out its name and take the network of the file",
            replace(held, layers=held.layers[:1]))
    refused(tmp_path / "own.npz", "is of another network than 'small': its input differs",
            "name a checkpoint of this network, or leave out its name and take the network of the file",
            replace(held, input=Input(3, 4, (1,))))


def test_parameters_without_a_network(path):
    refused(path, "holds parameters and no network", "name the network that they are of", None)


@pytest.mark.parametrize("found, message", [
    (np.array("{}"), "has 'structure' that cannot be: the network must be of kind Network, not None"),
    (np.array("["), "has 'structure' that cannot be: it is no JSON (Expecting value: line 1 column 2 (char "
                    "1))"),
    (np.array(b"{}"), "has 'structure' of type |S2, but it must be a string"),
    (np.array(["{}"]), "has 'structure' of shape (1,), but every network needs ()"),
])
def test_no_structure(path, found, message):
    change(path, structure=npy(found))
    for network in None, NETWORK:
        refused(path, message, "gen/structure.py says what it must hold" if "that cannot" in message else
                AGAIN, network)


def test_what_unpacks_to_far_more(path):
    """Whatever a few bytes of a file become, not all of it is held in memory."""
    bomb = path.with_name("bomb.npz")
    np.savez_compressed(bomb, structure=" " * 2**25)
    change(path, structure=npy(np.array(" " * (2**20 + 1))))
    tracemalloc.start()
    for read in read_file, read_structure:
        with pytest.raises(CheckpointError, match=(
                rf"^Checkpoint {bomb} unpacks to [\d,]+ bytes from [\d,]+, as no trained parameters do; ")):
            read(bomb)
    refused(path, "has 'structure' of 1,048,577 characters, not at most 1,048,576", network=None)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_written_whole_or_not_at_all(path, tmp_path):
    own, network = tmp_path / "own.npz", choose(NETWORK, "scale-dropout")
    own.write_text("before")
    parameters = parameters_of(path, network)
    for changed, message in (
            (replace(parameters[0], mean=np.full((1, 3), np.nan)),
             "has 'conv.mean' with values that are not finite numbers"),
            (replace(parameters[0], dropout=None), "has no 'conv.dropout'"),
            (replace(parameters[0], weight=parameters[0].weight[:, :2]),
             "has 'conv.weight' of shape (2, 8), but network 'small' needs (3, 8)")):
        with pytest.raises(CheckpointError, match=(
                f"^{re.escape(f'Checkpoint {own} {message}; so it is not written')}$")):
            write_file(own, network, [changed, parameters[1]])
    assert own.read_text() == "before"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["own.npz", "small.npz"]


# Thresholds that are given.


def given(network, bits=2):
    """``network``, with levels of ``bits`` that leave its first layer, and parameters with thresholds."""
    rng = np.random.default_rng(1)
    first, last = network.layers
    network = replace(network, layers=(replace(first, output_bits=bits), replace(last, input_bits=bits)))
    threshold = np.sort(rng.integers(first.sums.start, first.sums.stop + 1, (3, 2**bits - 1)))
    ones = np.ones((1, 2))
    weights = [rng.choice([-1, 1], (layer.crossbars, layer.outputs, layer.fan_in))
               for layer in network.layers]
    return network, [
        Parameters(weights[0], 1, threshold=threshold, invert=np.array([0, 1, 0]),
                   dropout=0.3 if first.mask_choice else None),
        Parameters(weights[1], 1, ones, ones, ones, ones, ones, 0.0, ones,
                   dropout=0.3 if last.mask_choice else None)]


@pytest.mark.parametrize("method", ["deterministic", "spindrop", "ensemble"])
@pytest.mark.parametrize("bits", [1, 2])
def test_thresholds_of_a_layer(method, bits, tmp_path):
    network, parameters = given(choose(NETWORK, method), bits)
    write_file(tmp_path / "own.npz", network, parameters)
    first = read_checkpoint(tmp_path / "own.npz").layers[0]
    bank  = Comparison(tuple(parameters[0].threshold.ravel().tolist()), (0, 1, 0))
    assert first.banks == ((bank,),) * first.crossbars and first.normalizations == ()
    [own, _] = read_file(tmp_path / "own.npz")[2]
    assert (own.threshold == parameters[0].threshold).all() and own.bias is None
    # No transform changes them.
    compiled = compile_network(read_checkpoint(tmp_path / "own.npz"), Target(passes=4))
    assert compiled.layers[0].banks == first.banks


def test_thresholds_where_there_can_be_none(tmp_path):
    path = tmp_path / "own.npz"
    network, parameters = given(choose(NETWORK, "scale-dropout"))
    with pytest.raises(CheckpointError, match=f"^Checkpoint {re.escape(str(path))} has thresholds in layer "
                       "'conv', which chooses among banks; thresholds are of layers that mask inputs, "
                       "choose among arrays, or choose nothing$"):
        write_file(path, network, [replace(own, dropout=0.5) for own in parameters])
    network, parameters = given(choose(NETWORK, "deterministic"))
    parameters[1] = replace(parameters[1], threshold=np.zeros((2, 1), int), invert=np.zeros(2, int))
    with pytest.raises(CheckpointError, match=f"^Checkpoint {re.escape(str(path))} has thresholds in layer "
                       "'fc', which is the last and has logits; so it is not written$"):
        write_file(path, network, parameters)


@pytest.mark.parametrize("name, value, message", [
    ("threshold", np.zeros((3, 2), np.int64),
     "has 'conv.threshold' of shape (3, 2), but network 'small_deterministic' needs (3, 3)"),
    ("threshold", np.zeros((3, 3)), "has 'conv.threshold' of type float64, but it must be an integer of at "
     "most 64 bits with a sign"),
    ("invert", np.zeros(2, np.int64),
     "has 'conv.invert' of shape (2,), but network 'small_deterministic' needs (3,)"),
    ("invert", None, "has no 'conv.invert'"),
])
def test_refuses_other_thresholds(name, value, message, tmp_path):
    path = tmp_path / "own.npz"
    write_file(path, *given(choose(NETWORK, "deterministic")))
    change(path, **{f"conv__{name}": None if value is None else npy(value)})
    refused(path, message, network=None)


def test_thresholds_that_no_bank_has(tmp_path):
    """What they must be to each other is for the verifier."""
    path = tmp_path / "own.npz"
    write_file(path, *given(choose(NETWORK, "deterministic")))
    change(path, conv__threshold=npy(np.array([[0, 1, 2], [3, 2, 1], [0, 0, 0]])))
    with pytest.raises(MalformedNetwork, match=re.escape(
            "Layer 'conv' must have thresholds that ascend in each channel, not (3, 2, 1)")):
        compile_network(read_checkpoint(path), Target(passes=1))
