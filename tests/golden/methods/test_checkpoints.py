import re

import numpy as np
import pytest
import torch

from gen.checkpoint import read
from gen.checkpoint_file import Parameters, write_file
from gen.compile import compile_network
from gen.files import FileError
from gen.ir import Input, Layer, Network, Target
from gen.methods import choose
from golden.float.layers import BinaryConvolution
from golden.float.model import BayNN
from golden.methods.checkpoints import CONVOLUTIONS, CheckpointError, export, load
from golden.methods.scale_dropout import ScaleConvolution
from golden.network import forward, input_levels


#: Every geometry that matters for the order of weights: kernels over maps, flattening, channels.
SMALL = Network("small", Input(8, 7, (64, 192)), (
    Layer("conv", 8, 7, 2, (3, 2), 5, pool=2, dropout=0.25),
    Layer("full", 3, 3, 5, (3, 3), 6, dropout=0.5),
    Layer("last", 1, 1, 6, (1, 1), 3, dropout=0.1),
))


def trained(network=SMALL, seed=0, convolution=ScaleConvolution):
    """Return a float64 model of random parameters, some of them negative."""
    torch.manual_seed(seed)
    model = BayNN(network, convolution).double().eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.bias.normal_()
                module.weight.normal_()
                module.running_mean.normal_(0, 3)
                module.running_var.uniform_(5, 50)
            elif isinstance(module, BinaryConvolution):
                module.bias.normal_()
                module.scale.uniform_(0.5, 2)
    return model


def images_of(count, network=SMALL):
    pixels = np.random.default_rng(1).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)
    return torch.tensor(pixels)


def keep_of(count, network=SMALL):
    return torch.tensor(np.random.default_rng(2).random((count, len(network.layers))) < 0.5)


def test_export_then_load_changes_nothing(tmp_path):
    model, images, keep = trained(), images_of(20), keep_of(20)
    export(model, tmp_path / "small.npz")
    again = load(SMALL, tmp_path / "small.npz")
    assert torch.equal(model(images, keep), again(images, keep))
    assert [layer.dropout.p for layer in again.layers] == [0.25, 0.5, 0.1]
    assert [path.name for path in tmp_path.iterdir()] == ["small.npz"]


def test_state_of_a_loaded_model(tmp_path):
    """It makes any model of the network the same, whose next export is the same file."""
    model, images, keep = trained(), images_of(20), keep_of(20)
    model.layers[0].dropout.p, model.layers[1].normalization.eps = 0.375, 1e-3
    export(model, tmp_path / "small.npz")
    first = load(SMALL, tmp_path / "small.npz")
    for other in (BayNN(SMALL, ScaleConvolution).double().eval(), trained(seed=5),
                  load(SMALL, tmp_path / "small.npz")):
        other.load_state_dict(first.state_dict())
        assert torch.equal(other(images, keep), first(images, keep))
        assert not other.layers[0].weight.requires_grad
        export(other, tmp_path / "again.npz")
        assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "small.npz").read_bytes()
        torch.save(other.state_dict(), tmp_path / "state.pt")
        trained(seed=6).load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))


def test_state_of_a_model_in_training(tmp_path):
    """Loaded into one that holds signs, it can be trained again."""
    model, images, keep = trained(), images_of(20), keep_of(20)
    export(trained(seed=5), tmp_path / "small.npz")
    other = load(SMALL, tmp_path / "small.npz")
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(images, keep), model(images, keep))
    assert other.layers[0].weight.requires_grad and "layers.0.signs" not in other.state_dict()


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_equals_the_compiled_network_whatever_type_the_file_has(tmp_path, kind):
    """Parameters that put a sum within a rounding of float32 of its threshold: hidden bits are equal."""
    wide = Network("wide", Input(8, 7, (64, 192)), (
        Layer("conv", 8, 7, 2, (3, 2), 99, pool=2), Layer("full", 3, 3, 99, (3, 3), 99),
        Layer("last", 1, 1, 99, (1, 1), 3)))
    rng, path = np.random.default_rng(0), tmp_path / "wide.npz"
    export(trained(wide), path)
    with np.load(path) as file:
        arrays = dict(file)
    for layer in wide.layers[:-1]:
        sums = 2 * rng.integers(-2, 3, layer.outputs) + layer.fan_in % 2
        variance = rng.uniform(0.5, 2, layer.outputs).astype(kind)
        arrays |= {f"{layer.name}.{name}": value for name, value in {
            "bias": np.zeros(layer.outputs, kind), "mean": np.zeros(layer.outputs, kind),
            "scale": np.ones(layer.outputs, kind), "epsilon": kind(1e-3), "variance": variance,
            "gamma": np.sqrt(variance + kind(1e-3)), "beta": (-sums).astype(kind)}.items()}
    np.savez(path, **arrays)
    network = compile_network(read(path, wide), Target())
    images, keep = images_of(100), keep_of(100)
    _, maps = forward(network, images.numpy(), keep.numpy().astype(int), maps=True)
    expected = load(wide, path).hidden(images, keep)[1:]
    for found, bits in zip(maps, expected, strict=True):
        assert (found == bits.numpy()).all()


