"""Exact sums of ADC codes over row tiles, row groups and bit planes."""

import operator

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.crossbar import codes_layout
from hdl.stream import counter, stage


__all__ = ["AdderAccumulator", "sums_layout"]


def sums_layout(shape, *, columns, arrays=1):
    """Sums of a group of channels, and the number of the array, or set of arrays, whose codes they add up
    (``choice``)."""
    return data.StructLayout({
        "sums":   data.ArrayLayout(shape, columns),
        "choice": range(arrays),
    })


class AdderAccumulator(wiring.Component):
    """Add the codes of all row tiles, then those of consecutive row groups and bit planes, for each
    column.

    A pipelined tree adds the codes of the tiles of one read; its results are accumulated over the reads
    of a sum. Bit planes come from the most significant one, so at the first read of a plane the sum of
    the planes before is doubled. Sums are exact: ``o`` is just wide enough for the worst case, in which all
    codes are the least or all the largest.

    Of masked inputs with binary weights, the codes of a plane add up to n, the number of active inputs that
    equal their weight. With A active inputs the plane counts as ``2 * n - A``: each active input adds -1 or
    +1, and a masked one adds 0.

    Latency is ``latency`` cycles from the last read of a sum, throughput one read per cycle.

    Parameters
    ----------
    code : shape-like
        Shape of a code.
    tiles, columns, groups, planes : int
        Row tiles, columns, row groups (the reads of each bit plane of a sum), and bit planes. A
        :exc:`ValueError` is raised unless all are at least 1.
    arrays : int
        Number of arrays, or sets of arrays, of which a sum takes one. The index of the one that was read
        leaves with the sum, as ``choice``.
    masked : bool
        The number of active inputs comes with the reads. A :exc:`ValueError` is raised for codes below 0.

    Members
    -------
    i : In(stream.Signature(codes_layout(code, tiles, columns, arrays, active)))
        Codes of one read. If masked, with the number of active inputs of the sum, the same for all its
        reads; the codes of a plane add up to no more than this number.
    o : Out(stream.Signature(sums_layout(range of a sum, columns, arrays)))
        Sums.
    """

    def __init__(self, code, *, tiles, columns, groups, planes=1, arrays=1, masked=False):
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
        self.masked = masked
        if masked and self._least < 0:
            raise ValueError(f"Codes must be counts for inputs to be masked, not as low as {self._least}")
        reads  = self.groups * self.tiles
        most   = reads * self._most if masked else 0 # active inputs
        factor = (1 << self.planes) - 1 # 1 + 2 + 4 ..., of the planes
        sums   = range(-most * factor, most * factor + 1) if masked else self._range(reads * factor)
        #: Steps of the tree that adds the tiles, and the accumulating one.
        self.latency = (self.tiles - 1).bit_length() + 1
        super().__init__({
            "i": In(stream.Signature(codes_layout(
                code, tiles=self.tiles, columns=self.columns, arrays=arrays,
                active=range(most + 1) if masked else None))),
            "o": Out(stream.Signature(sums_layout(sums, columns=self.columns, arrays=arrays))),
        })

    def _range(self, count):
        """Every sum of ``count`` codes."""
        return range(count * self._least, count * self._most + 1)

    def elaborate(self, platform):
        m = Module()

        complete = Signal()
        free     = stage(m, self.i, self.o, valid=complete)

        # The tree.
        valid  = self.i.valid
        tags   = {name: self.i.payload[name] for name in ("choice", "active")[:1 + self.masked]}
        levels = [[(self.i.payload.codes[column][tile], 1) for tile in range(self.tiles)]
                  for column in range(self.columns)]
        for step in range(self.latency - 1):
            later = Signal(name=f"valid_{step}")
            later_tags = {name: Signal.like(tag, name=f"{name}_{step}") for name, tag in tags.items()}
            with m.If(free):
                m.d.sync += [later.eq(valid), *(later_tags[name].eq(tag) for name, tag in tags.items())]
            valid, tags = later, later_tags
            for column, level in enumerate(levels):
                sums = []
                for index in range(0, len(level), 2):
                    count = sum(part for _, part in level[index:index + 2])
                    total = Signal(self._range(count), name=f"sum_{column}_{step}_{index}")
                    with m.If(free):
                        m.d.sync += total.eq(sum(value for value, _ in level[index:index + 2]))
                    sums.append((total, count))
                levels[column] = sums

        # The accumulator.
        accept = free & valid
        _, last_group = counter(m, self.groups, accept, name="group")
        _, last_plane = counter(m, self.planes, accept & last_group, name="plane")
        last = last_group & last_plane
        # Whether a read is the first of its sum, or of its plane, is known a cycle ahead, as every bit of
        # the sums depends on it.
        first_of_sum   = Signal(init=1)
        first_of_plane = Signal(init=1)
        m.d.comb += complete.eq(valid & last)
        with m.If(accept):
            m.d.sync += [
                first_of_sum.eq(last),
                first_of_plane.eq(last_group),
                self.o.payload.choice.eq(tags["choice"]),
            ]
        for column, [(total, _)] in enumerate(levels):
            # The output register holds the running sum, and is valid once this is complete.
            running = self.o.payload.sums[column]
            doubled = running << 1
            start   = 0
            if self.masked:
                # A plane begins at -A, and each input that equals its weight makes 2 more of it.
                start    = -tags["active"]
                total    = total << 1
                doubled += start
            if self.planes > 1:
                before = Mux(first_of_sum, start, Mux(first_of_plane, doubled, running))
            elif self.groups > 1:
                before = Mux(first_of_sum, start, running)
            else:
                before = start
            with m.If(accept):
                m.d.sync += running.eq(before + total)

        return m
