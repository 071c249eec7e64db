import gzip
import json
import re
import signal
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

import gen.checkpoint
from gen.checkpoint_file import write_file
from gen.ir import ArrayChoice, BankChoice
from gen.methods import METHODS, name_of
from gen.networks import NETWORKS, vgg
from gen.progress import Progress
from gen.random_parameters import random_parameters
from gen.sources import find
from golden import compare, evaluate, train
from golden.answers import answer
from golden.compiler import compiled
from golden.data import load_sample
from golden.float.model import BayNN, paths
from golden.methods import BASELINES, shipped
from golden.methods.checkpoints import load
from golden.methods.scale_dropout import ScaleConvolution, objective
from golden.training import fit, session
from golden.training import scale_dropout as recipes
from golden.training.teacher import augment
from tests.conftest import with_choices


NETWORK = NETWORKS["lenet5"]

BRIEF = ["--teacher-epochs", "1"]


def write_data(folder, training, test, **all_labels):
    """Write as many images of the sample to a data folder, all with the same label if it is given."""
    images, labels = load_sample()
    labels = np.full_like(labels, all_labels["labels"]) if all_labels else labels
    for prefix, part in (("train", slice(training)), ("t10k", slice(300, 300 + test))):
        for kind, array in (("images-idx3", images[part]), ("labels-idx1", labels[part])):
            path = folder / "mnist" / f"{prefix}-{kind}-ubyte.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(
                b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
                + array.tobytes()))


@pytest.fixture
def folder(tmp_path):
    """A data folder of 300 training and 100 test images."""
    write_data(tmp_path / "data", 300, 100)
    return tmp_path / "data"


def random_model(per_sample=True):
    torch.manual_seed(4)
    model = BayNN(NETWORK, ScaleConvolution)
    for layer in model.layers:
        layer.dropout.per_sample = per_sample
        layer.scale.data.uniform_(0.5, 2)
    return model


def sample(count):
    images, labels = load_sample()
    return torch.tensor(images[:count]), torch.tensor(labels[:count]).long()


@pytest.mark.parametrize("name, expected", [
    ("lenet5", [0.1, 0.2, 0.5, 0.5, 0.1]), ("lenet5_wide", [0.1, 0.2, 0.5, 0.2, 0.1]),
])
def test_adaptive_dropout(name, expected):
    assert recipes.adaptive_dropout(NETWORKS[name]) == expected


def test_objective_by_hand():
    model, loss = random_model(), torch.tensor(2.5)
    scales = [layer.scale.detach().numpy() for layer in model.layers]
    weights = [layer.weight.detach().numpy() for layer in model.layers]
    centre = 1e-5 * sum((1 - scale.mean()) ** 2 for scale in scales)
    decay = 1e-3 * sum((weight ** 2).sum() for weight in weights)
    spread = 0.1 * sum((np.log(scale).std(ddof=1) - 0.35) ** 2 for scale in scales)
    assert objective(loss, model).item() == pytest.approx(2.5 + centre)
    assert objective(loss, model, decay=1e-3).item() == pytest.approx(2.5 + centre + decay)
    assert objective(loss, model, spread=0.1).item() == pytest.approx(2.5 + centre + spread)


def test_scale_learns_only_if_samples_draw_their_own_bits():
    # One bit per batch is the paper's literal form; the batch normalization cancels the scale.
    images, labels = sample(100)
    largest = {}
    for per_sample in (True, False):
        model = random_model(per_sample)
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        largest[per_sample] = max(layer.scale.grad.abs().max().item() for layer in model.layers)
    assert largest[False] < 1e-3 * largest[True]


def test_measure_agrees_with_single_passes():
    model, (images, labels) = random_model().double(), sample(100)
    fit.recalibrate(model, images)
    result = recipes.measure(model, images, labels.numpy(), 20, 1, Progress())
    assert list(result) == ["all kept", "T = 20", "exact mean"]
    kept = model(images).argmax(1)
    assert result["all kept"]["test/cls/Acc"] == (kept == labels).double().mean().item()
    # With p of one half the exact mean weighs all paths alike.
    mean = paths(model, images).mean(1).numpy()
    assert result["exact mean"]["test/cls/NLL"] == pytest.approx(
        -np.log(mean[range(100), labels]).mean())


def test_measure_weighs_paths_by_dropout():
    model, (images, labels) = random_model().double(), sample(50)
    for layer in model.layers:
        layer.dropout.p = 0.0
    result = recipes.measure(model, images, labels.numpy(), 3, 1, Progress())
    assert result["all kept"] == result["T = 3"] == pytest.approx(result["exact mean"])


def test_augment_keeps_digits_in_place():
    images, _ = sample(200)
    moved = augment(images, torch.Generator().manual_seed(1))
    assert moved.dtype == torch.uint8 and moved.shape == images.shape
    assert not torch.equal(moved, images)
    ratio = moved.double().sum((1, 2)) / images.double().sum((1, 2))
    assert 0.6 < ratio.min() and ratio.max() < 1.6


@pytest.mark.parametrize("name, accuracy, likelihood", [
    ("lenet5", 0.98, 0.05), ("lenet5_wide", 0.985, 0.03),
])
def test_shipped_checkpoints(name, accuracy, likelihood):
    """On the first 1000 test images, where one error is 0.1 points."""
    images, labels = sample(1000)
    model = load(NETWORKS[name], gen.checkpoint.SHIPPED / f"{name}.npz")
    result = recipes.measure(model, images, labels.numpy(), 20, 1, Progress())
    assert result["T = 20"]["test/cls/Acc"] >= accuracy
    assert result["T = 20"]["test/cls/NLL"] <= likelihood
    assert result["T = 20"]["test/cls/NLL"] <= 0.8 * result["all kept"]["test/cls/NLL"]


