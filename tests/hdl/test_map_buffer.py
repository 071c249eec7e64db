# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Shape, signed, unsigned

from hdl.map_buffer import MapBuffer
from hdl.pass_split import branches_layout, pass_set_layout
from sim.component import transfer
from sim.packing import pack, unpack


PASSES = 5

#: Shape of a word, words, lanes, depth.
SHAPES = [
    (unsigned(3), 4, 2, 4),
    (unsigned(3), 4, 2, 1),
    (signed(6), 5, 2, 2),
    (unsigned(4), 3, 3, 3),
    (unsigned(2), 1, 2, 4),
    (unsigned(2), 1, 1, 1),
    (unsigned(2), 7, 1, 3),
]


def make_branches(shape, words, lanes, count, full=False):
    """Words and pass sets of random branch sets, and the words and pass sets that must leave."""
    rng   = random.Random(0)
    width = Shape.cast(shape).width
    entering, branches, leaving, sets = [], [], [], []
    for number in range(count):
        maps = [[rng.getrandbits(width) for _ in range(words)] for _ in range(lanes)]
        entering += [pack(word, width) for word in zip(*maps, strict=True)]
        inside = [rng.randint(1, (1 << PASSES) - 1) if full else 0 for _ in range(lanes)]
        while not any(inside):
            inside = [rng.choice((0, rng.randint(1, (1 << PASSES) - 1))) for _ in range(lanes)]
        last = number % 3 == 2
        branches.append(
            branches_layout(PASSES, lanes).const({"sets": inside, "last": last}).as_bits())
        chosen = [lane for lane in range(lanes) if inside[lane]]
        for lane in chosen:
            leaving += unpack(pack(maps[lane], width), width, words, signed=Shape.cast(shape).signed)
            sets.append(pass_set_layout(PASSES).const(
                {"set": inside[lane], "last": last and lane == chosen[-1]}).as_bits())
    return entering, branches, leaving, sets


@pytest.mark.parametrize("starts", [{}, {"i": 60}, {"i_sets": 60}, {"o": 150}, {"o_sets": 150}],
                         ids=["together", "sets earlier", "sets later", "maps held back",
                              "their sets held back"])
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("shape, words, lanes, depth", SHAPES)
def test_sends_lanes_that_are_not_empty(shape, words, lanes, depth, duty, starts):
    entering, branches, leaving, sets = make_branches(shape, words, lanes, 15)
    dut = MapBuffer(shape, words=words, lanes=lanes, passes=PASSES, depth=depth)
    passed = transfer(dut, {"i": entering, "i_sets": branches},
                      {"o": len(leaving), "o_sets": len(sets)}, duty=duty, starts=starts)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == sets


@pytest.mark.parametrize("shape, words, lanes, depth", [case for case in SHAPES if case[3] > 1])
def test_timing(shape, words, lanes, depth):
    """With full sets the output never pauses in a map, and a set comes before its first word."""
    entering, branches, leaving, sets = make_branches(shape, words, lanes, 6, full=True)
    dut = MapBuffer(shape, words=words, lanes=lanes, passes=PASSES, depth=depth)
    passed = transfer(dut, {"i": entering, "i_sets": branches},
                      {"o": len(leaving), "o_sets": len(sets)})
    assert passed["i"].cycles[:depth * words] == list(range(depth * words))
    begin = words - 1 + MapBuffer.latency
    apart = max(words, MapBuffer.interval)
    assert passed["o"].cycles == [begin + number // words * apart + number % words
                                  for number in range(len(leaving))]
    assert all(offered < sent for offered, sent in zip(
        passed["o_sets"].cycles, passed["o"].cycles[::words], strict=True))


def test_one_lane_passes_a_word_per_cycle():
    entering, branches, leaving, sets = make_branches(unsigned(4), 5, 1, 20, full=True)
    dut = MapBuffer(unsigned(4), words=5, lanes=1, passes=PASSES, depth=3)
    passed = transfer(dut, {"i": entering, "i_sets": branches}, {"o": 100, "o_sets": 20})
    assert passed["i"].cycles == list(range(100))


@pytest.mark.parametrize("words, lanes, depth, message", [
    (0, 2, 1, "Words of a map must be at least 1, not 0"),
    (1, 0, 1, "Lanes must be at least 1, not 0"),
    (1, 2, 0, "Depth must be at least 1, not 0"),
])
def test_rejects(words, lanes, depth, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        MapBuffer(unsigned(1), words=words, lanes=lanes, passes=1, depth=depth)
