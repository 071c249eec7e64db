# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.pass_sets.mixer import Mix, Mixer
from hdl.pass_sets.pass_split import pass_layout, pass_set_layout
from sim.component import transfer


def mixed(banks, kept, channels, width, first=0):
    """The word of which each channel, of ``width`` bits, is from the bank that ``kept`` says."""
    mask = (1 << width) - 1
    return sum((banks[kept >> first + channel & 1] >> channel * width & mask) << channel * width
               for channel in range(channels))


def make_maps(words, mix, width, passes, count, outcomes):
    """Words of both banks, bits and sets that enter, and what leaves and is asked for."""
    rng = random.Random(words + width)
    kept = [0, (1 << mix.bits) - 1, *(rng.getrandbits(mix.bits) for _ in range(count - 2))]
    ports = {"i": [], "i_sets": [], "mix": kept}
    leaving = {"o": [], "o_sets": [], "passes": []}
    for bits in kept:
        number, last = rng.randrange(passes), rng.randrange(2)
        for word in range(words):
            banks = [rng.getrandbits(mix.channels * width) for _ in range(2)]
            ports["i"].append(banks[0] | banks[1] << mix.channels * width)
            first = word * mix.channels % mix.bits
            leaving["o"].append(mixed(banks, bits, mix.channels, width, first))
        fields = {"set": 1 << number, "last": last}
        ports["i_sets"].append(pass_set_layout(passes, passes).const(
            fields | {"choice": number}).as_bits())
        leaving["o_sets"].append(pass_set_layout(passes, outcomes).const(
            fields | {"choice": number if outcomes > 1 else 0}).as_bits())
        leaving["passes"].append(pass_layout(passes).const({"number": number, "last": last}).as_bits())
    return ports, leaving


#: Words of a map, channels of a word, bits of a pass, and bits of a channel.
SHAPES = [(4, 3, 3, 1), (1, 5, 5, 2), (1, 1, 1, 1), (6, 1, 6, 9), (3, 2, 6, 1), (6, 1, 3, 4)]


def play(shape, outcomes, count=20, **options):
    words, channels, bits, width = shape
    mix = Mix(bits, channels)
    ports, leaving = make_maps(words, mix, width, 5, count, outcomes)
    dut = Mixer(channels * width, words=words, mix=mix, passes=5, outcomes=outcomes)
    passed = transfer(dut, ports, {name: len(sent) for name, sent in leaving.items()}, **options)
    assert {name: passed[name].words for name in leaving} == leaving
    return passed


@pytest.mark.some(20)
@pytest.mark.parametrize("starts", [{}, {"o": 100}, {"o_sets": 60}, {"passes": 60}, {"mix": 60}, {"i": 60}])
@pytest.mark.parametrize("duty", [1.0, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
def test_mixes(shape, duty, starts):
    """Also where words, bits or sets come late, or are taken late."""
    play(shape, 5, duty=duty, starts=starts)


@pytest.mark.parametrize("shape", SHAPES)
def test_bits_that_come_slowly(shape):
    """So that words wait for them, again and again."""
    play(shape, 5, duty={"mix": 0.15})


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_number_that_nobody_needs(shape):
    play(shape, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_timing(shape):
    """A word in every cycle, the first one a cycle after the bits of its map."""
    passed = play(shape, 5, count=8)
    assert passed["mix"].cycles[0] == 0
    assert passed["o"].cycles == [Mixer.latency + word for word in range(8 * shape[0])]
    assert passed["o_sets"].cycles == passed["passes"].cycles == [*range(8)]


def test_bits_that_wait():
    passed = play(SHAPES[0], 5, starts={"i": 100})
    assert sum(cycle < 100 for cycle in passed["mix"].cycles) == Mixer.AHEAD


@pytest.mark.parametrize("words, mix, outcomes, message", [
    (2, Mix(4, 3), 1, "Bits of a pass must be those of 3 channels in each of some words, of which 2 are a "
                      "multiple, not 4"),
    (3, Mix(2, 1), 1, "Bits of a pass must be those of 1 channels in each of some words, of which 3 are a "
                      "multiple, not 2"),
    (2, Mix(3, 3), 2, "Outcomes must be 1 or 5, not 2"),
])
def test_rejects(words, mix, outcomes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Mixer(3, words=words, mix=mix, passes=5, outcomes=outcomes)
