import numpy as np
import pytest

from gen.compile import compile_network
from gen.ir import Target
from golden.figures.tree import pass_sets_of, tree_figure
from golden.network import forward


@pytest.fixture(scope="module")
def network(random_network):
    return compile_network(random_network(3, hidden=3), Target(array_rows=32, array_columns=128))


def test_maps_are_those_that_differ(network):
    """Passes of one set have the same map, by the golden model of each; all sets are all passes."""
    size   = network.input.height, network.input.width
    image  = np.random.default_rng(0).integers(0, 256, (1, *size), np.uint8)
    bits   = np.random.default_rng(1).integers(0, 2, (9, len(network.drops))).astype(bool)
    layers = pass_sets_of(network, bits)
    assert len(layers) == len(network.layers)
    alone  = [forward(network, image, one[None], number=number, maps=True)[1]
              for number, one in enumerate(bits)]
    for index, sets in enumerate(layers[:-1]):
        assert sum(sets) == 2**9 - 1
        for each in sets:
            first, *others = [number for number in range(9) if each >> number & 1]
            assert all((alone[number][index] == alone[first][index]).all() for number in others)


def test_each_map_comes_of_one(network):
    """A line for each map, from the one that its passes had before; no two lines end in one place."""
    bits   = np.random.default_rng(1).integers(0, 2, (9, len(network.drops))).astype(bool)
    panel, = tree_figure(network, bits).panels
    counts = [1, *map(len, pass_sets_of(network, bits))]
    assert len(panel.series) == sum(counts[1:])
    ends = [(edge.x[1], edge.y[1]) for edge in panel.series]
    assert len(set(ends)) == len(ends) and panel.x.endswith(f"maps: {', '.join(map(str, counts))}")
    starts = {(edge.x[0], edge.y[0]) for edge in panel.series}
    assert starts <= {(0, 4.0), *ends}
