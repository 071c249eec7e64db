import pytest

from gen.ir import Generator, Input, Layer, Network, Target
from gen.passes.seed import seed


@pytest.mark.parametrize("dropout, drop", [
    (0, 0), (1, 65536), (0.5, 32768), (0.1, 6554), (1e-9, 0), (2**-16, 1)])
def test_drop(dropout, drop):
    layer = Layer("last", 1, 1, 1, (1, 1), 2, dropout=dropout)
    network = Network("network", Input(1, 1, (1,)), (layer, layer))
    assert seed(network, Target(seed=2**64 - 1)).generator == Generator(2**64 - 1, (drop, drop))
