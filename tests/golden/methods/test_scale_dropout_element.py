import numpy as np
import pytest
import torch

from gen.ir import Input, Layer, Network
from gen.methods import choose
from golden.float.model import BayNN
from golden.methods.scale_dropout_element import TUNING, ElementScaleConvolution, P


def model_of(outputs, dropout=0.25):
    torch.manual_seed(1)
    layers = (Layer("layer", 1, 1, 3, (1, 1), outputs, dropout=dropout),
              Layer("last", 1, 1, outputs, (1, 1), 2))
    network = choose(Network("two", Input(1, 1, (64, 128, 192)), layers), "scale-dropout-element")
    return BayNN(network, ElementScaleConvolution).double()


def test_each_channel_by_its_bit():
    layer = model_of(3).eval().layers[0]
    layer.scale.data = torch.tensor([2.0, 3.0, 4.0]).double()
    bits = torch.tensor([[0, 0, 0], [1, 0, 1], [0, 1, 0], [1, 1, 1]])
    y = layer.normalize(torch.ones(4, 3, 1, 1).double(), bits).detach().flatten(1).numpy()
    assert y == pytest.approx(np.array([[1, 1, 1], [2, 1, 4], [1, 3, 1], [2, 3, 4]]), rel=1e-4)
    assert layer.stored()["scale"].tolist() == [2, 3, 4] and layer.stored()["dropout"] == 0.25


def test_one_channel():
    """Of which there is a bit for each sample, as of the whole vector."""
    layer = model_of(1).eval().layers[0]
    layer.scale.data = torch.tensor([2.0]).double()
    y = layer(torch.ones(2, 3, 1, 1).double(), torch.tensor([0, 1])).detach().flatten()
    assert y[1].item() == pytest.approx(2 * y[0].item())


def test_training_draws_a_bit_for_each_channel_and_sample():
    """Five standard deviations of a binomial; the seed is fixed. In evaluation every scale is kept."""
    layer, count, outputs = model_of(5).layers[0], 4000, 5
    layer.scale.data = torch.full((outputs,), 2.0).double()
    entering = []
    layer.normalization.forward = lambda x: entering.append(x) or x
    layer.normalize(torch.ones(count, outputs, 1, 1).double())
    kept = (entering[0] == 2).double().flatten(1)
    assert (kept.mean(0) - 0.75).abs().max() < 5 * (0.25 * 0.75 / count)**0.5
    assert torch.corrcoef(kept.T).fill_diagonal_(0).abs().max() < 5 / count**0.5
    layer.eval()
    y = layer.normalize(torch.ones(2, outputs, 1, 1).double())
    assert y.detach().numpy() == pytest.approx(2, rel=1e-4)


def test_passes_draw_bits_of_all_channels():
    """As likely as stated, of all layers side by side."""
    model = model_of(4)
    drawn = model.draw(np.random.default_rng(1), 300, 20)
    assert drawn.shape == (300, 20, 4 + 2) and drawn.dtype == bool
    for columns, p in ((drawn[..., :4], 0.25), (drawn[..., 4:], 0.5)):
        assert abs(columns.mean() - (1 - p)) < 5 * (p * (1 - p) / columns.size)**0.5


def test_tuning_begins_with_its_probability():
    """And with scales that differ."""
    model = model_of(50)
    TUNING.begin(model)
    assert [layer.dropout.p for layer in model.layers] == [P, P]
    assert model.layers[0].scale.log().std() > 0.2
