"""Proofs about a layer and the edge behind it."""

from functools import partial

from amaranth.hdl import Array, Assert, Assume, Cover, Signal

from hdl.engine import Engine, Levels, Masks
from hdl.layer.crossbar import Crossbar
from hdl.layer.line_buffer import LineBuffer
from hdl.pass_sets.pass_split import Choice
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, check_stream_rules, free, moved, patient
from tests.layers import LayerWithEdge


def environment(m, dut):
    """No pass set that enters is empty; where passes have masks each enters alone."""
    free(m, dut)
    sets = dut.i_sets.payload
    m.d.comb += Assume(~dut.i_sets.valid | sets.set.any())
    if dut.engine.masks is not None:
        m.d.comb += Assume(~dut.i_sets.valid | (sets.set == 1 << sets.choice))


def keeps_stream_rules(m, dut):
    """While no empty pass set enters, once valid is up on an output, it and the payload stay until the
    word is taken.
    """
    environment(m, dut)
    check_stream_rules(m, dut)


def divides_each_set(m, dut):
    """The pass sets sent for a map are disjoint, none is empty and their union is the set that was
    received; those of a map come before those of the next, only the last set of the last map of an
    image is marked as last, and no word is sent without a set.

    Maps are numbered modulo 8, more than can be in flight.
    """
    environment(m, dut)
    passes, words = len(dut.i_sets.payload.set), dut.engine.words
    sets   = Array(Signal(passes, name=f"set_{number}") for number in range(8))
    lasts  = Array(Signal(name=f"last_{number}") for number in range(8))
    entered, leaving, gone = Signal(3), Signal(3), Signal(passes)
    with m.If(moved(dut.i_sets)):
        m.d.sync += [sets[entered].eq(dut.i_sets.payload.set), lasts[entered].eq(dut.i_sets.payload.last),
                     entered.eq(entered + 1)]
        m.d.comb += Assert((entered + 1)[:3] != leaving)
    sent, left = dut.o_sets.payload, Signal(passes)
    m.d.comb += left.eq(sets[leaving] & ~gone)
    with m.If(dut.o_sets.valid):
        m.d.comb += [
            Assert(entered != leaving),
            Assert(sent.set != 0),
            Assert((sent.set & ~left) == 0),
            Assert(sent.last == (lasts[leaving] & (sent.set == left))),
        ]
    with m.If(moved(dut.o_sets)):
        m.d.sync += gone.eq(gone | sent.set)
        m.d.comb += [Cover(left != sent.set), Cover(sent.last & (sent.set != (1 << passes) - 1))]
        with m.If(left == sent.set):
            m.d.sync += [gone.eq(0), leaving.eq(leaving + 1)]
    # A set is offered before the first word of its map, but may be taken later: by one map at most.
    owed = Signal(range(64), init=words)
    m.d.sync += owed.eq(owed + (words * moved(dut.o_sets)) - moved(dut.o))
    m.d.comb += Assert((owed != 0) | ~dut.o.valid)


def answers_in_time(m, dut):
    """With words and masks at hand, and maps and sets taken within 1 cycle, pass sets leave within 20
    cycles of each other and of those that entered.
    """
    environment(m, dut)
    for name, port in (("o", dut.o), ("o_sets", dut.o_sets)):
        patient(m, port.ready, 1, name)
    m.d.comb += Assume(dut.i.valid)
    m.d.comb += [Assume(getattr(dut, name).valid) for name in dut.edge.drawn]
    owed = Signal(4)
    m.d.sync += owed.eq(owed + moved(dut.i_sets) - (moved(dut.o_sets) & dut.o_sets.payload.last))
    with m.If(dut.i_sets.valid):
        m.d.comb += Assume(dut.i_sets.payload.last) # so that each can be counted
    answers_within(m, (owed != 0) & ~dut.o_sets.valid, 20, "sets")
    m.d.comb += Cover(moved(dut.o_sets) & dut.o_sets.payload.last)


def make(*, arrays, next_arrays, passes, depth, groups=None):
    """A layer of two positions and two channels; with one array, its choice is a keep bit, and with groups
    each pass masks its inputs too."""
    bank, several = [{"threshold": [1], "invert": 0}] * 2, arrays > 1
    engine = Engine(
        LineBuffer(1, 2, 1, kernel=(1, 1)),
        Crossbar(((0, 1),) * arrays, 1, tile_rows=1, rows_per_read=1, columns_per_read=1, macro=1,
                 masked=groups is not None),
        Levels(), sums=range(-1, 2) if groups else range(2),
        banks=[[bank]] * arrays if several else [[bank, bank]],
        array_choice=Choice(tuple(range(arrays))) if several else None,
        bank_choice=None if several else Choice((0, 1)),
        masks=groups and Masks(groups), passes=passes)
    early = Choice(tuple(range(next_arrays))) if next_arrays > 1 else None
    return LayerWithEdge(engine, early, depth=depth)


#: Cycles that a solver looks at within its time limit.
DEPTHS = {keeps_stream_rules: 35, divides_each_set: 22, answers_in_time: 45}

PROOFS = [
    *(Proof(partial(make, arrays=arrays, next_arrays=next_arrays, passes=passes, depth=2), properties,
            "bmc", depth=DEPTHS[properties], reach=40)
      for arrays, next_arrays, passes, properties in (
          (1, 1, 3, keeps_stream_rules), (1, 1, 3, divides_each_set), (2, 2, 2, divides_each_set),
          (1, 2, 2, divides_each_set), (1, 1, 2, answers_in_time))),
    Proof(partial(make, arrays=1, next_arrays=1, passes=2, depth=2, groups=1), keeps_stream_rules, "bmc",
          depth=DEPTHS[keeps_stream_rules], reach=40),
    Readiness(partial(make, arrays=1, next_arrays=1, passes=2, depth=2)),
    Readiness(partial(make, arrays=2, next_arrays=2, passes=2, depth=2)),
]
