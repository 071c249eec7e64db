"""The layers that are random are chosen by the exact mean of their combinations."""

import gzip
import json
import struct

import pytest

from gen.command import UserError
from gen.compile import compile_network
from gen.ir import Target
from gen.methods import with_random_layers
from gen.options import trained
from gen.progress import Progress
from golden import metrics, random_layers
from golden.data import load_sample
from golden.random_layers import choose_layers, main
from golden.scores import over_combinations


def lenet5(**asked):
    return compile_network(trained({"network": "lenet5"} | asked), Target())


def test_the_best_are_added():
    network = lenet5()
    images, labels = (each[:200] for each in load_sample())
    names = [layer.name for layer in network.layers]
    rows  = choose_layers(network, images, labels, 2, Progress())
    assert [row["layers"] for row in rows[:6]] == [[], *([name] for name in names)]
    [first] = min(rows[1:6], key=lambda row: row["nll"])["layers"]
    assert [row["layers"] for row in rows[6:]] == [
        [name for name in names if name in (first, other)] for other in names if other != first]
    for row in rows:
        assert row["passes"] == 2**len(row["layers"])
        found = metrics.classification(
            over_combinations(with_random_layers(network, row["layers"]), images).mean, labels)
        assert (row["nll"], row["accuracy"]) == (found["test/cls/NLL"], found["test/cls/Acc"])


def write_idx(path, array):
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def test_command(tmp_path, monkeypatch, capsys):
    """It judges by some of the training images, and its last line is the option of a build."""
    images, labels = (each[:60] for each in load_sample())
    write_idx(tmp_path / "mnist" / "train-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "mnist" / "train-labels-idx1-ubyte.gz", labels)
    monkeypatch.setattr(random_layers, "EACH", 2)
    monkeypatch.setattr(random_layers, "compiled", lambda *_, **__: lenet5())
    assert main(["lenet5", "--data", str(tmp_path), "--most", "1", "--json", str(tmp_path / "f.json")]) == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["images"] == 30 and [figures["chosen"]] in [row["layers"] for row in figures["steps"]]
    assert figures["steps"] == choose_layers(lenet5(), images[::2], labels[::2], 1, Progress())
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"chosen: --random-layers {figures['chosen']} --masks all")


@pytest.mark.parametrize("method, message", [
    ("sub-set", "Network 'lenet5_sub_set' has no dropout that layers could be without; leave "
                "--random-layers out"),
    ("spindrop", "Layers fc1 of 'lenet5_spindrop' have more combinations than 1,024, too many for an exact "
                 "mean; judge layers of your own by: python -m golden.evaluate NETWORK --random-layers "
                 "LAYERS --data DIR"),
])
def test_what_cannot_be_chosen(method, message):
    images, labels = (each[:2] for each in load_sample())
    with pytest.raises(UserError) as error:
        choose_layers(lenet5(method=method), images, labels, 1, Progress())
    assert str(error.value) == message
