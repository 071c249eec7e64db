from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from gen.ir import ArrayChoice, Layer
from golden.float.bayes import PRIOR, BayesianConvolution, Gaussian, quantize


def layer_of(arrays=4, **fields):
    return Layer(**{"name": "layer", "height": 6, "width": 5, "channels": 3, "kernel": (3, 2),
                    "outputs": 4, "choices": (ArrayChoice("layer", tuple(range(arrays))),),
                    "weight_bits": 4, **fields})


def gaussian(mean, deviation):
    posterior = Gaussian(len(mean)).double()
    with torch.no_grad():
        posterior.mean.copy_(torch.tensor(mean))
        posterior.rho.copy_(torch.tensor(deviation).expm1().log())
    return posterior


def held(layer, seed=0):
    """Return a float64 module in evaluation mode with random arrays and integer levels for it."""
    rng = np.random.default_rng(seed)
    most = 2**(layer.weight_bits - 1) - 1
    module = BayesianConvolution(layer).double().eval()
    module.hold(torch.tensor(rng.integers(
        -most, most + 1, (layer.crossbars, layer.outputs, layer.channels, *layer.kernel))))
    q = rng.integers(0, 2**layer.input_bits, (5, layer.channels, layer.height, layer.width))
    return module, torch.tensor(q).double()


def test_draws_have_mean_and_deviation():
    torch.manual_seed(0)
    mean, deviation = [-0.5, 0.0, 0.8], [0.01, 0.1, 0.4]
    posterior = gaussian(mean, deviation)
    drawn = torch.stack([posterior.draw() for _ in range(4000)]).detach()
    assert posterior.deviation().tolist() == pytest.approx(deviation)
    # Five standard errors; the seed is fixed.
    assert (drawn.mean(0) - torch.tensor(mean)).abs().numpy() == pytest.approx(
        0, abs=5 * 0.4 / 4000**0.5)
    assert drawn.std(0).numpy() == pytest.approx(deviation, rel=5 / 8000**0.5)


def test_gradient_reaches_means_and_deviations():
    torch.manual_seed(0)
    posterior = gaussian([0.1, 0.2], [0.1, 0.1])
    noise = (posterior.draw() - posterior.mean).detach() / posterior.deviation().detach()
    torch.manual_seed(0)
    (posterior.draw() * torch.tensor([1.0, 3.0])).sum().backward()
    assert posterior.mean.grad.tolist() == [1, 3]
    slope = torch.sigmoid(posterior.rho.detach()) # of the deviation over rho
    torch.manual_seed(0)
    noise = torch.randn(2).double()
    assert posterior.rho.grad.numpy() == pytest.approx((noise * slope * torch.tensor([1, 3])).numpy())


def test_divergence_to_the_prior():
    mean, deviation = [-0.7, 0.0, 0.25], [0.02, PRIOR, 0.5]
    expected = sum(kl_divergence(Normal(*parameters), Normal(0.0, PRIOR)).item()
                   for parameters in zip(mean, deviation, strict=True))
    assert gaussian(mean, deviation).divergence().item() == pytest.approx(expected)
    assert gaussian([0.0], [PRIOR]).divergence().item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("bits, expected", [
    (4, [-7, -7, -4, -1, 0, 0, 1, 3, 7, 7]), (3, [-3, -3, -2, 0, 0, 0, 0, 1, 3, 3]),
    (2, [-1, -1, -1, 0, 0, 0, 0, 0, 1, 1]),
])
def test_quantize(bits, expected):
    weight = torch.tensor([-1.8, -1.0, -0.6, -0.08, -0.0, 0.07, 0.08, 0.45, 1.0, 5.0])
    assert quantize(weight, bits).tolist() == expected


