# amaranth: UnusedElaboratable=no
"""Designs whose maps have one row, and such with kernels, strides, borders and pools that are not the same
along both axes: all that they answer is right."""

import pytest

from gen.build import build_network
from gen.checkpoint import read
from gen.ir import Input, Layer, Network, Target
from gen.methods import choose


NETWORKS = {
    # As M5: the first and second pool leave some out, the last is of all that is left.
    "row": Network("row", Input(1, 41, (), bits=8), (
        Layer("first", 1, 41, 1, (1, 8), 4, stride=(1, 2), pool=(1, 3), input_bits=8),
        Layer("second", 1, 5, 4, (1, 3), 5, padding=(0, 1), pool=(1, 2), output_bits=2),
        Layer("third", 1, 2, 5, (1, 3), 6, padding=(0, 2), pool=(1, 4), input_bits=2),
        Layer("last", 1, 1, 6, (1, 1), 3))),
    "unlike": Network("unlike", Input(9, 11, (90,)), (
        Layer("first", 9, 11, 1, (2, 3), 5, stride=(1, 2), padding=(0, 1), pool=(3, 2)),
        Layer("last", 2, 3, 5, (2, 3), 3))),
}


@pytest.mark.some(1)
@pytest.mark.parametrize("name, method, options", [
    ("row", "scale-dropout", {}), ("unlike", "affine", {"view": "macro"}),
])
def test_series(write_checkpoint, tmp_path, check_maps, name, method, options):
    network = choose(NETWORKS[name], method)
    write_checkpoint(tmp_path / "made.npz", network, seed=3)
    network = read(tmp_path / "made.npz", network)
    build_network(network, Target(array_rows=16, array_columns=4, passes=6, passes_max=8, **options),
                  tmp_path / "out")
    check_maps(tmp_path / "out", 6)
