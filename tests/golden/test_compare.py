import gzip
import json
import shutil
import sys

import numpy as np
import pytest

import golden.compare
from gen.checkpoint import SHIPPED
from gen.progress import Progress
from gen.sources import find
from gen.tools import install_hint
from golden import metrics
from golden.answers import answer
from golden.compiler import compiled
from golden.data import load_sample
from golden.methods import asked_methods, shipped
from golden.predictors import PASSES_OF_METHOD, checkpoint_of
from golden.training.baselines import network_of, read
from golden.training.measure import probabilities_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with the sample as MNIST, and its negative as Fashion-MNIST."""
    folder = tmp_path_factory.mktemp("data")
    pixels, labels = load_sample()
    for name, images in (("mnist", pixels), ("fashion-mnist", 255 - pixels)):
        (folder / name).mkdir()
        for part in ("t10k", "train"):
            for kind, magic, array in (("images-idx3", 3, images), ("labels-idx1", 1, labels)):
                header = np.array([0x800 + magic, *array.shape], ">i4").tobytes()
                path = folder / name / f"{part}-{kind}-ubyte.gz"
                path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes(), 1))
    return folder


METHODS = "scale-dropout", "deterministic", "sub-set"
FLOAT   = "mc-dropout", "mc-dropconnect"


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert golden.compare.main([
        "lenet5", "--data", str(folder), "--methods", ",".join(METHODS + FLOAT), "--passes", "4",
        "--images", "60", "--json", str(out / "methods.json"), "--html", str(out / "methods.html")]) == 0
    return out


def test_figures_are_measured(written):
    """Those of the golden model, and of the compiler."""
    report = json.loads((written / "methods.json").read_text())
    pixels, labels = load_sample()
    assert [row["method"] for row in report["methods"]] == list(METHODS + FLOAT)
    assert {row["source"] for row in report["methods"][:3]} == {"compiled golden model"}
    names = "lenet5", "lenet5_deterministic", "lenet5_sub_set"
    for name, row in zip(names, report["methods"][:3], strict=True):
        network = compiled(name, passes=4)
        answers = answer(network, pixels[:60], 4)
        figures = metrics.classification(answers.prediction.mean, labels[:60])
        assert (row["accuracy"], row["nll"], row["ece"]) == tuple(
            figures[f"test/{figure}"] for figure in ("cls/Acc", "cls/NLL", "cal/ECE"))
        assert row["random_bits"] == 4 * len(network.drops)
        assert row["flagged/test"] == answers.prediction.reject.mean()
        assert 0 <= row["auroc/fashion-mnist"] <= 1 and row["passes"] == 4
        assert row["lut4"] is None and row["arrays"] == 7
    assert [row["banks"] for row in report["methods"][:3]] == [10, 5, 40]
    assert report["methods"][0]["paper"] == {"source": "quoted", "energy_uj": 0.18}
    assert report["methods"][1]["paper"] is None
    # One pass is all that a deterministic network needs.
    deterministic = report["methods"][1]
    assert deterministic["reads_one_by_one"] == 4 * deterministic["reads_shared"]


def test_baselines_are_measured(written):
    """The same figures of the same images, in floating point; nothing of hardware."""
    report = json.loads((written / "methods.json").read_text())
    pixels, labels = load_sample()
    for method, row in zip(FLOAT, report["methods"][3:], strict=True):
        model = read(network_of("lenet5", method), shipped("lenet5", method))
        probabilities, outside = (probabilities_of(model, images, 4, seed, Progress())
                                  for images, seed in ((pixels[:60], 1), (255 - pixels[:60], 61)))
        mean    = probabilities.mean(1)
        figures = metrics.classification(mean, labels[:60])
        assert row["source"] == "floating point" and row["passes"] == 4
        assert (row["accuracy"], row["nll"], row["ece"]) == tuple(
            figures[f"test/{figure}"] for figure in ("cls/Acc", "cls/NLL", "cal/ECE"))
        # Certain: one class reaches 0.95 in at least 90 % of the passes, of four in all.
        assert row["flagged/test"] == (~(probabilities >= 62260 / 65536).all(1).any(1)).mean()
        assert row["auroc/fashion-mnist"] == metrics.detection(
            *(metrics.predictive_entropy(each.mean(1)) for each in (probabilities, outside)))["ood/AUROC"]
        assert {name for name, value in row.items() if value is None} == {
            "random_bits", "arrays", "cells", "banks", "reads_shared", "reads_one_by_one",
            "interval_cycles", "latency_cycles", "lut4", "flip_flops"}
    assert [row["paper"] for row in report["methods"][3:]] == [
        {"source": "quoted", "accuracy": 0.9923}, {"source": "quoted", "accuracy": 0.9943}]


def test_page(written):
    page = (written / "methods.html").read_text()
    assert page.startswith("<!doctype html>") and page.count("<tr>") == 1 + len(METHODS + FLOAT)
    assert ">mc-dropout (float)" in page and ">accuracy 99.23 %" in page
    for method in METHODS + FLOAT:
        assert f">{method}" in page


def test_table(written, folder, capsys):
    assert golden.compare.main(["lenet5", "--data", str(folder), "--methods", "deterministic",
                                "--passes", "1", "--images", "20"]) == 0
    header, line, row, *rest = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["method", "T", "accuracy"] and row.split()[:2] == ["deterministic", "1"]
    assert rest[-1].startswith("AUROC by predictive entropy and share flagged: fashion-mnist. Array "
                               "reads")


@pytest.mark.parametrize("arguments, message", [
    (["lenet5", "--methods", "nobody"], "method 'nobody' is unknown; choose from: scale-dropout, "),
    (["lenet5", "--data", "missing"], "Data folder missing does not exist"),
    (["lenet5_4bit", "--methods", "deterministic"], "Checkpoint "),
    (["lenet5", "--images", "0"], "argument --images: "),
])
def test_refusals(arguments, message, folder, capsys):
    if "--data" not in arguments:
        arguments = [*arguments, "--data", str(folder)]
    try:
        assert golden.compare.main(arguments) == 2
    except SystemExit as end: # of the parser
        assert end.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"golden.compare: {message}")


@pytest.mark.parametrize("options", [["--json", "mlp.npz"], ["--json", "out", "--html", "out"]])
def test_no_file_is_written_over(options, folder, tmp_path, monkeypatch, capsys):
    """Neither one that is read, nor another output."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SHIPPED / "mlp.npz", "mlp.npz")
    assert golden.compare.main(["mlp.npz", "--data", str(folder), "--images", "1", *options]) == 2
    assert capsys.readouterr().err == (f"golden.compare: File {options[-1]} cannot be written (it is "
                                       "another file of this command); name another\n")
    assert [path.name for path in tmp_path.iterdir()] == ["mlp.npz"]


def test_without_a_checkpoint(folder, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(golden.predictors, "shipped", lambda network, method: tmp_path / method)
    assert golden.compare.main(["lenet5", "--data", str(folder)]) == 2
    assert capsys.readouterr().err == (
        "golden.compare: Network 'lenet5' has no checkpoint of any method; make one with: python -m "
        "golden.train lenet5 --data DIR\n")
    assert golden.compare.main(["lenet5_4bit", "--data", str(folder)]) == 2
    assert capsys.readouterr().err == (
        "golden.compare: Network 'lenet5_4bit' has no checkpoint of any method; make one with: python -m "
        "golden.train lenet5_4bit --data DIR --method spinbayes\n")


def test_without_torch(folder, capsys, monkeypatch):
    """Baselines are left out, unless they are asked for."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(golden.methods, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "golden.training.baselines")
    there = asked_methods(None, find("lenet5"), None, PASSES_OF_METHOD, checkpoint_of)
    assert there and not set(FLOAT) & set(there)
    assert golden.compare.main(["lenet5", "--data", str(folder), "--methods", "mc-dropout"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "golden.compare: Method 'mc-dropout' needs the package torch; install it with: "
        f"{install_hint('golden')}, or leave it out with --methods")
