"""Names of layers never meet those of blocks, of ports, of signals of the harness or words of Verilog."""

import pytest

from gen.build import build_network
from gen.checkpoint import with_parameters
from gen.ir import Input, Layer, Network, Target
from gen.methods import choose
from gen.random_parameters import random_parameters


#: Of blocks, ports, what else the top has, the harness, Verilog, and of torch, QONNX and other people.
NAMES = ("softmax", "averaging", "rng", "sequential_edge", "binarizer", "mask_bank", "pixel_input",
         "first_edge", "health_0", "names", "engines", "engine_names", "blocks", "source", "pixels",
         "alarm", "results", "passes", "mtj", "clk", "rst", "dut", "harness", "cycle", "always", "layer_fc",
         "features.0.conv", "/conv/MatMul", "a__0__read", "größe", "my layer", "accelerator", "p", "r")

#: Those that modules of arrays, which are at the pins with the other view, could have, or cannot.
OF_ARRAYS = ("names", "engines", "source", "always", "features.0.conv", "/conv/MatMul", "a__0__read",
             "größe", "my layer", "accelerator")


def named(names):
    """A network with random parameters of one layer more than ``names``, all but the first two of maps of
    one position."""
    network = choose(Network("named", Input(6, 7, (90, 180)), (
        Layer("first", 6, 7, 2, (3, 3), 2, pool=2), Layer(names[0], 2, 2, 2, (2, 2), 2),
        *(Layer(name, 1, 1, 2, (1, 1), 2) for name in names[1:]))), "scale-dropout")
    return with_parameters(network, random_parameters(network, 0))


@pytest.mark.long
@pytest.mark.parametrize("view, names", [
    ("emulated", OF_ARRAYS), pytest.param("macro", NAMES, marks=pytest.mark.long)])
def test_names_of_layers(tmp_path, check_maps, view, names):
    """Every bit of every map is right, whatever layers are called."""
    build_network(named(names), Target(array_rows=64, passes=2, passes_max=2, view=view),
                  tmp_path / "named")
    check_maps(tmp_path / "named", 12)