@pytest.mark.parametrize("fields", [
    {}, {"padding": 1}, {"stride": 2}, {"pool": 2}, {"kernel": (6, 5)},
    {"kernel": (1, 3), "padding": (0, 2), "stride": (2, 1), "pool": (2, 3)},
    {"height": 1, "width": 1, "kernel": (3, 3), "padding": 1},
])
@pytest.mark.parametrize("bits, low, weight_bits", [(1, -1, 4), (4, 0, 4), (4, -1, 3), (1, 0, 2)])
def test_sums_against_loops(fields, bits, low, weight_bits):
    """Values of levels times values of weights, in rational numbers."""
    layer = layer_of(input_bits=bits, input_low=low, weight_bits=weight_bits, **fields)
    module, q = held(layer)
    choice = torch.tensor([2, 0, 3, 3, 1])
    level, unit = 2**bits - 1, 2**(weight_bits - 1) - 1
    (down, right), (rows, columns) = layer.stride, layer.pool
    padded = np.pad(q.numpy().astype(int), ((0, 0), (0, 0), *((border,) * 2 for border in layer.padding)))
    height, width = layer.positions
    s = np.empty((5, 4, height, width), dtype=object)
    for index in np.ndindex(s.shape):
        sample, output, row, column = index
        weight = module.arrays[choice[sample], output].long().numpy()
        window = padded[sample, :, row * down:row * down + layer.kernel[0],
                        column * right:column * right + layer.kernel[1]]
        s[index] = sum((low + Fraction(1 - low) * q / level) * Fraction(w, unit)
                       for q, w in zip(window.ravel().tolist(), weight.ravel().tolist(), strict=True))
    height, width, _ = layer.output_shape
    pooled = s[:, :, :height * rows, :width * columns].reshape(
        5, 4, height, rows, width, columns).max((3, 5))
    # To the last bit: the nearest number in float64.
    assert (module.sums(q, choice).numpy() == pooled.astype(float)).all()


def test_normalize_by_hand():
    module, _ = held(layer_of(height=1, width=1, channels=1, kernel=(1, 1), outputs=1))
    module.hold(torch.tensor([-7, 7, 0, 3]).view(4, 1, 1, 1, 1))
    with torch.no_grad():
        module.bias.fill_(1)
        module.normalization.weight.fill_(-3)
        module.normalization.bias.fill_(0.5)
        module.normalization.running_mean.fill_(4)
        module.normalization.running_var.fill_(25 - module.normalization.eps)
        y = module(torch.ones(4, 1, 1, 1).double(), torch.arange(4)).flatten()
    assert y.numpy() == pytest.approx([-3 * (s + 1 - 4) / 5 + 0.5 for s in (-1, 1, 0, 3 / 7)])


def test_draws_an_array_unless_given():
    module, q = held(layer_of())
    torch.manual_seed(0)
    every = {tuple(module.sums(q[:1], torch.tensor([number])).flatten().tolist())
             for number in range(4)}
    drawn = {tuple(s.flatten().tolist()) for s in module.sums(q[:1].repeat(50, 1, 1, 1))}
    assert len(every) == 4 and drawn == every


def test_each_half_of_a_batch_draws_weights():
    torch.manual_seed(0)
    module = BayesianConvolution(layer_of())
    s = module.sums(torch.ones(5, 3, 6, 5)).detach()
    first, second = s[:3], s[3:] # the first half takes the odd one
    assert torch.equal(first, first[:1].expand_as(first))
    assert torch.equal(second, second[:1].expand_as(second))
    assert not torch.equal(first[0], second[0])


def test_samples_scatter_like_the_posterior():
    torch.manual_seed(0)
    module = BayesianConvolution(layer_of(arrays=64))
    with torch.no_grad():
        module.posterior.mean.fill_(0.4)
        module.posterior.rho.fill_(np.log(np.expm1(0.5)))
    module.settle()
    assert module.arrays.shape == (64, 4, 3, 3, 2)
    assert module.arrays.unique().tolist() == list(range(-7, 8))
    # 0.4 less what lies above 1 and is clipped: 0.372, with a standard error of 0.007.
    assert module.arrays.mean() / 7 == pytest.approx(0.372, abs=0.03)
    assert not any(parameter.requires_grad for parameter in module.posterior.parameters())


def test_training_learns_means_and_deviations():
    torch.manual_seed(0)
    module = BayesianConvolution(layer_of())
    module(torch.rand(8, 3, 6, 5)).square().sum().backward()
    assert module.posterior.mean.grad.abs().max() > 0
    assert module.posterior.rho.grad.abs().max() > 0


def test_restrict():
    module = BayesianConvolution(layer_of())
    with torch.no_grad():
        module.posterior.mean.fill_(1.2)
        module.restrict()
    assert (module.posterior.mean == 1).all()
