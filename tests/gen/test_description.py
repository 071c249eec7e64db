import os
import random
import re
from dataclasses import replace

import pytest

from gen.description import DescriptionError, read_description
from gen.ir import REGRESSION, Input, Join, Layer, Network
from gen.methods import METHODS, choose, known_names
from gen.networks import NETWORKS
from gen.structure import dump_structure, load_structure, plain


LENET5 = """
name = "mine"
data = "mnist"
method = "sub-set"

[input]
height = 28
width = 28
thresholds = [64, 128, 192]

[[layers]]
kind = "conv"
outputs = 6
kernel = 5
pool = 2

[[layers]]
kind = "conv"
outputs = 16
kernel = 5
pool = 2

[[layers]]
kind = "linear"
outputs = 120

[[layers]]
kind = "linear"
outputs = 84

[[layers]]
kind = "linear"
outputs = 10
"""

SMALL = """
[input]
height = 6
width = 5
thresholds = [128]

[[layers]]
kind = "conv"
outputs = 4
kernel = [3, 2]

[[layers]]
kind = "linear"
outputs = 3
"""

WAY_OUT = "gen/description.py says what it may hold"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.toml"


def described(path, text):
    path.write_text(text)
    return read_description(path)


def test_lenet5(path):
    network, method = described(path, LENET5)
    assert (network, method) == (replace(NETWORKS["lenet5"], name="mine"), "sub-set")


def test_what_the_module_says_of_it(path):
    """Its example is that of the documentation, and is LeNet-5."""
    import gen.description
    text = "\n".join(line.removeprefix("    ") for line in gen.description.__doc__.split("::\n")[1].split(
        "=====")[0].splitlines())
    network, method = described(path, text)
    assert (network, method) == (replace(NETWORKS["lenet5"], name="mine"), "sub-set")


@pytest.mark.parametrize("name", ["lenet5_wide", "lenet5_4bit", "vgg_small", "m5", "resnet20"])
def test_every_network_of_the_project(path, name):
    """All that their layers have can be described."""
    wanted = NETWORKS[name]
    table  = [f'name = "mine"\ndata = "{wanted.data}"\n[input]\nheight = {wanted.input.height}\n'
              f'width = {wanted.input.width}\ncolours = {wanted.input.colours}\n'
              f'low = {wanted.layers[0].input_low}\nbits = {wanted.input.bits}']
    if wanted.input.thresholds:
        table.append(f"thresholds = {list(wanted.input.thresholds)}")
    for layer in wanted.layers:
        source = f'\nsource = "{layer.source}"' * bool(layer.source)
        values = f"\nfraction = {layer.fraction}" * (layer.fraction is not None)
        table.append(f'[[layers]]\nname = "{layer.name}"\nkind = "conv"\noutputs = {layer.outputs}\n'
                     f"kernel = {list(layer.kernel)}\nstride = {list(layer.stride)}\n"
                     f"padding = {list(layer.padding)}\npool = {list(layer.pool)}\n"
                     f"dropout = {layer.dropout}\nbits = {layer.output_bits}\n"
                     f"low = {layer.output_low}{source}{values}")
    for join in wanted.joins:
        table.append(f'[[joins]]\nname = "{join.name}"\ntrunk = "{join.trunk}"\n'
                     f'branch = "{join.branch}"\noperation = "{join.operation}"')
    assert described(path, "\n".join(table)) == (replace(wanted, name="mine"), "scale-dropout")


#: A layer, and channels of two ways that meet in front of the last one.
JOINED = """
input = {height = 6, width = 5, thresholds = [128]}
layers = [
    {kind = "conv", outputs = 4, kernel = [3, 2]},
    {kind = "conv", outputs = 5, kernel = 3, padding = 1},
    {kind = "linear", outputs = 3, source = "both"},
]
joins = [{name = "both", trunk = "conv2", branch = "conv1", operation = "concat"}]
"""


@pytest.mark.parametrize("text, factor", [("2", (2, 2)), ("[3, 1]", (3, 1))])
def test_larger_joins(path, text, factor):
    """The layers behind are of the map that a join makes larger."""
    network, _ = described(path, JOINED.replace('"concat"', f'"concat", resize = {text}'))
    assert network.joins == (Join("both", "conv2", "conv1", "concat", resize=factor),)
    size = 4 * factor[0], 4 * factor[1]
    assert network.layers[2] == Layer("fc1", *size, 9, size, 3, source="both")


