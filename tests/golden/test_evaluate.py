import csv
import gzip
import json
import struct
from dataclasses import replace

import numpy as np
import pytest

import golden.evaluate
import golden.network
from gen.compile import compile_network
from gen.ir import Target
from gen.networks import NETWORKS
from golden import metrics
from golden.data import read_idx
from golden.evaluate import Scores, main, over_combinations, over_passes, report
from golden.head import softmax
from golden.network import forward, path_probabilities, paths
from golden.random.generator import choices


COUNT = 40


def write_idx(path, array):
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def data(tmp_path, write_checkpoint):
    """A data folder of random images, without notMNIST, and a random checkpoint beside it."""
    rng = np.random.default_rng(0)
    for name in ("mnist", "fashion-mnist"):
        write_idx(tmp_path / name / "t10k-images-idx3-ubyte.gz",
                  rng.integers(0, 256, (COUNT, 28, 28), dtype=np.uint8))
        write_idx(tmp_path / name / "t10k-labels-idx1-ubyte.gz",
                  rng.integers(0, 10, COUNT, dtype=np.uint8))
    write_checkpoint(tmp_path / "checkpoint.npz", NETWORKS["lenet5"])
    return tmp_path


def succeeds(*arguments):
    assert main([*map(str, arguments)]) == 0


def test_command(data, capsys):
    succeeds("lenet5", "--data", data, "--checkpoint", data / "checkpoint.npz",
             "--passes", "4", "--json", data / "figures.json")
    figures = json.loads((data / "figures.json").read_text())
    assert figures["images"] == {"mnist": COUNT, "fashion-mnist": COUNT}
    assert (figures["network"], figures["passes"], figures["status"]) == ("lenet5", 4, "run")
    for figure in figures["prediction"].values():
        assert 0 <= figure["test/cls/Acc"] <= 1
        assert figure["fashion-mnist"]["status"] == "run"
        assert set(figure["fashion-mnist"]["entropy"]) == {"ood/AUROC", "ood/AUPR", "ood/FPR95"}
        assert figure["notmnist"] == {
            "status": "not_run", "reason": f"Data folder {data / 'notmnist'} does not exist"}
    assert set(figures["prediction"]) == {"passes", "all_kept", "exact"}
    assert figures["prediction"]["all_kept"]["mutual_information_nats"] == 0
    output = capsys.readouterr()
    assert "notmnist: not run. Data folder" in output.out
    assert "test/cls/Acc" in output.out and "quoted" not in output.out
    assert output.err.splitlines()[0] == "compile lenet5"


def test_mean_of_two_of_four_arrays(data, write_checkpoint):
    """Another network, so other figures; of the arrays in the checkpoint the first four are taken."""
    write_checkpoint(data / "spinbayes.npz", NETWORKS["lenet5_spinbayes"])
    figures = []
    for ways in "12":
        succeeds("lenet5_spinbayes", "--data", data, "--checkpoint", data / "spinbayes.npz",
                 "--json", data / "figures.json", "--passes", "2", "--crossbars", "4", "--ways", ways)
        figures.append(json.loads((data / "figures.json").read_text()))
    assert [(figure["crossbars"], figure["ways"]) for figure in figures] == [(4, 1), (4, 2)]
    assert figures[0]["prediction"] != figures[1]["prediction"]


def test_spinbayes_command(data, write_checkpoint, capsys):
    """Ten passes and one, the sets of the paper's Table 3, and its figures beside ours."""
    write_checkpoint(data / "spinbayes.npz", NETWORKS["lenet5_spinbayes"])
    succeeds("lenet5_spinbayes", "--data", data, "--checkpoint", data / "spinbayes.npz",
             "--json", data / "figures.json")
    figures = json.loads((data / "figures.json").read_text())
    assert figures["passes"] == 10
    assert figures["images"] == dict.fromkeys(
        ("mnist", "gaussian", "noisy-mnist", "fashion-mnist"), COUNT)
    assert set(figures["prediction"]) == {"passes", "one_pass"}
    assert figures["prediction"]["one_pass"]["mutual_information_nats"] == pytest.approx(0)
    for figure in figures["prediction"].values():
        for name in ("gaussian", "noisy-mnist", "fashion-mnist"):
            assert 0 <= figure[name]["quantile/flagged"] <= 1
    assert figures["quoted"]["source"] == "quoted: SpinBayes, Tables 1 and 3"
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["T", "=", "10", "T", "=", "1", "quoted"]
    quoted = {line.split()[0]: line.split()[-2] for line in lines if "quantile/flagged  " in line}
    assert quoted["gaussian"] == quoted["fashion-mnist"] == "100.00"
    assert quoted["noisy-mnist"] == "99.21"
    assert next(line for line in lines if "Acc" in line).split()[-2] == "99.23"
    assert lines[-1] == "quoted: SpinBayes, Tables 1 and 3"