@pytest.mark.parametrize("pixels", [
    Input(8, 7, (), bits=8, colours=3), Input(8, 7, (), bits=8), Input(8, 7, (64, 192), colours=3),
    Input(8, 7, (50, 100, 200), bits=2, colours=3)])
def test_colours_equal_the_compiled_network(tmp_path, pixels):
    """Levels of several bits meet binary weights, with a border of level 0."""
    network = Network("colours", pixels, (
        Layer("conv", 8, 7, pixels.channels, (3, 3), 9, pool=2, padding=1, input_bits=pixels.bits),
        Layer("full", 4, 3, 9, (4, 3), 8), Layer("last", 1, 1, 8, (1, 1), 3)))
    path, images, keep = tmp_path / "colours.npz", images_of(30, network), keep_of(30, network)
    export(trained(network), path)
    compiled = compile_network(read(path, network), Target())
    logits, maps = forward(compiled, images.numpy(), keep.numpy(), maps=True)
    model = load(network, path)
    entering, *expected = model.hidden(images, keep)
    assert (input_levels(compiled, images.numpy()) == entering.numpy()).all()
    for found, bits in zip(maps, expected, strict=True):
        assert (found == bits.numpy()).all()
    assert logits / 2**compiled.head.fraction / np.log2(np.e) == pytest.approx(
        model(images, keep).detach().numpy(), abs=0.02)


@pytest.mark.parametrize("name, value, message", [
    ("order", "channel, height, width", "states 'order' of 'channel, height, width', but it must be"),
    ("network", "other", "is of network 'other', not 'small'; name that network"),
])
def test_load_refuses_what_is_stated_otherwise(name, value, message, tmp_path):
    path = tmp_path / "small.npz"
    export(trained(), path)
    with np.load(path) as file:
        arrays = {**file, name: np.array(value)}
    np.savez(path, **arrays)
    with pytest.raises(CheckpointError, match=message):
        load(SMALL, path)


def test_export_states_what_its_numbers_mean(tmp_path, caplog):
    export(trained(), tmp_path / "small.npz")
    with np.load(tmp_path / "small.npz") as file:
        assert {name: str(file[name]) for name in ("network", "order", "pool", "padding")} == {
            "network": "small", "order": "height, width, channel", "pool": "before normalization",
            "padding": "lowest level"}
    load(SMALL, tmp_path / "small.npz")
    assert caplog.messages == []


def test_channel_of_equal_signs_survives(tmp_path):
    # Standardizing -1, -1, ... gives 0, whose sign is +1; so a loaded model keeps the signs.
    model = trained()
    signs = model.layers[2].binary_weight().detach().clone()
    signs[0] = -1
    model.layers[2].hold(signs)
    export(model, tmp_path / "small.npz")
    again = load(SMALL, tmp_path / "small.npz")
    assert torch.equal(again.layers[2].binary_weight(), signs)


def scales_of(method, scale):
    """The scales of the banks of a method, from those of a file, by the definition of the method."""
    one = scale.reshape(-1, scale.shape[-1])
    if method == "scale-dropout":
        return np.stack([np.ones(len(scale)), scale]) # eq. 5 to 7: dropped to one, or kept
    if method == "scale-dropout-mean":
        return np.stack([np.full(len(scale), scale.mean()), scale])
    return one


def masked(method, layer, choice):
    """What multiplies the inputs of a layer of the small network, by the definition of the method,
    ``(N, H, W, C)``; and what of ``choice`` is that of the layers behind it."""
    count = len(choice)
    if method == "spatial-spindrop" and layer.name == "full": # the second layer, whose channels are five
        return choice[:, None, None, :5], choice[:, 5:]
    if method == "spindrop" and layer.name != "conv": # each input, in raster order
        own = layer.height * layer.width * layer.channels
        return choice[:, :own].reshape(count, layer.height, layer.width, -1), choice[:, own:]
    return np.ones((1, 1, 1, 1), int), choice