def test_no_larger_join(path):
    with pytest.raises(DescriptionError, match=re.escape(
            "has 'resize' in join 1 of 0, but it must be a whole number of at least 1, or two: height and "
            "width")):
        described(path, JOINED.replace('"concat"', '"concat", resize = 0'))


def test_what_is_left_out(path):
    network, method = described(path, SMALL)
    assert method == "scale-dropout"
    assert network == Network("small", Input(6, 5, (128,)), (
        Layer("conv1", 6, 5, 1, (3, 2), 4), Layer("fc1", 4, 4, 4, (4, 4), 3)))


@pytest.mark.parametrize("text, found", [
    ("kernel = 2\nstride = 2\npadding = 1\npool = 2",
     Layer("conv1", 6, 5, 1, (2, 2), 4, stride=(2, 2), padding=(1, 1), pool=(2, 2))),
    ("kernel = 3\nresize = [3, 2]\npool = 2",
     Layer("conv1", 6, 5, 1, (3, 3), 4, pool=(2, 2), resize=(3, 2))),
    ("kernel = [1, 3]\nstride = [3, 1]\npadding = [0, 2]\npool = [1, 7]",
     Layer("conv1", 6, 5, 1, (1, 3), 4, stride=(3, 1), padding=(0, 2), pool=(1, 7))),
])
def test_pairs(path, text, found):
    network, _ = described(path, SMALL.replace("kernel = [3, 2]", text))
    assert network.layers[0] == found


def test_averages(path):
    """Kernel, stride and border are of averages of windows that stand side by side, as far as they go."""
    text = SMALL.replace("outputs = 3", "outputs = 3\naverage = [2, 3]")
    network, _ = described(path, text.replace("kernel = [3, 2]", "kernel = [2, 1]\naverage = [2, 1]"))
    assert network.layers == (
        Layer("conv1", 6, 5, 1, (4, 1), 4, stride=(2, 1), average=(2, 1)),
        Layer("fc1", 2, 5, 4, (2, 3), 3, stride=(2, 3), average=(2, 3)))
    network, _ = described(path, SMALL.replace("kernel = [3, 2]", "kernel = 2\npadding = 1\nstride = 3\n"
                                               "average = [3, 5]"))
    assert network.layers[0] == Layer("conv1", 6, 5, 1, (6, 10), 4, stride=(9, 15), padding=(3, 5),
                                      average=(3, 5))


def test_groups(path):
    network, _ = described(path, SMALL.replace("[128]", "[99, 128]")
                           .replace("kernel = [3, 2]", "kernel = 3\ngroups = 2"))
    assert network.layers[0] == Layer("conv1", 6, 5, 2, (3, 3), 4, groups=2)
    assert network.layers[0].fan_in == 9


def test_random_values(path):
    """Whatever stands for a size, it becomes a network or one line."""
    rng = random.Random(1)
    values = ["0", "1", "2", "-1", "7", "1048577", "1.0", "true", "'2'", "[]", "[1]", "[2, 1]", "[1, 2]",
              "[0, 1]", "[1, 0]", "[5, 6]", "[1, 2, 3]", "[1, true]", "[1, [2]]", "{ a = 1 }", str(10**30)]
    kinds = set()
    for _ in range(400):
        text = SMALL.replace("kernel = [3, 2]", "\n".join(
            f"{name} = {rng.choice(values)}" for name in ("kernel", "stride", "padding", "pool", "average")
            if name == "kernel" or rng.random() < 0.5))
        try:
            network, _ = described(path, text)
        except DescriptionError as error:
            assert str(error).startswith(f"File {path} ") and "\n" not in str(error)
            kinds.add("refused")
        else:
            assert all(type(side) is int for layer in network.layers
                       for pair in (layer.kernel, layer.stride, layer.padding, layer.pool, layer.average)
                       for side in pair)
            kinds.add("described")
    assert kinds == {"refused", "described"}