@pytest.mark.some(1)
@pytest.mark.parametrize("recipe, steps", [("spread", 5), ("paper", 2)])
def test_command_is_deterministic(recipe, steps, folder, tmp_path, capsys):
    def run(name, seed):
        out = tmp_path / name
        arguments = ["lenet5", "--data", str(folder), "--out", str(out), "--epochs", "2",
                     "--recipe", recipe, "--seed", seed]
        if recipe != "paper":
            arguments += BRIEF
        assert train.main(arguments) == 0
        return out.read_bytes()

    first = run("first.npz", "1")
    output = capsys.readouterr()
    assert output.err.count("\n") == steps and "\ntest ...\n" in output.err
    assert output.out.splitlines()[0].split() == ["accuracy", "NLL", "Brier", "ECE"]
    assert output.out.splitlines()[2].startswith("all kept") and "first.npz" in output.out
    assert run("second.npz", "1") == first != run("third.npz", "2")
    expected = [0.5] * 5 if recipe == "spread" else [0.1, 0.2, 0.5, 0.5, 0.1]
    assert [layer.dropout.p for layer in load(NETWORK, tmp_path / "first.npz").layers] == expected


def test_command_trains_spinbayes(folder, tmp_path, capsys):
    def run(name, *arguments):
        out = tmp_path / name
        assert train.main(["lenet5_4bit_spinbayes", "--data", str(folder), "--out", str(out),
                           "--epochs", "2", *BRIEF, *arguments]) == 0
        return out.read_bytes()

    first = run("first.npz")
    output = capsys.readouterr()
    assert output.err.count("\n") == 5 and "\ntake 8 samples of 4 bits" in output.err
    assert [line[:6] for line in output.out.splitlines()[2:4]] == ["T = 1 ", "T = 10"]
    assert run("second.npz") == first != run("third.npz", "--seed", "2")
    run("small.npz", "--crossbars", "2", "--weight-bits", "3")
    with np.load(tmp_path / "small.npz") as file:
        assert file["conv2.weight"].shape == (2, 16, 150)
        assert np.unique(file["conv2.weight"]).tolist() == list(range(-3, 4))


def test_measures_anew_for_ways(folder, tmp_path, capsys):
    """The first four arrays of the shipped checkpoint; only what is measured is another, and the mean of
    different arrays spreads less than one of them, that of four less than that of any two."""
    shipped = gen.checkpoint.SHIPPED / "lenet5_spinbayes.npz"
    deviations = []
    for ways in (["1"], ["2", "--ways-of", "any"], ["4"]):
        out = tmp_path / f"{ways[0]}.npz"
        assert train.main(["lenet5_spinbayes", "--data", str(folder), "--out", str(out), "--crossbars", "4",
                           "--ways", *ways, "--arrays", str(shipped)]) == 0
        assert "measure the batch normalization anew" in capsys.readouterr().err
        with np.load(out) as file, np.load(shipped) as before:
            assert (file["fc1.weight"] == before["fc1.weight"][:4]).all()
            assert (file["fc1.gamma"] == before["fc1.gamma"]).all()
            deviations.append(file["fc1.variance"].mean())
    assert deviations == sorted(deviations, reverse=True)


#: Of options for which the shipped checkpoint is not replaced.
NOT_REPLACED = ("with --epochs, --teacher-epochs, --teacher, --seed, --recipe, --crossbars, --weight-bits, "
                "--ways, --ways-of, --masked, --arrays, --device or --compile, the checkpoint that comes "
                "with the project is not replaced; name another with --out FILE")


