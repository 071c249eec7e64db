import csv
import gzip
import json
import struct

import numpy as np
import pytest

import golden.evaluate
import golden.tables
from gen.checkpoint import read
from gen.compile import compile_network
from gen.ir import Target
from gen.methods import network_of
from gen.networks import NETWORKS, vgg
from golden.data import read_idx
from golden.evaluate import main
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
    assert output.out.splitlines()[-1] == (
        f"notmnist: not run. Data folder {data / 'notmnist'} does not exist")
    assert "test/cls/Acc" in output.out and "paper" not in output.out
    found = figures["mean"]["effective_passes"]
    assert f"\nT_eff: the mean has the error of {found:.3g} random passes, " in output.out
    assert output.err.splitlines()[0] == "compile lenet5 ..."


def test_all_combinations(data):
    """Passes that go through all combinations are their exact mean."""
    succeeds("lenet5", "--data", data, "--checkpoint", data / "checkpoint.npz", "--masks", "all",
             "--json", data / "all.json")
    succeeds("lenet5", "--data", data, "--checkpoint", data / "checkpoint.npz", "--passes", "2",
             "--json", data / "drawn.json")
    every, drawn = (json.loads((data / f"{name}.json").read_text()) for name in ("all", "drawn"))
    assert (every["passes"], every["masks"], drawn["masks"]) == (32, "all", "random")
    assert set(every["prediction"]) == {"passes", "one_pass", "exact"}
    assert every["mean"] == {"rms_error": pytest.approx(0, abs=1e-12), "effective_passes": None}
    assert drawn["mean"]["rms_error"] > 0 and drawn["mean"]["effective_passes"] > 0
    for found in every["prediction"]["passes"], every["prediction"]["exact"]:
        for name in ("test/cls/Acc", "test/cls/NLL", "entropy_nats"):
            assert found[name] == pytest.approx(drawn["prediction"]["exact"][name], rel=1e-12)


def test_mean_of_two_of_four_arrays(data, write_checkpoint):
    """Another network, so other figures; of the arrays in the checkpoint the first four are taken. With
    points, two sets of passes say how exact the mean is, as there are too many combinations."""
    write_checkpoint(data / "spinbayes.npz", network_of("lenet5_spinbayes"))
    figures = []
    for ways, ways_of, masks in ("1", "ring", "random"), ("2", "ring", "balanced"), ("2", "any", "random"):
        succeeds("lenet5_spinbayes", "--data", data, "--checkpoint", data / "spinbayes.npz",
                 "--json", data / "figures.json", "--passes", "2", "--crossbars", "4", "--ways", ways,
                 "--ways-of", ways_of, "--masks", masks)
        figures.append(json.loads((data / "figures.json").read_text()))
    assert [(figure["crossbars"], figure["ways"], figure["ways_of"]) for figure in figures] == [
        (4, 1, "ring"), (4, 2, "ring"), (4, 2, "any")]
    assert ["mean" in figure for figure in figures] == [False, True, False]
    assert figures[1]["mean"]["effective_passes"] > 0
    first, *others = (figure["prediction"] for figure in figures)
    assert first not in others and others[0] != others[1]


def test_spinbayes_command(data, write_checkpoint, capsys):
    """Ten passes and one, the sets of the paper's Table 3, and its figures beside ours."""
    write_checkpoint(data / "spinbayes.npz", network_of("lenet5_spinbayes"))
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
            assert 0 <= figure[name]["quantile/rejected"] <= 1
    assert figures["paper"]["source"] == "quoted: SpinBayes, Tables 1 and 3"
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["T", "=", "10", "T", "=", "1", "paper"]
    paper = {line.split()[0]: line.split()[-2] for line in lines if "quantile/rejected  " in line}
    assert paper["gaussian"] == paper["fashion-mnist"] == "100.00"
    assert paper["noisy-mnist"] == "99.21"
    assert next(line for line in lines if "Acc" in line).split()[-2] == "99.23"
    assert lines[-1] == "paper: SpinBayes, Tables 1 and 3"


def judge(tmp_path, *options):
    return main(["lenet5", "--input", str(tmp_path / "mine.npy"), "--passes", "5", "--seed", "3",
                 "--checkpoint", str(tmp_path / "checkpoint.npz"), "--json", str(tmp_path / "figures.json"),
                 "--out", str(tmp_path / "answers.csv"), *options])


