import json

import numpy as np
import pytest

import golden.cell_study
from gen.compile import compile_network
from gen.ir import Target
from gen.methods import network_of
from gen.networks import NETWORKS
from golden.cell_study import main, network_figures, read_figures
from golden.device.cell import Devices


def test_read_figures():
    figures = read_figures(4, 4, 0.03, reads=50000)
    # Converted alike, but smaller weights and fewer lines have fewer junctions that err.
    assert 0 < figures["uniform"] < figures["worst"]
    assert figures["worst"] == pytest.approx(figures["worst_estimate"], rel=0.1)
    figures = read_figures(4, 4, 0.0, reads=1000)
    assert figures["worst"] == figures["uniform"] == figures["worst_estimate"] == 0


def test_network_figures(random_spinbayes):
    networks = (random_spinbayes(seed, hidden=1) for seed in range(100))
    network = compile_network(next(
        network for network in networks if all(layer.weight_bits > 1 for layer in network.layers)),
        Target(array_columns=128))
    images = np.random.default_rng(0).integers(
        0, 256, (20, network.input.height, network.input.width), dtype=np.uint8)
    labels = np.zeros(20, int)
    exact = network_figures(network, images, labels, 4, Devices())
    assert exact["wrong"] == exact["changed"] == 0 and exact["reads"] > 0
    rough = network_figures(network, images, labels, 4, Devices(spread=0.3))
    assert rough["wrong"] > 0.05 and rough["reads"] >= 0.5 * exact["reads"]


def test_command(tmp_path, write_checkpoint, capsys, monkeypatch):
    monkeypatch.setattr(golden.cell_study, "SPREADS", (0.0, 0.05))
    monkeypatch.setattr(golden.cell_study, "STUCK", (0.01,))
    write_checkpoint(tmp_path / "checkpoint.npz", network_of("lenet5_spinbayes"))
    assert main(["lenet5_spinbayes", "--checkpoint", str(tmp_path / "checkpoint.npz"), "--images", "2",
                 "--passes", "2", "--reads", "100", "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["references"], figures["cells_per_read"]) == (56, 4)
    assert figures["largest_spread"] == pytest.approx(0.0094, abs=1e-4)
    assert len(figures["read"]) == len(figures["chip"]) == 3 and figures["chip"][0]["wrong"] == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "lenet5_spinbayes: weights of 4 bits, 4 rows in a read, 56 references",
        "a wrong code in less than 1e-06 of the reads up to a spread of 0.94%", ""]
    assert lines[3].split() == ["spread", "worst", "estimate", "uniform"]
    assert lines[9].split() == ["spread", "stuck", "wrong", "accuracy", "rejected", "changed"]


def test_wrong_checkpoint(capsys):
    assert main(["lenet5_spinbayes", "--checkpoint", "nowhere.npz"]) == 2
    assert capsys.readouterr().err == (
        "compile lenet5_spinbayes ...\n"
        "golden.cell_study: Checkpoint nowhere.npz does not exist; make it again with: python -m "
        "golden.train lenet5_spinbayes --data DIR\n")


def test_binary_network_is_refused(tmp_path, write_checkpoint, capsys):
    write_checkpoint(tmp_path / "checkpoint.npz", NETWORKS["lenet5"])
    assert main(["lenet5", "--checkpoint", str(tmp_path / "checkpoint.npz")]) == 2
    assert capsys.readouterr().err == (
        "compile lenet5 ...\n"
        "golden.cell_study: Layer 'conv1' has binary weights, which golden.chip_study judges; this "
        "study is of cells of several levels\n")


@pytest.mark.parametrize("arguments, message", [
    (["lenet5_spinbayes", "--images", "0"],
     "argument --images: must be a whole number from 1 to 1000, not '0'"),
    (["lenet5_spinbayes", "--images", "1001"],
     "argument --images: must be a whole number from 1 to 1000, not '1001'"),
    (["lenet5_spinbayes", "--reads", "0"],
     "argument --reads: must be a whole number of at least 1, not '0'"),
    (["lenet5_spinbayes", "--passes", "-1"],
     "argument --passes: must be a whole number of at least 1, not '-1'"),
    (["lenet5_spinbayes", "--seed", "-1"],
     "argument --seed: must be a whole number of at least 0, not '-1'"),
])
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        main(arguments)
    assert capsys.readouterr().err == f"golden.cell_study: {message}\n"


def test_wrong_network(capsys):
    with pytest.raises(SystemExit, match="^2$"):
        main(["lenet6"])
    error = capsys.readouterr().err
    assert error.startswith("golden.cell_study: argument NETWORK: Network 'lenet6' is unknown; ")
    assert error.count("\n") == 1


def test_output_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "figures.json"
    assert main(["lenet5_spinbayes", "--json", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"golden.cell_study: File {path} cannot be written (File exists); name another\n")
