"""Order of the reads that one kernel position takes."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.crossbar import read_layout


__all__ = ["Reader"]


class Reader(wiring.Component):
    """Hold each kernel position while all its reads are begun.

    The row groups of the first group of columns come first, then those of the next. Latency is zero
    cycles; a position takes ``row_groups * column_groups`` cycles.

    Parameters
    ----------
    fan_in : int
        Inputs of a position.
    geometry : hdl.array.ArrayGeometry
        Shape of the reads.

    Members
    -------
    i : In(stream.Signature(fan_in))
        Kernel positions.
    o : Out(stream.Signature(read_layout(fan_in, geometry)))
        Reads.
    """

    latency = 0

    def __init__(self, fan_in, geometry):
        self.geometry = geometry
        super().__init__({
            "i": In(stream.Signature(fan_in)),
            "o": Out(stream.Signature(read_layout(fan_in, geometry))),
        })

    def elaborate(self, platform):
        m = Module()

        rows, columns = self.geometry.row_groups, self.geometry.column_groups
        row, column   = self.o.payload.row_group, self.o.payload.column_group
        row_next, column_next = Signal(range(rows)), Signal(range(columns))
        row_now, column_now   = Signal(range(rows)), Signal(range(columns))
        # Whether this is the last read of a position is known a cycle ahead: all that comes before
        # waits for it.
        last = Signal(init=rows * columns == 1)
        m.d.comb += [
            row.eq(row_now),
            column.eq(column_now),
            row_next.eq(Mux(row_now == rows - 1, 0, row_now + 1)),
            column_next.eq(column_now),
            self.o.payload.inputs.eq(self.i.payload),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & last),
        ]
        with m.If(row_now == rows - 1):
            m.d.comb += column_next.eq(Mux(column_now == columns - 1, 0, column_now + 1))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                row_now.eq(row_next),
                column_now.eq(column_next),
                last.eq((row_next == rows - 1) & (column_next == columns - 1)),
            ]

        return m
