import pytest

from gen.ir import Generator, Input, Layer, Network, Target
from gen.passes.seed import _split, seed


@pytest.mark.parametrize("dropout, drop", [
    (0, 0), (1, 65536), (0.5, 32768), (0.1, 6554), (1e-9, 0), (2**-16, 1)])
def test_drop(dropout, drop):
    layer = Layer("last", 1, 1, 1, (1, 1), 2, dropout=dropout)
    network = Network("network", Input(1, 1, (1,)), (layer, layer))
    assert seed(network, Target(seed=2**64 - 1)).generator == Generator(
        (2**64 - 1,), (drop, drop), (1, 1))


@pytest.mark.parametrize("crossbars, bits", [(2, 1), (8, 3), (64, 6)])
def test_arrays_are_equally_likely(crossbars, bits):
    layers = tuple(Layer("last", 1, 1, 1, (1, 1), 2, dropout=0.1, crossbars=number)
                   for number in (crossbars, 1))
    network = Network("network", Input(1, 1, (1,)), layers)
    assert seed(network, Target()).generator == Generator((1,), (32768, 6554), (bits, 1))


def test_a_source_for_each_bit():
    """The first output of SplitMix64 from seed 0 is published with it: 0xe220a8397b1dcdaf."""
    layers = tuple(Layer("last", 1, 1, 1, (1, 1), 2, crossbars=number) for number in (8, 1))
    network = Network("network", Input(1, 1, (1,)), layers)
    seeds = seed(network, Target(seed=7, sources="layer")).generator.seeds
    assert seeds[0] == 7 and len(set(seeds)) == 4
    assert _split(0, 1) == 0xE220A8397B1DCDAF
    # Where the output would be 0, which no generator leaves.
    assert _split(-0x9E3779B97F4A7C15 % 2**64, 1) == 1
