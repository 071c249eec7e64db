# amaranth: UnusedElaboratable=no

import random

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from golden.pass_sets import replay
from hdl.pass_sets.map_buffer import MapBuffer, WordFetcher
from hdl.pass_sets.pass_split import branches_layout, pass_set_layout
from hdl.pass_sets.resize import Resize
from sim.compare.packing import pack, unpack
from sim.component import transfer


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


def make_branches(shape, words, lanes, branch_sets, full=False, next_arrays=1):
    """Words and pass sets of random branch sets, and the words and pass sets that must leave."""
    rng   = random.Random(0)
    width = Shape.cast(shape).width
    entering, branches, leaving, sets = [], [], [], []
    for number in range(branch_sets):
        maps = [[rng.getrandbits(width) for _ in range(words)] for _ in range(lanes)]
        entering += [pack(word, width) for word in zip(*maps, strict=True)]
        count  = lanes * next_arrays
        inside = [rng.randint(1, (1 << PASSES) - 1) if full else 0 for _ in range(count)]
        while not any(inside):
            inside = [rng.choice((0, rng.randint(1, (1 << PASSES) - 1))) for _ in range(count)]
        last = number % 3 == 2
        branches.append(branches_layout(PASSES, count).const({"sets": inside, "last": last}).as_bits())
        by_branch = {divmod(branch, next_arrays): pass_set for branch, pass_set in enumerate(inside)}
        for (lane, array), pass_set, is_last in replay(by_branch, last):
            leaving += unpack(pack(maps[lane], width), width, words, signed=Shape.cast(shape).signed)
            sets.append(pass_set_layout(PASSES, next_arrays).const(
                {"set": pass_set, "last": is_last, "choice": array}).as_bits())
    return entering, branches, leaving, sets


@pytest.mark.some(20)
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
    if duty == 1.0 and not starts: # a set is there as its first word is fetched
        assert [first - there for there, first in zip(
            passed["o_sets"].cycles, passed["o"].cycles[::words], strict=True)] == [
                WordFetcher.latency - 1] * len(sets)


@pytest.mark.some(8)
@pytest.mark.parametrize("starts", [{}, {"o": 150}, {"o_sets": 150}])
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("height, width, factor, lanes, depth", [
    (2, 2, (2, 2), 2, 2), (1, 3, (1, 3), 1, 4), (3, 1, (2, 1), 2, 1), (1, 1, (2, 3), 1, 2)])
def test_sends_a_larger_map(height, width, factor, lanes, depth, duty, starts):
    """A map is stored once, and each word is sent as often as the larger map has it."""
    words = height * width
    entering, branches, leaving, sets = make_branches(unsigned(3), words, lanes, 12)
    maps  = np.array(leaving).reshape(-1, height, width).repeat(factor[0], 1).repeat(factor[1], 2)
    dut   = MapBuffer(unsigned(3), words=words, lanes=lanes, passes=PASSES, depth=depth,
                      resize=Resize(height, width, factor))
    passed = transfer(dut, {"i": entering, "i_sets": branches}, {"o": maps.size, "o_sets": len(sets)},
                      duty=duty, starts=starts)
    assert passed["o"].words == maps.ravel().tolist()
    assert passed["o_sets"].words == sets
    if duty == 1.0 and not starts: # a set is there as its first word is fetched
        assert [first - there for there, first in zip(
            passed["o_sets"].cycles, passed["o"].cycles[::dut.sent], strict=True)] == [
                WordFetcher.latency - 1] * len(sets)


@pytest.mark.some(12)
@pytest.mark.parametrize("starts", [{}, {"o": 150}, {"o_sets": 150}])
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("words, lanes, next_arrays, depth", [
    (4, 1, 4, 2), (9, 1, 8, 2), (1, 1, 2, 4), (3, 2, 2, 1), (1, 2, 4, 3), (20, 1, 2, 1)])
def test_sends_a_map_to_several_arrays(words, lanes, next_arrays, depth, duty, starts):
    """A map is sent once for each array of the next layer that some pass has chosen."""
    entering, branches, leaving, sets = make_branches(
        unsigned(3), words, lanes, 12, next_arrays=next_arrays)
    dut = MapBuffer(unsigned(3), words=words, lanes=lanes, passes=PASSES, depth=depth,
                    next_arrays=next_arrays)
    passed = transfer(dut, {"i": entering, "i_sets": branches},
                      {"o": len(leaving), "o_sets": len(sets)}, duty=duty, starts=starts)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == sets


