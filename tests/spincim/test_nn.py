import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.dropout import _DropoutNd

from golden.float.layers import standardize
from spincim.nn import BinaryConv2d, BinaryLinear, Fixed, ScaleDropout, Sign, SpatialSpinDrop, SpinDrop


def test_sign():
    x = torch.tensor([-2.0, -1e-30, -0.0, 0.0, 1e-30, 0.5, 3.0], requires_grad=True)
    y = Sign()(x)
    assert y.tolist() == [-1, -1, 1, 1, 1, 1, 1]
    y.sum().backward()
    assert x.grad.tolist() == [0, 2, 2, 2, 2, 1, 0]


def test_fixed():
    fixed = Fixed(4, 2)
    assert fixed(torch.tensor([-9, -2.1, -0.3, 0.124, 0.125, 1.7, 9])).tolist() == [
        -2, -2, -0.25, 0, 0.25, 1.75, 1.75]
    assert repr(fixed) == "Fixed(bits=4, fraction=2)"
    for bits, fraction in ((1, 0), (9, 4), (8, 17), (8, -1)):
        with pytest.raises(ValueError, match="^Values in fixed point must have from 2 to 8 bits and from 0 "
                                             f"to 16 of fraction, not {bits} and {fraction}$"):
            Fixed(bits, fraction)


def ones_of(weight):
    return torch.where(weight < 0, -1.0, 1.0)


@pytest.mark.parametrize("standardized", [False, True])
def test_binary_weights(standardized):
    torch.manual_seed(1)
    x = torch.randn(5, 12)
    linear = BinaryLinear(12, 4, standardized=standardized)
    with torch.no_grad():
        linear.weight.add_(0.1)
        linear.weight[0, 0] = 0.0
    weight = ones_of(standardize(linear.weight) if standardized else linear.weight)
    assert (weight != ones_of(linear.weight)).any() == standardized
    y = linear(x)
    torch.testing.assert_close(y, functional.linear(x, weight, linear.bias), rtol=0, atol=0)
    y.sum().backward()
    assert linear.weight.grad.abs().sum() > 0
    convolution = BinaryConv2d(3, 4, 2, stride=2, bias=False, standardized=standardized)
    maps = torch.randn(5, 3, 6, 6)
    weight = ones_of(standardize(convolution.weight) if standardized else convolution.weight)
    torch.testing.assert_close(convolution(maps), functional.conv2d(maps, weight, stride=2), rtol=0, atol=0)


@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_border(value):
    x = torch.randn(5, 3, 4, 4)
    x[2, 1] = 0 # a channel that was dropped has no border either
    module = BinaryConv2d(3, 4, 3, padding=(2, 1), padding_value=value)
    padded = functional.pad(x, (1, 1, 2, 2), value=value)
    padded[2, 1] = 0
    torch.testing.assert_close(
        module(x), functional.conv2d(padded, module.binary_weight(), module.bias), rtol=0, atol=0)


@pytest.mark.parametrize("options, message", [
    ({"padding": "same"}, "A binary convolution must have a padding that is a number, of padding_value, "
                          "not 'same' of mode 'zeros'"),
    ({"padding_mode": "reflect"}, "A binary convolution must have a padding that is a number, of "
                                  "padding_value, not (0, 0) of mode 'reflect'")])
def test_refuses_other_borders(options, message):
    with pytest.raises(ValueError) as error:
        BinaryConv2d(1, 2, 3, **options)
    assert str(error.value) == message


@pytest.mark.parametrize("shape", [(50, 3), (50, 3, 2, 2)])
def test_scale_dropout(shape):
    module, x = ScaleDropout(3, 0.5), torch.randn(shape)
    with torch.no_grad():
        module.scale.copy_(torch.tensor([2.0, 0.5, -1.0]))
    scale = module.scale.view(3, *[1] * (len(shape) - 2))
    keep  = torch.rand(50) < 0.5
    kept  = keep.view(-1, *[1] * (len(shape) - 1))
    torch.testing.assert_close(module(x, keep), torch.where(kept, x * scale, x), rtol=0, atol=0)
    torch.testing.assert_close(module.eval()(x), x * scale, rtol=0, atol=0)
    found = module.train()(torch.ones(shape)).flatten(1)[:, 0]
    assert {round(value, 3) for value in found.tolist()} == {1.0, 2.0} # each sample by itself


@pytest.mark.parametrize("p, kept", [(0.0, 1.0), (1.0, 0.0), (0.25, 0.75)])
def test_masks(p, kept):
    torch.manual_seed(2)
    for module, shape in ((SpinDrop(p), (2000, 8)), (SpatialSpinDrop(p), (2000, 8, 2, 2))):
        x = torch.randint(2, shape) * 2.0 - 1
        found = module(x) / x
        assert set(found.unique().tolist()) <= {0.0, 1.0} # nothing is multiplied
        assert (found.flatten(2).amin(-1) == found.flatten(2).amax(-1)).all() if x.ndim == 4 else True
        assert abs(found.mean() - kept) < 0.02
        assert torch.equal(module.eval()(x), x)
        keep = torch.rand(2000, 8) < 0.5
        assert torch.equal(module(x, keep), x * keep.view(2000, 8, *[1] * (x.ndim - 2)))


@pytest.mark.parametrize("module, shape, message", [
    (SpinDrop(), (2, 3, 4, 4), "SpinDrop must take 2 dimensions, not 4"),
    (SpatialSpinDrop(), (2, 3), "SpatialSpinDrop must take 4 dimensions, not 2")])
def test_masks_refuse(module, shape, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        module(torch.ones(shape))


def test_is_found_as_dropout():
    """Wrappers for Monte Carlo dropout keep what has this base class in training mode."""
    model = nn.Sequential(BinaryLinear(4, 4), ScaleDropout(4, 0.2), Sign(), SpinDrop(0.3),
                          SpatialSpinDrop(0.4))
    model.eval()
    found = [module for module in model.modules() if isinstance(module, _DropoutNd)]
    assert [module.p for module in found] == [0.2, 0.3, 0.4]
    for module in found:
        module.train()
        with pytest.raises(ValueError, match="dropout probability"):
            type(module)(*[4] * isinstance(module, ScaleDropout), p=1.5)


def test_trains():
    """Gradients reach all parameters, and a step changes some weight."""
    torch.manual_seed(3)
    model = nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3, padding=1), nn.MaxPool2d(2), ScaleDropout(6), nn.BatchNorm2d(6),
        Sign(), SpatialSpinDrop(0.1), nn.Flatten(), BinaryLinear(96, 3), ScaleDropout(3), nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    x = torch.randn(90, 1, 8, 8)
    label = (x[:, 0, :4].sum((1, 2)) > 0).long() + (x[:, 0, 4:].sum((1, 2)) > 0)
    losses = []
    for _ in range(60):
        loss = functional.cross_entropy(model(x), label)
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
