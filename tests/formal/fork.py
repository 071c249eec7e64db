"""Proofs about ways that part."""

from functools import partial

from amaranth.hdl import Assert, Assume, Cover, Signal, Value

from hdl.pass_sets.fork import Fork
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import check_stream_rules, free, moved


def keeps_stream_rules_of_ready_ways(m, dut):
    """Once valid is up on an output, it and the payload stay until the word is taken, where a way that is
    ready for a word stays ready until it takes one."""
    free(m, dut)
    for way in dut.o:
        before = Signal()
        m.d.sync += before.eq(way.ready & ~moved(way))
        with m.If(before):
            m.d.comb += Assume(way.ready)
    check_stream_rules(m, dut)


def sends_each_on_all_ways(m, dut):
    """A word passes all ways in the cycle in which it enters. Each way takes each pass set once, no later
    than the cycle in which the next one can come."""
    free(m, dut)
    for word, pass_set in zip(dut.o, dut.o_sets, strict=True):
        m.d.comb += Assert(moved(word) == moved(dut.i))
        with m.If(moved(word)):
            m.d.comb += Assert(word.payload == dut.i.payload)
        taken = Signal()
        m.d.sync += taken.eq((taken | moved(pass_set)) & ~moved(dut.i_sets))
        m.d.comb += Assert(~pass_set.valid | (dut.i_sets.valid & ~taken))
        with m.If(pass_set.valid):
            m.d.comb += Assert(Value.cast(pass_set.payload) == Value.cast(dut.i_sets.payload))
        with m.If(moved(dut.i_sets)):
            m.d.comb += Assert(taken | moved(pass_set))
        m.d.comb += Cover(taken)


MAKE = partial(Fork, 2, passes=2, outcomes=2, ways=3)

PROOFS = [Proof(MAKE, keeps_stream_rules_of_ready_ways), Proof(MAKE, sends_each_on_all_ways),
          Readiness(MAKE)]
