"""Proofs about the order in which maps are sent to a layer with masks."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cover, Mux, Signal, Value

from hdl.pass_sets.part_sequencer import PartSequencer
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, check_stream_rules, free, moved, patient


def environment(m, dut):
    """Some pass set of each branch set is not empty; no more branch sets are stored than there are places.
    A row has its pass and none above, and is that of the image: of two that take turns."""
    free(m, dut)
    m.d.comb += Assume(~dut.i_sets.valid | (dut.i_sets.payload.sets.as_value() != 0))
    places = Signal(range(dut.depth + 1))
    m.d.sync += places.eq(places + dut.filled - dut.release)
    m.d.comb += Assume(~dut.filled | (places != dut.depth))
    rows = [[AnyConst(dut.passes) for _ in range(dut.passes)] for _ in range(2)]
    for of_image in rows:
        m.d.comb += [Assume((row >> number) == 1) for number, row in enumerate(of_image)]
    image, steps, answer = Signal(), Signal(range(dut.ROW + 1)), Signal(dut.passes)
    m.d.sync += steps.eq(Mux(steps == dut.ROW, dut.ROW, steps + 1))
    with m.If(dut.rows.done):
        m.d.sync += image.eq(~image)
    with m.If(moved(dut.rows.numbers)):
        m.d.comb += Assert(dut.rows.numbers.payload < dut.passes)
        m.d.sync += [
            steps.eq(1),
            answer.eq(Array(Array(of_image)[dut.rows.numbers.payload] for of_image in rows)[image]),
        ]
    m.d.comb += Assume((steps != dut.ROW) | (dut.rows.row == answer))
    return rows


def keeps_stream_rules(m, dut):
    """Once valid is up on an output, it and the payload stay until the word is taken; so do questions for
    rows.
    """
    environment(m, dut)
    check_stream_rules(m, dut)
    asked, waits, before = dut.rows.numbers, Signal(), Signal.like(dut.rows.numbers.payload)
    m.d.sync += [waits.eq(asked.valid & ~asked.ready), before.eq(asked.payload)]
    with m.If(waits):
        m.d.comb += Assert(asked.valid & (asked.payload == before))


def divides_each_set(m, dut):
    """The parts of a branch set are sent one after another, of the lowest lane that is left, and of the
    highest pass that is left of it with all of its row: so they are disjoint, their union is what entered,
    and none is empty. The words that are fetched are those of the branch set and the lane, its place is
    free with the last of them, and the last part of the last map of an image alone ends it.

    Branch sets are numbered modulo more than can be in flight; one of them is followed.
    """
    rows = environment(m, dut)
    numbers  = range(1 << (2 * dut.depth + 4).bit_length())
    followed = AnyConst(numbers)
    entering, leaving, image = Signal(numbers), Signal(numbers), Signal()
    left = [Signal(dut.passes, name=f"left_{lane}") for lane in range(dut.lanes)]
    known, last, of_image = Signal(), Signal(), Signal()
    with m.If(moved(dut.i_sets)):
        m.d.sync += [entering.eq(entering + 1), image.eq(image ^ dut.i_sets.payload.last)]
        with m.If(entering == followed):
            m.d.sync += [known.eq(1), last.eq(dut.i_sets.payload.last), of_image.eq(image)]
            m.d.sync += [mine.eq(sets) for mine, sets in zip(left, dut.i_sets.payload.sets, strict=True)]
    fetch, sent = dut.fetch, dut.o_sets
    word, base  = Signal(range(dut.words)), Signal(range(dut.depth))
    with m.If(moved(fetch)):
        m.d.sync += word.eq(Mux(word == dut.words - 1, 0, word + 1))
    with m.If(dut.release):
        m.d.sync += [leaving.eq(leaving + 1), base.eq(Mux(base == dut.depth - 1, 0, base + 1))]
    m.d.comb += Assert(~dut.release | (moved(fetch) & (word == dut.words - 1)))

    # The part that is next, and what is left behind it.
    lane, members, number = Signal(range(dut.lanes)), Signal(dut.passes), Signal(range(dut.passes))
    for index in reversed(range(dut.lanes)):
        with m.If(left[index] != 0):
            m.d.comb += [lane.eq(index), members.eq(left[index])]
    for index in range(dut.passes):
        with m.If(members[index]):
            m.d.comb += number.eq(index)
    part = members & Array(Array(each)[number] for each in rows)[of_image]
    rest = [Mux(lane == index, mine & ~part, mine) for index, mine in enumerate(left)]
    none = Value.cast(sum((mine != 0) for mine in rest) == 0)
    mine = fetch.valid & (leaving == followed)
    with m.If(mine):
        m.d.comb += [
            Assert(known),
            Assert(fetch.payload.lane == lane),
            Assert(fetch.payload.address == base * dut.words + word),
            Assert(~moved(fetch) | (dut.release == (none & (word == dut.words - 1)))),
        ]
    offered, expected, ends, choice = Signal(), Signal(dut.passes), Signal(), Signal.like(number)
    m.d.sync += offered.eq(mine & fetch.ready & (word == 0))
    with m.If(mine & fetch.ready):
        with m.If(word == 0):
            m.d.sync += [expected.eq(part), ends.eq(last & none), choice.eq(number)]
        with m.If(word == dut.words - 1):
            m.d.sync += [one.eq(value) for one, value in zip(left, rest, strict=True)]
    with m.If(offered):
        m.d.comb += [
            Assert(sent.valid),
            Assert(sent.payload.set == expected),
            Assert(sent.payload.choice == choice),
            Assert(sent.payload.last == ends),
            Cover((followed == 1) & ends & (expected == 3)),
            Cover((followed == 1) & ~ends & last),
        ]


def answers_in_time(m, dut):
    """With branch sets stored, rows at hand, words fetched at once and sets taken within 1 cycle, no more
    than ``asking + interval + words + 4`` cycles pass before the next set while one is owed.
    """
    environment(m, dut)
    patient(m, dut.o_sets.ready, 1, "o_sets")
    owed, places = Signal(range(dut.depth * 2 + 4)), Signal(range(dut.depth + 1))
    m.d.sync += [
        owed.eq(owed + moved(dut.i_sets) - dut.release),
        places.eq(places + dut.filled - dut.release),
    ]
    m.d.comb += [Assume(dut.rows.numbers.ready), Assume(dut.fetch.ready)]
    answers_within(m, (owed != 0) & (places != 0) & ~dut.o_sets.valid,
                   dut.asking + dut.interval + dut.words + 4, "set")
    m.d.comb += Cover(moved(dut.o_sets) & (owed == 1))


make  = partial(PartSequencer, passes=2, protect=False)
SMALL = partial(make, words=2, lanes=1, depth=2)
LANES = partial(make, words=1, lanes=2, depth=1)

PROOFS = [
    Proof(SMALL, keeps_stream_rules),
    Proof(SMALL, divides_each_set, "bmc", depth=22, reach=30, seconds=600),
    Proof(LANES, divides_each_set, "bmc", depth=22, reach=30, seconds=600),
    Proof(SMALL, answers_in_time),
    Readiness(SMALL),
]