@pytest.mark.parametrize("bits, found", [
    ("bits = 8", Input(6, 5, (), 8)), ("bits = 2", Input(6, 5, (43, 128, 213), 2)),
    ("bits = 2\nthresholds = [1, 2, 3, 4, 5, 6]", Input(6, 5, (1, 2, 3, 4, 5, 6), 2)),
    ("bits = 1\ncolours = 3", Input(6, 5, (128,), 1, 3)),
])
def test_pixels(path, bits, found):
    network, _ = described(path, SMALL.replace("thresholds = [128]", bits))
    assert network.input == found
    first = network.layers[0]
    assert (first.channels, first.input_bits, first.input_low) == (found.channels, found.bits, -1)


@pytest.mark.parametrize("old, new, message", [
    ("[input]", "input = 3\n[inputs]", "has 'input' of 3, but it must be a table, [input]"),
    ("[input]", "[inputs]", "has 'inputs', which is unknown; known are name, data, method, answer, input, "
                            "layers, joins"),
    ("height = 6", "", "has no 'height' in [input]"),
    ("height = 6", "height = 6.0",
     "has 'height' in [input] of 6.0, but it must be a whole number from 1 to 1048576"),
    ("height = 6", "height = true",
     "has 'height' in [input] of True, but it must be a whole number from 1 to 1048576"),
    ("thresholds = [128]", "", "has neither 'thresholds' nor 'bits' in [input]"),
    ("thresholds = [128]", "thresholds = [0]",
     "has 'thresholds' in [input] of [0], but it must be a list of whole numbers from 1 to 255"),
    ("thresholds = [128]", "thresholds = [9, 8]",
     "describes no network: input thresholds must ascend from 1 to 256, not (9, 8)"),
    ("thresholds = [128]", "thresholds = [128]\ncolours = 2",
     "has 'colours' in [input] of 2, but it must be 1 or 3"),
    ("outputs = 4", "", "has no 'outputs' in layer 1"),
    ("outputs = 4", "outputs = 4\nneurons = 3",
     "has 'neurons' in layer 1, which is unknown; known are kind, name, outputs, kernel, stride, padding, "
     "pool, average, resize, groups, dropout, bits, low, source, fraction"),
    ('kind = "linear"', 'kind = "dense"',
     "has 'kind' in layer 2 of 'dense', but it must be 'conv' or 'linear'"),
    ("kernel = [3, 2]", "", "has no 'kernel' in layer 1, a convolution"),
    ("kernel = [3, 2]", "kernel = [3, 2, 1]", "has 'kernel' in layer 1 of [3, 2, 1], but it must be a "
                                              "whole number of at least 1, or two: height and width"),
    ("kernel = [3, 2]", "kernel = 7", "describes no network: Layer 'conv1' has a kernel of 7 by 7, but its "
                                      "padded map is only 6 by 5"),
    ("kernel = [3, 2]", "kernel = [3, 2]\naverage = 3",
     "describes no network: Layer 'conv1' has a kernel of 9 by 6, but its padded map is only 6 by 5"),
    ("kernel = [3, 2]", "kernel = 2\npadding = 1\naverage = 2",
     "describes no network: Layer 'conv1' has a border, so it must have a map of whole windows of 2 by 2 "
     "to average, not 6 by 5"),
    ("kernel = [3, 2]", "kernel = 3\nstride = 0",
     "has 'stride' in layer 1 of 0, but it must be a whole number of at least 1, or two: height and width"),
    ("kernel = [3, 2]", "kernel = 3\ndropout = nan",
     "has 'dropout' in layer 1 of nan, but it must be a number from 0 to 1"),
    ("outputs = 3", "outputs = 3\nkernel = 2",
     "has 'kernel' in layer 2, which is fully connected; take it out, or make it a 'conv'"),
    ("outputs = 3", "outputs = 3\ngroups = 2",
     "has 'groups' in layer 2, which is fully connected; take it out, or make it a 'conv'"),
    ("kernel = [3, 2]", "kernel = 3\ngroups = 2",
     "describes no network: Layer 'conv1' must have groups that divide its 1 channels and 4 outputs, "
     "not 2"),
    ("outputs = 3", "outputs = 3\nresize = 2",
     "describes no network: layer 'fc1' is the last and must have a resize of 1 by 1, as it has logits and "
     "no map, not 2 by 2"),
    ("kernel = [3, 2]", "kernel = 2\nresize = 1048576",
     "describes no network: Layer 'conv1' must have a map that leaves of at most 1,048,576 rows and "
     "columns, not 5242880 by 4194304"),
    ("outputs = 3", "outputs = 1", "describes no network: layer 'fc1' is the last and must have at least 2 "
                                   "classes, not 1, unless the network is a regression (answer = "
                                   "\"numbers\", or regression=True)"),
    ("outputs = 3", "outputs = 3\n[[layers]]\nkind = 'linear'\nname = 'CONV-1'\noutputs = 2\n[[layers]]\n"
                    "name = 'conv_1'\nkind = 'linear'\noutputs = 2",
     "describes no network: network 'small' has layers named 'CONV-1' and 'conv_1', but names must differ "
     "in their letters (of either case) or digits"),
    ("outputs = 3", "outputs = 1000000\n[[layers]]\nkind = 'linear'\noutputs = 1000",
     "describes no network: the network must have at most 268,435,456 weights, not 1,064,000,024"),
    ("[input]", "name = 'lenet5_sub_set'\n[input]",
     "has the name 'lenet5_sub_set', that of a network of the project; give it another 'name'"),
    ("[input]", "name = '../up'\n[input]", "describes no network: the network must have a name of letters, "
                                           "digits, '_', '-' and '.', not '../up'"),
    ("[input]", "data = '/etc'\n[input]", "describes no network: its data set must have a name of letters, "
                                          "digits, '_', '-' and '.', not '/etc'"),
    ("[input]", "method = 'dropconnect'\n[input]",
     f"has 'method' of 'dropconnect', but it must be {' or '.join(map(repr, METHODS))}"),
    ("[input]", "name = \n[input]", "is no TOML (Invalid value (at line 2, column 8))"),
    ("[input]", f"name = {'[' * 100_000}", "is nested too deeply"),
])
def test_refuses(path, old, new, message):
    assert old in SMALL
    way_out = "" if "; " in message else f"; {WAY_OUT}"
    with pytest.raises(DescriptionError, match=f"^{re.escape(f'File {path} {message}{way_out}')}$"):
        described(path, SMALL.replace(old, new, 1))