@pytest.mark.parametrize("arguments, message", [
    (["lenet5", "--out", "x", "--epochs", "0"],
     "argument --epochs: must be a whole number of at least 1, not '0'"),
    (["lenet5", "--out", "x", "--epochs", "-3"],
     "argument --epochs: must be a whole number of at least 1, not '-3'"),
    (["lenet5", "--epochs", "1"], NOT_REPLACED),
    (["lenet5", "--teacher-epochs", "1"], NOT_REPLACED),
    (["lenet5", "--device", "cuda"], NOT_REPLACED),
    (["lenet5", "--out", "x", "--teacher-epochs", "-1"],
     "argument --teacher-epochs: must be a whole number of at least 0, not '-1'"),
    (["lenet5", "--out", "x", "--recipe", "paper", "--teacher-epochs", "1"],
     "--teacher-epochs is not for recipe 'paper' or 'float', or --arrays, which have no teacher"),
    (["lenet5", "--out", "x", "--method", "mc-dropout", "--teacher-epochs", "1"],
     "--teacher-epochs is not for recipe 'paper' or 'float', or --arrays, which have no teacher"),
    (["lenet5", "--teacher", "mlp"], NOT_REPLACED),
    (["lenet5", "--out", "x", "--recipe", "paper", "--teacher", "mlp"],
     "--teacher is not for recipe 'paper' or 'float', or --arrays, which have no teacher"),
    (["lenet5", "--out", "x", "--teacher", "mlp", "--teacher-epochs", "1"],
     "--teacher-epochs is for a teacher that is trained first, and --teacher names another; leave one out"),
    (["lenet5", "--out", "x", "--teacher", "vgg_small"],
     "teacher 'vgg_small' must be for the same images and classes as network 'lenet5'"),
    (["unet", "--out", "x", "--teacher", "unet"],
     "--teacher is not for network 'unet', which has an answer for each position: its teacher has one "
     "class for an image"),
    (["lenet5", "--out", "x", "--method", "mc-dropconnect", "--recipe", "tune"],
     "recipe 'tune' is not for method 'mc-dropconnect', but 'float'"),
    (["lenet5", "--method", "mc-dropout", "--epochs", "3"], NOT_REPLACED),
    (["lenet5_spinbayes", "--crossbars", "4"], NOT_REPLACED),
    (["lenet5_spinbayes", "--out", "x", "--recipe", "spread"],
     "recipe 'spread' is not for method 'spinbayes', but 'bayes'"),
    (["lenet5", "--out", "x", "--recipe", "bayes"],
     "recipe 'bayes' is not for method 'scale-dropout', but 'spread' or 'paper'"),
    (["lenet5", "--method", "sub-set", "--recipe", "paper"],
     "recipe 'paper' is not for method 'sub-set', but 'tune'"),
    *((["lenet5_4bit", *method],
       f"method '{name}' is not for network 'lenet5_4bit', whose levels have several bits, but "
       "'spinbayes'; take another --method")
      for method, name in (([], "scale-dropout"), (["--method", "sub-set"], "sub-set"))),
    (["lenet5_4bit_ensemble"], "method 'ensemble' is not for network 'lenet5_4bit', whose levels have "
                               "several bits, but 'spinbayes'; take another --method"),
    (["lenet5", "--method", "ensemble", "--epochs", "3"], NOT_REPLACED),
    (["lenet5", "--method", "sub-set", "--crossbars", "4"], NOT_REPLACED),
    *((["lenet5", "--out", "x", option, "4"],
       f"{option} is not for method 'scale-dropout', but for 'spinbayes'")
      for option in ("--weight-bits", "--ways", "--arrays")),
    *((["lenet5", "--out", "x", "--method", method, "--crossbars", "4"],
       f"--crossbars is not for method '{method}', but for 'scale-dropout-random' or 'spinbayes' or "
       "'sub-set' or 'tiny-ensemble' or 'ensemble'")
      for method in ("scale-dropout", "deterministic", "spindrop", "affine")),
    (["lenet5", "--base", "x"],
     "--base is not for method 'scale-dropout', but for 'scale-dropout-mean' or 'scale-dropout-random' or "
     "'scale-dropout-element' or 'sub-set' or 'tiny-ensemble' or 'ensemble' or 'spatial-spindrop' or "
     "'spindrop' or 'affine' or 'deterministic'"),
    (["lenet5_spinbayes", "--out", "x", "--ways", "0"],
     "argument --ways: must be a whole number of at least 1, not '0'"),
    (["lenet5_spinbayes", "--out", "x", "--ways", "9"],
     "Ways must be from 1 to 8, of 8 arrays, not 9"),
    (["lenet5_spinbayes", "--out", "x", "--ways", "8", "--ways-of", "any"],
     "Ways must be from 1 to 7, of 8 arrays, for more than one set, not 8"),
    (["lenet5", "--out", "x", "--ways-of", "any"],
     "--ways-of is not for method 'scale-dropout', but for 'spinbayes'"),
    (["lenet5_spinbayes", "--arrays", "x"], NOT_REPLACED),
    (["lenet5_spindrop", "--masked", "fc1"], NOT_REPLACED),
    (["lenet5_spindrop", "--out", "x", "--masked", "fc1,conv2"],
     "Method 'spindrop' can mask the inputs of fc1, fc2, fc3, not of 'conv2'"),
    (["lenet5", "--out", "x", "--masked", "fc1"],
     "--masked is not for method 'scale-dropout', but for 'spatial-spindrop' or 'spindrop'"),
    *((["lenet5_spinbayes", "--out", "x", "--crossbars", number],
       f"argument --crossbars: must be a whole number of at least 2, not '{number}'")
      for number in ("0", "1", "-4", "four")),
    *((["lenet5_spinbayes", "--out", "x", "--weight-bits", number],
       f"argument --weight-bits: must be a whole number from 2 to 8, not '{number}'")
      for number in ("1", "9", "four")),
    ([], "the following arguments are required: NETWORK"),
])
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        train.main(arguments)
    assert capsys.readouterr().err == f"golden.train: {message}\n"


@pytest.mark.parametrize("arguments, name", [
    (["lenet5"], "lenet5"), (["lenet5", "--method", "scale-dropout"], "lenet5"),
    (["lenet5_spinbayes"], "lenet5_spinbayes"), (["lenet5", "--method", "spinbayes"], "lenet5_spinbayes"),
    (["lenet5_4bit_spinbayes"], "lenet5_4bit_spinbayes"),
    (["lenet5", "--method", "tiny-ensemble", "--base", "x"], "lenet5_tiny_ensemble"),
    # The option goes before the ending, which goes before the default.
    (["lenet5_wide_sub_set"], "lenet5_wide_sub_set"),
    (["lenet5_spinbayes", "--method", "sub-set"], "lenet5_sub_set"),
    (["lenet5_sub_set", "--method", "scale-dropout"], "lenet5"),
])
def test_checkpoint_that_comes_with_the_project(arguments, name):
    options = train._parse(arguments)
    assert options.out == gen.checkpoint.SHIPPED / f"{name}.npz"
    base = options.source.plain.name
    assert name_of(base, options.method) == name and base in NETWORKS