def by_the_file(path, maps, choice):
    """The maps that leave each layer of the small network, as the file alone defines them, before the sign:
    ``(N, H, W, C)``. ``maps`` are those that enter the first, of -1 and +1."""
    with np.load(path) as file:
        file, method = {name: file[name] for name in file.files}, str(file["method"])
    images, found, masks = np.arange(len(choice)), [], choice
    kept = choice
    if method.endswith("spindrop") or method == "scale-dropout-element": # no bank of all channels
        choice = np.zeros((len(choice), len(SMALL.layers)), int)
    for index, layer in enumerate(SMALL.layers):
        mask, masks = masked(method, layer, masks)
        maps = maps * mask

        inverted = method == "affine" and layer is not SMALL.layers[-1]
        own, kept = kept[:, :layer.outputs], kept[:, layer.outputs:]

        def rows(name, of=layer.name, number=choice[:, index], inverted=inverted, own=own):
            if method == "scale-dropout-element" and name == "scale": # each is kept, or one
                return np.where(own, file[f"{of}.scale"], 1)[:, None, None]
            values = np.atleast_2d(file[f"{of}.{name}"] if name != "scale" else
                                   scales_of(method, file[f"{of}.scale"]))
            if inverted and name in ("gamma", "beta"):
                # Dropped to one, or zero: by the first bit of the choice, or the second.
                dropped = np.full_like(values[0], name == "gamma")
                values  = np.stack([values[0] if number >> (name == "gamma") & 1 else dropped
                                    for number in range(4)])
            return values[number % len(values)][:, None, None]

        weight = file[f"{layer.name}.weight"].astype(int)
        weight = weight if weight.ndim == 3 else weight[None]
        weight = weight[choice[:, index] % len(weight)]
        height, width = layer.kernel
        s = np.array([[np.einsum("nf,ncf->nc", maps[:, y:y + height, x:x + width].reshape(len(images), -1),
                                 weight) for x in range(layer.positions[1])]
                      for y in range(layer.positions[0])]).transpose(2, 0, 1, 3)
        if layer.pool == (2, 2):
            s = s.reshape(len(s), 3, 2, 3, 2, -1).max((2, 4))
        y = (rows("gamma") * ((s + rows("bias")) * rows("scale") - rows("mean"))
             / np.sqrt(rows("variance") + file[f"{layer.name}.epsilon"]) + rows("beta"))
        if inverted:
            y = y - y.mean((1, 2, 3), keepdims=True)
        found.append(y)
        maps = np.where(y >= 0, 1, -1)
    return found


def choices_of(model, count):
    """Random choices, each of them of a layer by itself."""
    rng = np.random.default_rng(3)
    if model.method.endswith("spindrop") or model.method == "scale-dropout-element":
        return rng.random((count, sum(layer.columns for layer in model.layers))) < 0.7
    return rng.integers([len(layer.shares()) for layer in model.layers], size=(count, len(model.layers)))


