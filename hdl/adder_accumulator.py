"""Exact sum of partial ADC codes."""

import operator

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["AdderAccumulator"]


class AdderAccumulator(wiring.Component):
    """Add the codes of all row tiles, then those of consecutive row groups, for each column.

    Sums are exact: ``o`` is just wide enough for ``groups * tiles`` codes of the largest value.

    Latency is ``latency`` cycles from the last row group of a sum, throughput one read per cycle.

    Parameters
    ----------
    code : shape-like
        Shape of a code, unsigned.
    tiles, columns, groups : int
        Row tiles, columns, and reads that make up a sum; each at least 1. A :exc:`ValueError` is
        raised otherwise.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(ArrayLayout(code, tiles), columns)))
        Codes of one read.
    o : Out(stream.Signature(ArrayLayout(range(groups * tiles * most + 1), columns)))
        Sums, where ``most`` is the largest code.
    """

    def __init__(self, code, *, tiles, columns, groups):
        self.code    = Shape.cast(code)
        self.tiles   = operator.index(tiles)
        self.columns = operator.index(columns)
        self.groups  = operator.index(groups)
        for name, value in (("tiles", tiles), ("columns", columns), ("groups", groups)):
            if value < 1:
                raise ValueError(f"Number of {name} must be at least 1, not {value!r}")
        if self.code.signed:
            raise ValueError(f"Code must be unsigned, not {self.code!r}")

        self._most   = (1 << self.code.width) - 1
        #: Steps of the tree that adds the tiles, and the accumulating one.
        self.latency = (self.tiles - 1).bit_length() + 1
        super().__init__({
            "i": In(stream.Signature(
                data.ArrayLayout(data.ArrayLayout(self.code, self.tiles), self.columns))),
            "o": Out(stream.Signature(
                data.ArrayLayout(range(self.groups * self.tiles * self._most + 1), self.columns))),
        })

    def elaborate(self, platform):
        m = Module()

        advance = Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance),
        ]

        valid  = self.i.valid
        levels = [[(self.i.payload[column][tile], self._most) for tile in range(self.tiles)]
                  for column in range(self.columns)]
        for step in range(self.latency - 1):
            later = Signal(name=f"valid_{step}")
            with m.If(advance):
                m.d.sync += later.eq(valid)
            valid = later
            for column, level in enumerate(levels):
                sums = []
                for index in range(0, len(level), 2):
                    most  = sum(top for _, top in level[index:index + 2])
                    total = Signal(range(most + 1), name=f"sum_{column}_{step}_{index}")
                    with m.If(advance):
                        m.d.sync += total.eq(sum(value for value, _ in level[index:index + 2]))
                    sums.append((total, most))
                levels[column] = sums

        group = Signal(range(self.groups))
        first, last = group == 0, group == self.groups - 1
        with m.If(advance):
            m.d.sync += self.o.valid.eq(valid & last)
        with m.If(advance & valid):
            m.d.sync += group.eq(Mux(last, 0, group + 1))
        for column, [(total, _)] in enumerate(levels):
            # The output register holds the running sum: while it does, it is not valid.
            with m.If(advance & valid):
                m.d.sync += self.o.payload[column].eq(
                    Mux(first, 0, self.o.payload[column]) + total if self.groups > 1 else total)

        return m
