"""Proofs about pooling."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.layer.pool import Pool
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def pools_each_window(m, dut):
    """Each window of a map gives one bit for each channel, in raster order: the OR of its outcomes,
    inverted if the last of them says so; rows and columns that fill no window give none.

    One window of the map is followed, and one channel, in every map.
    """
    free(m, dut)
    windows = dut.height // 2, dut.width // 2
    x, y, group = Signal(range(dut.width)), Signal(range(dut.height)), Signal(range(dut.groups))
    row, column, of = (AnyConst(range(windows[0])), AnyConst(range(windows[1])),
                       AnyConst(range(dut.groups)))
    channel = AnyConst(range(dut.columns))
    m.d.comb += [Assume(row < windows[0]), Assume(column < windows[1]), Assume(of < dut.groups),
                 Assume(channel < dut.columns)]
    value, expected = Signal(), Signal()
    bit    = dut.i.payload.reached[0].bit_select(channel, 1)
    invert = Signal()
    m.d.comb += invert.eq(dut.i.payload.invert[0].bit_select(channel, 1))
    inside = (x >> 1 == column) & (y >> 1 == row) & (group == of)
    owed   = Signal(range(3))    # of all windows
    wins   = Signal()
    m.d.comb += wins.eq(moved(dut.i) & x[0] & y[0])
    m.d.sync += owed.eq(owed + wins - moved(dut.o))
    m.d.comb += [Assert(dut.o.valid == (owed != 0)), Assert(owed <= 1)]
    ours = Signal()
    with m.If(moved(dut.o)):
        m.d.sync += ours.eq(0)
    with m.If(moved(dut.i)):
        m.d.sync += group.eq(Mux(group == dut.groups - 1, 0, group + 1))
        with m.If(group == dut.groups - 1):
            m.d.sync += x.eq(Mux(x == dut.width - 1, 0, x + 1))
            with m.If(x == dut.width - 1):
                m.d.sync += y.eq(Mux(y == dut.height - 1, 0, y + 1))
        with m.If(inside):
            first = ~x[0] & ~y[0]
            m.d.sync += value.eq(Mux(first, bit, value | bit))
            with m.If(x[0] & y[0]):
                m.d.sync += [ours.eq(1), expected.eq((value | bit) ^ invert)]
    with m.If(ours):
        m.d.comb += [
            Assert(dut.o.valid),
            Assert(dut.o.payload[0].bit_select(channel, 1) == expected),
            Cover(expected & (row != 0) & (column != 0)),
        ]


SMALL = partial(Pool, height=4, width=5, groups=1, size=2, lanes=1, columns=2)
PROOFS = [
    Proof(partial(Pool, height=2, width=3, groups=2, size=2, lanes=1, columns=1), keeps_stream_rules),
    Proof(SMALL, pools_each_window, reach=25),
    Readiness(SMALL),
]
