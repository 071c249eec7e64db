import numpy as np
import pytest
import torch

from gen.checkpoint_file import CheckpointError
from gen.ir import Layer
from gen.methods import choose
from gen.networks import vgg
from gen.progress import Progress
from golden.data import load_sample
from golden.methods import BASELINES, FLOAT, mc_dropconnect, mc_dropout, shipped
from golden.methods.float_network import FloatNetwork
from golden.training.baselines import CONVOLUTIONS, Plan, network_of, read, train_baseline, write
from golden.training.fit import Images
from golden.training.measure import measure, probabilities_of


FULL = Layer("full", 1, 1, 4, (1, 1), 5)
MAP = Layer("map", 4, 4, 4, (2, 2), 5)


@pytest.mark.parametrize("method, p, drop", [
    ("mc-dropout", mc_dropout.P, lambda layer: layer.inputs(torch.ones(5000, 4, 1, 1))),
    ("mc-dropconnect", mc_dropconnect.P, lambda layer: torch.cat(
        [layer.weight() / layer.convolution.weight for _ in range(1000)])),
])
def test_drops_in_evaluation_too(method, p, drop):
    """A share of zeros within five standard deviations, all else larger by 1 / (1 - p); not in maps."""
    torch.manual_seed(1)
    found = drop(CONVOLUTIONS[method](FULL, 4).eval()).detach()
    assert abs((found == 0).double().mean() - p) < 5 * (p * (1 - p) / found.numel())**0.5
    assert found[found != 0].numpy() == pytest.approx(1 / (1 - p))
    layer = CONVOLUTIONS[method](MAP, 4)
    assert layer.weight() is layer.convolution.weight
    x = torch.ones(1, 4, 4, 4)
    assert layer.inputs(x) is x


def test_colours():
    """Pixels of several components, which come last, are channels."""
    network = choose(vgg("vgg_small", (2, 3, 4), 5), "scale-dropout")
    model   = FloatNetwork(network, CONVOLUTIONS["mc-dropout"]).eval()
    assert model(torch.zeros(2, 32, 32, 3, dtype=torch.uint8)).shape == (2, 10)


@pytest.mark.parametrize("method", BASELINES)
def test_learns(method):
    images, labels = load_sample()
    known = Images([torch.tensor(images[:300])], torch.tensor(labels[:300]).long())
    torch.manual_seed(1)
    model = train_baseline(network_of("lenet5", method), known, Plan(15), Progress())
    result = measure(model, known.variants[0], labels[:300], 3, 1, Progress())
    assert list(result) == ["T = 1", "T = 3"] and result["T = 3"]["test/cls/Acc"] > 0.8
    assert result["T = 1"] != result["T = 3"]


def test_all_have_layers():
    assert list(CONVOLUTIONS) == list(BASELINES)


@pytest.mark.parametrize("method", BASELINES)
def test_written_and_read(tmp_path, method):
    """All comes back, statistics of the normalization included, and passes draw as before."""
    torch.manual_seed(2)
    network, path = network_of("lenet5", method), tmp_path / "mine.npz"
    model = FloatNetwork(network, CONVOLUTIONS[method])
    images, _ = load_sample()
    model(torch.tensor(images[:50]))
    write(model, path)
    again = read(network, path)
    assert not again.training
    first, second = (probabilities_of(each, images[:4], 3, 5, Progress()) for each in (model, again))
    assert (first == second).all() and first.shape == (4, 3, 10)
    assert first.sum(-1) == pytest.approx(1)


@pytest.mark.parametrize("spoil, message", [
    (lambda path: path.unlink(), "does not exist; "),
    (lambda path: path.write_bytes(b"PK and no more"), "is damaged ("),
    (lambda path: path.write_bytes(path.read_bytes()[:5000]), "is damaged ("),
    (lambda path: np.savez(path, network=np.array("lenet5_mc_dropout")), "is damaged (Error(s) in loading"),
    (lambda path: np.savez(path), "is damaged ('network'); "),
    (lambda path: np.savez(path, network=np.array("lenet5_wide_mc_dropout")),
     "is of network 'lenet5_wide_mc_dropout', not 'lenet5_mc_dropout'; "),
])
def test_wrong_checkpoint(tmp_path, spoil, message):
    network, path = network_of("lenet5", "mc-dropout"), tmp_path / "mine.npz"
    write(FloatNetwork(network, CONVOLUTIONS["mc-dropout"]), path)
    spoil(path)
    with pytest.raises(CheckpointError) as error:
        read(network, path)
    assert str(error.value).startswith(f"Checkpoint {path} {message}")
    assert str(error.value).endswith("; make it again with: python -m golden.train lenet5 --method "
                                     f"mc-dropout --data DIR --out {path}")
    with pytest.raises(CheckpointError, match=" golden.train of/mine.toml --method mc-dropout --data DIR "):
        read(network, path, "of/mine.toml")


@pytest.mark.parametrize("method", BASELINES)
def test_shipped_checkpoints(method):
    """On the first 1000 test images, where one error is 0.1 points."""
    path = shipped("lenet5", method)
    assert path.parent == FLOAT and path.stat().st_size < 300_000
    images, labels = load_sample()
    model  = read(network_of("lenet5", method), path)
    result = measure(model, torch.tensor(images), labels, 20, 1, Progress())["T = 20"]
    assert result["test/cls/Acc"] >= 0.985 and result["test/cls/NLL"] <= 0.05
