import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from gen.ir import Input, Layer, Network
from gen.methods import METHODS, choose
from golden.float.model import BayNN
from golden.methods import sub_set
from golden.methods.sub_set import GaussianScaleConvolution, quantize_scale


def module_of(outputs, count=None):
    torch.manual_seed(1)
    network = Network("one", Input(1, 1, (64, 128, 192)), (Layer("layer", 1, 1, 3, (1, 1), outputs),))
    return GaussianScaleConvolution(choose(network, "sub-set", count).layers[0]).double()


def test_quantize_scale():
    scale = torch.tensor([-1.0, 0.0, 0.0624, 0.19, 1.0, 1.06, 1.07, 1.874, 5.0])
    assert (8 * quantize_scale(scale)).tolist() == [1, 1, 1, 2, 8, 8, 9, 15, 15]


def test_divergence_by_torch():
    module = module_of(7)
    with torch.no_grad():
        module.scale.normal_(1, 0.3)
        module.rho.normal_(-1, 0.5)
    expected = kl_divergence(Normal(module.scale, module.deviation()), Normal(1, sub_set.PRIOR)).sum()
    assert module.divergence().item() == pytest.approx(expected.item())


def test_objective_gains_the_divergence_over_a_quarter():
    network = Network("small", Input(1, 1, (64,)), (Layer("layer", 1, 1, 1, (1, 1), 3),))
    model = BayNN(network, GaussianScaleConvolution)
    divergence = sum(layer.divergence().item() for layer in model.layers)
    for done, share in ((0, 0), (0.125, 0.5), (0.25, 1), (0.9, 1)):
        assert sub_set.TUNING.objective(torch.tensor(2.5), model, 600, done).item() == pytest.approx(
            2.5 + sub_set.WEIGHT * share * divergence / 600)


def test_samples_scatter_like_the_posterior():
    module = module_of(4000)
    module.settle()
    scales = 8 * module.samples
    assert scales.shape == (METHODS["sub-set"].count, 4000) == (8, 4000)
    assert (scales == scales.round()).all()
    # The deviation of the posterior, and that of rounding to an eighth.
    deviation = (sub_set.SPREAD**2 + 1 / 12 / 64)**0.5
    assert module.samples.mean(1).numpy() == pytest.approx(1, abs=5 * deviation / 4000**0.5)
    assert module.samples.std(1).numpy() == pytest.approx(deviation, rel=0.06)
    assert abs(np.corrcoef(module.samples.numpy()) - np.eye(8)).max() < 5 / 4000**0.5


def test_samples_are_as_many_as_banks():
    module = module_of(3, count=4)
    module.settle()
    assert module.samples.shape == (4, 3) and module.shares() == [0.25] * 4


def test_each_sample_and_channel_has_a_scale_of_its_own_in_training():
    module, z = module_of(50), []
    module.normalization.forward = lambda x: z.append(x) or x # what enters it
    module.normalize(torch.ones(200, 50, 2, 1).double())
    assert (z[0][:, :, 0] == z[0][:, :, 1]).all()
    assert len(z[0][:, :, 0].unique()) > 0.99 * 200 * 50 # but for those that are equal by chance
    assert z[0].std().item() == pytest.approx(sub_set.SPREAD, rel=0.05)


def test_deviations_learn():
    module = module_of(5)
    module.normalize(torch.randn(100, 5, 1, 1).double()).square().sum().backward()
    module.normalize(torch.randn(100, 5, 1, 1).double()).pow(4).sum().backward()
    assert module.rho.grad.abs().min() > 0 and module.scale.grad.abs().min() > 0


def test_state_of_a_settled_layer():
    first, second = module_of(4).eval(), module_of(4).eval()
    second.load_state_dict(first.state_dict())
    assert second.samples is None
    first.settle()
    second.load_state_dict(first.state_dict())
    s, choice = torch.randn(8, 4, 1, 1).double(), torch.arange(8)
    assert torch.equal(first.normalize(s, choice), second.normalize(s, choice))
    second.load_state_dict(module_of(4).state_dict())
    assert second.samples is None
