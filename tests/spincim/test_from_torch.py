import math
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from gen.checkpoint import read
from gen.checkpoint_file import read_structure, write_file
from gen.compile import compile_network
from gen.ir import Input, Layer, Network, Target
from gen.methods import choose
from gen.precision import BOUND
from golden.float.layers import sign
from golden.float.model import BayNN
from golden.float.spinbayes import SpinBayes
from golden.head import answers_of, average, softmax
from golden.methods.checkpoints import CONVOLUTIONS, export
from golden.methods.checkpoints import load as load_float
from golden.network import forward
from spincim import convert, load
from spincim.from_torch import ConvertError, from_torch
from spincim.nn import BinaryConv2d, BinaryLinear, Fixed, ScaleDropout, Sign, SpatialSpinDrop, SpinDrop


SIDE = 8

#: Of the passes of 40 images.
NO_BITS = np.zeros((40, 0), bool)


def randomized(model):
    """Return ``model`` in float64 for evaluation, with random numbers in all of its parameters."""
    torch.manual_seed(1)
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


def binary_(module):
    """Give a plain layer of torch weights of one size in each output channel."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        size = torch.rand(len(module.weight), generator=generator) + 0.5
        signs = torch.randint(2, module.weight.shape, generator=generator) * 2 - 1
        module.weight.copy_(signs * size.view(-1, *[1] * (module.weight.ndim - 1)))
    return module


def pixels(shape=(1, SIDE, SIDE)):
    images = np.random.default_rng(3).integers(256, size=(40, *shape), dtype=np.uint8)
    images[0] = 0
    return images, (images[:, 0] if shape[0] == 1 else np.moveaxis(images, 1, -1))


def built(model, tmp_path, shape=(1, SIDE, SIDE), **options):
    """The compiled network that ``model`` becomes, through its file."""
    network, parameters = from_torch(model, shape, **options)
    write_file(tmp_path / "model.npz", network, parameters)
    return compile_network(read(tmp_path / "model.npz"), Target(passes=3, passes_max=4))


def check(network, logits, images, bits):
    """Check a pass of the golden model against the logits of torch, float64 (N, K), or (N, K, H, W)."""
    found = np.moveaxis(softmax(forward(network, images, bits), network.head), -1, 1) / 65536
    expected = logits.softmax(1).detach().numpy()
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))
    assert abs(found - expected).max() <= BOUND
    assert expected.max(1).min() < 0.9, "probabilities say nothing about logits" # of a random network


def checked(model, tmp_path, run=None, bits=NO_BITS):
    """The compiled network that ``model`` becomes, for pixels from -1 to 1, of which a pass is checked;
    ``run`` computes the logits, which is what the model does unless given."""
    network = built(model, tmp_path, mean=0.5, std=0.5)
    images, grey = pixels()
    check(network, (run or model)(torch.tensor(images).double() / 127.5 - 1), grey, bits)
    return network


def behind(*modules, shape):
    """``modules``, then what makes logits of a map of ``shape``."""
    return nn.Sequential(*modules, nn.Flatten(), BinaryLinear(math.prod(shape), 5, bias=False),
                         nn.BatchNorm1d(5))


def hidden(*modules, kernel=3, **options):
    """A convolution of pixels by sign, and what follows it."""
    return [Sign(), BinaryConv2d(1, 6, kernel, **options), *modules]


#: Chains without choices, for images of 8 by 8.
PLAIN = {
    "bias":          lambda: behind(*hidden(Sign()), shape=(6, 6, 6)),
    "normalization": lambda: behind(*hidden(nn.BatchNorm2d(6), Sign()), shape=(6, 6, 6)),
    "no bias":       lambda: behind(*hidden(nn.BatchNorm2d(6), Sign(), bias=False), shape=(6, 6, 6)),
    "not affine":    lambda: behind(*hidden(nn.BatchNorm2d(6, affine=False), Sign()), shape=(6, 6, 6)),
    "pool first":    lambda: behind(*hidden(nn.MaxPool2d(2), nn.BatchNorm2d(6), Sign()), shape=(6, 3, 3)),
    "pool, sign":    lambda: behind(*hidden(nn.BatchNorm2d(6), nn.MaxPool2d(2), Sign()), shape=(6, 3, 3)),
    "sign, pool":    lambda: behind(*hidden(nn.BatchNorm2d(6), Sign(), nn.MaxPool2d(2)), shape=(6, 3, 3)),
    "odd pool":      lambda: behind(*hidden(nn.BatchNorm2d(6), Sign(), nn.MaxPool2d(2), kernel=4),
                                    shape=(6, 2, 2)),
    "pool of pairs": lambda: behind(*hidden(nn.BatchNorm2d(6), nn.MaxPool2d((3, 1)), Sign()),
                                    shape=(6, 2, 6)),
    "global pool":   lambda: behind(*hidden(nn.BatchNorm2d(6), Sign(), nn.AdaptiveMaxPool2d(1), kernel=4),
                                    shape=(6, 1, 1)),
    "pairs":         lambda: behind(*hidden(nn.BatchNorm2d(6), Sign(), kernel=(1, 3), stride=(2, 1),
                                            padding=(0, 2)), shape=(6, 4, 10)),
    "padding":       lambda: behind(*hidden(nn.BatchNorm2d(6), Sign(), padding=1),
                                    BinaryConv2d(6, 4, 3, padding=2, stride=2), nn.BatchNorm2d(4), Sign(),
                                    shape=(4, 5, 5)),
    "standardized":  lambda: behind(*hidden(nn.BatchNorm2d(6), Sign(), standardized=True),
                                    shape=(6, 6, 6)),
    "kernel":        lambda: behind(*hidden(nn.BatchNorm2d(6), Sign(), kernel=(2, 5)), shape=(6, 7, 4)),
    "hardtanh":      lambda: behind(*hidden(nn.BatchNorm2d(6), nn.Hardtanh(), nn.MaxPool2d(2),
                                            nn.Identity(), Sign()), shape=(6, 3, 3)),
    "plain layers":  lambda: nn.Sequential(
        Sign(), binary_(nn.Conv2d(1, 6, 3)), nn.BatchNorm2d(6), Sign(), nn.Flatten(),
        binary_(nn.Linear(6 * 36, 12, bias=False)), nn.BatchNorm1d(12), Sign(), binary_(nn.Linear(12, 5)),
        nn.BatchNorm1d(5)),
    "plain, no normalization": lambda: nn.Sequential(
        Sign(), nn.Flatten(), binary_(nn.Linear(64, 12)), Sign(), binary_(nn.Linear(12, 5))),
    "softmax":       lambda: nn.Sequential(behind(Sign(), shape=(1, 8, 8)), nn.LogSoftmax(1)),
    "nested":        lambda: nn.Sequential(nn.Sequential(*hidden()), nn.BatchNorm2d(6),
                                           behind(Sign(), shape=(6, 6, 6))),
    "of positions":  lambda: nn.Sequential(*hidden(nn.BatchNorm2d(6), Sign()), BinaryConv2d(6, 5, 1),
                                           nn.BatchNorm2d(5), nn.LogSoftmax(1)),
    "no flat layer": lambda: nn.Sequential(*hidden(nn.BatchNorm2d(6), Sign()), BinaryConv2d(6, 5, 6),
                                           nn.BatchNorm2d(5), nn.Flatten()),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain(kind, tmp_path):
    assert checked(randomized(PLAIN[kind]()), tmp_path).method == "deterministic"


@pytest.mark.parametrize("kind", ["bias", "pairs", "plain layers", "nested", "no flat layer"])
def test_numbers_of_a_regression(kind, tmp_path):
    """Those of torch, off by half a unit for what is rounded, and by a quarter for rounded gains."""
    model = randomized(PLAIN[kind]())
    network = built(model, tmp_path, mean=0.5, std=0.5, regression=True)
    images, grey = pixels()
    found    = forward(network, grey, NO_BITS) / network.head.unit
    expected = model((torch.tensor(images).double() / 255 - 0.5) / 0.5).detach().numpy()
    assert abs(found - expected).max() <= 0.75 / network.head.unit < 0.02 * expected.std()
    answered = average(answers_of(forward(network, grey, NO_BITS), network.head)[:, None], network.head)
    assert (answered.mean == found).all() and not answered.variance.any()


def test_one_number(tmp_path):
    """The mean and the variance of the passes are those of the numbers of torch."""
    model = randomized(nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), ScaleDropout(6, 0.5), nn.BatchNorm2d(6), Sign(), nn.Flatten(),
        BinaryLinear(216, 1, bias=False), nn.BatchNorm1d(1)))
    model[2].scale.data = torch.linspace(0.2, 5, 6).double()
    convert(model, (1, SIDE, SIDE), mean=0.5, std=0.5, regression=True).save(tmp_path / "one.npz")
    images, grey = pixels()
    found = load(tmp_path / "one.npz").predict(grey, passes=200)
    sums = model[:2]((torch.tensor(images).double() / 255 - 0.5) / 0.5)
    dropped, kept = (model[3:](model[2](sums, torch.full((40,), keep))).detach().numpy()
                     for keep in (False, True))
    assert found.mean.shape == found.variance.shape == kept.shape == (40, 1)
    different = abs(dropped - kept) > 0.1
    p = (found.mean - kept)[different] / (dropped - kept)[different]
    assert different.sum() > 20 and 0.3 < p.min() and p.max() < 0.7
    np.testing.assert_allclose(found.variance[different], p * (1 - p) * (dropped - kept)[different]**2,
                               rtol=0.01)


def test_a_regression_has_no_softmax():
    with pytest.raises(ConvertError, match=r"^Module '1' \(LogSoftmax\) makes probabilities of the numbers "
                                           "of a regression; take it out$"):
        from_torch(PLAIN["softmax"](), (1, SIDE, SIDE), mean=0.5, regression=True)
    with pytest.raises(ConvertError, match="^Model Sequential ends with values that are limited or binary; "
                                           "end it with the numbers of a binary layer, and limit or round "
                                           "what the hardware answers$"):
        from_torch(nn.Sequential(*PLAIN["bias"](), Sign()), (1, SIDE, SIDE), mean=0.5, regression=True)
    with pytest.raises(ConvertError, match="^Argument regression must be True or False, not 'no'$"):
        from_torch(PLAIN["bias"](), (1, SIDE, SIDE), mean=0.5, regression="no")


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
    check(network, model(torch.tensor(images).double() / 255), grey, NO_BITS)


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
    check(network, model((torch.tensor(images).double() / 255 - mean) / std), given, NO_BITS)


def test_zeros_around_pixels(tmp_path):
    model = randomized(nn.Sequential(
        binary_(nn.Conv2d(1, 6, 3, padding=1)), nn.BatchNorm2d(6), Sign(), nn.Flatten(),
        BinaryLinear(384, 5)))
    images, grey = pixels()
    check(built(model, tmp_path), model(torch.tensor(images).double() / 255), grey, NO_BITS)


def test_the_model_stays_as_it_is(tmp_path):
    for training in (True, False):
        model = randomized(PLAIN["pool, sign"]()).train(training)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        found = convert(model, (1, SIDE, SIDE), mean=[0.5], std=0.5, name="mine")
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert {module.training for module in model.modules()} == {training}
        assert found.structure.name == "mine"


def test_a_design(tmp_path):
    """What convert returns answers as the model does, and so does its file."""
    model  = randomized(PLAIN["pool, sign"]())
    design = convert(model, (1, SIDE, SIDE), mean=0.5, std=0.5)
    images, grey = pixels()
    classes = model(torch.tensor(images).double() / 127.5 - 1).argmax(1)
    np.testing.assert_array_equal(design.predict(grey, passes=2).classes, classes)
    design.save(tmp_path / "design.npz")
    np.testing.assert_array_equal(load(tmp_path / "design.npz").predict(grey, passes=1).classes, classes)


# What is random.


def run(model, x, keeps):
    for module in model:
        x = module(x, keeps[module]) if module in keeps else module(x)
    return x


def bits_of(model):
    """Random bits of what drops in ``model``: as the modules take them, and by pass."""
    rng, keeps, bits = np.random.default_rng(4), {}, []
    for module in model:
        if isinstance(module, ScaleDropout | SpatialSpinDrop | SpinDrop):
            width = {ScaleDropout: 1}.get(type(module), getattr(module, "width", 1))
            bits.append(rng.random((40, width)) < 0.5)
            keeps[module] = torch.tensor(bits[-1][:, 0] if isinstance(module, ScaleDropout) else bits[-1])
    return keeps, np.concatenate(bits, 1)


def wide(module, width):
    module.width = width
    return module


RANDOM = {
    "scale-dropout": lambda: nn.Sequential(
        *hidden(nn.MaxPool2d(2), ScaleDropout(6, 0.2), nn.BatchNorm2d(6), Sign()), nn.Flatten(),
        BinaryLinear(54, 5), ScaleDropout(5, 0.3), nn.BatchNorm1d(5)),
    "scale-dropout, late pool": lambda: nn.Sequential(
        *hidden(ScaleDropout(6), nn.BatchNorm2d(6), Sign(), nn.MaxPool2d(2)), nn.Flatten(),
        BinaryLinear(54, 5), ScaleDropout(5), nn.BatchNorm1d(5)),
    "spatial-spindrop": lambda: nn.Sequential(
        *hidden(nn.BatchNorm2d(6), Sign()), wide(SpatialSpinDrop(0.1), 6),
        BinaryConv2d(6, 4, 3, padding=1), nn.BatchNorm2d(4), Sign(), wide(SpatialSpinDrop(0.2), 4),
        nn.Flatten(), BinaryLinear(144, 5), nn.BatchNorm1d(5)),
    "spatial-spindrop, early pool": lambda: nn.Sequential( # of a layer whose inputs are dropped
        *hidden(nn.BatchNorm2d(6), Sign()), wide(SpatialSpinDrop(0.1), 6),
        BinaryConv2d(6, 4, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(4), Sign(),
        wide(SpatialSpinDrop(0.2), 4), nn.Flatten(), BinaryLinear(36, 5), nn.BatchNorm1d(5)),
    "spatial-spindrop, groups": lambda: nn.Sequential(
        *hidden(nn.BatchNorm2d(6), Sign()), wide(SpatialSpinDrop(0.1), 6),
        BinaryConv2d(6, 6, 3, padding=1, groups=6), nn.MaxPool2d(2), nn.BatchNorm2d(6), Sign(),
        wide(SpatialSpinDrop(0.2), 6), BinaryConv2d(6, 8, 2, groups=2), nn.BatchNorm2d(8), Sign(),
        wide(SpatialSpinDrop(0.3), 8), nn.Flatten(), BinaryLinear(32, 5), nn.BatchNorm1d(5)),
    "of its own": lambda: nn.Sequential( # one layer of three has a scale, another one a mask
        *hidden(ScaleDropout(6, 0.25), nn.BatchNorm2d(6), Sign(), nn.MaxPool2d(2)), nn.Flatten(),
        BinaryLinear(54, 8), nn.BatchNorm1d(8), Sign(), wide(SpinDrop(0.1), 8), BinaryLinear(8, 5),
        nn.BatchNorm1d(5)),
    "scale-dropout, average": lambda: nn.Sequential(
        *hidden(nn.AvgPool2d(2), ScaleDropout(6, 0.2), nn.BatchNorm2d(6), Sign(), kernel=2, stride=2),
        nn.Flatten(), BinaryLinear(24, 5), ScaleDropout(5, 0.3), nn.BatchNorm1d(5)),
    "average of its own": lambda: nn.Sequential( # in windows that overlap, so of weights of several bits
        *hidden(ScaleDropout(6, 0.2), nn.AvgPool2d(2), nn.BatchNorm2d(6), Sign(), bias=False), nn.Flatten(),
        BinaryLinear(54, 5), ScaleDropout(5, 0.3), nn.BatchNorm1d(5)),
    "both": lambda: nn.Sequential( # a mask and a scale in one layer
        Sign(), nn.Flatten(), BinaryLinear(64, 8), nn.BatchNorm1d(8), Sign(), wide(SpinDrop(0.1), 8),
        BinaryLinear(8, 5), ScaleDropout(5, 0.4), nn.BatchNorm1d(5)),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_random(kind, tmp_path):
    model = randomized(RANDOM[kind]())
    keeps, bits = bits_of(model)
    network = checked(model, tmp_path, lambda x: run(model, x, keeps), bits)
    assert [module.p for module in model if hasattr(module, "p") for _ in range(
        getattr(module, "width", 1))] == list(network.drops)
    assert network.method == ("" if kind == "both" or "of its own" in kind else kind.partition(",")[0])


@pytest.mark.parametrize("kind", ["spatial-spindrop", "of its own", "both"])
def test_nothing_is_dropped(kind, tmp_path):
    """With a probability of 0 a pass is that of torch in evaluation, also where only some layers drop, or
    one drops its inputs and its scales."""
    model = randomized(RANDOM[kind]())
    convert(model, (1, SIDE, SIDE), mean=0.5, std=0.5).save(tmp_path / "model.npz")
    images, grey = pixels()
    expected = model((torch.tensor(images).double() / 255 - 0.5) / 0.5).softmax(1).detach().numpy()
    found = load(tmp_path / "model.npz", p=0.0).predict(grey, passes=3)
    assert abs(found.probabilities - expected).max() <= BOUND
    dropped = load(tmp_path / "model.npz", p=1.0).predict(grey, passes=3)
    assert abs(dropped.probabilities - expected).max() > 0.05


def test_mask_of_a_vector_of_a_map(tmp_path):
    """Bits of a map have the channel fastest in hardware, and first in torch."""
    model = randomized(nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), Sign(), nn.Flatten(), SpinDrop(0.1),
        BinaryLinear(216, 5), nn.BatchNorm1d(5)))
    bits = np.random.default_rng(1).random((40, 6, 6, 6)) < 0.8 # height, width, channel
    keeps = {model[5]: torch.tensor(bits).movedim(3, 1).flatten(1)}
    network = checked(model, tmp_path, lambda x: run(model, x, keeps), bits.reshape(40, -1))
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
    chain = nn.Sequential(Sign(), model.layers[0], Sign(), model.layers[1], Sign(), model.layers[2],
                          nn.Flatten())
    write_file(tmp_path / "own.npz", *from_torch(chain, (1, SIDE, SIDE), mean=0.5, std=0.5))
    own, expected = read(tmp_path / "own.npz"), read(tmp_path / "golden.npz")
    assert own == replace(expected, name="converted")
    assert own.method == method


# Ways that part and meet again.


class Block(nn.Module):
    """A residual block: beside two convolutions a map goes as it is, or through a convolution."""

    def __init__(self, entering, leaving, stride=1, *more):
        super().__init__()
        self.way = nn.Sequential(
            Sign(), BinaryConv2d(entering, leaving, 3, padding=1, stride=stride), *more,
            nn.BatchNorm2d(leaving), Sign(), BinaryConv2d(leaving, leaving, 3, padding=1),
            nn.BatchNorm2d(leaving), Fixed(6, 2))
        self.skip = nn.Sequential() if stride == 1 else nn.Sequential(
            Sign(), BinaryConv2d(entering, leaving, 2, stride=stride), nn.BatchNorm2d(leaving), Fixed(6, 2))
        self.hold = Fixed(6, 2)

    def forward(self, x):
        return self.hold(self.join(self.way(x), self.skip(x)))

    def join(self, way, skip):
        return way + skip


class Reversed(Block):

    def join(self, way, skip):
        return torch.add(skip, way)


class InPlace(Block):

    def join(self, way, skip):
        way += skip
        return way


class Beside(nn.Module):
    """Channels side by side, of signs, those of the longer way first or last; then of values, nested."""

    def __init__(self, last, *larger):
        super().__init__()
        self.last, self.larger = last, nn.Sequential(*larger)
        self.first  = nn.Sequential(Sign(), BinaryConv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), Sign())
        self.second = nn.Sequential(BinaryConv2d(3, 2, 3, padding=1), nn.BatchNorm2d(2), Sign())
        self.third  = nn.Sequential(BinaryConv2d(5, 4, 3, padding=1), nn.BatchNorm2d(4), Sign())
        self.fourth = nn.Sequential(
            BinaryConv2d(9, 4, 3, stride=(2, 5) if larger else 2), nn.BatchNorm2d(4), Sign())
        self.end = nn.Sequential(nn.Flatten(), BinaryLinear(36, 5, bias=False), nn.BatchNorm1d(5))

    def both(self, long, short):
        return torch.cat((short, long) if self.last else (long, short), dim=1)

    def forward(self, x):
        x = self.first(x)
        x = self.both(self.second(x), x)
        return self.end(self.fourth(self.larger(self.both(self.third(x), x))))


class PreActivation(nn.Module):
    """A residual block whose normalizations are in front of its convolutions, and one that has several
    times as many channels, side by side."""

    def __init__(self, channels, *more):
        super().__init__()
        self.way = nn.Sequential(
            nn.BatchNorm2d(channels), *more, Sign(), BinaryConv2d(channels, 3, 3, padding=1),
            nn.BatchNorm2d(3), Sign(), BinaryConv2d(3, channels, 3, padding=1), Fixed(6, 2))
        self.hold = Fixed(6, 2)

    def forward(self, x):
        return self.hold(self.join(self.way(x), x))

    def join(self, way, x):
        return way + x


class Dense(PreActivation):

    def join(self, way, x):
        return torch.cat((x, way), 1)


def residual(kind=Block):
    return nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), Fixed(6, 2), kind(6, 6), kind(6, 4, 2), Sign(),
        nn.Flatten(), BinaryLinear(36, 5, bias=False), nn.BatchNorm1d(5))


#: With the joins that they become.
GRAPHS = {
    "residual": (residual, [("conv3", "conv1"), ("conv5", "conv6")]),
    "skip first": (lambda: residual(Reversed), [("conv3", "conv1"), ("conv5", "conv6")]),
    "in place": (lambda: residual(InPlace), [("conv3", "conv1"), ("conv5", "conv6")]),
    "concat": (lambda: Beside(False), [("conv2", "conv1"), ("conv3", "join1")]),
    "concat, the longer way last": (lambda: Beside(True), [("conv2", "conv1"), ("conv3", "join1")]),
    "averages": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), Sign(), nn.AvgPool2d(2),
        BinaryConv2d(6, 4, 3, padding=1), nn.BatchNorm2d(4), Sign(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        BinaryLinear(4, 5), nn.BatchNorm1d(5)), []),
    "an average that drops a row": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 2), nn.BatchNorm2d(6), Sign(), nn.AvgPool2d((2, 1)),
        Functional(lambda x: functional.avg_pool2d(x, (1, 2))), binary_(nn.Conv2d(6, 4, 2)), Sign(),
        nn.Flatten(), BinaryLinear(16, 5), nn.BatchNorm1d(5)), []),
    "averages of sums": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3, padding=1), nn.AvgPool2d(2), nn.BatchNorm2d(6), Sign(),
        binary_(nn.Conv2d(6, 6, 1)), nn.AvgPool2d((1, 2)), nn.BatchNorm2d(6), Sign(),
        BinaryConv2d(6, 6, 2, bias=False), nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1), Fixed(6, 2), Sign(),
        nn.Flatten(), BinaryLinear(6, 5), nn.BatchNorm1d(5)), []),
    "an average of logits": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6), Sign(), nn.AvgPool2d(2), BinaryConv2d(6, 5, 2),
        nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(5), nn.Flatten()), []),
    "larger maps": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), nn.MaxPool2d(2), nn.BatchNorm2d(6), Sign(),
        nn.Upsample(scale_factor=2), BinaryConv2d(6, 6, 3), nn.BatchNorm2d(6), Fixed(6, 2),
        nn.UpsamplingNearest2d(scale_factor=(1, 3)),
        Sign(), BinaryConv2d(6, 4, 3, stride=3), nn.BatchNorm2d(4), Sign(),
        Functional(lambda x: functional.interpolate(x, scale_factor=2)), nn.AvgPool2d(2), nn.Flatten(),
        BinaryLinear(16, 5), nn.BatchNorm1d(5)), []),
    "a larger sum": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3, stride=2), nn.BatchNorm2d(6), Fixed(6, 2), Block(6, 6),
        nn.Upsample(scale_factor=2), Sign(), BinaryConv2d(6, 4, 3, stride=2), nn.BatchNorm2d(4), Sign(),
        nn.Flatten(), BinaryLinear(16, 5), nn.BatchNorm1d(5)), [("conv3", "conv1")]),
    "larger channels": (lambda: nn.Sequential(
        Beside(False, Functional(lambda x: functional.interpolate(x, scale_factor=(1, 2))))),
        [("conv2", "conv1"), ("conv3", "join1")]),
    "a larger normalized sum": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3, stride=2), Fixed(6, 2), PreActivation(6), nn.BatchNorm2d(6), Sign(),
        nn.UpsamplingNearest2d(scale_factor=2), nn.AvgPool2d(3), nn.Flatten(), BinaryLinear(24, 5),
        nn.BatchNorm1d(5)), [("conv3", "conv1")]),
    "groups": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), Sign(),
        BinaryConv2d(6, 6, 3, groups=6, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(6), Sign(),
        binary_(nn.Conv2d(6, 8, 3, groups=2)), nn.BatchNorm2d(8), Sign(), nn.Flatten(), BinaryLinear(32, 5),
        nn.BatchNorm1d(5)), []),
    "normalized sums": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3, padding=1), Fixed(6, 2), PreActivation(6),
        PreActivation(6, nn.Hardtanh()), nn.BatchNorm2d(6), Sign(), nn.AvgPool2d(2), nn.Flatten(),
        BinaryLinear(96, 5), nn.BatchNorm1d(5)),
        [("conv3", "conv1"), ("conv5", "join1")]),
    "normalized channels": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 3, 3, padding=1), Fixed(6, 2), Dense(3), Dense(6), nn.BatchNorm2d(12),
        Sign(), BinaryConv2d(12, 2, 3), Fixed(6, 2), nn.BatchNorm2d(2), nn.Flatten(), Sign(),
        BinaryLinear(72, 5), nn.BatchNorm1d(5)), [("conv3", "conv1"), ("conv5", "join1")]),
    "an average of a join": (lambda: nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), Fixed(6, 2), Block(6, 6), Sign(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), BinaryLinear(6, 5), nn.BatchNorm1d(5)),
        [("conv3", "conv1")]),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_graphs(kind, tmp_path):
    make, joins = GRAPHS[kind]
    network = checked(randomized(make()), tmp_path)
    assert [join.sources for join in network.joins] == joins
    assert network.method == "deterministic"


def test_random_graph(tmp_path):
    """Scales that drop on the trunk, and none beside it, are those of a method."""
    model = randomized(nn.Sequential(
        Sign(), BinaryConv2d(1, 6, 3), ScaleDropout(6, 0.2), nn.BatchNorm2d(6), Fixed(6, 2),
        Block(6, 4, 2, ScaleDropout(4)), Sign(), nn.Flatten(), BinaryLinear(36, 5), ScaleDropout(5),
        nn.BatchNorm1d(5)))
    model[5].way.insert(6, ScaleDropout(4)) # behind the second convolution
    bits = np.random.default_rng(4).random((40, 4)) < 0.5
    for module, keep in zip([each for each in model.modules() if isinstance(each, ScaleDropout)],
                            torch.tensor(bits).unbind(1), strict=True):
        module.forward = partial(module.forward, keep=keep)
    network = checked(model, tmp_path, bits=bits)
    assert network.method == "scale-dropout" and network.drops == (0.2, 0.5, 0.5, 0.5)


def test_float_network_with_joins(tmp_path):
    model = randomized(residual())
    write_file(tmp_path / "block.npz", *from_torch(model, (1, SIDE, SIDE), mean=0.5))
    own = load_float(read_structure(tmp_path / "block.npz"), tmp_path / "block.npz")
    write_file(tmp_path / "own.npz", *from_torch(own))
    assert read(tmp_path / "own.npz") == replace(read(tmp_path / "block.npz"), name="converted")


# What is refused.


class Two(nn.Module):
    """Two ways, and how they are brought together."""

    def __init__(self, together, first=None, second=None, more=()):
        super().__init__()
        self.start = nn.Sequential(Sign(), BinaryConv2d(1, 6, 3), nn.BatchNorm2d(6))
        self.first, self.second = (each or nn.Sequential(Fixed()) for each in (first, second))
        self.sign, self.together, self.more = Sign(), together, nn.Sequential(*more)

    def forward(self, x):
        x = self.first(self.start(x))
        return self.more(self.together(self.second(x), x))


def in_place(x, y):
    """Add ``x`` to ``y``, which something else takes."""
    before = y
    y += x
    return y + before


def way(*modules, outputs=6):
    """A way of a layer between values in fixed point."""
    return nn.Sequential(Sign(), BinaryConv2d(6, outputs, 3, padding=1), *(modules or [Fixed()]))


def shorter_first(longer, shorter):
    return torch.cat((shorter, longer), 1)


class Asks(nn.Module):

    def forward(self, x):
        return x if x.sum() > 0 else -x


class OnlyInTraining(nn.Module):

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x) if self.training else x


class Derived(BinaryConv2d):

    def forward(self, x):
        return super().forward(x) * 2


class Functional(nn.Module):

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def chain(*modules, start=None):
    return lambda: nn.Sequential(*(start or [Sign(), BinaryConv2d(1, 6, 3)]), *modules)


def hooked():
    module = BinaryConv2d(1, 6, 3)
    module.register_forward_hook(lambda module, given, found: found * 2)
    return module


def not_finite():
    module = BinaryConv2d(1, 6, 3)
    with torch.no_grad():
        module.bias[2] = math.inf
    return module


SHAPED  = "spincim/from_torch.py says what can be built"
WINDOWS = "must be of windows that do not overlap, without a border"
BORDER  = ("it must be the lowest value of what enters: use BinaryConv2d of spincim.nn with "
           "padding_value=")

# What is wrong, and the way out.
DROPOUT = ("has no counterpart",
           "use ScaleDropout, SpinDrop or SpatialSpinDrop of spincim.nn, which the hardware has, or "
           "take it out of the model")
REPEATS = "must repeat rows and columns", "use nn.Upsample(scale_factor=2)"
SCALES = ("is not the only scale of its layer, or behind its normalization",
          "put it right behind a layer of spincim.nn")
SIGN = "has no counterpart", "its sign of 0 is 0; use Sign of spincim.nn, which has +1"
BINARY = "has weights that are not binary", "use BinaryConv2d or BinaryLinear of spincim.nn"
POOLED = "is the second pool of its layer, or behind an upsampling", "put a convolution between them"
LAYERS = "does not follow a layer of weights", "put it between a binary layer and its sign"
POOLS = ("takes pixels, a vector, or what is dropped",
         "put it behind a convolution, before Flatten and dropout")
MASKS = ("takes 6 channels of 6 by 6, dropped before or not signs",
         "put SpatialSpinDrop before Flatten and SpinDrop behind it, between Sign and a binary layer")
SUMS = "takes a sum that no bits hold", "put Fixed of spincim.nn behind the sum"
SEVERAL = "takes several maps", "use +, or torch.cat of channels"
AVERAGE = ("takes what is no map of signs",
           "put it between Sign and a binary layer, before Flatten and dropout")
LOGITS = "ends with values that are limited or binary", "end it with the logits of a binary layer"


@pytest.mark.parametrize("make, where, what, way_out", [
    (chain(nn.Dropout(0.5)), "Module '2' (Dropout)", *DROPOUT),
    (chain(nn.Dropout(0.0)), "Module '2' (Dropout)", *DROPOUT),
    (chain(nn.Dropout2d(0.5)), "Module '2' (Dropout2d)", *DROPOUT),
    (chain(nn.AlphaDropout(0.5)), "Module '2' (AlphaDropout)", *DROPOUT),
    (chain(Functional(lambda x: functional.dropout(x, 0.5))), "Function 'dropout' (dropout)", *DROPOUT),
    (chain(Functional(lambda x: functional.dropout(x, 0.5, training=False))),
     "Function 'dropout' (dropout)", *DROPOUT),
    (chain(OnlyInTraining(functional.dropout)), "Function 'dropout' (dropout)", *DROPOUT),
    (chain(OnlyInTraining(lambda x: x.flatten(1))), "Model Sequential",
     "computes something else in training than in evaluation",
     "write its forward() without asking which of them it is"),
    (chain(hooked(), start=[Sign()]), "Module '1' (BinaryConv2d)",
     "has hooks, which may change what it computes", "remove them"),
    (chain(nn.ReLU()), "Module '2' (ReLU)",
     "has no counterpart", "use Sign of spincim.nn"),
    (chain(Functional(torch.sign)), "Function 'sign' (sign)", *SIGN),
    (chain(Functional(lambda x: x.sign())), "Function 'sign' (sign)", *SIGN),
    (chain(nn.Conv1d(6, 6, 3)), "Module '2' (Conv1d)",
     "has no counterpart", "take a series for a map of height 1: use BinaryConv2d of a kernel (1, k), and "
                           "MaxPool2d((1, k))"),
    (chain(nn.LayerNorm(6)), "Module '2' (LayerNorm)",
     "has no counterpart", "use a batch normalization"),
    (chain(Derived(1, 6, 3), start=[Sign()]), "Module '1' (Derived)",
     "has no counterpart", SHAPED),
    (chain(nn.Conv2d(1, 6, 3), start=[Sign()]), "Module '1' (Conv2d)", *BINARY),
    (chain(nn.Flatten(), nn.Linear(64, 6), start=[Sign()]), "Module '2' (Linear)", *BINARY),
    (chain(binary_(nn.Conv2d(1, 6, 3, padding=1)), start=[Sign()]), "Module '1' (Conv2d)",
     "has a border of 0", f"{BORDER}-1"),
    (chain(binary_(nn.Conv2d(1, 6, 3, padding=1, padding_mode="reflect")), start=[Sign()]),
     "Module '1' (Conv2d)",
     "has a border by 'reflect'", f"{BORDER}-1"),
    (chain(BinaryConv2d(1, 6, 3, padding=1), start=[nn.Identity()]), "Module '1' (BinaryConv2d)",
     "has a border of -1", f"{BORDER}0"),
    (chain(binary_(nn.Conv2d(1, 6, 3, padding="same")), start=[Sign()]), "Module '1' (Conv2d)",
     "has a padding of 'same'", "it must be one number, or two"),
    (chain(BinaryConv2d(1, 6, 3, dilation=(1, 2)), start=[Sign()]), "Module '1' (BinaryConv2d)",
     "must have no dilation", "train without it"),
    (lambda: Two(shorter_first, nn.Sequential(Sign()), nn.Sequential(
        BinaryConv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), Sign()), [
        SpatialSpinDrop(0.2), BinaryConv2d(12, 6, 3, groups=2)]), "Module 'more.1' (BinaryConv2d)",
     "has several groups of channels that torch.cat has put in another order, and inputs that are dropped",
     "let torch.cat have the longer way first"),
    (chain(nn.Upsample(scale_factor=2)), "Module '2' (Upsample)",
     "takes what is no map of signs, or of values in fixed point, of a layer",
     "put it behind Sign or Fixed, before Flatten, averages and dropout"),
    (chain(Sign(), nn.Upsample(scale_factor=2, mode="bilinear")), "Module '3' (Upsample)", *REPEATS),
    (chain(Sign(), nn.Upsample(size=8)), "Module '3' (Upsample)", *REPEATS),
    (chain(Sign(), nn.Upsample(scale_factor=1.5)), "Module '3' (Upsample)", *REPEATS),
    (chain(Sign(), nn.Upsample(scale_factor=2), nn.MaxPool2d(2)), "Module '4' (MaxPool2d)", *POOLED),
    (chain(Sign(), BinaryConv2d(5, 6, 3)), "Module '3' (BinaryConv2d)",
     "takes 5 channels, not 6 channels of 6 by 6", SHAPED),
    (chain(Sign(), BinaryConv2d(6, 6, 7)), "Module '3' (BinaryConv2d)",
     "has a kernel that is larger than its map, 6 channels of 6 by 6", "use a smaller kernel"),
    (chain(Sign(), BinaryLinear(216, 6)), "Module '3' (BinaryLinear)",
     "takes vectors of 216, not 6 channels of 6 by 6", "put nn.Flatten() before it"),
    (chain(Sign(), nn.Flatten(), BinaryLinear(215, 6)), "Module '4' (BinaryLinear)",
     "takes vectors of 215, not vectors of 216", "put nn.Flatten() before it"),
    (chain(BinaryConv2d(6, 6, 3)), "Module '2' (BinaryConv2d)",
     "takes values that are not binary", "put Sign of spincim.nn before it"),
    (chain(not_finite(), start=[Sign()]), "Module '1' (BinaryConv2d)",
     "has bias that are not finite numbers", "train it again"),
    (chain(Sign(), Sign()), "Module '3' (Sign)",
     "takes signs", "take it out"),
    (chain(nn.BatchNorm2d(5)), "Module '2' (BatchNorm2d)",
     "has 5 channels, but takes 6 channels of 6 by 6", SHAPED),
    (chain(nn.BatchNorm2d(6), nn.BatchNorm2d(6)), "Module '3' (BatchNorm2d)",
     "is the second normalization of its layer", "take one of them out"),
    (chain(nn.BatchNorm2d(6, track_running_stats=False)), "Module '2' (BatchNorm2d)",
     "takes the statistics of its batch", "use track_running_stats=True"),
    (chain(Sign(), nn.BatchNorm2d(6)), "Module '3' (BatchNorm2d)", *LAYERS),
    (chain(nn.Hardtanh(), nn.BatchNorm2d(6)), "Module '3' (BatchNorm2d)", *LAYERS),
    (chain(nn.Flatten(), nn.BatchNorm1d(216)), "Module '3' (BatchNorm1d)",
     "has 216 channels, but takes vectors of 216", SHAPED),
    (chain(nn.Hardtanh(0, 1)), "Module '2' (Hardtanh)",
     "has no values of both signs", "take it out"),
    (chain(nn.MaxPool2d(3, padding=1)), "Module '2' (MaxPool2d)", WINDOWS, "use MaxPool2d(3)"),
    (chain(nn.MaxPool2d(2, 1)), "Module '2' (MaxPool2d)", WINDOWS, "use MaxPool2d(2)"),
    (chain(nn.MaxPool2d((1, 4), (1, 2))), "Module '2' (MaxPool2d)", WINDOWS, "use MaxPool2d((1, 4))"),
    (chain(nn.MaxPool2d(2, ceil_mode=True)), "Module '2' (MaxPool2d)", WINDOWS, "use MaxPool2d(2)"),
    (chain(Functional(lambda x: functional.max_pool2d(x, 3, 2))), "Function 'max_pool2d' (max_pool2d)",
     WINDOWS, "use MaxPool2d(3)"),
    (chain(nn.MaxPool2d(7)), "Module '2' (MaxPool2d)", "takes 6 channels of 6 by 6", "take it out"),
    (chain(nn.AdaptiveMaxPool2d(2)), "Module '2' (AdaptiveMaxPool2d)",
     "must leave one value of each channel", "use AdaptiveMaxPool2d(1), or MaxPool2d"),
    (chain(nn.MaxPool2d(2), nn.BatchNorm2d(6), nn.MaxPool2d(2)), "Module '4' (MaxPool2d)", *POOLED),
    (chain(nn.MaxPool2d(2), start=[Sign()]), "Module '1' (MaxPool2d)", *POOLS),
    (chain(Sign(), SpatialSpinDrop(), nn.MaxPool2d(2)), "Module '4' (MaxPool2d)", *POOLS),
    (chain(nn.BatchNorm2d(6), ScaleDropout(6)), "Module '3' (ScaleDropout)", *SCALES),
    (chain(ScaleDropout(6), ScaleDropout(6)), "Module '3' (ScaleDropout)", *SCALES),
    (chain(ScaleDropout(6), start=[Sign(), binary_(nn.Conv2d(1, 6, 3))]), "Module '2' (ScaleDropout)",
     *SCALES),
    (chain(Sign(), SpinDrop()), "Module '3' (SpinDrop)", *MASKS),
    (chain(SpatialSpinDrop()), "Module '2' (SpatialSpinDrop)", *MASKS),
    (chain(Sign(), nn.Flatten(0)), "Module '3' (Flatten)",
     "must flatten all but the images", "use nn.Flatten()"),
    (chain(Sign(), Functional(lambda x: x.view(8, -1))), "Function 'view' (view)",
     "must make a vector of each image", "use nn.Flatten()"),
    (chain(Functional(lambda x: x * 2)), "Function 'mul' (mul)",
     "computes what is no number times pixels, or added to them",
     "use ScaleDropout or a batch normalization for layers"),
    (chain(Functional(lambda x: 1 - x), start=[nn.Identity()]), "Function 'sub' (sub)",
     "turns the order of pixels around", "train on pixels times a number above zero"),
    (chain(Sign(), start=[nn.Identity()]), "Module '1' (Sign)",
     "takes pixels that are all of one sign",
     "subtract a value between them first, as the mean of spincim.convert does"),
    (lambda: Two(lambda x, y: x + y, None, nn.Sequential(Sign())), "Function 'add' (add)",
     "adds values that are not in fixed point", "put Fixed of spincim.nn behind each"),
    (lambda: Two(lambda x, y: x + y, None, way(), [Sign()]), "Module 'more.0' (Sign)", *SUMS),
    (lambda: Two(lambda x, y: (x + y) * 2, None, way(), [Sign()]), "Function 'mul' (mul)", *SUMS),
    (lambda: Two(lambda x, y: x + y, None, way(Fixed(8, 3))), "Function 'add' (add)",
     "adds values of 8 bits, 3 of them fraction to those of 8 bits, 4 of them fraction",
     "let both have the same"),
    (lambda: Two(lambda x, y: x + y, None, way(), [Fixed(8, 3)]), "Module 'more.0' (Fixed)",
     "takes values of 8 bits, 4 of them fraction, not 8 bits, 3 of them fraction",
     "let all that are added have the same"),
    (lambda: Two(lambda x, y: x + y, None, way(outputs=5)), "Function 'add' (add)",
     "adds 6 channels of 6 by 6 to 5 channels of 6 by 6, or of channels that torch.cat has put side by "
     "side in another order", "let both have the same"),
    (lambda: Two(in_place, nn.Sequential(Fixed(), nn.Identity()), way()), "Function 'iadd' (iadd)",
     "changes values that something else takes, too", "write x = x + y"),
    (lambda: Two(lambda x, y: x + y, nn.Sequential(Fixed()), nn.Identity()), "Function 'add' (add)",
     "adds a map to itself", "let the gain of its layer be twice as large"),
    (lambda: Two(lambda x, y: torch.cat((x, y), 1), None, nn.Identity()), "Function 'cat' (cat)",
     "puts a map beside itself", "let its layer have twice the channels"),
    (lambda: Two(lambda x, y: x + y, None, nn.Sequential(
        nn.BatchNorm2d(6), Sign(), nn.Upsample(scale_factor=2), BinaryConv2d(6, 6, 2, stride=2), Fixed())),
     "Module 'second.2' (Upsample)",
     "takes a map that something else takes, too", "give each a convolution of its own"),
    (lambda: Two(lambda x, y: x + y, None, way(), [
        Fixed(), nn.Upsample(scale_factor=2), Sign(), nn.Upsample(scale_factor=2)]),
     "Module 'more.3' (Upsample)",
     "is behind a join that has a size of its own", "put a convolution between them"),
    (chain(Fixed(), nn.Flatten(), nn.BatchNorm1d(216)), "Module '4' (BatchNorm1d)",
     "takes vectors of 216, of which it normalizes each",
     "normalize the channels of a map before it is flat"),
    (chain(Fixed(), nn.BatchNorm2d(6), nn.MaxPool2d(2)), "Module '4' (MaxPool2d)",
     "is behind values in fixed point or a join", "use a stride in its place"),
    (chain(Fixed(), nn.Hardtanh()), "Module '3' (Hardtanh)",
     "is behind values in fixed point, which have limits", "take it out"),
    (lambda: Two(lambda x, y: y + y), "Module 'second.0' (Fixed)",
     "computes what is not used", "take it out"),
    (lambda: Two(lambda x, y: (y + y, x)), "Function 'add' (add)",
     "adds a map to itself", "let the gain of its layer be twice as large"),
    (lambda: Two(lambda x, y: torch.sub(x, y)), "Function 'sub' (sub)", *SEVERAL),
    (lambda: Two(lambda x, y: torch.add(x, y, alpha=2)), "Function 'add' (add)", *SEVERAL),
    (lambda: Two(lambda x, y: x + y, nn.Identity()), "Module 'second.0' (Fixed)",
     "takes values that something else takes, too", "put Fixed or Sign of spincim.nn behind these values"),
    (lambda: Two(lambda x, y: y.add_(x), None, way()), "Function 'add_' (add_)",
     "changes values that something else takes, too", "write x = x + y"),
    (lambda: Two(lambda x, y: torch.cat((x, y), 0), None, way()), "Function 'cat' (cat)",
     "must put channels of maps side by side", "use torch.cat((x, y), 1)"),
    (lambda: Two(lambda x, y: torch.cat((x, y), 1), None, nn.Sequential(Sign())), "Function 'cat' (cat)",
     "takes signs and values in fixed point, or values of other bits", "let all be the same"),
    (lambda: Two(lambda x, y: torch.cat((x, y), 1), None, way(nn.BatchNorm2d(6))), "Function 'cat' (cat)",
     "takes what is no map of signs, or of values in fixed point, of a layer",
     "put Sign or Fixed before it, and Flatten and dropout behind it"),
    (lambda: Two(lambda x, y: x + y, None, way(ScaleDropout(6), Fixed()), [Fixed(), nn.MaxPool2d(2)]),
     "Module 'more.1' (MaxPool2d)",
     "is behind values in fixed point or a join", "use a stride in its place"),
    (lambda: Two(lambda x, y: torch.cat((x, y), 1), nn.Sequential(Sign()), nn.MaxPool2d(2)),
     "Module 'second' (MaxPool2d)",
     "takes signs that something else takes, too, of before the pool", "let all take the pooled ones"),
    (chain(Fixed(), nn.BatchNorm2d(5)), "Module '3' (BatchNorm2d)",
     "has 5 channels, but takes 6 channels of 6 by 6", "spincim/from_torch.py says what can be built"),
    (chain(Fixed(), nn.BatchNorm2d(6), BinaryConv2d(6, 6, 3)), "Module '4' (BinaryConv2d)",
     "takes values that are not binary", "put Sign of spincim.nn before it"),
    (chain(Fixed(), nn.BatchNorm2d(6), nn.BatchNorm2d(6)), "Module '4' (BatchNorm2d)",
     "does not follow a layer of weights", "put it between a binary layer and its sign"),
    (lambda: Two(lambda x, y: torch.cat((x, y), 1), nn.Sequential(Fixed(), nn.BatchNorm2d(6), Sign()),
                 nn.Sequential(BinaryConv2d(6, 6, 3, padding=1), Sign())), "Function 'cat' (cat)",
     "takes signs behind a normalization of values in fixed point",
     "put the values side by side, and the normalization and Sign behind them"),
    (chain(nn.MaxPool2d(2), Fixed()), "Module '3' (Fixed)",
     "is behind a pool", "use a stride in its place"),
    (chain(nn.Hardtanh(), Fixed()), "Module '3' (Fixed)",
     "is behind values that are limited", "take Hardtanh out, as Fixed limits, too"),
    (chain(nn.Flatten(), nn.AvgPool2d(2)), "Module '3' (AvgPool2d)", *AVERAGE),
    (chain(nn.MaxPool2d(2), nn.AvgPool2d(2)), "Module '3' (AvgPool2d)", "is behind a pool",
     "put a layer between them, or use a larger pool"),
    (chain(nn.AvgPool2d(7)), "Module '2' (AvgPool2d)", "takes 6 channels of 6 by 6", "take it out"),
    (chain(Sign(), SpatialSpinDrop(0.2), BinaryConv2d(6, 6, 3), nn.AvgPool2d(2)), "Module '5' (AvgPool2d)",
     "averages sums of inputs that are dropped, in windows that overlap", "put Sign before it"),
    (chain(Fixed(), nn.AdaptiveAvgPool2d(1)), "Module '3' (AdaptiveAvgPool2d)", *AVERAGE),
    (chain(Sign(), nn.AvgPool2d(2, 1)), "Module '3' (AvgPool2d)", WINDOWS, "use AvgPool2d(2)"),
    (chain(Sign(), nn.AdaptiveAvgPool2d(2)), "Module '3' (AdaptiveAvgPool2d)",
     "must leave one value of each channel", "use AdaptiveAvgPool2d(1), or AvgPool2d"),
    (chain(Sign(), nn.AvgPool2d(4), BinaryConv2d(6, 6, 1, padding=1)), "Module '4' (BinaryConv2d)",
     "has a border around averages of windows that do not fill the map", "use a window that does"),
    (chain(Sign(), nn.AvgPool2d(2), nn.MaxPool2d(2)), "Module '4' (MaxPool2d)",
     "takes averages", "put a layer between them"),
    (chain(nn.Flatten(), BinaryLinear(64, 5), nn.Softmax(1), nn.Identity(), start=[Sign()]),
     "Module '4' (Identity)",
     "comes behind the softmax", "end the model with its logits"),
    (chain(Sign()), "Model Sequential", *LOGITS),
    (chain(nn.Hardtanh()), "Model Sequential", *LOGITS),
])
def test_refuses(make, where, what, way_out):
    model = make()
    mean = 0.0 if isinstance(model, nn.Sequential) and isinstance(model[0], nn.Identity) else 0.5
    with pytest.raises(ConvertError, match=f"^{re.escape(f'{where} {what}; {way_out}')}$"):
        from_torch(model, (1, SIDE, SIDE), mean=mean)


def test_refuses_what_cannot_be_traced():
    with pytest.raises(ConvertError, match=r"^Model Asks cannot be traced \(.*\); write a forward\(\) that "
                                           "takes a batch of images and asks nothing about values$"):
        from_torch(Asks())


@pytest.mark.parametrize("options, message", [
    ({"input_shape": (28, 28)},
     "The shape of an image must be (1 or 3 channels, height, width), not (28, 28)"),
    ({"input_shape": (2, 28, 28)},
     "The shape of an image must be (1 or 3 channels, height, width), not (2, 28, 28)"),
    ({"std": 0.0},
     "Pixels must have a mean and a deviation above zero, not 0.0 and 0.0"),
    ({"mean": math.nan},
     "Pixels must have a mean and a deviation above zero, not nan and 1.0"),
    ({"std": (0.5, 0.6, 0.5)}, "Pixels must have one mean and one deviation for all channels, not "
     "(0.5, 0.6, 0.5), as all are compared with the same threshold"),
])
def test_refuses_options(options, message):
    with pytest.raises(ConvertError, match=f"^{re.escape(message)}$"):
        from_torch(nn.Sequential(Sign()), **options)


def test_refuses_pixels_on_another_scale():
    with pytest.raises(ConvertError, match=re.escape(
            "Module '0' (BinaryConv2d) takes pixels from -0.424213 to 2.82149; they must be from 0 to 1 or "
            "from -1 to 1, or go through Sign of spincim.nn first")):
        from_torch(nn.Sequential(BinaryConv2d(1, 6, 3)), mean=0.1307, std=0.3081)


def test_refuses_a_pool_behind_negative_scales():
    model = nn.Sequential(*hidden(ScaleDropout(6)), nn.MaxPool2d(2))
    with torch.no_grad():
        model[2].scale[1] = -0.5
    with pytest.raises(ConvertError, match=(
            "^Module '3' .* is behind scales that are not above zero, of which one sign is dropped; put it "
            "before ScaleDropout$")):
        from_torch(model, mean=0.5)


def test_refuses_a_bias_before_scales_and_an_average():
    model = randomized(nn.Sequential(
        *hidden(ScaleDropout(6, 0.2), nn.AvgPool2d(2), nn.BatchNorm2d(6), Sign()), nn.Flatten(),
        BinaryLinear(54, 5), nn.BatchNorm1d(5)))
    with pytest.raises(ConvertError, match="^Layer 'conv1' has a bias before its scales, and an average; "
                                           "leave its bias out$"):
        from_torch(model, (1, SIDE, SIDE), mean=0.5, std=0.5)


def test_refuses_layers_of_several_methods():
    first, second = trained("deterministic").layers[1], trained("scale-dropout").layers[2]
    with pytest.raises(ConvertError, match="^Model Sequential has layers of several methods "
                                           r"\(BinaryConvolution, ScaleConvolution, one of spincim\.nn\); "
                                           "make all of one$"):
        from_torch(nn.Sequential(Sign(), BinaryConv2d(1, 6, 26), Sign(), first, Sign(), second), mean=0.5)
