"""Max-pooling of compared sums."""

import operator
from functools import reduce

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.layer.comparator import compared_layout
from hdl.stream import counter, moves, stage


__all__ = ["Pool"]


class Pool(wiring.Component):
    """Max-pool the levels of each window of ``size``, then invert the levels of channels whose
    ``invert`` is 1.

    Levels grow with the sum, so the largest level of a window is that of its largest sum; the maximum of
    levels of one bit is their OR. Rows and columns that do not fill a window are dropped.

    Latency is one cycle from the last levels of a window to the pooled ones, throughput one group per
    cycle.

    Parameters
    ----------
    height, width : int
        Positions of the map of sums.
    groups : int
        Groups of channels of a position.
    size : tuple of int
        Height and width of the window; 1 x 1 only inverts. A :exc:`ValueError` is raised unless one fits.
    lanes, columns : int
        Lanes, and channels of a group.
    bits : int
        Bits of a level; ``invert`` inverts all of them.
    protect : bool
        Check the parity of the row of windows that is stored.

    Members
    -------
    i : In(stream.Signature(compared_layout(lanes, columns, bits)))
        Levels of the sums: positions in raster order, the groups of a position one after another.
    o : Out(stream.Signature(ArrayLayout(columns * bits, lanes)))
        Levels of the pooled map in each lane, the first channel lowest.
    error : Out(1)
        1 for a cycle after a stored window has lost its parity. Only with ``protect``.
    """

    latency = 1

    def __init__(self, height, width, groups, *, size, lanes, columns, bits=1, protect=False):
        if not (1 <= size[0] <= height and 1 <= size[1] <= width):
            raise ValueError(f"Pool of {size[0]} x {size[1]} does not fit into a map of {height} x {width}")
        self.height  = height
        self.width   = width
        self.groups  = groups
        self.size    = size
        self.lanes   = lanes
        self.columns = columns
        self.bits    = operator.index(bits)
        self.protect = protect
        super().__init__({
            "i": In(stream.Signature(compared_layout(lanes=lanes, columns=columns, bits=bits))),
            "o": Out(stream.Signature(data.ArrayLayout(columns * bits, lanes))),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        emit   = Signal() # the pooled levels of a window are complete
        pooled = Signal(self.lanes * self.columns * self.bits)
        free   = stage(m, self.i, self.o, valid=self.i.valid & emit)
        taken  = moves(self.i)

        reached = Value.cast(self.i.payload.reached)
        if self.size == (1, 1):
            m.d.comb += [pooled.eq(reached), emit.eq(1)]
        else:
            group, last_group = counter(m, self.groups, taken, name="group")
            rows, columns = self.size
            window, first_x, last_x, end = _windows(
                m, self.width, columns, taken & last_group, name="x")
            _, first_y, last_y, _ = _windows(
                m, self.height, rows, taken & last_group & end, name="y")

            # The maxima so far of the windows in progress, which make a row of the pooled map.
            windows = self.width // columns
            m.submodules.row = row = memory.Memory(
                shape=len(pooled) + parity.bits, depth=windows * self.groups, init=[])
            before  = row.read_port(domain="comb")
            store   = row.write_port()
            address = window * self.groups + group
            start   = first_x & first_y
            whole   = window < windows
            m.d.comb += [
                before.addr.eq(address),
                pooled.eq(self._largest(Mux(start, 0, before.data[:len(pooled)]), reached)),
                store.addr.eq(address),
                store.data.eq(parity.stored(pooled)),
                store.en.eq(taken & whole),
                emit.eq(last_x & last_y),
            ]
            parity.check(before.data, store.en & ~start)

        with m.If(free):
            m.d.sync += Value.cast(self.o.payload).eq(pooled ^ Cat(
                invert.replicate(self.bits) for invert in Value.cast(self.i.payload.invert)))
        parity.report()

        return m

    def _largest(self, before, levels):
        """Per channel and lane the larger of two levels."""
        if self.bits == 1:
            return before | levels
        pairs = [(before.word_select(index, self.bits), levels.word_select(index, self.bits))
                 for index in range(self.lanes * self.columns)]
        return Cat(Mux(new > old, new, old) for old, new in pairs)


def _windows(m, extent, size, step, *, name):
    """Count the ``extent`` positions of an axis, in windows of ``size``, by one in each cycle in which
    ``step`` is 1.

    Returned are the number of the window, whether this position is its first and whether its last one, and
    whether it is the last of the axis.
    """
    at, end = counter(m, extent, step, name=name)
    bits = (size - 1).bit_length()
    if size == 1:
        return at, Const(1), Const(1), end
    if size == 1 << bits:
        place = at[:bits]
        return at >> bits, ~reduce(operator.or_, place), reduce(operator.and_, place), end
    place  = Signal(range(size), name=f"{name}_place")
    number = Signal(range(-(-extent // size)), name=f"{name}_window")
    last   = place == size - 1
    with m.If(step):
        m.d.sync += place.eq(Mux(last | end, 0, place + 1))
        m.d.sync += number.eq(Mux(end, 0, number + last))
    return number, place == 0, last, end
