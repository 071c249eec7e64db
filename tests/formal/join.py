"""Proofs about ways that meet."""

from functools import partial

from amaranth.hdl import Assert, Cover, Mux, Signal, Value

from hdl.pass_sets.join import Join
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def takes_both_together(m, dut):
    """Words of both ways are taken in the same cycle, and a cycle later their sum leaves, which is no less
    and no more than its bits hold; pass sets of both pass in the same cycle, as that of the trunk."""
    free(m, dut)
    m.d.comb += [
        Assert(moved(dut.i) == moved(dut.branch)),
        Assert(moved(dut.i_sets) == moved(dut.branch_sets)),
        Assert(moved(dut.i_sets) == moved(dut.o_sets)),
    ]
    with m.If(dut.o_sets.valid):
        m.d.comb += Assert(Value.cast(dut.o_sets.payload) == Value.cast(dut.i_sets.payload))
    total, least, most = Signal(range(-16, 16)), -4, 3
    took  = Signal()
    m.d.sync += [took.eq(moved(dut.i)), total.eq((dut.i.payload - 4) + (dut.branch.payload - 4))]
    with m.If(took):
        m.d.comb += [
            Assert(dut.o.valid),
            Assert(dut.o.payload == Mux(total < least, least, Mux(total > most, most, total)) + 4),
            Cover(total < least), Cover(total > most), Cover(total == -1),
        ]


MAKE = partial(Join, 3, 3, bits=3, added=True, passes=2, outcomes=2)

PROOFS = [Proof(make, keeps_stream_rules) for make in (MAKE, partial(
    Join, 2, 1, bits=1, added=False, passes=2))] + [Proof(MAKE, takes_both_together), Readiness(MAKE)]
