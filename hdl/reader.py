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

        row_group, column_group = self.o.payload.row_group, self.o.payload.column_group
        row    = Signal(range(self.geometry.row_groups))
        column = Signal(range(self.geometry.column_groups))
        last_row    = row == self.geometry.row_groups - 1
        last_column = column == self.geometry.column_groups - 1
        m.d.comb += [
            self.o.payload.inputs.eq(self.i.payload),
            row_group.eq(row),
            column_group.eq(column),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & last_row & last_column),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += row.eq(Mux(last_row, 0, row + 1))
            with m.If(last_row):
                m.d.sync += column.eq(Mux(last_column, 0, column + 1))

        return m
