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
from gen.checkpoint_file import STATED, CheckpointError, read_file
from gen.ir import Input, Layer, Network, load
from gen.networks import NETWORKS


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
    _, thresholds, layers = read_file(path, NETWORK)
    with np.load(path) as file:
        assert thresholds.dtype == np.int64 and thresholds.tolist() == [100, 200]
        for layer, own in zip(NETWORK.layers, layers, strict=True):
            assert own.weight.dtype == np.int64 and own.weight_bits == 1
            assert own.weight.tolist() == [file[f"{layer.name}.weight"].tolist()]
            for name in ("bias", "scale", "gamma", "beta", "mean", "variance"):
                found = getattr(own, name)
                assert found.dtype == np.float64 and (found == file[f"{layer.name}.{name}"]).all()
            assert (own.epsilon, own.dropout) == (1e-5, 0.5)


def test_fortran_order(path):
    expected = read_file(path, NETWORK)[2][0].weight
    change(path, conv__weight=npy(np.asfortranarray(expected[0])))
    assert b"'fortran_order': True" in path.read_bytes()
    assert (read_file(path, NETWORK)[2][0].weight == expected).all()


def test_second_version_of_the_format(path):
    expected = read_file(path, NETWORK)[2][0].mean
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
    layer = replace(NETWORK.layers[0], crossbars=4)
    network = replace(NETWORK, layers=(layer, *NETWORK.layers[1:]))
    change(path, conv__weight=npy(np.ones((4, 3, 8), np.int8), header("(1000000000000, 3, 8)", "'|i1'")))
    tracemalloc.start()
    refused(path, "is damaged ('conv.weight': its header states another size)", network=network)
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


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_checkpoints_leave_nothing_open(name, caplog):
    read_file(SHIPPED / f"{name}.npz", NETWORKS[name])
    assert caplog.messages == []


def test_a_command_says_so_in_one_line(path, write_checkpoint):
    """A command that reads an older file prints one line, and what it always does."""
    write_checkpoint(path, NETWORKS["lenet5"], order=None)
    run = subprocess.run([sys.executable, "-m", "gen.compile", "lenet5", "--checkpoint", path],
                         capture_output=True, text=True, check=True)
    assert run.stderr == (f"Checkpoint {path} does not state 'order'; taken as 'height, width, channel'\n")
    assert load(run.stdout).name == "lenet5"
