import csv

import pytest

from gen.tools import install_hint
from golden import metrics
from golden.answers import answer
from golden.compiler import compiled
from golden.data import load_sample
from golden.figures import drawing
from golden.plot import FIGURES, main


#: Options with which each figure takes little time.
OPTIONS = {
    "rotation":    ["--methods", "scale-dropout,affine", "--passes", "2"],
    "noise":       ["--methods", "affine", "--passes", "2"],
    "passes":      ["--methods", "scale-dropout", "--passes", "6"],
    "posterior":   ["--image", "8"],
    "image-noise": ["--passes", "20"],
    "samples":     ["--passes", "5"],
    "tree":        ["--image", "3", "--passes", "20"],
    "calibration": ["--passes", "5"],
    "sums":        ["--methods", "affine"],
    "switching":   [],
    "positions":   [],
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Tables of all figures by name."""
    out, tables = tmp_path_factory.mktemp("figures"), {}
    for name, options in OPTIONS.items():
        network = "unet" if name == "positions" else "lenet5"
        assert main([name, network, "--images", "20", "--out", str(out), *options]) == 0
        assert (out / f"{name}.svg").stat().st_size > 1000
        with (out / f"{name}.csv").open() as file:
            tables[name] = list(csv.reader(file))
    return tables


def test_all_figures_are_drawn(drawn):
    assert drawn.keys() == FIGURES.keys() and all(len(table) > 10 for table in drawn.values())


@pytest.mark.parametrize("name", ["rotation", "noise"])
def test_shifts_begin_with_the_images_as_they_are(drawn, name):
    images, labels = load_sample()
    mean = answer(compiled("lenet5", passes=2, method="affine"), images[:20], 2).prediction.mean
    first = {row[0]: float(row[3]) for row in drawn[name] if row[1] == "affine" and row[2] in ("0.0", "0")}
    assert first == pytest.approx({
        "accuracy, %": 100 * metrics.accuracy(mean, labels[:20]),
        "NLL": metrics.negative_log_likelihood(mean, labels[:20]),
        "predictive entropy, nats": metrics.predictive_entropy(mean).mean()}, abs=1e-4)


def test_passes_end_with_all(drawn):
    images, labels = load_sample()
    mean = answer(compiled("lenet5", passes=6), images[:20], 6).prediction.mean
    last, = (float(row[3]) for row in drawn["passes"] if row[0] == "NLL" and row[2] == "6.0")
    assert last == pytest.approx(metrics.negative_log_likelihood(mean, labels[:20]), abs=1e-4)


def test_many_passes_tend_to_all_combinations(drawn):
    """Of 32 combinations, 1,000 passes."""
    assert {row[1] for row in drawn["posterior"][1:]} == {"1,000 passes", "all combinations"}
    shares = {}
    for panel, series, place, value, *_ in drawn["posterior"][1:]:
        shares.setdefault((panel, place), {})[series] = float(value)
    assert all(abs(each["1,000 passes"] - each["all combinations"]) < 0.06 for each in shares.values())


@pytest.mark.parametrize("arguments, message", [
    (["pie", "lenet5"], "argument FIGURE: invalid choice: 'pie' (choose from"),
    (["posterior", "lenet5", "--methods", "affine,spindrop"],
     "figure 'posterior' is of one method; name one with --methods"),
    (["posterior", "lenet5", "--methods", "best"], "method 'best' is unknown; choose from: "),
    (["posterior", "lenet5", "--image", "1000"],
     "argument --image: must be a whole number from 0 to 999, not 1000"),
])
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        main(arguments)
    assert capsys.readouterr().err.startswith(f"golden.plot: {message}")


def test_refuses_an_answer_for_each_position(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(
        "input = {height = 28, width = 28, thresholds = [128]}\n"
        'layers = [{name = "last", kind = "conv", outputs = 10, kernel = 27}]\n')
    assert main(["samples", str(tmp_path / "mine.toml")]) == 2
    assert capsys.readouterr().err == (
        "golden.plot: Figure 'samples' is of networks with one answer for each image, and 'mine' has one "
        "for each position; draw one of: positions, tree, sums, switching\n")


@pytest.mark.parametrize("arguments, message", [
    (["sums", "lenet5", "--methods", "mc-dropout"],
     "Figure 'sums' is of what is compiled, and 'mc-dropout' is of floating point; name another method "
     "with --methods"),
    (["rotation", "m5", "--methods", "affine"],
     "No images of gunpoint come with the project; name a folder that has it with --data"),
    (["calibration", "lenet5", "--data", "nowhere"],
     "Data folder nowhere does not exist; make one with: python -m golden.data fetch DIR"),
])
def test_refusals(arguments, message, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"golden.plot: {message}"


def test_without_matplotlib(monkeypatch, capsys):
    """Before any work."""
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    assert main(["switching", "lenet5"]) == 2
    assert capsys.readouterr().err == ("golden.plot: Drawing needs the package matplotlib; install it "
                                       f"with: {install_hint('golden')}\n")
