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
            m.d.sync += row.eq(group * dut.stored + dut.i.payload.choice if dut.stored > 1 else group)
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


def make(*, arrays, banks):
    contents = [[[{"threshold": [(array + bank + 2 * channel) % 4], "invert": bank & 1}
                  for channel in range(3)] for bank in range(banks)] for array in range(arrays)]
    return ScaleMux(comparison_layout(range(4)), contents, unsigned(2), columns=2)


PROOFS = [
    *(Proof(partial(make, arrays=arrays, banks=banks), properties)
      for arrays, banks in ((1, 2), (2, 1), (3, 2))
      for properties in (keeps_stream_rules, joins_the_words)),
    Readiness(partial(make, arrays=2, banks=1)),
]
