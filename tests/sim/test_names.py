"""Names of layers never meet those of blocks, of ports, of signals of the harness or words of Verilog."""

from dataclasses import replace

import numpy as np
import pytest

from gen.build import build_network
from gen.ir import Normalization, Target
from gen.methods import choose


#: Of blocks, ports, what else the top has, the harness, Verilog, and of torch, QONNX and other people.
NAMES = ("softmax", "averaging", "rng", "sequential_edge", "binarizer", "mask_bank", "pixel_input",
         "first_edge", "health_0", "names", "engines", "engine_names", "blocks", "source", "pixels",
         "alarm", "results", "passes", "mtj", "clk", "rst", "dut", "harness", "cycle", "always", "layer_fc",
         "features.0.conv", "/conv/MatMul", "a__0__read", "größe", "my layer", "accelerator", "p", "r")

#: Those that modules of arrays, which are at the pins with the other view, could have, or cannot.
OF_ARRAYS = ("names", "engines", "source", "always", "features.0.conv", "/conv/MatMul", "a__0__read",
             "größe", "my layer", "accelerator")


def named(make, names):
    """A random network of one layer more than ``names``, all but the first of one input and output."""
    network = make(16, hidden=1)
    first, last = network.layers
    first = replace(first, name="first")
    height, width, channels = first.output_shape
    second = make_layer(make, height, width, channels, names[0], 2)
    others = [make_layer(make, 1, 1, 2, name, 2) for name in names[1:]]
    layers  = tuple(replace(layer, choices=()) for layer in (first, second, *others))
    return replace(choose(replace(network, layers=layers), "scale-dropout"), name="named")


def make_layer(make, height, width, channels, name, outputs):
    """A fully connected layer with random parameters."""
    rng   = np.random.default_rng(len(name))
    layer = make(3, hidden=0).layers[0]
    size  = height * width * channels
    kept  = Normalization(*map(tuple, rng.uniform(0.5, 1.5, (6, outputs)).tolist()))
    return replace(layer, name=name, height=height, width=width, channels=channels, kernel=(height, width),
                   outputs=outputs, padding=(0, 0), stride=(1, 1), pool=(1, 1), dropout=0.5,
                   arrays=(tuple(int(word) for word in rng.integers(0, 1 << min(size, 30), outputs)),),
                   normalizations=((replace(kept, scale=(1.0,) * outputs), kept),))


@pytest.mark.parametrize("view, names", [("emulated", OF_ARRAYS), ("macro", NAMES)])
def test_names_of_layers(random_network, tmp_path, simulate, view, names):
    """Every bit of every map is right, whatever layers are called."""
    network = named(random_network, names)
    target  = Target(array_rows=64, passes=3, passes_max=4, view=view)
    build_network(network, target, tmp_path / "named")
    images = np.random.default_rng(0).integers(
        0, 256, (12, network.input.height, network.input.width), dtype=np.uint8)
    report = simulate(tmp_path / "named", images, maps=True)
    assert report["bit_exact"] and not report["alarm"]
