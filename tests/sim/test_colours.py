# amaranth: UnusedElaboratable=no
"""Designs whose pixels are colours, or levels as they are: all that they answer is right."""

import pytest

from gen.build import build_network
from gen.checkpoint import read
from gen.ir import Input, Layer, Network, Target
from gen.methods import choose


@pytest.mark.parametrize("pixels, options", [
    pytest.param(Input(6, 7, (), bits=8, colours=3), {"protect": True}, marks=pytest.mark.long),
    (Input(6, 7, (), bits=8, colours=3), {"view": "macro", "schedule": "sequential"}),
    pytest.param(Input(6, 7, (40, 80, 160, 90, 120, 230), bits=2, colours=3), {}, marks=pytest.mark.long),
])
def test_colours(write_checkpoint, tmp_path, check_maps, pixels, options):
    """A border of level 0 around levels of several bits, a pool behind, and several row tiles; two shards,
    of which the second begins in the midst of the images."""
    if pixels.thresholds:
        pixels = Input(pixels.height, pixels.width, tuple(sorted(pixels.thresholds)), pixels.bits,
                       pixels.colours)
    network = choose(Network("colours", pixels, (
        Layer("first", 6, 7, pixels.channels, (3, 3), 5, pool=2, padding=1, input_bits=pixels.bits),
        Layer("last", 3, 3, 5, (3, 3), 3))), "scale-dropout")
    write_checkpoint(tmp_path / "colours.npz", network, seed=3)
    network = read(tmp_path / "colours.npz", network)
    build_network(network, Target(array_rows=16, array_columns=4, passes=6, passes_max=8, **options),
                  tmp_path / "out")
    check_maps(tmp_path / "out", 6, size=3)
