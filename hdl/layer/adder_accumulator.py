"""Exact sum of partial ADC codes."""

import operator

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.crossbar import codes_layout


__all__ = ["AdderAccumulator", "sums_layout"]


def sums_layout(shape, *, columns, arrays=1):
    """Sums of a group of channels, and the array that they are of."""
    return data.StructLayout({
        "sums":   data.ArrayLayout(shape, columns),
        "choice": range(arrays),
    })


class AdderAccumulator(wiring.Component):
    """Add the codes of all row tiles, then those of consecutive row groups and bit planes, for each
    column.

    Bit planes come from the most significant one, so the sum of those before counts twice. Sums are
    exact: ``o`` is just wide enough for codes that are all the least or all the largest.

    Latency is ``latency`` cycles from the last read of a sum, throughput one read per cycle.

    Parameters
    ----------
    code : shape-like
        Shape of a code.
    tiles, columns, groups, planes : int
        Row tiles, columns, and reads that make up a sum: ``groups`` of each of ``planes``. A
        :exc:`ValueError` is raised unless each is at least 1.
    arrays : int
        Arrays that codes can be of; all of a sum are of one.

    Members
    -------
    i : In(stream.Signature(codes_layout(code, tiles, columns, arrays)))
        Codes of one read.
    o : Out(stream.Signature(sums_layout(range of a sum, columns, arrays)))
        Sums.
    """

    def __init__(self, code, *, tiles, columns, groups, planes=1, arrays=1):
        self.tiles   = operator.index(tiles)
        self.columns = operator.index(columns)
        self.groups  = operator.index(groups)
        self.planes  = operator.index(planes)
        for name, value in (("tiles", tiles), ("columns", columns), ("groups", groups),
                            ("planes", planes)):
            if value < 1:
                raise ValueError(f"Number of {name} must be at least 1, not {value!r}")
        shape = Shape.cast(code)
        if isinstance(code, range):
            self._least, self._most = code[0], code[-1]
        elif shape.signed:
            self._least, self._most = -1 << shape.width - 1, (1 << shape.width - 1) - 1
        else:
            self._least, self._most = 0, (1 << shape.width) - 1
        weight = (1 << self.planes) - 1
        #: Steps of the tree that adds the tiles, and the accumulating one.
        self.latency = (self.tiles - 1).bit_length() + 1
        super().__init__({
            "i": In(stream.Signature(codes_layout(
                code, tiles=self.tiles, columns=self.columns, arrays=arrays))),
            "o": Out(stream.Signature(sums_layout(
                self._range(self.groups * self.tiles * weight), columns=self.columns, arrays=arrays))),
        })

    def _range(self, count):
        """Every sum of ``count`` codes."""
        return range(count * self._least, count * self._most + 1)

    def elaborate(self, platform):
        m = Module()

        advance = Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance),
        ]

        valid, choice = self.i.valid, self.i.payload.choice
        levels = [[(self.i.payload.codes[column][tile], 1) for tile in range(self.tiles)]
                  for column in range(self.columns)]
        for step in range(self.latency - 1):
            later = Signal(name=f"valid_{step}")
            later_choice = Signal.like(choice, name=f"choice_{step}")
            with m.If(advance):
                m.d.sync += [later.eq(valid), later_choice.eq(choice)]
            valid, choice = later, later_choice
            for column, level in enumerate(levels):
                sums = []
                for index in range(0, len(level), 2):
                    count = sum(part for _, part in level[index:index + 2])
                    total = Signal(self._range(count), name=f"sum_{column}_{step}_{index}")
                    with m.If(advance):
                        m.d.sync += total.eq(sum(value for value, _ in level[index:index + 2]))
                    sums.append((total, count))
                levels[column] = sums

        group = Signal(range(self.groups))
        plane = Signal(range(self.planes))
        last_group   = group == self.groups - 1
        last         = last_group & (plane == self.planes - 1)
        # Of a sum and of a plane; known a cycle ahead, as each bit of the sums waits for them.
        first       = Signal(init=1)
        first_group = Signal(init=1)
        with m.If(advance):
            m.d.sync += self.o.valid.eq(valid & last)
        with m.If(advance & valid):
            m.d.sync += [
                first.eq(last),
                first_group.eq(last_group),
                group.eq(Mux(last_group, 0, group + 1)),
                self.o.payload.choice.eq(choice),
            ]
            with m.If(last_group):
                m.d.sync += plane.eq(Mux(last, 0, plane + 1))
        for column, [(total, _)] in enumerate(levels):
            # The output register holds the running sum: while it does, it is not valid.
            held = self.o.payload.sums[column]
            if self.planes > 1:
                before = Mux(first, 0, Mux(first_group, held << 1, held))
            elif self.groups > 1:
                before = Mux(first, 0, held)
            else:
                before = 0
            with m.If(advance & valid):
                m.d.sync += held.eq(before + total)

        return m