def judged(tmp_path, *options):
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
    figures, rows = judged(data)
    assert figures["input"] == str(data / "mine.npy") and figures["images"] == {"input": 30}
    assert set(figures["prediction"]) == {
        "passes", "all_kept", "exact"}
    for figure in figures["prediction"].values():
        assert set(figure) == {"entropy_nats", "mutual_information_nats", "quantile/rejected"}
    passes = figures["prediction"]["passes"]
    for column, name in (("predictive_entropy_nats", "entropy_nats"), ("reject", "quantile/rejected"),
                         ("mutual_information_nats", "mutual_information_nats")):
        assert np.mean([float(row[column]) for row in rows]) == pytest.approx(passes[name])
    output = capsys.readouterr()
    assert output.out.splitlines()[0] == "lenet5, 30 images, compiled golden model"
    assert output.err.splitlines() == ["compile lenet5 ...", "input, 30 images ..."]


@pytest.mark.parametrize("option, name", [
    ("--out", "mine.npy"), ("--json", "mine.npy"), ("--out", "checkpoint.npz"), ("--json", "answers.csv"),
    ("--json", "labels.npy")])
def test_what_is_read_is_not_written_over(data, capsys, option, name):
    judged(data)
    before = {path: path.read_bytes() for path in data.iterdir() if path.is_file()}
    assert judge(data, "--labels", str(data / "labels.npy"), option, str(data / name)) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"golden.evaluate: File {data / name} cannot be written (it is another file of this command); name "
        "another")
    assert {path: path.read_bytes() for path in before} == before


def test_own_images_with_labels(data):
    figures, rows = judged(data, "--labels", str(data / "labels.npy"))
    passes = figures["prediction"]["passes"]
    assert passes["test/cls/Acc"] == np.mean([row["label"] == row["class"] for row in rows])
    of_label = [float(row[f"mean_probability_{row['label']}"]) for row in rows]
    assert passes["test/cls/NLL"] == pytest.approx(-np.mean(np.log(np.maximum(of_label, 2**-17))))


def test_too_many_combinations(data, monkeypatch):
    """The exact mean of a deep network is left out, and nothing else."""
    monkeypatch.setattr(golden.evaluate, "EXACT", 31)
    figures, _ = judged(data)
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
    monkeypatch.setattr(golden.tables, "LEVELS", 15 * 12 * 12 * 6 * 2)
    succeeds("lenet5", "--data", data, "--checkpoint", data / "checkpoint.npz", "--passes", "2")
    assert drawn == [(15, 2, 0), (15, 2, 15), (10, 2, 30), (15, 2, 40), (15, 2, 55), (10, 2, 70)]


@pytest.mark.parametrize("function", ["compiled", "report"]) # at the beginning and at the end
def test_stopped(data, monkeypatch, capsys, function):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(golden.evaluate, function, interrupted)
    assert main(["lenet5", "--data", str(data), "--passes", "2", "--out", str(data / "answers.csv")]) == 130
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
    assert [line for line in output.err.splitlines() if line != "compile lenet5 ..."] == [message]


def test_network_of_colours(tmp_path, write_checkpoint, monkeypatch, capsys):
    """It is judged by CIFAR-10, as its definition says, for which no set is out of distribution."""
    network = vgg("vgg_tiny", (4, 4, 6), 8)
    monkeypatch.setitem(NETWORKS, "vgg_tiny", network)
    write_checkpoint(tmp_path / "vgg_tiny.npz", network)
    of_file = compile_network(read(tmp_path / "vgg_tiny.npz", network), Target(passes=3))
    monkeypatch.setattr(golden.evaluate, "compiled", lambda *_, **__: of_file) # another process knows none
    (tmp_path / "cifar10").mkdir()
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "cifar10" / "test.npz", labels=rng.integers(0, 10, 5),
             images=rng.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8))
    main(["vgg_tiny", "--data", str(tmp_path), "--checkpoint", str(tmp_path / "vgg_tiny.npz"),
          "--passes", "3", "--json", str(tmp_path / "figures.json")])
    first, header, *_ = capsys.readouterr().out.splitlines()
    assert first == "vgg_tiny, 5 images of CIFAR-10, compiled golden model"
    assert header.split() == ["T", "=", "3", "all", "kept"]
    assert json.loads((tmp_path / "figures.json").read_text())["images"] == {"cifar10": 5}
