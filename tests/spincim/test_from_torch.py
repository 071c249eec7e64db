import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from gen.checkpoint import read
from gen.checkpoint_file import write_file
from gen.compile import compile_network
from gen.ir import Input, Layer, Network, Target
from gen.methods import choose
from gen.precision import BOUND
from golden.float.layers import sign
from golden.float.model import BayNN
from golden.float.spinbayes import SpinBayes
from golden.head import softmax
from golden.methods.checkpoints import CONVOLUTIONS, export
from golden.network import forward
from spincim.from_torch import ConvertError, from_torch
from spincim.nn import BinaryConv2d, BinaryLinear, ScaleDropout, Sign, SpatialSpinDrop, SpinDrop


SIDE = 8


def randomized(model, seed=1):
    """Return ``model`` in float64 for evaluation, with random numbers in all of its parameters."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.uniform_(-3, 3)
            module.running_var.uniform_(2, 9)
            if module.weight is not None:
                nn.init.uniform_(module.weight, -2, 2)
                nn.init.uniform_(module.bias, -1, 1)
        elif isinstance(module, ScaleDropout):
            nn.init.uniform_(module.scale, 0.3, 2)
        elif isinstance(module, BinaryConv2d | BinaryLinear) and module.bias is not None:
            nn.init.uniform_(module.bias, -4, 4)
    return model.double().eval()


def binary_(module, seed=2):
    """Give a plain layer of torch weights of one size in each output channel."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        size = torch.rand(len(module.weight), generator=generator) + 0.5
        signs = torch.randint(2, module.weight.shape, generator=generator) * 2 - 1
        module.weight.copy_(signs * size.view(-1, *[1] * (module.weight.ndim - 1)))
    return module


def pixels(count=40, shape=(1, SIDE, SIDE), seed=3):
    images = np.random.default_rng(seed).integers(256, size=(count, *shape), dtype=np.uint8)
    images[0] = 0
    return images, (images[:, 0] if shape[0] == 1 else np.moveaxis(images, 1, -1))


def built(model, tmp_path, shape=(1, SIDE, SIDE), **options):
    """The compiled network that ``model`` becomes, through its file."""
    network, parameters = from_torch(model, shape, **options)
    write_file(tmp_path / "model.npz", network, parameters)
    return compile_network(read(tmp_path / "model.npz"), Target(passes=3, passes_max=4))


def check(network, logits, images, bits):
    """Check a pass of the golden model against the logits of torch, float64 (N, K)."""
    found = softmax(forward(network, images, bits), network.head) / 65536
    expected = logits.softmax(1).detach().numpy()
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))
    assert abs(found - expected).max() <= BOUND
    assert expected.max(1).min() < 0.9, "probabilities say nothing about logits" # of a random network


def behind(*modules, shape):
    """``modules``, then what makes logits of a map of ``shape``."""
    return nn.Sequential(*modules, nn.Flatten(), BinaryLinear(math.prod(shape), 5, bias=False),
                         nn.BatchNorm1d(5))


