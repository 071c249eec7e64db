# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.layer.word_packer import WordPacker
from sim.compare.packing import pack
from sim.component import transfer


#: Channels, columns, lanes, bits.
SHAPES = [
    (6, 2, 2, 1),
    (7, 3, 2, 1),   # last group short
    (5, 5, 2, 1),   # one group
    (4, 1, 3, 1),
    (1, 1, 1, 1),
    (7, 3, 1, 4),
    (4, 2, 2, 3),
]


def groups_and_words(channels, columns, lanes, bits, count):
    rng = random.Random(0)
    groups, words = [], []
    for _ in range(count):
        levels = [[rng.getrandbits(bits) for _ in range(-(-channels // columns) * columns)]
                 for _ in range(lanes)]
        words.append(pack([pack(lane[:channels], bits) for lane in levels], channels * bits))
        groups += [pack([pack(lane[first:first + columns], bits) for lane in levels], columns * bits)
                   for first in range(0, channels, columns)]
    return groups, words


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("channels, columns, lanes, bits", SHAPES)
def test_joins_groups(channels, columns, lanes, bits, duty):
    groups, words = groups_and_words(channels, columns, lanes, bits, 20)
    passed = transfer(WordPacker(channels, columns=columns, lanes=lanes, bits=bits),
                      {"i": groups}, {"o": len(words)}, duty=duty)
    assert passed["o"].words == words


@pytest.mark.parametrize("channels, columns, lanes, bits", SHAPES)
def test_fills_while_words_wait(channels, columns, lanes, bits):
    """The groups of one word are taken although it is not; then all move together."""
    groups, words = groups_and_words(channels, columns, lanes, bits, 5)
    passed = transfer(WordPacker(channels, columns=columns, lanes=lanes, bits=bits),
                      {"i": groups}, {"o": len(words)}, starts={"o": 20})
    per_word = len(groups) // len(words)
    assert passed["i"].cycles == [*range(per_word), *range(20, 20 + 4 * per_word)]
    assert passed["o"].cycles == [20 + per_word * number for number in range(5)]


@pytest.mark.parametrize("channels, columns, lanes, bits", SHAPES)
def test_timing(channels, columns, lanes, bits):
    groups, words = groups_and_words(channels, columns, lanes, bits, 5)
    passed = transfer(WordPacker(channels, columns=columns, lanes=lanes, bits=bits),
                      {"i": groups}, {"o": len(words)})
    assert passed["i"].cycles == list(range(len(groups)))
    per_word = len(groups) // len(words)
    assert passed["o"].cycles == [cycle + WordPacker.latency
                                  for cycle in passed["i"].cycles[per_word - 1::per_word]]