@pytest.mark.parametrize("method", BASELINES)
def test_command_trains_baselines(method, folder, tmp_path, capsys):
    """The same again from the same seed, and no teacher."""
    def run(name, *arguments):
        out = tmp_path / name
        assert train.main(["lenet5", "--method", method, "--data", str(folder), "--out", str(out),
                           "--epochs", "2", *arguments]) == 0
        return out.read_bytes()

    first  = run("first.npz")
    output = capsys.readouterr()
    assert output.err.splitlines() == [
        f"train lenet5_{method.replace('-', '_')} in floating point, 2 epochs ...", "test ..."]
    assert [line[:6] for line in output.out.splitlines()[2:4]] == ["T = 1 ", "T = 20"]
    assert run("second.npz") == first != run("third.npz", "--seed", "2")
    assert train._parse(["lenet5_wide", "--method", method]).out == shipped("lenet5_wide", method)


@pytest.mark.parametrize("method, count, members", [("sub-set", 4, 4), ("ensemble", 3, 3)])
def test_number_of_banks_and_members(method, count, members, folder, tmp_path, capsys):
    """Of all methods that choose from several, a training makes as many as are asked for."""
    out = tmp_path / "out.npz"
    assert train.main(["lenet5", "--method", method, "--data", str(folder), "--out", str(out),
                       "--crossbars", str(count), "--epochs", "1", *BRIEF]) == 0
    with np.load(out) as file:
        assert file["conv2.scale"].shape == (members, 16)
        assert str(file["network"]) == "lenet5" and str(file["method"]) == method
    rows = capsys.readouterr().out.splitlines()[2:4]
    assert rows[1].startswith("T = 20" if method == "sub-set" else "T = 3 ")


def test_methods_are_those_that_can_be_trained():
    """The command knows them without torch, and the training with it."""
    assert list(train.METHODS) == list(session.METHODS)
    assert set(train.METHODS) == set(METHODS) | set(BASELINES)
    for name, method in train.METHODS.items():
        if name in BASELINES:
            assert method.recipes == tuple(session.METHODS[name].recipes) and not method.options
            continue
        training, known = session.METHODS[name], METHODS[name]
        assert ("crossbars" in method.options) == (
            known.choice in (ArrayChoice, BankChoice) and not known.single)
        assert method.recipes == tuple(training.recipes)
        assert ("base" in method.options) == training.tuned


@pytest.mark.parametrize("arguments, message", [
    (["lenet6"], "argument NETWORK: Network 'lenet6' is unknown; choose one of: "),
    (["lenet5", "--method", "own"], "argument --method: invalid choice: 'own' (choose from "),
    (["lenet5", "--out", "x", "--recipe", "own"], "argument --recipe: invalid choice: 'own' (choose from "),
])
def test_wrong_choice(arguments, message, capsys):
    """Python versions quote what can be chosen differently."""
    with pytest.raises(SystemExit, match="^2$"):
        train.main(arguments)
    error = capsys.readouterr().err
    assert error.startswith(f"golden.train: {message}") and error.count("\n") == 1


