"""Proofs about results of several instances."""

from functools import partial

from amaranth.hdl import Assert, Cover, Signal, Value

from hdl.head.collector import Collector
from hdl.head.result import result_layout
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def sends_whole_results_in_turn(m, dut):
    """Each word that is taken is the next that leaves. The instances are taken from one after another, and
    each up to the last word of a result."""
    free(m, dut)
    turn = Signal(range(dut.instances))
    held, word = Signal(), Signal.like(Value.cast(dut.o.payload))
    m.d.comb += Assert(dut.o.valid == held)
    with m.If(held):
        m.d.comb += Assert(Value.cast(dut.o.payload) == word)
    with m.If(moved(dut.o)):
        m.d.sync += held.eq(0)
    for number, port in enumerate(dut.i):
        with m.If(moved(port)):
            m.d.comb += [Assert(turn == number), Assert(~held | dut.o.ready)]
            m.d.sync += [held.eq(1), word.eq(port.payload)]
            with m.If(port.payload.last):
                m.d.sync += turn.eq((number + 1) % dut.instances)
    m.d.comb += Cover((turn == dut.instances - 1) & held & ~dut.o.ready)


MAKE = partial(Collector, result_layout(2, 1), 3)

PROOFS = [Proof(MAKE, keeps_stream_rules), Proof(MAKE, sends_whole_results_in_turn), Readiness(MAKE)]
