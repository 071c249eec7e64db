"""Designs that answer with numbers: all that they answer is right."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from gen.build import build_network
from gen.checkpoint import with_parameters
from gen.ir import REGRESSION, Input, Layer, Network, Target, load
from gen.methods import METHODS, choose
from gen.random_parameters import random_parameters
from golden.answers import answer
from sim.run import main


#: One number, and two for each position of a map.
ONE = Network("one", Input(6, 7, (80, 160)), (
    Layer("first", 6, 7, 2, (3, 3), 4, pool=2),
    Layer("last", 2, 2, 4, (2, 2), 1)), REGRESSION)
MAP = Network("map", Input(6, 7, (80, 160)), (
    Layer("first", 6, 7, 2, (3, 3), 4, padding=1),
    Layer("last", 6, 7, 4, (2, 2), 2)), REGRESSION)


@pytest.mark.parametrize("plain, method, options", [
    pytest.param(ONE, "scale-dropout", {}, marks=pytest.mark.long),
    (ONE, "spinbayes", {"schedule": "sequential", "view": "macro"}),
    pytest.param(ONE, "ensemble", {"instances": 2}, marks=pytest.mark.long),
    pytest.param(MAP, "scale-dropout", {"protect": True}, marks=pytest.mark.long),
])
def test_numbers(tmp_path, simulate, check_cycles, capsys, plain, method, options):
    """Every bit of every map, in the cycles of the estimate, and in what a user is given."""
    count   = {"count": 2} if METHODS[method].choice is not None and method != "scale-dropout" else {}
    network = choose(plain, method, **count)
    network = with_parameters(network, random_parameters(network, 5))
    target  = Target(array_rows=16, array_columns=8, passes=5, passes_max=6, **options)
    build_network(network, target, tmp_path / "out")
    images  = np.random.default_rng(0).integers(0, 256, (8, 6, 7), dtype=np.uint8)
    report  = simulate(tmp_path / "out", images, maps="instances" not in options)
    assert report["bit_exact"] and not report.get("map_mismatches") and not report["alarm"]
    assert "rejected" not in json.dumps(report)
    if "instances" not in options:
        check_cycles(tmp_path / "out", target, 8, 5)

    np.save(tmp_path / "images.npy", images)
    ending = "npz" if plain is MAP else "csv"
    assert main([str(tmp_path / "out"), "--input", str(tmp_path / "images.npy"),
                 "--out", str(tmp_path / f"answers.{ending}")]) == 0
    assert "accuracy" not in capsys.readouterr().out
    compiled = load((tmp_path / "out" / "ir.json").read_text())
    golden   = answer(compiled, images, 5).prediction
    if plain is MAP:
        found = np.load(tmp_path / "answers.npz")
        assert set(found) == {"image", "mean", "variance", "bit_exact"}
        assert (found["mean"] == golden.mean).all() and found["mean"].shape == (8, 5, 6, 2)
    else:
        rows = list(csv.DictReader((tmp_path / "answers.csv").read_text().splitlines()))
        assert list(rows[0]) == ["image", "mean_0", "variance_0", "bit_exact"]
        assert [float(row["mean_0"]) for row in rows] == golden.mean[:, 0].tolist()
        assert [float(row["variance_0"]) for row in rows] == golden.variance[:, 0].tolist()
    assert golden.variance.max() > 0 and not golden.reject.any() and len(np.unique(golden.mean)) > 4


@pytest.mark.long
def test_another_unit_is_found(tmp_path, simulate, rewrite):
    """The unit of the numbers is that of the golden model."""
    network = choose(ONE, "scale-dropout")
    network = with_parameters(network, random_parameters(network, 5))
    build_network(network, Target(array_rows=16, array_columns=8, passes=2, passes_max=2), tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["zero"] == 2**15
    rewrite(tmp_path, unit=2 * manifest["unit"])
    images = np.zeros((2, 6, 7), np.uint8)
    assert not simulate(tmp_path, images)["bit_exact"]


def test_labels(tmp_path, capsys):
    network = choose(replace(ONE, name="numbers"), "scale-dropout")
    network = with_parameters(network, random_parameters(network, 5))
    build_network(network, Target(array_rows=16, array_columns=8, passes=2, passes_max=2), tmp_path / "out")
    np.savez(tmp_path / "images.npz", images=np.zeros((2, 6, 7), np.uint8), labels=[0, 0])
    assert main([str(tmp_path / "out"), "--input", str(tmp_path / "images.npz")]) == 2
    assert main([str(tmp_path / "out"), "--ood", "all"]) == 2
    err = capsys.readouterr().err
    assert err.endswith("sim.run: Network 'numbers' answers with numbers, which no set is judged by; leave "
                        "out --ood\n")
    assert err.removesuffix(err.splitlines(True)[-1]) == (
        f"sim.run: Labels of {tmp_path / 'images.npz'} are classes, and network 'numbers' answers with "
        "numbers; leave them out, and compare what is written by --out with your targets\n")
