import pytest

from gen.ir import Generator, Input, Layer, Network, Target
from gen.passes.seed import seed


@pytest.mark.parametrize("dropout, drop", [
    (0, 0), (1, 65536), (0.5, 32768), (0.1, 6554), (1e-9, 0), (2**-16, 1)])
def test_drop(dropout, drop):
    layer = Layer("last", 1, 1, 1, (1, 1), 2, dropout=dropout)
    network = Network("network", Input(1, 1, (1,)), (layer, layer))
    assert seed(network, Target(seed=2**64 - 1)).generator == Generator(
        2**64 - 1, (drop, drop), (1, 1))


@pytest.mark.parametrize("crossbars, bits", [(2, 1), (8, 3), (64, 6)])
def test_arrays_are_equally_likely(crossbars, bits):
    layers = tuple(Layer("last", 1, 1, 1, (1, 1), 2, dropout=0.1, crossbars=number)
                   for number in (crossbars, 1))
    network = Network("network", Input(1, 1, (1,)), layers)
    assert seed(network, Target()).generator == Generator(1, (32768, 6554), (bits, 1))
