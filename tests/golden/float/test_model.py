import numpy as np
import pytest
import torch

from gen.ir import Input, Layer, Network
from gen.networks import NETWORKS
from golden.float.model import BayNN, paths
from golden.methods.scale_dropout import ScaleConvolution


#: Every geometry that matters for the order of weights: kernels over maps, flattening, channels.
SMALL = Network("small", Input(8, 7, (64, 192)), (
    Layer("conv", 8, 7, 2, (3, 2), 5, pool=2, dropout=0.25),
    Layer("full", 3, 3, 5, (3, 3), 6, dropout=0.5),
    Layer("last", 1, 1, 6, (1, 1), 3, dropout=0.1),
))


def trained(network=SMALL, seed=0):
    """Return a float64 model of random parameters, some of them negative."""
    torch.manual_seed(seed)
    model = BayNN(network, ScaleConvolution).double().eval()
    with torch.no_grad():
        for layer in model.layers:
            for vector in (layer.bias, layer.normalization.bias, layer.normalization.weight):
                vector.normal_()
            layer.scale.uniform_(0.5, 2)
            layer.normalization.running_mean.normal_(0, 3)
            layer.normalization.running_var.uniform_(5, 50)
    return model


def images_of(count, network=SMALL):
    pixels = np.random.default_rng(1).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8)
    return torch.tensor(pixels)


def keep_of(count, network=SMALL):
    return torch.tensor(np.random.default_rng(2).random((count, len(network.layers))) < 0.5)


def test_binarize():
    pixels = torch.tensor([[[63, 64, 191, 192]]], dtype=torch.uint8)
    assert BayNN(SMALL).binarize(pixels).tolist() == [[[[-1, 1, 1, 1]], [[-1, -1, -1, 1]]]]


@pytest.mark.parametrize("name", ["lenet5", "lenet5_wide"])
def test_shapes(name):
    network = NETWORKS[name]
    model, images = trained(network), images_of(2, network)
    assert model(images).shape == (2, 10)
    shapes = [(network.input.height, network.input.width, len(network.input.thresholds)),
              *(layer.output_shape for layer in network.layers[:-1])]
    maps = model.hidden(images, keep_of(2, network))
    assert [(bits.dtype, bits.shape) for bits in maps] == [(torch.bool, (2, *shape))
                                                          for shape in shapes]


def test_paths_are_all_passes():
    model, images = trained(), images_of(4)
    every = paths(model, images)
    assert every.shape == (4, 8, 3)
    for index in range(8):
        bits = torch.tensor([[bool(index & 4), bool(index & 2), bool(index & 1)]] * 4)
        expected = model(images, bits).softmax(1)
        assert every[:, index].numpy() == pytest.approx(expected.detach().numpy())


def test_evaluation_keeps_all_scales():
    model, images = trained(), images_of(5)
    assert torch.equal(model(images), model(images, torch.ones(5, 3, dtype=torch.bool)))


def test_wrappers_draw_by_training_dropouts_alone():
    torch.manual_seed(3)
    model, images = trained(), images_of(1).repeat(64, 1, 1)
    for layer in model.layers:
        layer.dropout.train()
    drawn = {tuple(row) for row in model(images).detach().numpy().round(6)}
    every = {tuple(row) for row in np.concatenate(
        [model(images[:1], torch.tensor([[bool(index & 4), bool(index & 2), bool(index & 1)]]))
         .detach().numpy() for index in range(8)]).round(6)}
    assert 2 < len(drawn) <= 8 and drawn <= every


def test_float32_weights_agree_with_float64():
    model, images = trained(), images_of(10)
    weights = [layer.binary_weight() for layer in model.layers]
    assert all(torch.equal(weight.float(), layer.binary_weight())
               for weight, layer in zip(weights, model.float().layers, strict=True))
    assert model(images).dtype == torch.float32
