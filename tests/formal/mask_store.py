"""Proofs about the words of masks that are stored."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cover, Signal

from hdl.random.mask_store import MaskStore
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import check_stream_rules, free, moved


def environment(m, dut):
    """Images have 1 to T_max words, and are begun only while there is room; passes are of these. Returned
    is the number of words that have come of the image that is written."""
    free(m, dut)
    drawn, count, begun = dut.drawn, Signal(range(dut.most + 1)), Signal()
    m.d.comb += [
        Assume(~drawn.words.valid | ((count < dut.most) & (begun | drawn.room))),
        Assume(~drawn.handed | (count + drawn.words.valid != 0)),
        Assume(dut.passes.payload.number < dut.most),
    ]
    m.d.sync += count.eq(count + drawn.words.valid)
    with m.If(drawn.words.valid):
        m.d.sync += begun.eq(1)
    with m.If(drawn.handed):
        m.d.sync += [count.eq(0), begun.eq(0)]
    return count


def keeps_stream_rules(m, dut):
    """While images are begun only as there is room, once valid is up on an output, it and the payload stay
    until the word is taken.
    """
    environment(m, dut)
    check_stream_rules(m, dut)


def answers_each_pass(m, dut):
    """The answer to the number of a pass is the word that came at this place of the image; every number has
    one answer, in order, and none is taken before its image is whole.

    Images are numbered modulo 8, more than can be stored. One word of one of them is followed.
    """
    count = environment(m, dut)
    numbers = range(8)
    followed, member = AnyConst(numbers), AnyConst(range(dut.most))
    value, known, writing, reading = Signal.like(dut.o.payload), Signal(), Signal(numbers), Signal(numbers)
    m.d.sync += writing.eq(writing + dut.drawn.handed)
    m.d.sync += reading.eq(reading + (moved(dut.passes) & dut.passes.payload.last))
    with m.If(dut.drawn.handed & ((writing + 1)[:3] == followed)):
        m.d.sync += known.eq(0)
    with m.If(dut.drawn.words.valid & (writing == followed) & (count == member)):
        m.d.sync += [value.eq(dut.drawn.words.payload), known.eq(1)]
    with m.If(moved(dut.passes)):
        m.d.comb += Assert(reading != writing)
    # Whether questions that have no answer yet are for the word that is followed.
    asked   = moved(dut.passes) & (reading == followed) & (dut.passes.payload.number == member) & known
    waiting = Array(Signal(name=f"waiting_{place}") for place in range(4))
    entered, left = Signal(2), Signal(2)
    with m.If(moved(dut.passes)):
        m.d.sync += [waiting[entered].eq(asked), entered.eq(entered + 1)]
        m.d.comb += Assert((entered + 1)[:2] != left)
    with m.If(dut.o.valid):
        m.d.comb += Assert(entered != left)
        with m.If(waiting[left]):
            m.d.comb += [Assert(dut.o.payload == value), Cover(value == 2)]
    with m.If(moved(dut.o)):
        m.d.sync += left.eq(left + 1)


SMALL = partial(MaskStore, bits=2, passes=2)

PROOFS = [
    Proof(SMALL, keeps_stream_rules),
    Proof(SMALL, answers_each_pass, "bmc", depth=20, reach=30),
    Readiness(SMALL),
]
