"""Proofs about what lies between layers."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Signal

from hdl.pass_sets.edge import Edge
from hdl.pass_sets.mixer import Mix
from hdl.pass_sets.pass_split import Choice
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import check_stream_rules, free, moved


def keeps_stream_rules(m, dut):
    """While no empty pass set enters, once valid is up on an output, it and the payload stay until the
    word is taken.
    """
    free(m, dut)
    m.d.comb += Assume(~dut.i_sets.valid | dut.i_sets.payload.set.any())
    check_stream_rules(m, dut)


def divides_each_set(m, dut):
    """The sets that leave for a map are disjoint, their union is the set that entered, none is empty,
    and the last one alone is the last of its image if the map was: each pass leaves once, with the
    outcome that it has drawn, or that is its number.

    One map at a time is in flight here; that maps keep their order is proven of the map buffer.
    """
    free(m, dut)
    passes = len(dut.i_sets.payload.set)
    left, last, busy = Signal(passes), Signal(), Signal()
    member, drawn    = AnyConst(range(passes)), Signal.like(dut.o_sets.payload.choice)
    m.d.comb += Assume(~dut.i_sets.valid | (~busy & dut.i_sets.payload.set.any()))
    with m.If(moved(dut.i_sets)):
        m.d.sync += [left.eq(dut.i_sets.payload.set), last.eq(dut.i_sets.payload.last), busy.eq(1)]
        if "early" in dut.drawn:
            for bit in range(len(drawn)):
                m.d.sync += drawn[bit].eq(dut.early.payload.word_select(bit, passes).bit_select(member, 1))
        else:
            m.d.sync += drawn.eq(member)
    sent = dut.o_sets.payload
    with m.If(dut.o_sets.valid):
        m.d.comb += [
            Assert(sent.set != 0),
            Assert((sent.set & ~left) == 0),
            Assert(sent.last == (last & (sent.set == left))),
        ]
        with m.If(sent.set.bit_select(member, 1)):
            m.d.comb += Assert(sent.choice == drawn)
    with m.If(moved(dut.o_sets)):
        m.d.sync += left.eq(left & ~sent.set)
        with m.If(left == sent.set):
            m.d.sync += busy.eq(0)
        m.d.comb += [Cover(sent.last & (sent.choice == 1)), Cover(left != sent.set)]


def make(early=None, late=None, passes=2, by_credit=False, mix=None):
    """An edge for maps of two words."""
    return Edge(1, words=2, lanes=2 if late or mix else 1, passes=passes, late=late, early=early, mix=mix,
                depth=2, by_credit=by_credit)


DRAWN = partial(make, early=Choice((0, 1)))
BOTH  = partial(make, early=Choice((0, 1), draw=1), late=Choice((0, 1)))
APART = partial(make, early=Choice((0, 1, 2), draw=None), passes=3)
MIXED = partial(make, mix=Mix(1, 1), early=Choice((0, 1), draw=None))

PROOFS = [
    *(Proof(block, properties) for block in (DRAWN, BOTH, APART, MIXED)
      for properties in (keeps_stream_rules, divides_each_set)),
    Readiness(MIXED),
    Readiness(DRAWN),
    Readiness(partial(make, late=Choice((0, 1)), by_credit=True)),
]
