import numpy as np
import pytest
import torch

from gen.ir import Layer
from golden.float.layers import BinaryConvolution, sign, sign_of_weights, standardize


def layer_of(**fields):
    return Layer(**{"name": "layer", "height": 6, "width": 5, "channels": 3, "kernel": (3, 2),
                    "outputs": 4, **fields})


def signs_of(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).choice([-1.0, 1.0], shape))


def test_sign_of_zero_is_one():
    assert sign(torch.tensor([-0.5, -0.0, 0.0, 2.0])).tolist() == [-1, 1, 1, 1]


def test_sign_gradient():
    x = torch.tensor([-2.0, -1.0, -0.25, 0.0, 0.5, 3.0], requires_grad=True)
    sign(x).sum().backward()
    assert x.grad.tolist() == [0, 0, 1.5, 2, 1, 0]


def test_weight_gradient_is_identity():
    weight = torch.tensor([-3.0, 0.0, 0.1], requires_grad=True)
    signs = sign_of_weights(weight)
    (signs * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert signs.tolist() == [-1, 1, 1] and weight.grad.tolist() == [1, 2, 3]


def test_standardize():
    weight = standardize(torch.randn(4, 3, 3, 2, generator=torch.Generator().manual_seed(0)) * 5 + 1)
    assert weight.mean((1, 2, 3)).numpy() == pytest.approx(0, abs=1e-6)
    assert weight.std((1, 2, 3), correction=0).numpy() == pytest.approx(1, abs=1e-6)


def test_standardize_constant_channel():
    weight = torch.full((1, 2, 1, 1), 0.3, requires_grad=True)
    standardized = standardize(weight)
    standardized.sum().backward()
    assert standardized.flatten().tolist() == [0, 0] and weight.grad.isfinite().all()


@pytest.mark.parametrize("fields", [
    {}, {"padding": 1}, {"stride": 2}, {"pool": 2}, {"kernel": (6, 5)}, {"padding": (0, 1)},
    {"stride": (1, 3), "pool": (2, 1)}, {"kernel": (1, 3), "padding": (0, 2), "pool": (1, 4)}, {"pool": 4},
    {"channels": 4, "groups": 2}, {"channels": 4, "groups": 4, "kernel": (6, 5)},
])
def test_sums_against_loops(fields):
    layer = layer_of(**fields)
    module = BinaryConvolution(layer).double()
    x, weight = signs_of(2, layer.channels, 6, 5), module.binary_weight()
    (top, left), (down, right), (rows, columns) = layer.padding, layer.stride, layer.pool
    padded = -np.ones((2, layer.channels, 6 + 2 * top, 5 + 2 * left))
    padded[:, :, top:top + 6, left:left + 5] = x
    height, width = layer.positions
    s = np.zeros((2, 4, height, width))
    for row in range(height):
        for column in range(width):
            window = padded[:, :, row * down:row * down + layer.kernel[0],
                            column * right:column * right + layer.kernel[1]]
            for output in range(4):
                first = output // layer.group_outputs * layer.group_channels
                seen  = window[:, first:first + layer.group_channels]
                s[:, output, row, column] = (seen * weight[output].detach().numpy()).sum((1, 2, 3))
    height, width = height // rows, width // columns
    pooled = s[:, :, :height * rows, :width * columns].reshape(
        2, 4, height, rows, width, columns).max((3, 5))
    assert (module.sums(x).detach().numpy() == pooled).all()
    assert (height, width, 4) == layer.output_shape


def test_normalize_by_hand():
    module = BinaryConvolution(layer_of(outputs=1)).double().eval()
    with torch.no_grad():
        module.bias.fill_(1)
        module.scale.fill_(2)
        module.normalization.weight.fill_(-3)
        module.normalization.bias.fill_(0.5)
        module.normalization.running_mean.fill_(4)
        module.normalization.running_var.fill_(25 - module.normalization.eps)
    s = torch.full((1, 1, 1, 1), 5.0).double()
    assert module.normalize(s).item() == pytest.approx(-3 * ((5 + 1) * 2 - 4) / 5 + 0.5)


def test_pool_comes_before_a_negative_scale():
    # A maximum of the sums, not of what the normalization makes of them.
    module = BinaryConvolution(layer_of(height=2, width=2, channels=1, kernel=(1, 1), outputs=1,
                                        pool=2)).double().eval()
    module.hold(torch.ones(1, 1, 1, 1))
    with torch.no_grad():
        module.normalization.weight.fill_(-1)
    y = module(torch.tensor([[[[1.0, -1.0], [-1.0, -1.0]]]]).double())
    assert y.item() == pytest.approx(-1, abs=1e-4)


def test_training_agrees_with_evaluation():
    torch.manual_seed(0)
    module, x = BinaryConvolution(layer_of()).double(), signs_of(50, 3, 6, 5)
    module.normalization.momentum = None
    trained = module(x)
    variance = module.normalization.running_var
    variance.mul_((50 * 16 - 1) / (50 * 16)) # torch keeps the variance of n - 1
    assert module.eval()(x).detach().numpy() == pytest.approx(trained.detach().numpy())