#: Chains without choices, for images of 8 by 8.
PLAIN = {
    "bias":             lambda: behind(Sign(), BinaryConv2d(1, 6, 3), Sign(), shape=(6, 6, 6)),
    "normalization":    lambda: behind(Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), Sign(), shape=(6, 6, 6)),
    "no bias":          lambda: behind(Sign(), BinaryConv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), Sign(),
                                       shape=(6, 6, 6)),
    "not affine":       lambda: behind(Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6, affine=False), Sign(),
                                       shape=(6, 6, 6)),
    "pool first":       lambda: behind(Sign(), BinaryConv2d(1, 6, 3), nn.MaxPool2d(2), nn.BatchNorm2d(6), Sign(),
                                       shape=(6, 3, 3)),
    "pool before sign": lambda: behind(Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), nn.MaxPool2d(2), Sign(),
                                       shape=(6, 3, 3)),
    "pool behind sign": lambda: behind(Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), Sign(), nn.MaxPool2d(2),
                                       shape=(6, 3, 3)),
    "odd pool":         lambda: behind(Sign(), BinaryConv2d(1, 6, 4), nn.BatchNorm2d(6), Sign(), nn.MaxPool2d(2),
                                       shape=(6, 2, 2)),
    "padding":          lambda: behind(Sign(), BinaryConv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), Sign(),
                                       BinaryConv2d(6, 4, 3, padding=2, stride=2), nn.BatchNorm2d(4), Sign(),
                                       shape=(4, 5, 5)),
    "standardized":     lambda: behind(Sign(), BinaryConv2d(1, 6, 3, standardized=True), nn.BatchNorm2d(6), Sign(),
                                       shape=(6, 6, 6)),
    "kernel":           lambda: behind(Sign(), BinaryConv2d(1, 6, (2, 5)), nn.BatchNorm2d(6), Sign(),
                                       shape=(6, 7, 4)),
    "hardtanh":         lambda: behind(Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Hardtanh(),
                                       nn.MaxPool2d(2), nn.Identity(), Sign(), shape=(6, 3, 3)),
    "plain layers":     lambda: nn.Sequential(
        Sign(), binary_(nn.Conv2d(1, 6, 3)), nn.BatchNorm2d(6), Sign(), nn.Flatten(),
        binary_(nn.Linear(6 * 36, 12, bias=False)), nn.BatchNorm1d(12), Sign(), binary_(nn.Linear(12, 5)),
        nn.BatchNorm1d(5)),
    "plain, no normalization": lambda: nn.Sequential(
        Sign(), nn.Flatten(), binary_(nn.Linear(64, 12)), Sign(), binary_(nn.Linear(12, 5))),
    "softmax":          lambda: nn.Sequential(behind(Sign(), shape=(1, 8, 8)), nn.LogSoftmax(1)),
    "nested":           lambda: nn.Sequential(nn.Sequential(Sign(), BinaryConv2d(1, 6, 3)), nn.BatchNorm2d(6),
                                              behind(Sign(), shape=(6, 6, 6))),
    "convolutions only": lambda: nn.Sequential(Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), Sign(),
                                               BinaryConv2d(6, 5, 6), nn.BatchNorm2d(5), nn.Flatten()),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain(kind, tmp_path):
    model = randomized(PLAIN[kind]())
    network = built(model, tmp_path, mean=0.5, std=0.5)
    images, grey = pixels()
    check(network, model((torch.tensor(images).double() / 255 - 0.5) / 0.5), grey, np.zeros((40, 0), bool))
    assert network.method == "deterministic"


class Straight(nn.Module):
    """A chain in a forward() of functions."""

    def __init__(self, view):
        super().__init__()
        self.first, self.norm = BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6)
        self.last, self.view = BinaryLinear(54, 5, bias=False), view

    def forward(self, x):
        x = sign(2 * x - 1)
        x = functional.max_pool2d(self.norm(self.first(x)), 2)
        return self.last(self.view(sign(x)))


@pytest.mark.parametrize("view", [
    lambda x: torch.flatten(x, 1), lambda x: x.flatten(1), lambda x: x.view(x.size(0), -1),
    lambda x: x.reshape(x.shape[0], 54), lambda x: x.view(-1, 54), lambda x: x.flatten(start_dim=1)])
def test_functions(view, tmp_path):
    model = randomized(Straight(view))
    network = built(model, tmp_path)
    images, grey = pixels()
    check(network, model(torch.tensor(images).double() / 255), grey, np.zeros((40, 0), bool))


class Scaled(nn.Module):

    def forward(self, x):
        return torch.div(torch.add(x * 4, -1) - 0.25, 3)


#: Of what enters the model: mean and deviation, modules before its first sign, and the threshold.
@pytest.mark.parametrize("mean, std, modules, threshold", [
    (0.5, 0.5, [], 128), (0.1307, 0.3081, [], 34), (0.25, 1.0, [], 64), (0.2, 1.0, [], 51),
    (0.0, 1.0, [Scaled()], 80), (0.0, 2.0, [nn.Identity(), Scaled()], 160)])
