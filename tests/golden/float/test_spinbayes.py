import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from gen.ir import ArrayChoice, Input, Layer, Network
from gen.methods import choose, network_of
from gen.networks import levels_of_pixels
from golden.float.spinbayes import SpinBayes
from golden.methods.checkpoints import CheckpointError, export, load
from tests.conftest import with_choices


def small_plain(input_bits=2, bits=2, low=0, padding=1):
    """Every geometry that matters for the order of weights, of few bits so that ties would show."""
    def layer(*shape, entering=bits, **fields):
        return Layer(*shape, input_bits=entering, input_low=low, output_bits=bits, output_low=low, **fields)

    thresholds = (50, 100, 200) if input_bits == 2 else (50, 100)
    pixels = Input(6, 7, thresholds, input_bits)
    return Network("small", pixels, (
        layer("conv", 6, 7, pixels.channels, (3, 2), 5, entering=input_bits, pool=2, padding=padding),
        layer("full", *((3, 4) if padding else (2, 3)), 5, (3, 4) if padding else (2, 3), 6),
        layer("last", 1, 1, 6, (1, 1), 3),
    ))


def small(weight_bits=4, **fields):
    network = choose(small_plain(**fields), "spinbayes", 4)
    return replace(network, layers=tuple(
        replace(layer, weight_bits=weight_bits) for layer in network.layers))


NETWORK = small()


def trained(network=NETWORK, seed=0):
    """Return a float64 model of random parameters, some of them negative."""
    torch.manual_seed(seed)
    model = SpinBayes(network).double().eval()
    with torch.no_grad():
        for layer in model.layers:
            layer.posterior.mean.normal_(0, 0.5)
            layer.bias.normal_()
            layer.normalization.bias.normal_()
            layer.normalization.weight.normal_()
            layer.normalization.running_mean.normal_()
            layer.normalization.running_var.uniform_(0.5, 5)
    model.settle()
    return model


def images_of(count, network=NETWORK):
    return torch.tensor(np.random.default_rng(1).integers(
        0, 256, (count, network.input.height, network.input.width), dtype=np.uint8))


def choice_of(count, network=NETWORK):
    crossbars = [layer.crossbars for layer in network.layers]
    return torch.tensor(np.random.default_rng(2).integers(crossbars, size=(count, len(crossbars))))


def slow(network, path, image, choice):
    """One pass by the definitions, from the file alone, in rational numbers.

    Returns the levels that enter each layer, and the logits.
    """
    with np.load(path) as file:
        file = {name: file[name] for name in file.files}
    step = 2**network.input.bits - 1
    q = [[[sum(pixel >= threshold for threshold in file["thresholds"][start:start + step])
           for start in range(0, len(file["thresholds"]), step)] for pixel in row]
         for row in image.tolist()]
    maps = [q]
    for layer, array in zip(network.layers, choice.tolist(), strict=True):
        weight = file[f"{layer.name}.weight"][array].tolist()
        bias, gamma, beta, mean = ([Fraction(value) for value in file[f"{layer.name}.{key}"].tolist()]
                                   for key in ("bias", "gamma", "beta", "mean"))
        deviation = [Fraction(value) for value in np.sqrt(
            file[f"{layer.name}.variance"] + file[f"{layer.name}.epsilon"]).tolist()]
        unit, (top, left) = 2**(layer.weight_bits - 1) - 1, layer.padding
        value = [layer.input_low + Fraction((1 - layer.input_low) * q, 2**layer.input_bits - 1)
                 for q in range(2**layer.input_bits)]
        sums = {}
        for row, column, output in itertools.product(*map(range, layer.positions),
                                                     range(layer.outputs)):
            s, number = Fraction(0), 0
            for y, x, channel in itertools.product(range(row - top, row - top + layer.kernel[0]),
                                                   range(column - left, column - left + layer.kernel[1]),
                                                   range(layer.channels)):
                inside = 0 <= y < layer.height and 0 <= x < layer.width
                s += value[q[y][x][channel] if inside else 0] * Fraction(weight[output][number], unit)
                number += 1
            sums[row, column, output] = s
        height, width, _ = layer.output_shape
        y = [[[gamma[output] * (max(
            sums[row * layer.pool[0] + dy, column * layer.pool[1] + dx, output]
            for dy in range(layer.pool[0]) for dx in range(layer.pool[1])) + bias[output] - mean[output])
            / deviation[output] + beta[output] for output in range(layer.outputs)]
            for column in range(width)] for row in range(height)]
        most, low = 2**layer.output_bits - 1, layer.output_low
        q = [[[sum(value >= low + (level - Fraction(1, 2)) * (1 - low) / most
                   for level in range(1, most + 1)) for value in pixel] for pixel in row] for row in y]
        maps.append(q)
    return maps[:-1], [float(value) for value in y[0][0]]


@pytest.mark.parametrize("network", [
    small(), small(input_bits=1, bits=1, low=-1), small(bits=4, padding=0), small(bits=3, low=-1),
    small(input_bits=1, bits=1, padding=0, weight_bits=3),
], ids=["2 bits", "sign", "4 bits", "3 bits from -1", "0 or 1"])
def test_equals_definitions(network, tmp_path):
    """Levels exactly, logits to the last bits: what the compiler folds in rational numbers."""
    path = tmp_path / "small.npz"
    export(trained(network), path)
    model, images, choice = load(network, path), images_of(8, network), choice_of(8, network)
    maps = model.hidden(images, choice)
    logits = model(images, choice).detach().numpy()
    for number in range(8):
        levels, y = slow(network, path, images[number], choice[number])
        assert [q[number].tolist() for q in maps] == levels
        assert logits[number] == pytest.approx(y)
    # The maps that are compared are not all one level.
    assert all(len(q.unique()) > 1 for q in maps)


