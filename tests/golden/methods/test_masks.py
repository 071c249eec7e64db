"""What SpinDrop and Spatial-SpinDrop have in common."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gen.ir import Input, Layer, Network
from gen.methods import METHODS, choose
from gen.weights import ungrouped
from golden.float.layers import BinaryConvolution
from golden.float.model import BayNN
from golden.methods import spatial_spindrop, spindrop
from golden.methods.masks import MaskedConvolution, set_dropout
from golden.methods.spatial_spindrop import SpatialConvolution
from golden.methods.spindrop import NeuronConvolution


#: A padded convolution behind the first layer, a fully connected layer behind a map, and one behind none.
NETWORK = Network("small", Input(6, 5, (64, 192)), (
    Layer("first", 6, 5, 2, (3, 2), 4, padding=1),
    Layer("conv", 6, 6, 4, (3, 3), 5, pool=2, padding=1, stride=1),
    Layer("full", 3, 3, 5, (3, 3), 6),
    Layer("last", 1, 1, 6, (1, 1), 3),
))

#: The same with groups of channels.
GROUPS = replace(NETWORK, layers=(NETWORK.layers[0], replace(NETWORK.layers[1], outputs=6, groups=2),
                                  replace(NETWORK.layers[2], channels=6, groups=6), NETWORK.layers[3]))

CONVOLUTIONS = [SpatialConvolution, NeuronConvolution]


def model_of(convolution, network=NETWORK):
    torch.manual_seed(1)
    return BayNN(network, convolution).double().eval()


@pytest.mark.parametrize("convolution, groups", [
    (SpatialConvolution, [0, 4, 5, 0]), (NeuronConvolution, [0, 0, 45, 6])])
def test_groups_of_layers(convolution, groups):
    model = model_of(convolution)
    assert [layer.columns for layer in model.layers] == groups
    assert [layer.p for layer in model.layers] == [0.5 if count else None for count in groups]


def by_loops(layer, x, mask):
    """Sums of the signs ``x`` (N, C, H, W), each product times the mask (N, groups) of its input, which is
    numbered in raster order with the channel fastest; in integers, before the pool."""
    weight = ungrouped(layer.binary_weight().detach().numpy().astype(int), layer.layer.groups)
    border = [(side, side) for side in layer.layer.padding]
    padded = np.pad(x.numpy().astype(int), ((0, 0), (0, 0), *border), constant_values=-1)
    height, width = layer.layer.positions
    s = np.zeros((len(x), layer.layer.outputs, height, width), dtype=int)
    for row in range(height):
        for column in range(width):
            number = 0
            for y in range(layer.layer.kernel[0]):
                for z in range(layer.layer.kernel[1]):
                    for channel in range(layer.layer.channels):
                        product = (padded[:, channel, row + y, column + z, None]
                                   * weight[:, channel, y, z])
                        s[:, :, row, column] += product * mask[:, number % mask.shape[1], None]
                        number += 1
    return s


@pytest.mark.parametrize("network", [NETWORK, GROUPS], ids=["whole", "groups"])
@pytest.mark.parametrize("convolution, index", [
    (SpatialConvolution, 1), (SpatialConvolution, 2), (NeuronConvolution, 2), (NeuronConvolution, 3)])
def test_dropped_inputs_are_zero(convolution, index, network):
    """Those of the border too, which is -1 where its channel is kept; nothing is made larger for it."""
    layer, rng = model_of(convolution, network).layers[index], np.random.default_rng(1)
    shape = layer.layer
    x = torch.tensor(rng.choice([-1.0, 1.0], (7, shape.channels, shape.height, shape.width)))
    mask = rng.random((7, layer.columns)) < 0.6
    mask[0], mask[1] = False, True
    seen = []
    layer.normalize = lambda s: seen.append(s.detach().numpy())
    layer(x, torch.tensor(mask))
    expected = by_loops(layer, x, mask)
    if shape.pool == (2, 2):
        expected = expected.reshape(7, -1, 3, 2, 3, 2).max((3, 5))
    assert (seen[0] == expected).all() and not expected[0].any()
    assert (expected[1] == BinaryConvolution.sums(layer, x[1:2]).detach().numpy()).all()


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_evaluation_keeps_all(convolution):
    model = model_of(convolution)
    images = torch.randint(256, (9, 6, 5), dtype=torch.uint8)
    every = torch.ones(9, sum(layer.columns for layer in model.layers), dtype=torch.bool)
    assert torch.equal(model(images), model(images, every))


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_training_draws_a_mask_for_each_sample(convolution):
    """Each group is dropped with probability p, within five standard deviations of a binomial; samples
    and groups differ."""
    layer = model_of(convolution).layers[2].train()
    layer.p, masks = 0.25, []
    layer.normalize = lambda s: s
    layer.sums = lambda x, mask=None: masks.append(mask)
    layer(torch.ones(4000, 5, 3, 3))
    drawn = masks[0].movedim(1, -1).reshape(4000, layer.columns).double()
    assert set(drawn.unique().tolist()) == {0, 1}
    deviation = (0.25 * 0.75 / 4000)**0.5
    assert (drawn.mean(0) - 0.75).abs().max() < 5 * deviation
    assert torch.corrcoef(drawn.T).fill_diagonal_(0).abs().max() < 5 / 4000**0.5


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_passes_draw_bits_of_all_masks(convolution):
    model = model_of(convolution)
    set_dropout(model, 0.125)
    bits = model.draw(np.random.default_rng(1), 300, 40)
    width = sum(layer.columns for layer in model.layers)
    assert bits.shape == (300, 40, width) and bits.dtype == bool
    assert width == len(choose(NETWORK, convolution.method).drops)
    assert abs(bits.mean((0, 1)) - 0.875).max() < 5 * (0.125 * 0.875 / 12000)**0.5


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_weights_learn_only_by_kept_inputs(convolution):
    layer = model_of(convolution).layers[3 if convolution is NeuronConvolution else 2]
    groups = layer.columns
    keep = torch.arange(groups)[None].expand(50, -1) % 2 == 0
    x = torch.randint(2, (50, layer.layer.channels, layer.layer.height, layer.layer.width)).double() * 2 - 1
    signs, layer.binary_weight = layer.weight, lambda: layer.weight # no standardization, which mixes inputs
    layer(x, keep).square().sum().backward()
    of_channel = signs.grad.abs().sum((0, 2, 3))
    assert (of_channel[1::2] == 0).all() and (of_channel[::2] > 0).all()


@pytest.mark.parametrize("tuning, p", [(spatial_spindrop.TUNING, 0.05), (spindrop.TUNING, 0.1)])
def test_tuning_begins_with_its_probability(tuning, p):
    model = model_of(tuning.convolution)
    tuning.begin(model)
    assert [layer.p for layer in model.layers] == [p if layer.columns else None for layer in model.layers]
    assert issubclass(tuning.convolution, MaskedConvolution) and tuning.convolution.method in METHODS


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_state_has_the_probability(convolution):
    model, other = model_of(convolution), model_of(convolution)
    set_dropout(model, 0.375)
    other.load_state_dict(model.state_dict())
    assert [layer.p for layer in other.layers] == [layer.p for layer in model.layers]
    assert model.layers[2].p == 0.375
