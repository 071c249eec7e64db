# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.gather import Gather
from sim.component import transfer
from sim.packing import pack


SHAPES = [
    (6, 2, 2),
    (7, 3, 2),  # last group short
    (5, 5, 2),  # one group
    (4, 1, 3),
    (1, 1, 1),
]


def groups_and_words(channels, columns, banks, count):
    rng = random.Random(0)
    groups, words = [], []
    for _ in range(count):
        lanes = [[rng.getrandbits(1) for _ in range(-(-channels // columns) * columns)]
                 for _ in range(banks)]
        words.append(pack([pack(lane[:channels], 1) for lane in lanes], channels))
        groups += [pack([pack(lane[first:first + columns], 1) for lane in lanes], columns)
                   for first in range(0, channels, columns)]
    return groups, words


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("channels, columns, banks", SHAPES)
def test_joins_groups(channels, columns, banks, duty):
    groups, words = groups_and_words(channels, columns, banks, 20)
    passed = transfer(Gather(channels, columns=columns, banks=banks),
                      {"i": groups}, {"o": len(words)}, duty=duty)
    assert passed["o"].words == words


@pytest.mark.parametrize("channels, columns, banks", SHAPES)
def test_timing(channels, columns, banks):
    groups, words = groups_and_words(channels, columns, banks, 5)
    passed = transfer(Gather(channels, columns=columns, banks=banks),
                      {"i": groups}, {"o": len(words)})
    assert passed["i"].cycles == list(range(len(groups)))
    per_word = len(groups) // len(words)
    assert passed["o"].cycles == [cycle + Gather.latency
                                  for cycle in passed["i"].cycles[per_word - 1::per_word]]