@pytest.mark.parametrize("spoil, message", [
    (lambda folder: folder.rename(folder.with_name("moved")),
     "Data folder DATA does not exist; make one with: python -m golden.data fetch DIR"),
    (lambda folder: (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink(),
     "Data file DATA/mnist/t10k-labels-idx1-ubyte.gz does not exist; fetch it with: python -m golden.data "
     "fetch DIR"),
    (lambda folder: (folder / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"half"),
     "Data file DATA/mnist/train-images-idx3-ubyte.gz is damaged (Not a gzipped file (b'ha')); remove it, "
     "and fetch it with: python -m golden.data fetch DIR"),
])
def test_wrong_data(spoil, message, folder, tmp_path, capsys):
    spoil(folder)
    out = tmp_path / "out.npz"
    assert train.main(["lenet5", "--data", str(folder), "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"golden.train: {message.replace('DATA', str(folder))}\n"
    assert not out.exists()


@pytest.mark.parametrize("out, reason", [("file/out.npz", "File exists"), ("data", "Is a directory")])
def test_unwritable_output_is_refused_before_training(out, reason, folder, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert train.main(["lenet5", "--data", str(folder), "--out", str(tmp_path / out)]) == 2
    assert capsys.readouterr().err == (
        f"golden.train: File {tmp_path / out} cannot be written ({reason}); name another\n")


#: Of the training that is interrupted: three batches an epoch, so that the teacher has 6 steps, the
#: network 6, and the last stage of recipe spread 15. Recipe tune holds images back: two, so 4, 4 and 4.
SHORT = ["--epochs", "2", "--teacher-epochs", "2"]


@pytest.mark.some(1)
@pytest.mark.parametrize("network, points", [
    # In the midst of an epoch of each stage, and at the end of one, of a stage, and of all.
    (["lenet5"], [0, 1, 3, 1, 3, 2, 2, 4, 2]),
    (["lenet5_spinbayes"], [4, 1, 3, 0]),
    (["lenet5", "--method", "sub-set"], [0, 3, 1, 2, 1]),
])
def test_goes_on_where_it_was_interrupted(network, points, folder, tmp_path, monkeypatch, capsys):
    """The same command, again and again, writes the file that one would have written at once."""
    step, steps = torch.optim.Adam.step, []

    def interrupting(self, *arguments):
        if points and len(steps) == points[0]:
            signal.raise_signal(signal.SIGINT)
        steps.append(self)
        return step(self, *arguments)

    def run(name):
        return train.main([*network, "--data", str(folder), "--out", str(tmp_path / name), *SHORT])

    monkeypatch.setattr(torch.optim.Adam, "step", interrupting)
    out, state = tmp_path / "stopped.npz", tmp_path / "stopped.npz.training"
    taken, first = 0, True
    while points:
        assert run(out.name) == 130
        lines = capsys.readouterr().err.splitlines()
        assert lines[-1] == f"golden.train: stopped; the same command goes on from {state}"
        assert first or lines[0].endswith(f"go on from {state} ...")
        assert state.exists() and not out.exists() and len(steps) == points[0] + 1
        taken, first = taken + len(steps), False
        points.pop(0)
        steps.clear()
    assert run(out.name) == 0
    taken += len(steps)
    assert not state.exists()
    steps.clear()
    assert run("whole.npz") == 0
    assert len(steps) == taken
    assert out.read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "stopped.npz", "whole.npz"]


def test_methods_share_a_base(folder, tmp_path, monkeypatch, capsys):
    """The deterministic network is trained once, by whichever method comes first, and goes on where it was
    stopped; each method ends as it would without."""
    step, steps, stop = torch.optim.Adam.step, [], [5]

    def counting(self, *arguments):
        if stop and len(steps) == stop[0]:
            stop.pop()
            signal.raise_signal(signal.SIGINT)
        steps.append(self)
        return step(self, *arguments)

    def run(name, *arguments):
        steps.clear()
        return train.main(["lenet5", "--data", str(folder), "--out", str(tmp_path / name), *SHORT,
                           *arguments])

    monkeypatch.setattr(torch.optim.Adam, "step", counting)
    base = tmp_path / "base"
    shared = ["--base", str(base)]
    assert run("one.npz", "--method", "sub-set", *shared) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"golden.train: stopped; the same command goes on from {base}")
    assert len(steps) == 6
    assert run("one.npz", "--method", "sub-set", *shared) == 0
    assert len(steps) == 2 + 4
    assert capsys.readouterr().err.splitlines()[0] == f"go on from {base} ..."
    assert run("two.npz", "--method", "tiny-ensemble", *shared) == 0
    assert len(steps) == 8 # it is trained twice as long
    assert run("three.npz", "--method", "tiny-ensemble") == 0
    assert len(steps) == 4 + 4 + 8
    assert (tmp_path / "two.npz").read_bytes() == (tmp_path / "three.npz").read_bytes()
    capsys.readouterr()
    assert run("four.npz", "--method", "sub-set", "--seed", "2", *shared) == 2
    assert capsys.readouterr().err == (
        f"golden.train: Training state {base} is of another run, with seed 1, not 2; remove it to begin "
        "anew, or name another file with --base FILE\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "base", "data", "one.npz", "three.npz", "two.npz"]


def test_interrupted_before_the_first_step(folder, tmp_path, monkeypatch, capsys):
    """There is nothing to go on from, and no file is left."""
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "train_teacher", interrupt)
    out = tmp_path / "out.npz"
    assert train.main(["lenet5", "--data", str(folder), "--out", str(out)]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "golden.train: stopped, nothing was written"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("method, arguments", [
    ("scale-dropout", ["--recipe", "paper"]),
    ("deterministic", ["--teacher-epochs", "0", "--base", "base"]),
])
def test_interrupted_in_the_test(method, arguments, folder, tmp_path, monkeypatch, capsys):
    """The checkpoint is there, and the command says so."""
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    training = session.METHODS[method]
    monkeypatch.setitem(session.METHODS, method, replace(training, measure=interrupt))
    out = tmp_path / "out.npz"
    assert train.main(["lenet5", "--data", str(folder), "--out", str(out), "--method", method, "--epochs",
                       "1", *arguments]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"golden.train: stopped; checkpoint {out} is written, but not tested")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *["base"] * ("--base" in arguments), "data", "out.npz"]


def test_no_compiler(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SystemExit, match="^2$"):
        train.main(["lenet5", "--compile", "--out", str(tmp_path / "out.npz")])
    assert capsys.readouterr().err.splitlines()[-1] == (
        "golden.train: --compile needs a compiler of C++, and 'no-such-compiler' is not installed; leave "
        "it out, or name one in the variable CXX")


@pytest.mark.parametrize("arguments, message", [
    (["--seed", "2"], "with seed 1, not 2"),
    (["--epochs", "3"], "with epochs 2, not 3"),
    (["--teacher-epochs", "3"], "with teacher-epochs 2, not 3"),
    (["--recipe", "paper"], "with recipe spread, not paper"),
    (["--threads", "2"], "with threads 1, not 2"),
    (["--compile"], "with compile False, not True"),
])
def test_state_of_another_command(arguments, message, folder, tmp_path, monkeypatch, capsys):
    def run(*arguments):
        return train.main(["lenet5", "--data", str(folder), "--out", str(tmp_path / "out.npz"), *arguments])

    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_: signal.raise_signal(signal.SIGINT))
    assert run(*SHORT) == 130
    capsys.readouterr()
    assert run(*(SHORT[:2] if "paper" in arguments else SHORT), *arguments) == 2
    state = tmp_path / "out.npz.training"
    assert capsys.readouterr().err == (
        f"golden.train: Training state {state} is of another run, {message}; remove it to begin "
        f"anew, or name another file with --out FILE\n")
    assert state.exists()


def test_state_of_other_images(folder, tmp_path, monkeypatch, capsys):
    arguments = ["lenet5", "--data", str(folder), "--out", str(tmp_path / "out.npz"), *SHORT]
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_: signal.raise_signal(signal.SIGINT))
    assert train.main(arguments) == 130
    write_data(folder, 200, 100)
    capsys.readouterr()
    assert train.main(arguments) == 2
    error = capsys.readouterr().err
    assert "is of another run, with images " in error and error.count("\n") == 1


