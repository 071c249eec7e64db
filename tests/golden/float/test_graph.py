"""Networks whose ways part and meet again, in floating point: trained, and beside the compiled network."""

import numpy as np
import pytest
import torch

from gen.checkpoint import read
from gen.checkpoint_file import read_structure
from gen.compile import compile_network
from gen.graph import graph_of
from gen.ir import Join, Layer, MaskChoice, Target
from gen.methods import METHODS
from gen.precision import BOUND
from golden import network as golden
from golden import train
from golden.data import load_sample
from golden.float.graph import joined
from golden.float.levels import values_of
from golden.head import softmax
from golden.methods.checkpoints import load


#: Beside the first block a map goes as it is; beside the second one, which has another size, through a
#: convolution of two groups. The last layer has averages of what leaves both blocks side by side, the
#: second of which becomes larger, and then both.
DESCRIPTION = """
data  = "small"
input = {height = 7, width = 7, thresholds = [64, 128]}
layers = [
    {name = "stem", kind = "conv", outputs = 6, kernel = 3, padding = 1, fraction = 4},
    {name = "first", kind = "conv", outputs = 6, kernel = 3, padding = 1, fraction = 4},
    {name = "up", kind = "conv", outputs = 8, kernel = 3, stride = 2, source = "sum", fraction = 4},
    {name="beside", kind="conv", outputs=8, kernel=2, stride=2, groups=2, source="sum", fraction=4},
    {name = "third", kind = "conv", outputs = 4, kernel = 3, source = "sum2", resize = 3, fraction = 4},
    {name = "last", kind = "linear", outputs = 10, source = "both", average = [3, 2]},
]
joins = [
    {name = "sum", trunk = "first", branch = "stem"},
    {name = "sum2", trunk = "up", branch = "beside"},
    {name = "both", trunk = "third", branch = "sum2", operation = "concat", resize = [2, 1]},
]
"""


#: A chain with averages, for methods that are not for joins of values.
CHAIN = """
data  = "small"
input = {height = 7, width = 7, thresholds = [64, 128]}
layers = [
    {kind = "conv", outputs = 6, kernel = 3, padding = 1},
    {kind = "conv", outputs = 6, kernel = 2, average = 2},
    {kind = "linear", outputs = 8, average = 2},
    {kind = "linear", outputs = 10},
]
"""


def small(images):
    return images[:, ::4, ::4].copy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder of 200 training and 50 test images of 7 x 7 pixels, and the network."""
    folder = tmp_path_factory.mktemp("graph")
    (folder / "small").mkdir()
    images, labels = load_sample()
    for split, part in (("train", slice(200)), ("test", slice(200, 250))):
        np.savez(folder / "small" / f"{split}.npz", images=small(images[part]), labels=labels[part])
    (folder / "block.toml").write_text(DESCRIPTION)
    (folder / "chain.toml").write_text(CHAIN)
    return folder


def random_bits(network, count):
    """Random bits, bool (N, W), and the choices of the layers of the trunk by them, (N, L) or (N, W)."""
    bits = np.random.default_rng(0).random((count, len(network.drops))) < 0.5
    if METHODS[network.method].choice is MaskChoice:
        return bits, bits
    columns = []
    for index in graph_of(network).trunk:
        number = np.zeros(count, int)
        for choice in network.layers[index].choices:
            places = network.places(choice.draw)
            number = np.array(choice.table)[bits[:, places] @ (1 << np.arange(len(places))[::-1])]
        columns.append(number)
    return bits, np.stack(columns, 1)


@pytest.mark.parametrize("name, method", [
    ("block", "scale-dropout"), ("block", "spatial-spindrop"), ("block", "spinbayes"), ("chain", "affine")])
def test_trained_and_compiled(name, method, folder):
    """Every map of the float network in float64 is that of the compiled one, and probabilities are to their
    bound."""
    path = folder / f"{method}.npz"
    train.main([str(folder / f"{name}.toml"), "--method", method, "--data", str(folder),
                "--out", str(path), "--epochs", "4", "--teacher-epochs", "0"])
    held   = read(path)
    made   = compile_network(held, Target())
    images = small(load_sample()[0])
    bits, choice = random_bits(made, len(images))
    model  = load(read_structure(path), path)
    logits, maps = golden.forward(made, images, bits, maps=True)
    with torch.no_grad():
        y = model(torch.tensor(images), torch.tensor(choice)).numpy()
    _, *expected = model.hidden(torch.tensor(images), torch.tensor(choice))
    for found, wanted in zip(maps, expected, strict=True):
        np.testing.assert_array_equal(found, wanted.numpy())
    assert len(np.unique(logits.argmax(1))) > 4
    assert abs(softmax(logits, made.head) / 65536 - torch.tensor(y).softmax(1).numpy()).max() <= BOUND


#: Of a layer: values from -2 to 1.75 in quarters.
LAYER = Layer("stem", 1, 1, 1, (1, 1), 2, output_bits=4, fraction=2)


def test_values_by_hand():
    y = torch.tensor([-3.0, -2.2, -2.1, -0.125, -0.13, 0.124, 0.125, 1.8, 1.9], requires_grad=True)
    values = values_of(y, 4, 2)
    assert values.tolist() == [-2, -2, -2, 0, -0.25, 0, 0.25, 1.75, 1.75]
    values.sum().backward()
    assert y.grad.tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0]


def test_joined_by_hand():
    first, second = (torch.tensor(values).view(1, -1, 1, 1)
                     for values in ([-1.5, 0.25, 1.5], [-1, 0.5, 0.5]))
    found = joined(Join("sum", "a", "b"), first, second, LAYER)
    assert found.flatten().tolist() == [-2, 0.75, 1.75]
    both = joined(Join("both", "a", "b", "concat"), first, second, LAYER)
    assert both.flatten().tolist() == [-1.5, 0.25, 1.5, -1, 0.5, 0.5]


@pytest.mark.parametrize("method, message", [
    ("mc-dropout", "method 'mc-dropout' is for chains of layers, and network 'block' has joins; take "
                   "another --method"),
    ("ensemble", "method 'ensemble' trains networks apart, which would have different layers 'beside', and "
                 "beside the others there is one for all; take another --method"),
])
def test_refused(method, message, folder, capsys):
    with pytest.raises(SystemExit):
        train.main([str(folder / "block.toml"), "--method", method])
    assert capsys.readouterr().err == f"golden.train: {message}\n"
