import numpy as np
import pytest
import torch

from gen.networks import NETWORKS
from golden import metrics
from golden.data import load_sample
from golden.float.model import BayNN
from golden.methods.ensemble import EnsembleConvolution
from golden.methods.tiny_ensemble import MemberConvolution
from golden.training.temperature import LIMITS, fit_factor, multiply_logits


def drawn(factor, passes=1, count=20000):
    """Logits, and labels that are drawn with the probabilities of ``factor`` times these."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (count, passes, 5))
    probabilities = torch.tensor(factor * logits).softmax(-1).mean(1).numpy()
    labels = (probabilities.cumsum(1) < rng.random((count, 1))).sum(1)
    return logits, labels


@pytest.mark.parametrize("factor", [0.5, 1, 2.5])
@pytest.mark.parametrize("passes", [1, 4])
def test_finds_the_factor_of_the_labels(factor, passes):
    logits, labels = drawn(factor, passes)
    found = fit_factor(logits, labels)
    assert found == pytest.approx(factor, rel=0.1)

    def likelihood(factor):
        probabilities = torch.tensor(factor * logits).softmax(-1).mean(1).numpy()
        return metrics.negative_log_likelihood(probabilities, labels)

    assert likelihood(found) <= min(likelihood(0.97 * found), likelihood(1.03 * found))


def test_no_factor_leaves_the_limits():
    logits, labels = drawn(1)
    right = np.eye(5)[labels][:, None]
    assert fit_factor(right, labels) == pytest.approx(LIMITS[1], rel=0.01)
    assert fit_factor(-right, labels) == pytest.approx(LIMITS[0], rel=0.01)


def test_without_images():
    assert fit_factor(np.empty((0, 3, 10)), np.empty(0, int)) == 1


@pytest.mark.parametrize("convolution", [None, MemberConvolution, EnsembleConvolution])
def test_all_logits_are_multiplied(convolution):
    torch.manual_seed(1)
    model = BayNN(NETWORKS["lenet5"], *[convolution] if convolution else []).double().eval()
    images, choice = torch.tensor(load_sample()[0][:8]), torch.arange(8)[:, None].expand(-1, 5) % 4
    before = model(images, choice)
    multiply_logits(model, 0.75)
    assert model(images, choice).detach().numpy() == pytest.approx(0.75 * before.detach().numpy(), rel=1e-9)
