# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import signed

from hdl.scale_mux import ScaleMux, comparison_layout, gain_layout, scaled_layout
from sim.component import transfer
from sim.packing import pack


FAN_IN = 11
COMPARISON = comparison_layout(FAN_IN)
GAIN = gain_layout(signed(5), signed(7))

#: Word, channels, banks, columns.
SHAPES = [
    (COMPARISON, 6, 2, 2),
    (COMPARISON, 7, 2, 3),      # last group short
    (COMPARISON, 4, 2, 4),      # one group: words are constants
    (COMPARISON, 1, 2, 1),
    (COMPARISON, 5, 4, 2),      # four banks, as affine dropout has
    (GAIN, 5, 2, 1),
]


def make_banks(word, channels, banks):
    rng = random.Random(0)
    if word is GAIN:
        fields = [{"gain": -16, "offset": -64}, {"gain": 15, "offset": 63}]
        fields += [{"gain": rng.randint(-16, 15), "offset": rng.randint(-64, 63)} for _ in range(20)]
    else:
        fields = [{"threshold": 0, "invert": 1}, {"threshold": FAN_IN + 1, "invert": 0}]
        fields += [{"threshold": rng.randint(0, FAN_IN + 1), "invert": rng.getrandbits(1)}
                   for _ in range(20)]
    return [fields[bank * channels:(bank + 1) * channels] for bank in range(banks)]


def make_groups(word, banks, columns, count):
    """Random sums of each group, and the same with the words of each bank."""
    rng, channels = random.Random(1), len(banks[0])
    layout = scaled_layout(word, 4, banks=len(banks), columns=columns)
    nothing = dict.fromkeys(word.members, 0)
    groups, scaled = [], []
    for number in range(count):
        sums  = [rng.randint(0, FAN_IN) for _ in range(columns)]
        first = number % -(-channels // columns) * columns
        groups.append(pack(sums, 4))
        scaled.append(layout.const({"sums": sums, "words": [
            [bank[channel] if channel < channels else nothing
             for channel in range(first, first + columns)] for bank in banks]}).as_bits())
    return groups, scaled


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("word, channels, banks, columns", SHAPES)
def test_joins_words_of_the_group(word, channels, banks, columns, duty):
    contents = make_banks(word, channels, banks)
    groups, scaled = make_groups(word, contents, columns, 40)
    passed = transfer(ScaleMux(word, contents, 4, columns=columns), {"i": groups}, {"o": 40},
                      duty=duty)
    assert passed["o"].words == scaled


@pytest.mark.parametrize("word, channels, banks, columns", SHAPES)
def test_timing(word, channels, banks, columns):
    contents = make_banks(word, channels, banks)
    groups, _ = make_groups(word, contents, columns, 20)
    passed = transfer(ScaleMux(word, contents, 4, columns=columns), {"i": groups}, {"o": 20})
    assert passed["i"].cycles == list(range(20))
    assert passed["o"].cycles == [cycle + ScaleMux.latency for cycle in range(20)]


def test_rows():
    """A word is the threshold with invert above it; columns, then banks, follow each other."""
    dropped = [{"threshold": 1, "invert": 0}, {"threshold": 2, "invert": 1},
               {"threshold": 3, "invert": 0}]
    kept    = [{"threshold": 4, "invert": 1}, {"threshold": 5, "invert": 0},
               {"threshold": 6, "invert": 1}]
    mux = ScaleMux(comparison_layout(6), [dropped, kept], 3, columns=2)
    assert list(mux.rows()) == [0b0101_1100_1010_0001, 0b0000_1110_0000_0011]
    assert mux.row_width == 16


def test_rejects():
    words = [{"threshold": 0, "invert": 0}] * 3
    with pytest.raises(ValueError, match="^Bank 0 has 3 channels, but another has 2$"):
        ScaleMux(COMPARISON, [words, words[:2]], 4, columns=1)
