import json
from dataclasses import replace

import numpy as np
import pytest

from gen.compile import compile_network
from gen.ir import Target
from golden import metrics
from golden.device.junction import PROCESS_SIGMA
from golden.dropout_study import FACTORS, chip_figures, main, study
from golden.head import softmax
from golden.network import paths, predict


@pytest.fixture(scope="module")
def network(random_network):
    network = random_network(3, hidden=2)
    return compile_network(replace(network, draws=tuple(
        replace(draw, drops=(p,)) for draw, p in zip(network.draws, (0.5, 0.02, 0.9), strict=True))),
        Target(array_rows=32))


@pytest.fixture(scope="module")
def images(network):
    return np.random.default_rng(0).integers(
        0, 256, (40, network.input.height, network.input.width), dtype=np.uint8)


LABELS = np.arange(40) % 2


def test_a_chip_is_the_golden_model(network, images):
    """Given the bits that this chip draws."""
    drop = np.array([0.3, 0.6, 0.2])
    probabilities = softmax(paths(network, images), network.head)
    found = chip_figures(network, probabilities, LABELS, drop, 7, np.random.default_rng(5))
    golden, _ = predict(network, images, np.random.default_rng(5).random((40, 7, 3)) >= drop)
    figures = metrics.classification(golden.mean, LABELS)
    assert found == {"accuracy": figures["test/cls/Acc"], "nll": figures["test/cls/NLL"],
                     "rejected": golden.reject.mean()}


def test_certain_bits(network, images):
    """All dropped or all kept in all passes."""
    probabilities = softmax(paths(network, images), network.head)
    for drop, path in ((1.0, 0), (0.0, -1)):
        found = chip_figures(network, probabilities, LABELS, np.full(3, drop), 4, np.random.default_rng(1))
        figures = metrics.classification(probabilities[:, path] / 65536, LABELS)
        assert found["nll"] == figures["test/cls/NLL"]


def test_study(network, images):
    """Errors of a chip grow with the factor; their deviation is that of the paper, but for the clip."""
    report = study(network, images, LABELS, passes=3, chips=400)
    assert [each["factor"] for each in report["factors"]] == list(FACTORS)
    drops = {each["factor"]: np.array([chip["drop"] for chip in each["chips"]])
             for each in report["factors"]}
    assert (drops[0] == network.drops).all() and all((0 <= of).all() and (of <= 1).all()
                                                     for of in drops.values())
    error = drops[1][:, 0] - network.drops[0]
    assert drops[3][:, 0] - network.drops[0] == pytest.approx(3 * error)
    # Five deviations of an estimate from so many chips.
    assert abs(error.std() / PROCESS_SIGMA - 1) < 5 / np.sqrt(2 * 400)
    assert abs(error.mean()) < 5 * PROCESS_SIGMA / np.sqrt(400)
    # Chips of factor 0 differ by what they draw; what has an error differs more.
    spread = {each["factor"]: np.std([chip["nll"] for chip in each["chips"]]) for each in report["factors"]}
    assert 0 < spread[0] < spread[3]
    again = study(network, images, LABELS, passes=3, chips=2)
    assert [each["chips"] for each in again["factors"]] == [
        each["chips"][:2] for each in report["factors"]]


def test_command(tmp_path, capsys):
    out = tmp_path / "study.json"
    assert main(["lenet5", "--chips", "2", "--passes", "4", "--json", str(out)]) == 0
    title, _, header, line, *rows = capsys.readouterr().out.splitlines()
    assert title == "lenet5, 1,000 images, T = 4, 2 chips of each deviation"
    assert [row.split("|")[1].strip() for row in rows] == [
        "0x, 0.000", "1x, 0.033", "2x, 0.067", "3x, 0.100"]
    report = json.loads(out.read_text())
    accuracies = [chip["accuracy"] for chip in report["factors"][0]["chips"]]
    assert f"{100 * np.mean(accuracies):.2f} ± {100 * np.std(accuracies, ddof=1):.2f}" in rows[0]
    assert report["sigma"] == PROCESS_SIGMA and (report["passes"], report["images"]) == (4, 1000)


@pytest.mark.parametrize("arguments, message", [
    (["lenet5_ensemble"],
     "Network 'lenet5_ensemble' draws no random bits, so no probability can be another"),
    (["lenet5_sub_set"], "Network 'lenet5_sub_set' must have at most 1024 combinations of random bits to "
                         "enumerate them, not 32768"),
    (["lenet5", "--data", "nowhere"], "Data folder nowhere does not exist; make one with: python -m "
                                      "golden.data fetch DIR"),
    (["lenet5", "--checkpoint", "nowhere.npz"],
     "Checkpoint nowhere.npz does not exist; make it again with: python -m golden.train lenet5 --data DIR"),
])
def test_refusals(arguments, message, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"golden.dropout_study: {message}"