@pytest.mark.parametrize("starts", [{}, {"o": 150}, {"o_sets": 150}])
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("words, lanes, depth", [(4, 1, 2), (1, 2, 4), (3, 3, 1)])
def test_sends_each_pass_apart(words, lanes, depth, duty, starts):
    """With its number, in ascending order, lane by lane."""
    entering, branches, _, _ = make_branches(unsigned(3), words, lanes, 9)
    leaving, sets = [], []
    for number, word in enumerate(branches):
        stored = branches_layout(PASSES, lanes).from_bits(word)
        alone  = [(lane, one) for lane in range(lanes) for one in range(PASSES)
                  if stored.sets[lane] >> one & 1]
        for index, (lane, one) in enumerate(alone):
            maps = entering[number * words:(number + 1) * words]
            leaving += [unpack(word, 3, lanes)[lane] for word in maps]
            sets.append(pass_set_layout(PASSES, PASSES).const({
                "set": 1 << one, "last": stored.last and index == len(alone) - 1,
                "choice": one}).as_bits())
    dut = MapBuffer(unsigned(3), words=words, lanes=lanes, passes=PASSES, depth=depth, next_arrays=PASSES,
                    apart=True)
    passed = transfer(dut, {"i": entering, "i_sets": branches},
                      {"o": len(leaving), "o_sets": len(sets)}, duty=duty, starts=starts)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == sets


def test_passes_apart_are_all():
    with pytest.raises(ValueError, match="^Passes that are sent apart must be 5, not 4$"):
        MapBuffer(unsigned(1), words=1, lanes=1, passes=5, depth=1, next_arrays=4, apart=True)


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


class WithCredits(wiring.Component):
    """A buffer with credits, and a sender of branch sets that takes one for each."""

    def __init__(self, buffer):
        self.buffer = buffer
        super().__init__({
            "i": In(stream.Signature(buffer.i.payload.shape())),
            **{name: buffer.signature.members[name] for name in ("i_sets", "o", "o_sets")},
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = self.buffer
        for name in ("i_sets", "o", "o_sets"):
            inside, outside = getattr(buffer, name), flipped(getattr(self, name))
            connect(m, *((outside, inside) if name == "i_sets" else (inside, outside)))
        word = Signal(range(buffer.words))
        may  = (word != 0) | buffer.credit.valid
        m.d.comb += [
            buffer.i.payload.eq(self.i.payload),
            buffer.i.valid.eq(self.i.valid & may),
            buffer.credit.ready.eq(self.i.valid & (word == 0)),
            self.i.ready.eq(may),
        ]
        with m.If(self.i.valid & may):
            m.d.sync += word.eq(Mux(word == buffer.words - 1, 0, word + 1))
        return m


@pytest.mark.some(14)
@pytest.mark.parametrize("starts", [{}, {"o": 150}, {"i_sets": 60}])
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("shape, words, lanes, depth", SHAPES)
def test_credits(shape, words, lanes, depth, duty, starts):
    """A sender that takes a credit for each branch set never finds the buffer full."""
    entering, branches, leaving, sets = make_branches(shape, words, lanes, 15)
    dut = MapBuffer(shape, words=words, lanes=lanes, passes=PASSES, depth=depth, by_credit=True)
    passed = transfer(WithCredits(dut), {"i": entering, "i_sets": branches},
                      {"o": len(leaving), "o_sets": len(sets)}, duty=duty, starts=starts)
    assert passed["o"].words == leaving
    assert passed["o_sets"].words == sets
    if starts.get("o"):
        early = sum(cycle < 150 for cycle in passed["i"].cycles)
        assert early <= words * (depth + 1) + MapBuffer.FETCHED


@pytest.mark.parametrize("words, lanes, depth, next_arrays, message", [
    (0, 2, 1, 1, "Words of a map must be at least 1, not 0"),
    (1, 0, 1, 1, "Lanes must be at least 1, not 0"),
    (1, 2, 0, 1, "Depth must be at least 1, not 0"),
    (1, 2, 1, 0, "Arrays of the next layer must be at least 1, not 0"),
])
def test_rejects(words, lanes, depth, next_arrays, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        MapBuffer(unsigned(1), words=words, lanes=lanes, passes=1, depth=depth, next_arrays=next_arrays)