@pytest.mark.some(2)
@pytest.mark.parametrize("network, recipe, training, test", [
    # One step in a stage; five, of which none would rise; a part of one image in the last measurement.
    ("lenet5", "spread", 100, 1), ("lenet5", "paper", 100, 1), ("lenet5", "spread", 501, 1),
    ("lenet5_4bit_spinbayes", "bayes", 100, 1), ("lenet5 --method sub-set", "tune", 100, 1),
    ("lenet5 --method ensemble", "tune", 101, 1),
])
def test_trains_on_few_images(network, recipe, training, test, folder, tmp_path, capsys):
    write_data(folder, training, test)
    short = [] if recipe == "paper" else ["--teacher-epochs", "1"]
    assert train.main([*network.split(), "--data", str(folder), "--out", str(tmp_path / "out.npz"),
                       "--epochs", "1", "--recipe", recipe, *short]) == 0
    with np.load(tmp_path / "out.npz") as file:
        assert all(np.isfinite(array).all() for array in file.values() if array.dtype.kind == "f")


def test_trains_on_one_class(folder, tmp_path, capsys):
    write_data(folder, 100, 20, labels=3)
    assert train.main(["lenet5", "--data", str(folder), "--out", str(tmp_path / "out.npz"), "--epochs", "1",
                       "--teacher-epochs", "0"]) == 0
    assert "no teacher ...\n" in capsys.readouterr().err


