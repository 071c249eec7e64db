# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.pass_sets.map_buffer import MapBuffer, WordFetcher
from hdl.pass_sets.part_sequencer import PartSequencer
from hdl.pass_sets.pass_split import branches_layout, pass_set_layout
from hdl.stream import moves
from sim.component import transfer


class BufferWithRows(wiring.Component):
    """A map buffer that sends passes with equal masks together; all rows of an image come as one word."""

    def __init__(self, words, lanes, passes, depth, protect=False):
        self.buffer = buffer = MapBuffer(
            unsigned(3), words=words, lanes=lanes, passes=passes, depth=depth, next_arrays=passes,
            apart=True, merged=True, protect=protect)
        self.passes = passes
        super().__init__({
            "i":      In(buffer.i.signature.flip()),
            "i_sets": In(buffer.i_sets.signature.flip()),
            "rows":   In(stream.Signature(passes * passes)),
            "o":      Out(buffer.o.signature),
            "o_sets": Out(buffer.o_sets.signature),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = self.buffer
        for name in ("i", "i_sets"):
            connect(m, flipped(getattr(self, name)), getattr(buffer, name))
        for name in ("o", "o_sets"):
            connect(m, getattr(buffer, name), flipped(getattr(self, name)))
        answer = Signal(self.passes)
        m.d.comb += [
            buffer.rows.numbers.ready.eq(self.rows.valid),
            self.rows.ready.eq(buffer.rows.done),
        ]
        with m.If(moves(buffer.rows.numbers)):
            m.d.sync += answer.eq(self.rows.payload.word_select(buffer.rows.numbers.payload, self.passes))
        m.d.sync += buffer.rows.row.eq(answer)
        return m


def make_sets(rng, words, lanes, passes, count):
    """Words of branch sets, their pass sets, the rows of each image, and what leaves."""
    ports, leaving = {"i": [], "i_sets": [], "rows": []}, {"o": [], "o_sets": []}
    masks = None
    for number in range(count):
        if masks is None:
            masks = [rng.randrange(3) for _ in range(passes)]
            ports["rows"].append(sum(
                1 << other << one * passes for one in range(passes) for other in range(one + 1)
                if masks[one] == masks[other]))
        last = number + 1 == count or rng.random() < 0.4
        maps = [[rng.getrandbits(3) for _ in range(lanes)] for _ in range(words)]
        ports["i"] += [sum(word << 3 * lane for lane, word in enumerate(each)) for each in maps]
        of_lanes = [[] for _ in range(lanes)]
        for one in rng.sample(range(passes), rng.randint(1, passes)):
            rng.choice(of_lanes).append(one)
        ports["i_sets"].append(branches_layout(passes, lanes).const({
            "sets": [sum(1 << one for one in members) for members in of_lanes],
            "last": last}).as_bits())
        parts = []
        for lane, members in enumerate(of_lanes):
            while members:
                highest = max(members)
                part = [one for one in members if masks[one] == masks[highest]]
                parts.append((lane, highest, sum(1 << one for one in part)))
                members = [one for one in members if one not in part]
        for index, (lane, highest, part) in enumerate(parts):
            leaving["o"] += [each[lane] for each in maps]
            leaving["o_sets"].append(pass_set_layout(passes, passes).const({
                "set": part, "choice": highest, "last": last and index + 1 == len(parts)}).as_bits())
        if last:
            masks = None
    return ports, leaving


@pytest.mark.some(13)
@pytest.mark.parametrize("starts", [{}, {"o": 150}, {"o_sets": 150}, {"rows": 150}, {"i": 150}])
@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("words, lanes, passes, depth, protect", [
    (4, 1, 5, 2, False), (1, 2, 4, 4, True), (3, 3, 7, 1, False), (2, 1, 1, 3, False)])
def test_equal_masks_go_together(words, lanes, passes, depth, protect, duty, starts):
    """Lane by lane, the part of the highest pass first, with its number."""
    rng = random.Random(f"{duty} {starts}")
    ports, leaving = make_sets(rng, words, lanes, passes, 12)
    passed = transfer(BufferWithRows(words, lanes, passes, depth, protect=protect), ports,
                      {name: len(found) for name, found in leaving.items()}, duty=duty, starts=starts)
    assert {name: passed[name].words for name in leaving} == leaving


@pytest.mark.parametrize("words", [1, 2, 3, 5])
def test_timing(words):
    """Masks that all differ: parts without a pause, unless a map has fewer words than a part takes cycles;
    the first, which is made ahead, as soon as from a buffer that divides no set."""
    passes, sets = 4, 6
    apart  = sum(1 << one * (passes + 1) for one in range(passes))
    passed = transfer(BufferWithRows(words, 1, passes, 2), {
        "rows":   [apart] * sets,
        "i_sets": [(1 << passes + 1) - 1] * sets,
        "i":      [0] * words * sets,
    }, {"o": passes * words * sets, "o_sets": passes * sets}, starts={"i": 10})
    begin  = 10 + words - 1 + MapBuffer.latency
    each   = max(words, PartSequencer.interval)
    starts = passed["o"].cycles[::words]
    assert starts[0] == begin
    assert [after - before for before, after in zip(starts[2:], starts[3:], strict=False)] == [each] * (
        passes * sets - 3)
    assert passed["o"].cycles == [start + word for start in starts for word in range(words)]
    assert passed["o_sets"].cycles == [start - WordFetcher.latency + 1 for start in starts]
    if words >= PartSequencer.interval:
        assert starts[2] == begin + 2 * words


def test_dividing():
    """From a pass set to the fetch of the first part, where the words have come before."""
    passed = transfer(BufferWithRows(1, 1, 2, 2), {"rows": [0b1001], "i_sets": [0b111], "i": [5]},
                      {"o": 2, "o_sets": 2}, starts={"i_sets": 20})
    assert passed["o"].cycles[0] == 20 + PartSequencer.dividing + WordFetcher.latency


def test_rejects_passes_that_are_not_apart():
    with pytest.raises(ValueError, match="^Passes whose equal masks are merged must be sent apart$"):
        MapBuffer(unsigned(1), words=1, lanes=1, passes=5, depth=1, merged=True)
