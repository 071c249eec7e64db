import numpy as np
import pytest
import torch

import gen.checkpoint
from gen.methods import network_of
from gen.progress import Progress
from golden.data import load_sample
from golden.float.bayes import free_energy
from golden.float.spinbayes import SpinBayes
from golden.methods.checkpoints import load
from golden.training import bayes
from golden.training.fit import Images, Stage, fit, recalibrate
from golden.training.measure import measure


NETWORK = network_of("lenet5_4bit_spinbayes")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On a busy machine, threads that wait for each other make it ten times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def sample(count):
    images, labels = load_sample()
    return torch.tensor(images[:count]), torch.tensor(labels[:count]).long()


def sampled():
    torch.manual_seed(4)
    model = SpinBayes(NETWORK)
    model.settle()
    return model


def test_free_energy_gains_the_divergence_over_a_quarter():
    torch.manual_seed(4)
    model, loss = SpinBayes(NETWORK), torch.tensor(2.5)
    divergence = sum(layer.posterior.divergence().item() for layer in model.layers)
    for done, share in ((0, 0), (0.125, 0.5), (0.25, 1), (0.9, 1)):
        assert free_energy(loss, model, bayes.DIVERGENCE, 600, done).item() == pytest.approx(
            2.5 + bayes.DIVERGENCE * share * divergence / 600)


def test_fit_learns():
    images, labels = sample(300)
    torch.manual_seed(4)
    model = SpinBayes(NETWORK)
    fit(model, Images([images], labels), Stage(5, 2e-2),
        lambda loss, done: free_energy(loss, model, bayes.DIVERGENCE, 300, done), Progress())
    for layer in model.layers:
        assert layer.posterior.mean.abs().max() <= 1
        assert layer.posterior.deviation().std() > 0
    model.settle()
    recalibrate(model, images)
    result = measure(model, images, labels.numpy(), 2, 1, Progress())
    assert result["T = 2"]["test/cls/Acc"] > 0.8


def test_recalibrate_measures_the_mixture_of_arrays():
    images, _ = sample(1000)
    model = sampled()
    recalibrate(model, images)
    first, q = model.layers[0], model.levels(images)
    sums = torch.stack([first.sums(q, torch.full((1000,), number)) for number in range(8)])
    mean, deviation = sums.mean((0, 1, 3, 4)), sums.std((0, 1, 3, 4))
    assert ((first.normalization.running_mean - mean).abs() / deviation).max() < 0.1
    assert (first.normalization.running_var.sqrt() / deviation).numpy() == pytest.approx(1, abs=0.1)


def test_measure_agrees_with_single_passes():
    model, (images, labels) = sampled().double(), sample(60)
    recalibrate(model, images)
    result = measure(model, images, labels.numpy(), 3, 1, Progress())
    choice = torch.tensor(np.random.default_rng(1).integers(8, size=(60, 3, 5)))
    with torch.no_grad():
        passes = torch.stack([model(images, choice[:, number]).softmax(1) for number in range(3)])
    assert list(result) == ["T = 1", "T = 3"]
    for name, mean in (("T = 1", passes[0]), ("T = 3", passes.mean(0))):
        assert result[name]["test/cls/NLL"] == pytest.approx(
            -mean[range(60), labels].log().mean().item())


@pytest.mark.parametrize("name, accuracy, likelihood", [
    ("lenet5_spinbayes", 0.98, 0.045), ("lenet5_4bit_spinbayes", 0.985, 0.035),
])
def test_shipped_checkpoints(name, accuracy, likelihood):
    """On the first 1000 test images, where one error is 0.1 points."""
    images, labels = sample(1000)
    model = load(network_of(name), gen.checkpoint.SHIPPED / f"{name}.npz")
    result = measure(model, images, labels.numpy(), 10, 1, Progress())
    assert result["T = 10"]["test/cls/Acc"] >= accuracy
    assert result["T = 10"]["test/cls/NLL"] <= likelihood
    assert result["T = 10"]["test/cls/NLL"] < result["T = 1"]["test/cls/NLL"]