@pytest.mark.parametrize("training, test, message", [
    (99, 1, "MNIST must have at least 100 training images, not 99"),
    (100, 0, "Data folder DATA/mnist has no images in t10k-images-idx3-ubyte.gz; fetch it with: python -m "
             "golden.data fetch DIR"),
    (0, 1, "Data folder DATA/mnist has no images in train-images-idx3-ubyte.gz; fetch it with: python -m "
           "golden.data fetch DIR"),
])
def test_too_few_images(training, test, message, folder, tmp_path, capsys):
    write_data(folder, training, test)
    out = tmp_path / "out.npz"
    assert train.main(["lenet5", "--data", str(folder), "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"golden.train: {message.replace('DATA', str(folder))}\n"
    assert not out.exists()


@pytest.mark.parametrize("name, reason", [
    ("cuda:99", ".+"), ("meta", ".+"), ("gpu", "Expected one of cpu, cuda, .*"), ("cpu:x", ".+"),
])
def test_device_that_is_not_there(name, reason, folder, tmp_path, capsys):
    out = tmp_path / "out.npz"
    assert train.main(["lenet5", "--data", str(folder), "--out", str(out), "--device", name]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(f"golden.train: Device '{name}' is not available [(]{reason}[)]; leave out "
                        "--device to train on the processor\n", error)


def test_loss_that_is_no_number(folder, tmp_path, monkeypatch, capsys):
    """It ends in one line, and the state of the last epoch is there still."""
    monkeypatch.setattr(fit, "distillation_loss", lambda logits, *_: logits.sum() * float("nan"))
    out = tmp_path / "out.npz"
    assert train.main(["lenet5", "--data", str(folder), "--out", str(out), *SHORT]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "golden.train: The loss of lenet5 is nan after 0 steps, from where nothing can be learned; "
        "try another --seed")
    assert not out.exists()


def test_network_of_colours(tmp_path, monkeypatch, capsys):
    """Trained with CIFAR-10, as its definition says, in crops and mirrored; of so many layers no exact mean
    is computed."""
    monkeypatch.setitem(NETWORKS, "vgg_tiny", vgg("vgg_tiny", (4, 4, 6), 8))
    rng = np.random.default_rng(0)
    (tmp_path / "cifar10").mkdir()
    for split, count in (("train", 200), ("test", 20)):
        np.savez(tmp_path / "cifar10" / f"{split}.npz", labels=rng.integers(0, 10, count),
                 images=rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8))
    out = tmp_path / "vgg_tiny.npz"
    assert train.main(["vgg_tiny", "--data", str(tmp_path), "--out", str(out), "--epochs", "1",
                       "--teacher-epochs", "0"]) == 0
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert ["all", "kept"] in rows and ["T", "="] in rows and ["exact", "mean"] not in rows
    assert load(NETWORKS["vgg_tiny"], out).layers[0].binary_weight().shape == (4, 3, 3, 3)


# Networks of a file.

OWN = """
data = "blobs"
[input]
height = 12
width = 10
thresholds = [85, 170]
[[layers]]
kind = "conv"
outputs = 4
kernel = 3
pool = 2
[[layers]]
kind = "linear"
outputs = 3
"""


@pytest.fixture
def described(tmp_path):
    """A description, and a data set of its own: blobs in three places."""
    rng = np.random.default_rng(0)
    (tmp_path / "blobs").mkdir()
    for split, count in (("train", 300), ("test", 60)):
        labels = rng.integers(0, 3, count)
        images = rng.integers(0, 60, (count, 12, 10), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 * label:4 * label + 4, 3:7] += 150
        np.savez(tmp_path / "blobs" / f"{split}.npz", images=images, labels=labels)
    (tmp_path / "own.toml").write_text(OWN)
    return tmp_path / "own.toml"


def test_network_of_a_file(described, tmp_path, capsys):
    """Its checkpoint lies beside it and holds it; and is one to train anew, with as many choices."""
    def run(*arguments):
        return train.main([*map(str, arguments), "--data", str(tmp_path), "--epochs", "2",
                           "--teacher-epochs", "1"])

    assert run(described, "--method", "sub-set", "--crossbars", "3") == 0
    out = tmp_path / "own_sub_set.npz"
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{out}, sub-set, seed 1, ")
    network = find(str(out)).network()
    assert network == find(str(described)).network("sub-set", 3)
    assert load(network, out).layers[0].layer.bank_count == 3
    assert run(out, "--out", tmp_path / "again.npz") == 0
    assert find(str(tmp_path / "again.npz")).network() == network
    assert (tmp_path / "again.npz").read_bytes() == out.read_bytes()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run(out)
    assert capsys.readouterr().err == (
        f"golden.train: name the checkpoint to write with --out FILE; {out} is not replaced unless it is "
        "named there\n")
    # It is judged, by its description or alone, and compared.
    figures = []
    for name, more in ((described, ["--method", "sub-set", "--crossbars", "3"]), (out, [])):
        assert evaluate.main([str(name), "--data", str(tmp_path), "--passes", "3", "--json",
                              str(tmp_path / "figures.json"), *more]) == 0
        figures.append(json.loads((tmp_path / "figures.json").read_text()))
    assert figures[0] == figures[1] and figures[0]["images"] == {"blobs": 60}
    assert "own_sub_set, 60 images of blobs, compiled golden model" in capsys.readouterr().out
    assert compare.main([str(out), str(tmp_path / "again.npz"), "--data", str(tmp_path), "--passes", "3",
                         "--json", str(tmp_path / "rows.json")]) == 0
    one, other = json.loads((tmp_path / "rows.json").read_text())["methods"]
    assert one["accuracy"] == figures[0]["prediction"]["passes"]["test/cls/Acc"] and one["paper"] is None
    assert {**one, "file": str(tmp_path / "again.npz")} == other
    assert f"{out}: sub-set" in capsys.readouterr().out
    assert compare.main([str(described), "--data", str(tmp_path), "--methods", "sub-set"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"golden.compare: Checkpoint {out} has ")


@pytest.mark.some(2)
@pytest.mark.parametrize("method", ["scale-dropout", "sub-set", "spinbayes", "spatial-spindrop", "affine",
                                    "mc-dropout"])
def test_network_with_answers_for_positions(method, described, tmp_path, capsys):
    """It learns which pixels are between both thresholds, by every recipe, and is judged by all of them."""
    described.write_text(OWN.replace("kernel = 3\npool = 2", "kernel = 1").replace(
        '"linear"', '"conv"\nkernel = 1').replace("outputs = 3", "outputs = 2"))
    for split in "train", "test":
        with np.load(tmp_path / "blobs" / f"{split}.npz") as known:
            images = known["images"]
        np.savez(tmp_path / "blobs" / f"{split}.npz", images=images,
                 labels=((images >= 85) & (images < 170)).astype(int))
    options = [str(described), "--data", str(tmp_path)]
    out = tmp_path / f"own_{method}.npz"
    assert train.main([*options, "--method", method, "--epochs", "12", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "teacher" not in printed.err.replace("no teacher", "") and "mean IoU" in printed.out
    if method in BASELINES:
        return
    assert evaluate.main([str(out), "--data", str(tmp_path), "--passes", "4", "--json",
                          str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())["prediction"]
    # To say that no pixel is has a mean IoU of less than a half.
    assert figures["exact"]["test/seg/mIoU"] > 0.6
    assert "mIoU" in capsys.readouterr().out


@pytest.mark.some(2)
@pytest.mark.parametrize("method", ["scale-dropout", "sub-set", "spinbayes", "spindrop", "ensemble"])
def test_regression(method, described, tmp_path, capsys):
    """It learns the height of the blob by every recipe; the compiled network does as the float one."""
    described.write_text('answer = "numbers"' + OWN.replace("outputs = 3", "outputs = 1"))
    options = [str(described), "--data", str(tmp_path), "--method", method, "--epochs", "12"]
    assert train.main(options) == 2
    assert "must have arrays 'images' and 'targets'" in capsys.readouterr().err
    targets = {}
    for split in "train", "test":
        path = tmp_path / "blobs" / f"{split}.npz"
        with np.load(path) as known:
            images, targets[split] = known["images"], known["labels"] - 1.0
        np.savez(path, images=images, targets=targets[split])
    out = tmp_path / f"own_{method}.npz"
    assert train.main([*options, "--out", str(out)]) == 0
    said, row = capsys.readouterr().out, None
    names, *rows = said.splitlines()
    assert names.split() == ["RMSE", "MAE"]
    row = next(row for row in reversed(rows) if row.startswith("T = "))
    error = float(row.split()[-2])
    assert error < 0.7 * targets["test"].std()
    network = compiled(str(out))
    assert network.head.regression
    found = answer(network, images, 20).prediction.mean
    assert np.sqrt(((found[:, 0] - targets["test"])**2).mean()) < 1.2 * error + 0.02
    assert evaluate.main([str(out), "--data", str(tmp_path), "--passes", "20", "--json",
                          str(tmp_path / "figures.json"), "--out", str(tmp_path / "answers.csv")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    judged  = figures["prediction"]["passes"]
    assert judged["test/reg/RMSE"] == pytest.approx(np.sqrt(((found[:, 0] - targets["test"])**2).mean()))
    assert judged["deviation"] > 0 and set(figures["prediction"]) == {
        "passes", "all_kept" if METHODS[method].keeps else "one_pass"}
    assert figures["images"] == {"blobs": 60} and "accuracy" not in capsys.readouterr().out
    first = (tmp_path / "answers.csv").read_text().splitlines()[0]
    assert first == "image,target_0,mean_0,variance_0"
    with pytest.raises(SystemExit):
        train.main([str(described), "--data", str(tmp_path), "--method", "mc-dropout"])
    assert capsys.readouterr().err.splitlines()[-1] == (
        "golden.train: method 'mc-dropout' is for classes, and network 'own' is a regression; take another "
        "--method")


@pytest.mark.parametrize("shape, message", [
    ((60, 2), "Network 'own' has 1 numbers for an image, and blobs has 2; give it the name of its own data "
              "set, as golden/data.py says"),
    ((59,), "Targets of {path} must be (N, numbers), or (N, height, width, numbers) of positions, of 60 "
            "images, not (59, 1)")])
def test_targets_of_another_network(described, tmp_path, capsys, shape, message):
    described.write_text('answer = "numbers"' + OWN.replace("outputs = 3", "outputs = 1"))
    for split, count in ("train", 300), ("test", 60):
        np.savez(tmp_path / "blobs" / f"{split}.npz", images=np.zeros((count, 12, 10), np.uint8),
                 targets=np.zeros(count if split == "train" else shape))
    path = tmp_path / "blobs" / "test.npz"
    assert train.main([str(described), "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"golden.train: {message.format(path=path)}\n"


def test_teacher_of_a_network_with_answers_for_positions(described, tmp_path, capsys):
    described.write_text(OWN.replace("linear", "conv").replace("outputs = 3", "outputs = 2\nkernel = 1"))
    with pytest.raises(SystemExit):
        train.main([str(described), "--data", str(tmp_path), "--teacher-epochs", "2"])
    assert capsys.readouterr().err == (
        "golden.train: --teacher-epochs is not for network 'own', which has an answer for each position: "
        "its teacher has one class for an image\n")
    assert train.main([str(described), "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "golden.train: Network 'own' has answers for 5 x 4, and blobs has labels for the image; give it "
        "the name of its own data set, as golden/data.py says\n")


def test_learns_of_a_trained_network(described, tmp_path, capsys):
    """In place of a float teacher, by each recipe; without its parameters nothing begins."""
    options = [str(described), "--data", str(tmp_path), "--epochs", "1"]
    assert train.main([*options, "--out", str(tmp_path / "wise.npz"), *BRIEF]) == 0
    learn = [*options, "--teacher", str(tmp_path / "wise.npz")]
    for method in "scale-dropout", "sub-set", "spinbayes":
        capsys.readouterr()
        assert train.main([*learn, "--method", method, "--out", str(tmp_path / f"{method}.npz")]) == 0
        steps = capsys.readouterr().err
        assert steps.startswith("ask the teacher ...") and "float teacher" not in steps
    assert train.main([*options, "--teacher-epochs", "0", "--out", str(tmp_path / "alone.npz")]) == 0
    assert (tmp_path / "alone.npz").read_bytes() != (tmp_path / "scale-dropout.npz").read_bytes()
    capsys.readouterr()
    assert train.main([*options, "--teacher", str(described), "--method", "affine"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(
        f"golden.train: Checkpoint {tmp_path / 'own.npz'} does not exist")


def test_teacher_with_choices_of_its_own(tmp_path, capsys):
    network = with_choices(find("lenet5").plain, [(4, 1), 0.5, 0.5, 0.5, 0.5])
    write_file(tmp_path / "own.npz", network, random_parameters(network, 1))
    with pytest.raises(SystemExit):
        train.main(["lenet5", "--out", "x", "--teacher", str(tmp_path / "own.npz")])
    assert capsys.readouterr().err == (
        "golden.train: teacher 'lenet5' has choices of its own, which a float model has not; name another "
        "one\n")


def test_baseline_of_a_file(described, tmp_path, capsys):
    assert train.main([str(described), "--method", "mc-dropout", "--data", str(tmp_path), "--epochs",
                       "1"]) == 0
    assert (tmp_path / "own_mc_dropout.npz").exists()
    capsys.readouterr()
    assert compare.main([str(described), "--data", str(tmp_path), "--passes", "2", "--images", "20"]) == 0
    assert "mc-dropout (float)" in capsys.readouterr().out


@pytest.mark.parametrize("old, new, message", [
    ("height = 12", "height = 11",
     "Network 'own' takes images of 11 x 10, and those of blobs are 12 x 10; give it the name of its own "
     "data set, as golden/data.py says"),
    ("outputs = 3", "outputs = 2",
     "Network 'own' has 2 classes, and blobs has a label 2; give it the name of its own data set, as "
     "golden/data.py says"),
    ("blobs", "other", "Data file FOLDER/other/train.npz does not exist; write it with: numpy.savez(FILE, "
                       "images=images, labels=labels)"),
])
def test_data_for_another_network(old, new, message, described, tmp_path, capsys):
    described.write_text(OWN.replace(old, new))
    assert train.main([str(described), "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"golden.train: {message.replace('FOLDER', str(tmp_path))}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "own.toml"]


def test_images_too_small_for_a_teacher(described, tmp_path, capsys):
    described.write_text(OWN.replace("height = 12", "height = 7").replace("blobs", "small"))
    (tmp_path / "small").mkdir()
    for split in "train", "test":
        np.savez(tmp_path / "small" / f"{split}.npz", images=np.zeros((100, 7, 10), np.uint8),
                 labels=np.zeros(100, int))
    assert train.main([str(described), "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "golden.train: A teacher takes images of at least 8 x 8 pixels, not 7 x 10; train without, by "
        "--teacher-epochs 0")


def test_choices_of_its_own_cannot_be_trained(tmp_path, capsys):
    network = with_choices(find("lenet5").plain, [(4, 1), 0.5, 0.5, 0.5, 0.5])
    write_file(tmp_path / "own.npz", network, random_parameters(network, 1))
    with pytest.raises(SystemExit):
        train.main([str(tmp_path / "own.npz"), "--out", "x.npz"])
    assert capsys.readouterr().err == (
        "golden.train: network 'lenet5' has choices of its own, which cannot be trained; name a method "
        "with --method\n")