@pytest.mark.parametrize("method", CONVOLUTIONS)
def test_a_file_is_the_network(method, tmp_path):
    """What a method trains, what its file says by the definitions, and what is loaded from it, are one
    network, for every choice."""
    model = trained(convolution=CONVOLUTIONS[method])
    model.settle()
    count = 60
    images = images_of(count)
    choice = torch.tensor(choices_of(model, count))
    path = tmp_path / "small.npz"
    export(model, path)
    again = load(SMALL, path)
    assert again.method == method and type(again.layers[0]) is CONVOLUTIONS[method]
    assert [layer.shares() for layer in again.layers] == [layer.shares() for layer in model.layers]
    expected = by_the_file(path, 2 * model.hidden(images, choice)[0].numpy().astype(int) - 1,
                           choice.numpy().astype(int))
    for found in (model, again):
        for bits, y in zip(found.hidden(images, choice)[1:], expected, strict=False):
            assert (bits.numpy() == (y >= 0)).all()
        assert found(images, choice).detach().numpy() == pytest.approx(expected[-1][:, 0, 0], rel=1e-9)
    export(again, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    other = trained(seed=7, convolution=CONVOLUTIONS[method])
    other.load_state_dict(again.state_dict())
    assert torch.equal(other(images, choice), again(images, choice))


#: Rows of the vectors in a file, where they are not single, by the method.
ROWS = {
    "scale-dropout-random": {"scale": 5},
    "sub-set":              {"scale": 8},
    "tiny-ensemble":        dict.fromkeys(("gamma", "beta", "mean", "variance"), 4),
    "ensemble":             dict.fromkeys(("weight", "bias", "scale", "gamma", "beta", "mean", "variance"),
                                          4),
}


@pytest.mark.parametrize("method", CONVOLUTIONS)
def test_members_of_a_file(method, tmp_path):
    model = trained(convolution=CONVOLUTIONS[method])
    model.settle()
    export(model, tmp_path / "small.npz")
    with np.load(tmp_path / "small.npz") as file:
        shapes = {name.removeprefix("conv."): file[name].shape for name in file if name.startswith("conv.")}
        names = file.files
        assert str(file["method"]) == method and file["conv.weight"].dtype == np.int8
    rows = ROWS.get(method, {})
    expected = {name: (5,) for name in ("bias", "scale", "gamma", "beta", "mean", "variance")}
    expected |= {"weight": (5, 12), "epsilon": ()}
    expected |= {name: (rows[name], *expected[name]) for name in rows}
    if method.startswith("scale-dropout") or method == "affine":
        expected["dropout"] = ()
    if method == "affine":
        assert "full.dropout" in names and "last.dropout" not in names
    if method == "spatial-spindrop":
        # Of what is dropped, conv has none, as it is the first layer; full is behind a map, last is not.
        assert [name in names for name in ("conv.dropout", "full.dropout", "last.dropout")] == [
            False, True, False]
    if method == "spindrop":
        assert [name in names for name in ("conv.dropout", "full.dropout", "last.dropout")] == [
            False, True, True]
    assert shapes == expected


def test_weights_are_in_raster_order_with_the_channel_fastest(tmp_path):
    """Compute the network from the file alone, as the crossbars will, and compare all bits."""
    model, images, keep = trained(), images_of(30), keep_of(30)
    export(model, tmp_path / "small.npz")
    maps = [bits.numpy() for bits in model.hidden(images, keep)]
    with np.load(tmp_path / "small.npz") as file:
        conv, full = file["conv.weight"], file["full.weight"]
        parameters = {name: file[name] for name in file.files}

    def bits_of(name, s, bit):
        take = {key: parameters[f"{name}.{key}"] for key in (
            "bias", "scale", "gamma", "beta", "mean", "variance", "epsilon")}
        z = (s + take["bias"]) * np.where(bit[:, None, None, None], take["scale"], 1)
        y = (take["gamma"] * (z - take["mean"]) / np.sqrt(take["variance"] + take["epsilon"])
             + take["beta"])
        return y >= 0

    x = np.where(maps[0], 1, -1)
    s = np.array([[x[:, row:row + 3, column:column + 2].reshape(30, -1) @ conv.T
                   for column in range(6)] for row in range(6)]).transpose(2, 0, 1, 3)
    pooled = s.reshape(30, 3, 2, 3, 2, 5).max((2, 4))
    assert (bits_of("conv", pooled, keep[:, 0].numpy()) == maps[1]).all()
    x = np.where(maps[1], 1, -1)
    s = (x.reshape(30, -1) @ full.T)[:, None, None]
    assert (bits_of("full", s, keep[:, 1].numpy()) == maps[2]).all()
    # The same with channel-first flattening is another network.
    s = (x.transpose(0, 3, 1, 2).reshape(30, -1) @ full.T)[:, None, None]
    assert (bits_of("full", s, keep[:, 1].numpy()) != maps[2]).any()


@pytest.mark.parametrize("damage, message", [
    (lambda path: path.unlink(), "does not exist; gen/checkpoint_file.py says what it must hold"),
    (lambda path: path.write_bytes(path.read_bytes()[:200]), "is damaged"),
    (lambda path: np.savez(path, thresholds=np.array([1, 2])), "has no 'conv.weight'"),
    (lambda path: np.savez(path, thresholds=np.array([1])),
     "has 'thresholds' of shape (1,), but network 'small' needs (2,)"),
])
def test_load_refuses(damage, message, tmp_path):
    path = tmp_path / "small.npz"
    export(trained(), path)
    damage(path)
    with pytest.raises(CheckpointError) as error:
        load(SMALL, path)
    assert message in str(error.value) and str(path) in str(error.value)


def test_export_makes_the_folder(tmp_path):
    path = tmp_path / "new" / "small.npz"
    export(trained(), path)
    assert [file.name for file in path.parent.iterdir()] == ["small.npz"]


def test_export_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "small.npz"
    with pytest.raises(FileError) as error:
        export(trained(), path)
    assert str(error.value) == f"File {path} cannot be written (File exists); name another"


def test_load_refuses_thresholds(tmp_path):
    """No float model can be made of them."""
    path, ones = tmp_path / "own.npz", np.ones((1, 2))
    network = choose(Network("own", Input(2, 2, (9,)), (
        Layer("hidden", 2, 2, 1, (2, 2), 3), Layer("last", 1, 1, 3, (1, 1), 2))), "deterministic")
    write_file(path, network, [
        Parameters(np.ones((1, 3, 4), int), 1, threshold=np.zeros((3, 1), int), invert=np.zeros(3, int)),
        Parameters(np.ones((1, 2, 3), int), 1, ones, ones, ones, ones, ones, 0.0, ones)])
    with pytest.raises(CheckpointError, match=re.escape(
            f"Checkpoint {path} has thresholds in layer 'hidden', and not the numbers that a float model "
            "needs; take the golden model of the compiled network")):
        load(network, path)