def test_pixels_with_a_sign(mean, std, modules, threshold, tmp_path):
    model = randomized(behind(*modules, Sign(), shape=(1, SIDE, SIDE)))
    network = built(model, tmp_path, mean=mean, std=std)
    images = np.arange(256, dtype=np.uint8)[:, None, None, None].repeat(SIDE, 2).repeat(SIDE, 3)
    assert network.input == Input(SIDE, SIDE, (threshold,))
    # Just at the threshold, float64 may round to the other side.
    exact = [(number - 255 * mean) / std for number in (threshold - 1, threshold)] if not modules else [-1, 1]
    assert exact[0] < 0 <= exact[1]
    x = (torch.tensor(images).double() / 255 - mean) / std
    check(network, model(x), images[:, 0], np.zeros((256, 0), bool))


@pytest.mark.parametrize("low, border", [(0.0, 0), (-1.0, 2)])
@pytest.mark.parametrize("colours", [1, 3])
def test_pixels_as_they_are(low, border, colours, tmp_path):
    model = randomized(behind(
        BinaryConv2d(colours, 6, 3, padding=border, padding_value=low), nn.BatchNorm2d(6), Sign(),
        nn.MaxPool2d(2), shape=(6, 3 + border, 3 + border)))
    images, given = pixels(shape=(colours, SIDE, SIDE))
    mean, std = (0.0, 1.0) if low == 0 else (0.5, 0.5)
    network = built(model, tmp_path, (colours, SIDE, SIDE), mean=mean, std=std)
    assert network.input == Input(SIDE, SIDE, (), 8, colours) and network.layers[0].input_low == low
    check(network, model((torch.tensor(images).double() / 255 - mean) / std), given, np.zeros((40, 0), bool))


def test_zeros_around_pixels(tmp_path):
    model = randomized(nn.Sequential(
        binary_(nn.Conv2d(1, 6, 3, padding=1)), nn.BatchNorm2d(6), Sign(), nn.Flatten(), BinaryLinear(384, 5)))
    images, grey = pixels()
    check(built(model, tmp_path), model(torch.tensor(images).double() / 255), grey, np.zeros((40, 0), bool))


# What is random.


def run(model, x, keeps):
    for module in model:
        x = module(x, keeps[module]) if module in keeps else module(x)
    return x


def bits_of(model, count, seed=4):
    """Random bits of what drops in ``model``: as the modules take them, and by pass."""
    rng, keeps, bits = np.random.default_rng(seed), {}, []
    for module in model:
        if isinstance(module, ScaleDropout | SpatialSpinDrop | SpinDrop):
            width = {ScaleDropout: 1}.get(type(module), getattr(module, "width", 1))
            bits.append(rng.random((count, width)) < 0.5)
            keeps[module] = torch.tensor(bits[-1][:, 0] if isinstance(module, ScaleDropout) else bits[-1])
    return keeps, np.concatenate(bits, 1)


def wide(module, width):
    module.width = width
    return module


RANDOM = {
    "scale-dropout": lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), nn.MaxPool2d(2), ScaleDropout(6, 0.2), nn.BatchNorm2d(6), Sign(),
        nn.Flatten(), BinaryLinear(54, 5), ScaleDropout(5, 0.3), nn.BatchNorm1d(5)),
    "scale-dropout, late pool": lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), ScaleDropout(6), nn.BatchNorm2d(6), Sign(), nn.MaxPool2d(2), nn.Flatten(),
        BinaryLinear(54, 5), ScaleDropout(5), nn.BatchNorm1d(5)),
    "spatial-spindrop": lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), Sign(), wide(SpatialSpinDrop(0.1), 6),
        BinaryConv2d(6, 4, 3, padding=1), nn.BatchNorm2d(4), Sign(), wide(SpatialSpinDrop(0.2), 4), nn.Flatten(),
        BinaryLinear(144, 5), nn.BatchNorm1d(5)),
    "": lambda: nn.Sequential( # one layer of two, two kinds
        Sign(), BinaryConv2d(1, 6, 3), ScaleDropout(6, 0.25), nn.BatchNorm2d(6), Sign(), nn.MaxPool2d(2),
        nn.Flatten(), BinaryLinear(54, 8), nn.BatchNorm1d(8), Sign(), wide(SpinDrop(0.1), 8), BinaryLinear(8, 5),
        nn.BatchNorm1d(5)),
    "spindrop": lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), Sign(), nn.Flatten(), nn.Identity(),
        # The bits of the hardware go through the map with the channel fastest.
        BinaryLinear(216, 8), nn.BatchNorm1d(8), Sign(), wide(SpinDrop(0.1), 8), BinaryLinear(8, 5),
        nn.BatchNorm1d(5)),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_random(kind, tmp_path):
    model = randomized(RANDOM[kind]())
    network = built(model, tmp_path, mean=0.5, std=0.5)
    images, grey = pixels()
    keeps, bits = bits_of(model, 40)
    check(network, run(model, torch.tensor(images).double() * 2 / 255 - 1, keeps), grey, bits)
    assert [module.p for module in model if hasattr(module, "p") for _ in range(
        getattr(module, "width", 1))] == list(network.drops)
    assert network.method == {"scale-dropout, late pool": "scale-dropout", "spindrop": ""}.get(kind, kind)


