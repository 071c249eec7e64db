"""Proofs about pooling."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cat, Cover, Mux, Signal

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
    rows, columns = dut.size
    windows = dut.height // rows, dut.width // columns
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
    # Positions of the window that is followed: the first and the last, and those between.
    left, top = column * columns, row * rows
    first  = (x == left) & (y == top)
    last   = (x == left + columns - 1) & (y == top + rows - 1)
    inside = (x >= left) & (x < left + columns) & (y >= top) & (y < top + rows) & (group == of)
    owed   = Signal(range(3))    # of all windows
    wins   = Signal()
    # The last positions of all windows.
    corner = (Cat(x == right for right in range(columns - 1, windows[1] * columns, columns)).any()
              & Cat(y == bottom for bottom in range(rows - 1, windows[0] * rows, rows)).any())
    m.d.comb += wins.eq(moved(dut.i) & corner)
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
            m.d.sync += value.eq(Mux(first, bit, value | bit))
            with m.If(last):
                m.d.sync += [ours.eq(1), expected.eq((value | bit) ^ invert)]
    with m.If(ours):
        m.d.comb += [
            Assert(dut.o.valid),
            Assert(dut.o.payload[0].bit_select(channel, 1) == expected),
            Cover(expected & (row == windows[0] - 1) & (column == windows[1] - 1)),
        ]


SMALL = partial(Pool, height=4, width=5, groups=1, size=(2, 2), lanes=1, columns=2)
PROOFS = [
    Proof(partial(Pool, height=2, width=3, groups=2, size=(2, 2), lanes=1, columns=1), keeps_stream_rules),
    Proof(SMALL, pools_each_window, reach=25),
    # No power of two, a map of one row, windows of one column, and the whole map.
    Proof(partial(Pool, height=4, width=5, groups=1, size=(3, 2), lanes=1, columns=1), pools_each_window,
          reach=25),
    Proof(partial(Pool, height=1, width=8, groups=2, size=(1, 3), lanes=1, columns=1), pools_each_window,
          reach=25),
    Proof(partial(Pool, height=5, width=2, groups=1, size=(3, 1), lanes=1, columns=1), pools_each_window,
          reach=25),
    Proof(partial(Pool, height=2, width=3, groups=2, size=(2, 3), lanes=1, columns=1), pools_each_window,
          reach=25),
    Readiness(SMALL),
]