def judge(tmp_path, *options):
    return main(["lenet5", "--input", str(tmp_path / "mine.npy"), "--passes", "5", "--seed", "3",
                 "--checkpoint", str(tmp_path / "checkpoint.npz"), "--json", str(tmp_path / "figures.json"),
                 "--out", str(tmp_path / "answers.csv"), *options])


def own(tmp_path, *options):
    """Judge 30 images that are no data set; return all figures, and the table of answers."""
    images = np.random.default_rng(1).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    np.save(tmp_path / "mine.npy", images)
    np.save(tmp_path / "labels.npy", np.arange(30) % 10)
    assert judge(tmp_path, *options) == 0
    with (tmp_path / "answers.csv").open(newline="") as file:
        return json.loads((tmp_path / "figures.json").read_text()), list(csv.DictReader(file))


def test_own_images_without_labels(data, monkeypatch, capsys):
    """Figures of uncertainty alone, and no data folder is asked for."""
    monkeypatch.delenv("SPINCIM_DATA", raising=False)
    figures, rows = own(data)
    assert figures["input"] == str(data / "mine.npy") and figures["images"] == {"input": 30}
    assert set(figures["prediction"]) == {
        "passes", "all_kept", "exact"}
    for figure in figures["prediction"].values():
        assert set(figure) == {"entropy_nats", "mutual_information_nats", "quantile/flagged"}
    passes = figures["prediction"]["passes"]
    for column, name in (("predictive_entropy_nats", "entropy_nats"), ("reject", "quantile/flagged"),
                         ("mutual_information_nats", "mutual_information_nats")):
        assert np.mean([float(row[column]) for row in rows]) == pytest.approx(passes[name])
    output = capsys.readouterr()
    assert output.out.splitlines()[0] == "lenet5, 30 images, compiled golden model"
    assert output.err.splitlines() == ["compile lenet5", "input, 30 images"]


@pytest.mark.parametrize("option, name", [
    ("--out", "mine.npy"), ("--json", "mine.npy"), ("--out", "checkpoint.npz"), ("--json", "answers.csv"),
    ("--json", "labels.npy")])
def test_what_is_read_is_not_written_over(data, capsys, option, name):
    own(data)
    before = {path: path.read_bytes() for path in data.iterdir() if path.is_file()}
    assert judge(data, "--labels", str(data / "labels.npy"), option, str(data / name)) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"golden.evaluate: File {data / name} cannot be written (it is another file of this command); name "
        "another")
    assert {path: path.read_bytes() for path in before} == before


def test_own_images_with_labels(data):
    figures, rows = own(data, "--labels", str(data / "labels.npy"))
    passes = figures["prediction"]["passes"]
    assert passes["test/cls/Acc"] == np.mean([row["label"] == row["class"] for row in rows])
    own_class = [float(row[f"mean_probability_{row['label']}"]) for row in rows]
    assert passes["test/cls/NLL"] == pytest.approx(-np.mean(np.log(np.maximum(own_class, 2**-17))))


def test_too_many_combinations(data, monkeypatch):
    """The exact mean of a deep network is left out, and nothing else."""
    monkeypatch.setattr(golden.evaluate, "COMBINATIONS_LIMIT", 31)
    figures, _ = own(data)
    assert set(figures["prediction"]) == {"passes", "all_kept"}


def test_answers_to_mnist(data):
    """Those of a data set, whose labels are in the table."""
    succeeds("lenet5", "--data", data, "--checkpoint", data / "checkpoint.npz", "--passes", "2",
             "--out", data / "answers.npz")
    with np.load(data / "answers.npz") as arrays:
        assert (arrays["label"] == read_idx(data / "mnist" / "t10k-labels-idx1-ubyte.gz")).all()


def test_choices_go_on_from_set_to_set(data, monkeypatch):
    """One stream over all sets in their order, whatever the batches."""
    drawn = []
    monkeypatch.setattr(golden.evaluate, "choices", lambda *args: drawn.append(args[1:]) or choices(*args))
    monkeypatch.setattr(golden.network, "BATCH", 15)
    succeeds("lenet5", "--data", data, "--checkpoint", data / "checkpoint.npz", "--passes", "2")
    assert drawn == [(15, 2, 0), (15, 2, 15), (10, 2, 30), (15, 2, 40), (15, 2, 55), (10, 2, 70)]