def test_levels_of_pixels():
    assert levels_of_pixels(1) == (128,)
    assert levels_of_pixels(2) == (43, 128, 213)
    for bits in (2, 3, 4):
        pixels = np.arange(256)
        reached = (pixels[:, None] >= levels_of_pixels(bits)).sum(1)
        # Twice the distance of pixel / 255 to its level is never more than a level.
        assert (abs(pixels * (2**bits - 1) - 255 * reached) * 2 <= 255).all()


def test_input_levels():
    pixels = torch.tensor([[[49, 50, 99, 100, 199, 200, 255]] * 6], dtype=torch.uint8)
    assert SpinBayes(NETWORK).levels(pixels)[0, :, 0].tolist() == [[0, 1, 1, 2, 2, 3, 3]]
    binary = SpinBayes(small(input_bits=1)).levels(pixels)
    assert binary[0, :, 0].tolist() == [[0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1]]


@pytest.mark.parametrize("name", ["lenet5_spinbayes", "lenet5_4bit_spinbayes"])
def test_shapes(name):
    network = network_of(name)
    model, images = trained(network), images_of(3, network)
    assert model(images).shape == (3, 10)
    shapes = [(28, 28, network.input.channels),
              *(layer.output_shape for layer in network.layers[:-1])]
    maps = model.hidden(images, choice_of(3, network))
    assert [(q.dtype, q.shape) for q in maps] == [(torch.int64, (3, *shape)) for shape in shapes]
    assert all(q.min() >= 0 and q.max() < 2**layer.input_bits
               for q, layer in zip(maps, network.layers, strict=True))


def test_export_then_load_changes_nothing(tmp_path):
    model, images, choice = trained(), images_of(20), choice_of(20)
    export(model, tmp_path / "small.npz")
    assert torch.equal(load(NETWORK, tmp_path / "small.npz")(images, choice), model(images, choice))
    with np.load(tmp_path / "small.npz") as file:
        assert {name: file[name].shape for name in file.files if name.startswith("conv.")} == {
            "conv.weight": (4, 5, 6), "conv.epsilon": (),
            **{f"conv.{name}": (5,) for name in ("bias", "gamma", "beta", "mean", "variance")}}
        assert file["conv.weight"].dtype == np.int8 and abs(file["conv.weight"]).max() <= 7
        assert file["network"] == "small" and file["thresholds"].tolist() == [50, 100, 200]


def test_choice_is_drawn_unless_given():
    model, image = trained(), images_of(1)
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = {tuple(row) for row in model(image.repeat(500, 1, 1)).numpy().round(6)}
        every = {tuple(row) for row in model(
            image.repeat(64, 1, 1),
            torch.tensor(list(itertools.product(range(4), repeat=3)))).numpy().round(6)}
    assert drawn == every and len(every) > 4


def test_state_of_a_loaded_model(tmp_path):
    """It makes any model of the network the same, whose next export is the same file."""
    model, images, choice = trained(), images_of(10), choice_of(10)
    model.layers[1].normalization.eps = 1e-3
    export(model, tmp_path / "small.npz")
    first = load(NETWORK, tmp_path / "small.npz")
    for other in (SpinBayes(NETWORK).double().eval(), trained(seed=5)):
        other.load_state_dict(first.state_dict())
        assert torch.equal(other(images, choice), first(images, choice))
        assert not other.layers[0].posterior.mean.requires_grad
        export(other, tmp_path / "again.npz")
        assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "small.npz").read_bytes()
    other.load_state_dict(SpinBayes(NETWORK).double().state_dict())
    assert other.layers[0].arrays is None and other.layers[0].posterior.mean.requires_grad


@pytest.mark.parametrize("fields, message", [
    ({"choices": (ArrayChoice("conv", tuple(range(8))),)},
     "has 4 arrays in layer 'conv', not 8; ask for fewer, or make one with"),
    ({"weight_bits": 3}, "has weights of 4 bits, but network 'small_spinbayes' needs 3"),
])
def test_load_refuses_other_crossbars(fields, message, tmp_path):
    path = tmp_path / "small.npz"
    export(trained(), path)
    other = replace(NETWORK, layers=tuple(replace(layer, **fields) for layer in NETWORK.layers))
    with pytest.raises(CheckpointError) as error:
        load(other, path)
    assert message in str(error.value) and str(path) in str(error.value)


def test_load_refuses_choices_of_its_own(tmp_path):
    """Those of a mixed network, of which some layers have one crossbar and others several."""
    plain = replace(NETWORK, method="", draws=(), layers=tuple(
        replace(layer, choices=()) for layer in NETWORK.layers))
    mixed = with_choices(plain, [(4, 1), (4, 1), 0.5])
    with pytest.raises(ValueError, match="^Choices of 'small_spinbayes' must be those of a method for a "
                                         "float model, not its own$"):
        load(mixed, tmp_path / "small.npz")


def test_a_network_without_choices_gets_those_of_the_file(tmp_path):
    plain = small_plain()
    model = trained(choose(plain, "spinbayes"))
    export(model, tmp_path / "small.npz")
    loaded = load(plain, tmp_path / "small.npz")
    assert loaded.network == replace(model.network, name="small")
