"""Proofs about the scale multiplexer."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Cover, Mux, Signal, Value, unsigned

from hdl.layer.scale_mux import ScaleMux, comparison_layout
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def joins_the_words(m, dut):
    """The k-th sums leave k-th, with the words of their group of channels, of every bank or of the one
    that was chosen.

    Groups are numbered modulo 4, more than can be in flight. One of them is followed.
    """
    free(m, dut)
    numbers, groups = range(4), -(-dut.channels // dut.columns)
    followed = AnyConst(numbers)
    group, number, sent = Signal(range(groups)), Signal(numbers), Signal(numbers)
    sums, row = Signal(len(Value.cast(dut.i.payload.sums))), Signal(range(len(list(dut.rows()))))
    with m.If(moved(dut.i)):
        m.d.sync += [group.eq(Mux(group == groups - 1, 0, group + 1)), number.eq(number + 1)]
        with m.If(number == followed):
            m.d.sync += sums.eq(dut.i.payload.sums)
            m.d.sync += row.eq(group * dut.stored + dut.i.payload.choice if dut.selected else group)
    with m.If(moved(dut.o)):
        m.d.sync += sent.eq(sent + 1)
    with m.If(dut.o.valid):
        m.d.comb += Assert(sent != number)
        with m.If(sent == followed):
            m.d.comb += [
                Assert(Value.cast(dut.o.payload.sums) == sums),
                Assert(Value.cast(dut.o.payload.words) == Array(dut.rows())[row]),
                Cover(moved(dut.o) & (row != 0)),
            ]


def make(*, selected):
    banks = [[{"threshold": [(bank + 2 * channel) % 4], "invert": bank} for channel in range(3)]
             for bank in range(2)]
    return ScaleMux(comparison_layout(range(4)), banks, unsigned(2), columns=2, selected=selected)


PROOFS = [
    *(Proof(partial(make, selected=selected), properties) for selected in (False, True)
      for properties in (keeps_stream_rules, joins_the_words)),
    Readiness(partial(make, selected=True)),
]
