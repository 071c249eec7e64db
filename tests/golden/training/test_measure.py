import numpy as np
import pytest
import torch

from gen.networks import NETWORKS
from gen.progress import Progress
from golden.data import load_sample
from golden.float.model import BayNN
from golden.methods.checkpoints import CONVOLUTIONS
from golden.training.measure import logits_of_passes, measure


@pytest.mark.parametrize("method", CONVOLUTIONS)
def test_passes_are_single_passes(method):
    """What passes share of the first layer changes no bit."""
    torch.manual_seed(4)
    model = BayNN(NETWORKS["lenet5"], CONVOLUTIONS[method]).double().eval()
    model.settle()
    images = torch.tensor(load_sample()[0][:20])
    choice = torch.tensor(model.draw(np.random.default_rng(1), 20, 3))
    found = logits_of_passes(model, images, 3, 1, Progress())
    with torch.no_grad():
        for number in range(3):
            assert (found[:, number] == model(images, choice[:, number]).numpy()).all()


def test_one_pass_is_one_row():
    model = BayNN(NETWORKS["lenet5"]).double().eval()
    images, labels = load_sample()
    result = measure(model, torch.tensor(images[:20]), labels[:20], 1, 1, Progress())
    assert list(result) == ["T = 1"]
    assert result["T = 1"]["test/cls/Acc"] == (
        model(torch.tensor(images[:20])).argmax(1).numpy() == labels[:20]).mean()


def test_choices_are_as_likely_as_their_shares():
    """Five standard deviations of a binomial; the seed is fixed."""
    model = BayNN(NETWORKS["lenet5"], CONVOLUTIONS["scale-dropout"])
    for number, layer in enumerate(model.layers):
        layer.dropout.p = number / 4
    choice = model.draw(np.random.default_rng(1), 2000, 10)
    assert choice.shape == (2000, 10, 5)
    for number in range(5):
        p = number / 4
        assert abs((choice[..., number] == 0).mean() - p) <= 5 * (p * (1 - p) / 20000)**0.5
