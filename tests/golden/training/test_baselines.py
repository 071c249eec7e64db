import pytest
import torch

from gen.ir import Layer
from gen.networks import NETWORKS
from gen.progress import Progress
from golden.data import load_sample
from golden.methods import mc_dropconnect, mc_dropout
from golden.training.baselines import BASELINES, train_baseline
from golden.training.fit import Images
from golden.training.measure import measure


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
    found = drop(BASELINES[method](FULL, 4).eval()).detach()
    assert abs((found == 0).double().mean() - p) < 5 * (p * (1 - p) / found.numel())**0.5
    assert found[found != 0].numpy() == pytest.approx(1 / (1 - p))
    layer = BASELINES[method](MAP, 4)
    assert layer.weight() is layer.convolution.weight
    x = torch.ones(1, 4, 4, 4)
    assert layer.inputs(x) is x


@pytest.mark.parametrize("method", BASELINES)
def test_learns(method):
    images, labels = load_sample()
    known = Images([torch.tensor(images[:300])], torch.tensor(labels[:300]).long())
    model = train_baseline(method, NETWORKS["lenet5"], known, 15, 1, Progress())
    result = measure(model, known.variants[0], labels[:300], 3, 1, Progress())
    assert list(result) == ["T = 1", "T = 3"] and result["T = 3"]["test/cls/Acc"] > 0.8
    assert result["T = 1"] != result["T = 3"]
