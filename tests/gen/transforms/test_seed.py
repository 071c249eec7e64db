import numpy as np
import pytest

from gen.ir import Draw, Generator, Input, Layer, Network, Target
from gen.split_mix import seeds_of
from gen.transforms.seed import seed
from golden.random.generator import choices


def drawing(*drops):
    """A network whose passes draw these bits; seeds depend on no layer."""
    return Network("network", Input(1, 1, (1,)), (Layer("last", 1, 1, 1, (1, 1), 2),), draws=tuple(
        Draw(f"draw{number}", each) for number, each in enumerate(drops)))


@pytest.mark.parametrize("dropout, drop", [
    (0, 0), (1, 65536), (0.5, 32768), (0.1, 6554), (2**-16, 1)])
def test_drop(dropout, drop):
    network = drawing((dropout,), (dropout,))
    assert seed(network, Target(seed=2**64 - 1)).generator == Generator(
        seeds_of(2**64 - 1, 1), (drop, drop))


@pytest.mark.parametrize("bits", [1, 3, 6])
def test_every_bit_has_its_drop(bits):
    """Those of a draw are in the order of the draws, and differ where it says so."""
    network = drawing((0.5,) * bits, (0.1, 0.5, 0.0))
    assert seed(network, Target()).generator == Generator(
        seeds_of(1, 1), (32768,) * bits + (6554, 32768, 0))


@pytest.mark.parametrize("sources", ["model", "layer"])
def test_nothing_is_drawn(sources):
    """Without random bits there is no source; the number of a pass is none."""
    for network in (drawing(), drawing(None)):
        assert seed(network, Target(sources=sources)).generator == Generator((), ())
    assert seed(drawing(None, (0.5,)), Target(sources=sources)).generator == Generator(
        seeds_of(1, 1), (32768,))


def test_a_source_for_each_bit():
    """The first output of SplitMix64 from seed 0 is published with it: 0xe220a8397b1dcdaf."""
    seeds = seed(drawing((0.5,) * 3, (0.5,)), Target(seed=7, sources="layer")).generator.seeds
    assert seeds == seeds_of(7, 4) and len(set(seeds)) == 4
    assert seeds_of(0, 1) == (0xE220A8397B1DCDAF,)
    # Where the output would be 0, which no generator leaves.
    assert seeds_of(-0x9E3779B97F4A7C15 % 2**64, 1) == (1,)


@pytest.mark.parametrize("sources, seeds", [("model", 1), ("layer", 9)])
def test_points(sources, seeds):
    """Of shifts of three bits there is a source for each, or one; they are fair, whatever p is."""
    found = seed(drawing((0.5,), (0.125, 0.5)), Target(sources=sources, masks="balanced", passes=5))
    generator = found.generator
    assert (len(generator.seeds), generator.drop, found.drawn) == (seeds, (32768,) * 9, (0.5,) * 9)
    assert (generator.points.bits, generator.points.drop, len(generator.points.points)) == (3, (4, 1, 4), 5)
    assert [generator.bits(passes) for passes in (1, 5, 6, 20)] == [9, 9, 18, 36]
    found = seed(drawing((0.5,), (0.125, 0.5)), Target(passes=5))
    assert (found.generator.points, found.drawn, found.generator.bits(5)) == (None, (0.5, 0.125, 0.5), 15)


@pytest.fixture(scope="module")
def first_bits():
    """Fair bits of the first images of each of the seeds 1 to 4,096: bool (4096, 64)."""
    return np.stack([choices(seed(drawing((0.5,)), Target(seed=number)).generator, 1, 64).ravel()
                     for number in range(1, 4097)])


@pytest.mark.long
def test_seeds_are_independent(first_bits):
    """Every bit, the first too, is as often 1 as 0 over the seeds, and bits of one seed say nothing of
    those of the next, or of two after it: all within five deviations."""
    count, length = first_bits.shape
    signs = 2.0 * first_bits - 1
    assert abs(signs.mean(0)).max() < 5 / count**0.5
    for distance in (1, 2, 3, 64, 1024):
        assert abs((signs[:-distance] * signs[distance:]).mean(0)).max() < 5 / (count - distance)**0.5
        assert abs((signs[:-distance] * signs[distance:]).mean(1)).max() < 5 / length**0.5


def test_seeds_are_not_linear(first_bits):
    """Of small seeds with ``c = a XOR b``, the bits of c are not those of a and b added modulo 2."""
    for a in range(1, 64):
        for b in range(a + 1, 64):
            equal = first_bits[(a ^ b) - 1] == first_bits[a - 1] ^ first_bits[b - 1]
            assert 5 < equal.sum() < 59
