"""Max-pool of compared sums."""

import operator

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.layer.comparator import compared_layout


__all__ = ["Pool"]


class Pool(wiring.Component):
    """Take the largest level of each ``size`` x ``size`` window, then invert: the pooled map.

    The largest sum of a window has the largest level, so this is max-pooling of the sums; of levels of
    one bit it is their OR. Rows and columns that do not fill a window are dropped.

    Latency is one cycle from the last outcome of a window to its levels, throughput one group per
    cycle.

    Parameters
    ----------
    height, width : int
        Positions of the map of sums.
    groups : int
        Groups of channels of a position.
    size : int
        Side of the window: 1, which only inverts, or 2. A :exc:`ValueError` is raised otherwise.
    banks, columns : int
        Lanes, and channels of a group.
    bits : int
        Bits of a level. All are inverted together.
    protect : bool
        Check the parity of stored rows.

    Members
    -------
    i : In(stream.Signature(compared_layout(banks, columns, bits)))
        Outcomes: positions in raster order, the groups of a position after each other.
    o : Out(stream.Signature(ArrayLayout(columns * bits, banks)))
        Levels of each lane, the first channel lowest.
    error : Out(1)
        1 for a cycle after a stored window has lost its parity. Only with ``protect``.
    """

    latency = 1

    def __init__(self, height, width, groups, *, size, banks, columns, bits=1, protect=False):
        if size not in (1, 2):
            raise ValueError(f"Pool size must be 1 or 2, not {size!r}")
        if size > min(height, width):
            raise ValueError(f"Pool of {size} x {size} does not fit into a map of {height} x {width}")
        self.height  = height
        self.width   = width
        self.groups  = groups
        self.size    = size
        self.banks   = banks
        self.columns = columns
        self.bits    = operator.index(bits)
        self.protect = protect
        super().__init__({
            "i": In(stream.Signature(compared_layout(banks=banks, columns=columns, bits=bits))),
            "o": Out(stream.Signature(data.ArrayLayout(columns * bits, banks))),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        taken  = Signal()
        emit   = Signal()
        pooled = Signal(self.banks * self.columns * self.bits)
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            taken.eq(self.i.valid & self.i.ready),
        ]

        reached = Value.cast(self.i.payload.reached)
        if self.size == 1:
            m.d.comb += [pooled.eq(reached), emit.eq(1)]
        else:
            group = Signal(range(self.groups))
            x     = Signal(range(self.width))
            y     = Signal(range(self.height))
            with m.If(taken):
                m.d.sync += group.eq(group + 1)
                with m.If(group == self.groups - 1):
                    m.d.sync += [group.eq(0), x.eq(x + 1)]
                    with m.If(x == self.width - 1):
                        m.d.sync += [x.eq(0), y.eq(y + 1)]
                        with m.If(y == self.height - 1):
                            m.d.sync += y.eq(0)

            # What each window of the row in progress has reached so far.
            windows = self.width // 2
            m.submodules.row = row = memory.Memory(
                shape=len(pooled) + parity.bits, depth=windows * self.groups, init=[])
            before = row.read_port(domain="comb")
            store  = row.write_port()
            address = (x >> 1) * self.groups + group
            start   = ~x[0] & ~y[0]
            whole   = (x >> 1) < windows
            m.d.comb += [
                before.addr.eq(address),
                pooled.eq(self._largest(Mux(start, 0, before.data[:len(pooled)]), reached)),
                store.addr.eq(address),
                store.data.eq(parity.stored(pooled)),
                store.en.eq(taken & whole),
                emit.eq(x[0] & y[0]),
            ]
            parity.check(before.data, store.en & ~start)

        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(taken & emit)
            m.d.sync += Value.cast(self.o.payload).eq(pooled ^ Cat(
                invert.replicate(self.bits) for invert in Value.cast(self.i.payload.invert)))
        parity.report()

        return m

    def _largest(self, before, levels):
        """The larger of each two levels."""
        if self.bits == 1:
            return before | levels
        pairs = [(before.word_select(index, self.bits), levels.word_select(index, self.bits))
                 for index in range(self.banks * self.columns)]
        return Cat(Mux(level > old, level, old) for old, level in pairs)
