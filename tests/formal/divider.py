"""Proofs about the divider of the softmax."""

from functools import partial

from amaranth.hdl import Assert, Assume, Cover, Signal

from hdl.head.divider import RECIPROCAL, Divider
from tests.formal.proof import Proof
from tests.formal.streams import free, keeps_stream_rules, moved


def answers_in_time(m, dut):
    """The reciprocal of a sum is there 19 cycles after it is taken, and no other sum is taken until it has
    been. Of a sum of a power of two it has the digits of the dividend, all ones."""
    free(m, dut)
    m.d.comb += Assume(dut.i.payload == 1 << 16)
    waits, since = Signal(), Signal(range(RECIPROCAL + 2))
    with m.If(waits):
        m.d.comb += [
            Assert(~dut.i.ready),
            Assert(dut.o.valid == (since == RECIPROCAL)),
            Cover(dut.o.valid),
        ]
        m.d.sync += since.eq(since + (since != RECIPROCAL))
    with m.Else():
        m.d.comb += [Assert(~dut.o.valid), Assert(dut.i.ready)]
    with m.If(dut.o.valid):
        m.d.comb += Assert(dut.o.payload == (1 << RECIPROCAL) - 1)
    with m.If(moved(dut.i)):
        m.d.sync += [waits.eq(1), since.eq(0)]
    with m.Elif(moved(dut.o)):
        m.d.sync += waits.eq(0)


PROOFS = [
    Proof(partial(Divider, range((1 << 17) + 1)), keeps_stream_rules, reach=45),
    Proof(partial(Divider, range((1 << 17) + 1)), answers_in_time, "bmc", depth=45, reach=25),
]
