import numpy as np
import pytest

from gen.compile import compile_network
from gen.ir import Target
from golden.figures.sums import RATES, sums_figure
from golden.network import input_levels, layer_sums


def test_sums(random_network):
    """Without flips they are those of the golden model; flips move them towards no sum at all."""
    network = compile_network(random_network(0), Target(array_rows=16, array_columns=128))
    size    = network.input.height, network.input.width
    images  = np.random.default_rng(0).integers(0, 256, (40, *size), np.uint8)
    shares, means = sums_figure(network, images).panels
    assert [series.label for series in shares.series] == ["0% flipped", "10% flipped", "20% flipped"]
    exact = layer_sums(network.layers[0], input_levels(network, images)).mean((0, 1, 2))
    assert means.series[0].y == pytest.approx(exact)
    for series in shares.series:
        assert sum(series.y) == pytest.approx(1)
    off = [abs(series.y - exact).mean() for series in means.series]
    assert off[0] < 1e-5 < off[1] < off[2] and len(RATES) == 3
