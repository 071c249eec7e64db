import numpy as np
import pytest
import torch
from torch.nn.modules.dropout import _DropoutNd

from gen.ir import Layer
from golden.methods.scale_dropout import ScaleConvolution, ScaleDropout


def test_scale_dropout_is_a_torch_dropout():
    assert isinstance(ScaleDropout(), _DropoutNd)
    with pytest.raises(ValueError):
        ScaleDropout(1.5)


def test_scale_dropout_given_bits():
    x, scale = torch.ones(3, 2, 1, 1), torch.tensor([0.5, 2.0])
    dropout = ScaleDropout().eval()
    assert dropout(x, scale, torch.tensor([True, False, True])).flatten(1).tolist() == [
        [0.5, 2], [1, 1], [0.5, 2]]
    assert dropout(x, scale).flatten(1).tolist() == [[0.5, 2]] * 3


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_scale_dropout_rate(p):
    # Five standard deviations of a binomial: a false alarm in 1.7 million, and the seed is fixed.
    torch.manual_seed(0)
    dropped = (ScaleDropout(p)(torch.ones(20000, 1, 1, 1), torch.tensor([2.0])) == 1).double()
    assert abs(dropped.mean().item() - p) < 5 * np.sqrt(p * (1 - p) / 20000)


def test_scale_dropout_of_a_batch():
    torch.manual_seed(0)
    dropout = ScaleDropout(0.5, per_sample=False)
    means = {dropout(torch.ones(8, 1, 1, 1), torch.tensor([2.0])).mean().item()
             for _ in range(32)}
    assert means == {1.0, 2.0}


def test_normalize_by_hand():
    layer = Layer("layer", height=1, width=1, channels=3, kernel=(1, 1), outputs=1)
    module = ScaleConvolution(layer).double().eval()
    with torch.no_grad():
        module.bias.fill_(1)
        module.scale.fill_(2)
        module.normalization.weight.fill_(-3)
        module.normalization.bias.fill_(0.5)
        module.normalization.running_mean.fill_(4)
        module.normalization.running_var.fill_(25 - module.normalization.eps)
    s = torch.full((2, 1, 1, 1), 5.0).double()
    y = module.normalize(s, torch.tensor([True, False])).detach().flatten()
    assert y.numpy() == pytest.approx([-3 * ((5 + 1) * 2 - 4) / 5 + 0.5, -3 * (6 - 4) / 5 + 0.5])
    assert (module.normalize(s, torch.tensor([1, 0])).flatten() == y).all()


def test_shares_are_those_of_the_bits():
    layer = Layer("layer", height=1, width=1, channels=3, kernel=(1, 1), outputs=1, dropout=0.125)
    assert ScaleConvolution(layer).shares() == [0.125, 0.875]
