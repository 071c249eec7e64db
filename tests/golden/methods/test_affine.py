import numpy as np
import pytest
import torch

from gen.ir import Input, Layer, Network
from golden.float.model import BayNN
from golden.methods.affine import FRACTION, TUNING, AffineConvolution, P


NETWORK = Network("network", Input(4, 5, (90, 180)), (
    Layer("conv", 4, 5, 2, (2, 2), 3, pool=1), Layer("full", 3, 4, 3, (3, 4), 6),
    Layer("last", 1, 1, 6, (1, 1), 4)))


def make(seed=0):
    torch.manual_seed(seed)
    model = BayNN(NETWORK, AffineConvolution).double()
    with torch.no_grad():
        for layer in model.layers:
            layer.normalization.weight.uniform_(0.5, 2)
            layer.normalization.bias.normal_()
            layer.normalization.running_mean.normal_(0, 3)
            layer.normalization.running_var.uniform_(5, 50)
    TUNING.begin(model)
    return model


def test_begins_with_the_batch_normalization():
    """Up to a factor, which the normalization of a map cancels, and with w of one on average."""
    layer = make().layers[0]
    s = torch.randint(-4, 5, (20, 3, 3, 4)) * 2.0
    z = layer.affine(s.double(), torch.full((20,), 3))
    layer.normalization.eval()
    y = layer.normalization(s.double())
    factor = z.flatten()[0] / y.flatten()[0]
    assert factor > 0 and torch.allclose(z, factor * y, rtol=1e-4, atol=1e-5)
    assert layer.gain.mean().item() == pytest.approx(1)


def test_a_map_is_normalized_by_itself():
    """Mean 0 and deviation 1 over channels and positions of each sample, while training and not."""
    model = make()
    s = torch.randn(5, 3, 3, 4, dtype=torch.float64) * 8
    for layer in (model.train().layers[0], model.eval().layers[0]):
        y = layer.normalize(s, torch.tensor([0, 1, 2, 3, 3])).flatten(1)
        assert torch.allclose(y.mean(1), torch.zeros(5).double(), atol=1e-9)
        assert torch.allclose(y.square().mean(1), torch.ones(5).double(), atol=1e-3)
        # A map alone gives what it gives among others.
        assert torch.allclose(y[3:4], layer.normalize(s[3:4], torch.tensor([3])).flatten(1))


def test_what_a_choice_drops():
    """w to ones where the higher bit is 0, b to zeros where the lower is."""
    layer = make().layers[0]
    s = torch.randn(1, 3, 3, 4, dtype=torch.float64)
    x, w, b = s / 8**0.5, layer.gain.view(1, -1, 1, 1), layer.offset.view(1, -1, 1, 1)
    for choice, expected in enumerate((x, x + b, w * x, w * x + b)):
        assert torch.allclose(layer.affine(s, torch.tensor([choice])), expected, atol=1e-4)


def test_draws_both_bits_while_training():
    """Each sample draws its own, with the probability of the paper; in evaluation all is kept."""
    model = make()
    layer = model.train().layers[0]
    assert P == layer.p == 0.3
    assert layer.shares() == pytest.approx([0.09, 0.21, 0.21, 0.49])
    assert model.layers[-1].shares() == [1.0] and model.layers[-1].p is None
    s = torch.randn(1, 3, 3, 4, dtype=torch.float64)
    every = torch.stack([layer.normalize(s, torch.tensor([choice]))[0] for choice in range(4)])
    drawn = layer.normalize(s.expand(4000, -1, -1, -1))
    found = (drawn[:, None] - every[None]).abs().flatten(2).amax(2).argmin(1)
    assert np.bincount(found, minlength=4) / 4000 == pytest.approx([0.09, 0.21, 0.21, 0.49], abs=0.03)
    assert torch.equal(model.eval().layers[0].normalize(s)[0], every[3])


def test_last_layer_has_a_batch_normalization():
    """Nothing of it is random."""
    model  = make().eval()
    images = torch.randint(0, 256, (6, 4, 5), dtype=torch.uint8)
    choice = torch.tensor([[3, 1, 0]] * 6)
    assert not model.layers[-1].inverted and set(model.layers[-1].stored()) == {
        "weight", "bias", "scale", "gamma", "beta", "mean", "variance", "epsilon"}
    assert torch.equal(model(images, choice), model(images, choice + torch.tensor([0, 0, 1])))


def test_settles_on_fixed_point():
    """What is stored are multiples, for sums as they are; that changes z by no more than the rounding."""
    layer = make().layers[0]
    s = (torch.randint(-4, 5, (20, 3, 3, 4)) * 2.0).double()
    before = layer.affine(s, torch.full((20,), 3)) * 8**0.5
    layer.settle()
    stored = layer.stored()
    for name in ("gamma", "beta"):
        assert torch.equal(stored[name] * 2**FRACTION, (stored[name] * 2**FRACTION).round())
    assert stored["variance"].tolist() == [1] * 3 and stored["epsilon"] == 0 and stored["dropout"] == 0.3
    assert (layer.affine(s, torch.full((20,), 3)) - before).abs().max() <= 9 / 2**(FRACTION + 1) + 1e-3