def test_a_regression(path):
    """One number is enough, and no class is."""
    last = SMALL.rindex("outputs = ")
    one  = SMALL[:last] + "outputs = 1" + SMALL[SMALL.index("\n", last):]
    network, _ = described(path, 'answer = "numbers"\n' + one)
    assert network.head == REGRESSION and network.classes == 1
    assert load_structure(dump_structure(network)) == network
    assert plain(network).head == REGRESSION and choose(network, "spinbayes").head == REGRESSION
    for answer in "", 'answer = "classes"\n':
        with pytest.raises(DescriptionError, match="must have at least 2 classes, not 1"):
            described(path, answer + one)


def test_no_layers(path):
    for text in "layers = []\n", "layers = [1]\n":
        with pytest.raises(DescriptionError, match=re.escape(
                f"of {text[9:-1]}, but it must be tables, one [[layers]] for each; {WAY_OUT}")):
            described(path, text + SMALL.split("[[layers]]")[0])


def test_no_file(tmp_path, path, monkeypatch):
    other = "name a file that describes a network"
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "long.toml").write_bytes(b"#" * (2**20 + 1))
    (tmp_path / "bytes.toml").write_bytes(b'name = "\xff"')
    for name, message in (("none.toml", f"does not exist; {other}"),
                          ("pipe.toml", f"is no regular file; {other}"),
                          ("folder.toml", f"is a folder, not a file; {other}"),
                          ("long.toml", f"has more than 1,048,576 bytes; {other}"),
                          ("bytes.toml", f"is no text in UTF-8 (invalid start byte at byte 8); {WAY_OUT}")):
        with pytest.raises(DescriptionError, match=f"^{re.escape(f'File {tmp_path / name} {message}')}$"):
            read_description(tmp_path / name)
    path.write_text(SMALL)

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DescriptionError, match=(
            f"^File {path} cannot be read .Permission denied.; name another file, or change its permi")):
        read_description(path)


def test_no_name_of_the_project_is_taken():
    """So that what a command says of a name is of one network."""
    assert {"lenet5", "lenet5_sub_set"} <= set(known_names())