def test_mask_of_a_vector_of_a_map(tmp_path):
    """Bits of a map have the channel fastest in hardware, and first in torch."""
    model = randomized(nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), Sign(), nn.Flatten(), SpinDrop(0.1),
        BinaryLinear(216, 5), nn.BatchNorm1d(5)))
    network = built(model, tmp_path, mean=0.5, std=0.5)
    images, grey = pixels()
    bits = np.random.default_rng(1).random((40, 6, 6, 6)) < 0.8 # height, width, channel
    keeps = {model[5]: torch.tensor(bits).movedim(3, 1).flatten(1)}
    check(network, run(model, torch.tensor(images).double() * 2 / 255 - 1, keeps), grey, bits.reshape(40, -1))
    assert network.method == "spindrop" and network.drops == (0.1,) * 216


# Models of this project.


GOLDEN = Network("golden", Input(SIDE, SIDE, (60, 120, 180)), (
    Layer("conv1", SIDE, SIDE, 3, (3, 3), 6, pool=2), Layer("fc1", 3, 3, 6, (3, 3), 8),
    Layer("fc2", 1, 1, 8, (1, 1), 5)))


def trained(method, network=GOLDEN, **options):
    """A float model of ``method`` with random parameters."""
    torch.manual_seed(5)
    network = choose(network, method, **options)
    model = SpinBayes(network) if method == "spinbayes" else BayNN(network, CONVOLUTIONS[method])
    with torch.no_grad():
        for layer in model.layers:
            for name, each in layer.named_parameters():
                if "weight" not in name and each.requires_grad and name != "bias":
                    each.add_(torch.rand_like(each) * 0.5)
    model.double().eval().settle()
    return model.eval()


@pytest.mark.parametrize("method", [*CONVOLUTIONS, SpinBayes.method])
def test_float_networks(method, tmp_path):
    """They become what their checkpoint says."""
    model = trained(method)
    export(model, tmp_path / "golden.npz")
    write_file(tmp_path / "own.npz", *from_torch(model))
    expected = read(tmp_path / "golden.npz")
    assert read(tmp_path / "own.npz") == replace(expected, name="converted")


@pytest.mark.parametrize("method", CONVOLUTIONS)
def test_layers_of_methods(method, tmp_path):
    """A chain of the layers of a float network becomes the same, but for names and what enters."""
    network = replace(GOLDEN, input=Input(SIDE, SIDE, (128,)), layers=(
        replace(GOLDEN.layers[0], channels=1), *GOLDEN.layers[1:]))
    model = trained(method, network)
    export(model, tmp_path / "golden.npz")
    chain = nn.Sequential(Sign(), model.layers[0], Sign(), model.layers[1], Sign(), model.layers[2], nn.Flatten())
    write_file(tmp_path / "own.npz", *from_torch(chain, (1, SIDE, SIDE), mean=0.5, std=0.5))
    own, expected = read(tmp_path / "own.npz"), read(tmp_path / "golden.npz")
    assert own == replace(expected, name="converted")
    assert own.method == method
