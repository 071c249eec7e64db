"""Chips are judged by the golden model, and no work is done twice."""

import csv
import json

import numpy as np
import pytest

import golden.chip_study
from golden import metrics
from golden.answers import answer
from golden.chip_study import FAULTS, chip_figures, main
from golden.compiler import compiled
from golden.data import load_sample
from golden.device.cell import Devices


ASKED = ["lenet5", "--over", "flips=0,0.2", "noise=0", "--methods", "scale-dropout,affine", "--chips", "7",
         "--passes", "3", "--images", "40", "--processes", "1"]


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    out = tmp_path_factory.mktemp("chips")
    assert main([*ASKED, "--out", str(out)]) == 0
    return out


def test_figures(studied):
    """Chips without faults are the golden model; others differ from each other, and are worse."""
    report = json.loads((studied / "chip_study.json").read_text())
    rows   = {(row["fault"], row["method"], row["strength"]): row for row in report["rows"]}
    assert len(rows) == 6 and (report["chips"], report["images"], report["passes"]) == (7, 40, 3)
    images, labels = load_sample()
    for method in ("scale-dropout", "affine"):
        exact = answer(compiled("lenet5", passes=3, method=method), images[:40], 3).prediction.mean
        for fault in ("flips", "noise"):
            row = rows[fault, method, 0]
            assert row["nll"]["mean"] == pytest.approx(metrics.negative_log_likelihood(exact, labels[:40]))
            assert row["accuracy"]["mean"] == pytest.approx(metrics.accuracy(exact, labels[:40]))
            assert row["nll"]["deviation"] < 1e-12 and "auroc" not in row
        worse = rows["flips", method, 0.2]
        assert worse["nll"]["mean"] > row["nll"]["mean"] and worse["nll"]["deviation"] > 0
        assert worse["nll"]["least"] < worse["nll"]["mean"] < worse["nll"]["largest"]


def test_files(studied):
    """A table and a drawing for each fault: means, with a deviation on both sides."""
    report = json.loads((studied / "chip_study.json").read_text())
    with (studied / "flips.csv").open() as file:
        found = list(csv.DictReader(file))
    row, = (row for row in report["rows"] if (row["method"], row["strength"]) == ("affine", 0.2))
    drawn, = (each for each in found if (each["panel"], each["series"], float(
        each[FAULTS["flips"][0]])) == ("NLL", "affine", 0.2))
    mean, off = row["nll"]["mean"], row["nll"]["deviation"]
    assert [float(drawn[name]) for name in ("value", "low", "high")] == pytest.approx(
        [mean, mean - off, mean + off])
    assert (studied / "flips.svg").exists() and (studied / "noise.svg").exists()


def test_goes_on_with_what_is_kept(studied, monkeypatch, capsys):
    """Nothing is judged twice; what is missing, and what else is asked for, is."""
    def fail(*arguments):
        raise AssertionError(arguments)

    before = (studied / "chip_study.json").read_text()
    monkeypatch.setattr(golden.chip_study, "chip_figures", fail)
    assert main([*ASKED, "--out", str(studied)]) == 0
    assert (studied / "chip_study.json").read_text() == before
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == ("mean ± deviation of 7 chips, 40 images, T = 3; figures are in "
                                     f"{studied}")
    judged = []
    monkeypatch.setattr(golden.chip_study, "chip_figures",
                        lambda *arguments: judged.append(arguments[2]) or chip_figures(*arguments))
    next((studied / "points").iterdir()).unlink()
    assert main([*ASKED, "--out", str(studied)]) == 0
    assert judged in (list(range(5)), [5, 6])
    assert (studied / "chip_study.json").read_text() == before


def test_out_of_distribution():
    """AUROC is that of the entropies, the mean over the sets."""
    network = compiled("lenet5", passes=2)
    images, labels = load_sample()
    noise   = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
    found   = chip_figures(network, Devices(), 0, images[:40], labels[:40], [noise, noise[:20]], 2)
    entropy = metrics.predictive_entropy(answer(network, np.concatenate([
        images[:40], noise, noise[:20]]), 2).prediction.mean)
    assert found["auroc"] == pytest.approx(np.mean([
        metrics.area_under_roc(entropy[:40], entropy[40:70]),
        metrics.area_under_roc(entropy[:40], entropy[70:])]))


@pytest.mark.parametrize("arguments, message", [
    (["lenet5", "--over", "heat"],
     "argument --over: must be of flips, spread, stuck, drift, noise, not 'heat'"),
    (["lenet5", "--over", "flips=a"], "argument --over: must be numbers, not 'a'"),
    (["lenet5", "--over", "flips=2"],
     "argument --over: Probability of a flip must be from 0 to 1, not 2.0"),
    (["lenet5", "--over", "flips", "--methods", "best"],
     "method 'best' is unknown; choose from: scale-dropout, "),
    (["lenet5_affine", "--over", "flips"], "argument NETWORK: must be without the ending of a method, "
                                           "'lenet5', not 'lenet5_affine'; choose methods with --methods"),
    (["lenet5", "--over", "flips", "--chips", "1"],
     "argument --chips: must be a whole number of at least 2, not '1'"),
])
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        main(arguments)
    assert capsys.readouterr().err.startswith(f"golden.chip_study: {message}")


@pytest.mark.parametrize("network, message", [
    ("resnet18", "Network 'resnet18' has no checkpoint of any method; make one with: python -m "
                 "golden.train resnet18 --data DIR"),
    ("vgg_small", "No images of CIFAR-10 come with the project; name a folder that has it with --data"),
])
def test_refusals(network, message, capsys):
    assert main([network, "--over", "flips"]) == 2
    assert capsys.readouterr().err == f"golden.chip_study: {message}\n"