def test_stopped(data, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(golden.evaluate, "compiled", interrupted)
    assert main(["lenet5", "--data", str(data), "--out", str(data / "answers.csv")]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "golden.evaluate: stopped, nothing was written"
    assert not (data / "answers.csv").exists()


@pytest.mark.parametrize("arguments, message", [
    (["--passes", "0"],
     "golden.evaluate: The number of passes must be from 1 to the largest, 32, not 0"),
    (["--checkpoint", "nowhere.npz"],
     "golden.evaluate: Checkpoint nowhere.npz does not exist; make it again with: "
     "python -m golden.train lenet5 --data DIR"),
    (["--data", "nowhere"],
     "golden.evaluate: Data folder nowhere does not exist; make one with: "
     "python -m golden.data fetch DIR"),
    (["--json", "/dev/null/figures.json"],
     "golden.evaluate: File /dev/null/figures.json cannot be written (File exists); name another"),
    (["--out", "answers.json"], "golden.evaluate: File answers.json must end with .csv or .npz"),
    (["--input", "mine.npz"],
     "golden.evaluate: Images are those of --data or of --input; leave one of them out"),
    (["--labels", "labels.npy"],
     "golden.evaluate: Labels belong to images of your own; name these with --input FILE"),
])
def test_wrong_input_is_one_line(data, capsys, arguments, message):
    assert main(["lenet5", "--data", str(data), "--checkpoint", str(data / "checkpoint.npz"),
                 *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert [line for line in output.err.splitlines() if line != "compile lenet5"] == [message]


@pytest.fixture
def network(random_network):
    return compile_network(random_network(5, hidden=2), Target())


def random_images(network, count):
    return np.random.default_rng(0).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)


def test_over_passes(network):
    images, keep = random_images(network, 6), choices(network.generator, 6, 9)
    scores = over_passes(network, images, keep)
    single = np.stack([softmax(forward(network, images, keep[:, number]), network.head)
                       for number in range(9)], axis=1)
    assert np.allclose(scores.mean, single.mean(1) / 65536, rtol=1e-12)
    assert np.allclose(scores.entropy, metrics.predictive_entropy(single.mean(1) / 65536))
    assert np.allclose(scores.information, metrics.mutual_information(single / 65536))
    assert (scores.flagged == ~metrics.quantile_test(single / 65536)).all()


def test_over_combinations_is_where_passes_tend_to(network):
    images = random_images(network, 4)
    expected = over_combinations(network, images)
    scores = over_passes(network, images, choices(network.generator, 4, 4000))
    assert path_probabilities(network).sum() == pytest.approx(1)
    assert np.allclose(scores.mean, expected.mean, atol=0.04)
    assert np.allclose(scores.entropy, expected.entropy, atol=0.1)
    assert np.allclose(scores.information, expected.information, atol=0.1)


def test_over_combinations_counts_confident_ones(random_network):
    """The share of combinations in which one class is confident decides."""
    network = compile_network(random_network(9, hidden=2), Target())
    network = replace(network, head=replace(network.head, confidence=40000))
    images = random_images(network, 60)
    single, share = softmax(paths(network, images), network.head), path_probabilities(network)
    expected = [max(sum(share[index] for index in range(len(share)) if row[index, k] >= 40000)
                    for k in range(row.shape[1])) < 0.9 for row in single]
    assert over_combinations(network, images).flagged.tolist() == expected
    assert 0 < sum(expected) < 60


def test_over_combinations_asks_for_the_agreement_of_the_head(random_spinbayes):
    network = compile_network(random_spinbayes(1, hidden=1), Target(array_columns=128))
    images = random_images(network, 30)
    single = softmax(paths(network, images), network.head)
    network = replace(network, head=replace(network.head, confidence=int(np.median(single.max(-1)))))
    share = (single >= network.head.confidence).mean(1).max(-1)
    for agreement in (1, 50, 99):
        head = replace(network.head, agreement=agreement)
        flagged = over_combinations(replace(network, head=head), images).flagged
        assert flagged.tolist() == (share + 1e-9 < agreement / 100).tolist()


def test_report():
    """Two images, one right and one wrong; the other data set looks stranger to every score."""
    mean = np.array([[0.75, 0.25], [0.75, 0.25]])
    inside = Scores(mean, np.array([0.2, 0.2]), np.array([0.0, 0.1]), np.array([False, True]))
    outside = Scores(mean, np.array([0.6, 0.7]), np.array([0.3, 0.2]), np.array([True, True]))
    figures = report(inside, np.array([0, 1]), {"other": outside, "third": "because"})
    assert figures == {
        "test/cls/Acc": 0.5,
        "test/cls/NLL": pytest.approx(-(np.log(0.75) + np.log(0.25)) / 2),
        "test/cls/Brier": pytest.approx((2 * 0.25**2 + 2 * 0.75**2) / 2),
        "test/cal/ECE": pytest.approx(0.25),
        "entropy_nats": pytest.approx(0.2),
        "mutual_information_nats": pytest.approx(0.05),
        "quantile/flagged": 0.5,
        "other": {
            "status": "run",
            "entropy": {"ood/AUROC": 1.0, "ood/AUPR": 1.0, "ood/FPR95": 0.0},
            "mutual_information": {"ood/AUROC": 1.0, "ood/AUPR": 1.0, "ood/FPR95": 0.0},
            "quantile/flagged": 1.0},
        "third": {"status": "not_run", "reason": "because"},
    }
