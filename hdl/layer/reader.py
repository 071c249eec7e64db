"""Sequencer of the reads of each kernel position."""

import operator

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.crossbar import read_layout


__all__ = ["Reader", "choice_layout"]


def choice_layout(fan_in, geometry, groups=None, channel_groups=1):
    """What the reads of a map are of: the array, or set of arrays, that was chosen; where groups of inputs
    are masked, which are kept, and how many inputs these have. Of several groups of channels it is a number
    of each, that of the first one lowest."""
    return data.StructLayout({
        "choice": range(geometry.outcomes),
        **({} if groups is None else {
            "kept": groups, "count": channel_groups * len(Const(fan_in))}),
    })


class Reader(wiring.Component):
    """Issue all reads of each kernel position, one per cycle.

    Four nested counters give their order. From the outermost: groups of columns; bit planes of the
    inputs, from the most significant one; the ``ways`` arrays of the chosen set; groups of rows.

    Of several groups of channels each has as many groups of columns, whose reads are of the inputs of that
    group alone.

    Latency is zero cycles; a position takes ``reads`` cycles, which is
    ``column_groups * bits * ways * row_groups``.

    Parameters
    ----------
    fan_in : int
        Inputs of a read; of several groups of channels those of one.
    geometry : hdl.layer.array.ArrayGeometry
        Shape of the reads, and sets of arrays.
    bits : int
        Bits of an input.
    positions : int
        Positions of a map.
    groups : int or None
        Groups of inputs that are masked together: input ``i`` of a kernel is in group ``i % groups``. None:
        all inputs are active.
    channel_groups, taps : int
        Groups of channels, and positions of a kernel, each of which has the channels of all groups side by
        side. Masks of several groups have a bit for each channel, or several.

    Members
    -------
    i : In(stream.Signature(fan_in * channel_groups * bits))
        Kernel positions; bit ``p`` of input ``i`` is bit ``i * bits + p``.
    choices : In(stream.Signature(choice_layout(fan_in, geometry, groups, channel_groups)))
        Arrays of each map, and if inputs are masked which groups are kept and how many inputs these are,
        offered once the map buffer has space for its results. The first read of a map waits for it, the
        last one takes it.
    o : Out(stream.Signature(read_layout(fan_in, geometry, masked)))
        Reads.
    """

    latency = 0

    def __init__(self, fan_in, geometry, *, bits=1, positions=1, groups=None, channel_groups=1, taps=1):
        self.geometry  = geometry
        self.fan_in    = fan_in
        self.groups    = groups
        self.ways      = geometry.ways
        self.bits      = operator.index(bits)
        self.positions = operator.index(positions)
        for name, value in (("bits", bits), ("positions", positions)):
            if value < 1:
                raise ValueError(f"Number of {name} must be at least 1, not {value!r}")
        self.channel_groups = operator.index(channel_groups)
        self.taps           = operator.index(taps)
        inputs = fan_in * self.channel_groups
        if groups is not None and (groups < 1 or inputs % groups):
            raise ValueError(f"Groups must be equal parts of {inputs} inputs, not {groups!r}")
        if channel_groups > 1:
            own = geometry.columns / channel_groups
            if fan_in % taps or own % geometry.columns_per_read:
                raise ValueError(f"Groups of channels must have whole reads of {geometry.columns_per_read} "
                                 f"columns and of {taps} taps, not {channel_groups!r}")
            if groups is not None and groups % (inputs // taps):
                raise ValueError(f"Groups must be as many for each of {inputs // taps} channels, "
                                 f"not {groups!r}")
        self.reads = geometry.column_groups * self.bits * self.ways * geometry.row_groups
        super().__init__({
            "i":       In(stream.Signature(inputs * self.bits)),
            "choices": In(stream.Signature(
                choice_layout(fan_in, geometry, groups, self.channel_groups))),
            "o":       Out(stream.Signature(
                read_layout(fan_in, geometry, masked=groups is not None), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()

        rows, columns = self.geometry.row_groups, self.geometry.column_groups
        row, column   = self.o.payload.row_group, self.o.payload.column_group
        row_next      = Signal(range(rows))
        column_next   = Signal(range(columns))
        row_now       = Signal(range(rows))
        column_now    = Signal(range(columns))
        plane_now     = Signal(range(self.bits), init=self.bits - 1)
        plane_next    = Signal(range(self.bits))
        way_now       = Signal(range(self.ways))
        way_next      = Signal(range(self.ways))
        position      = Signal(range(self.positions))
        position_next = Signal(range(self.positions))
        # Whether a read is the last one of its position, or of its map, is known a cycle ahead, as the
        # handshakes of all blocks before depend on it.
        last  = Signal(init=self.reads == 1)
        final = Signal(init=self.reads * self.positions == 1)
        m.d.comb += [
            row.eq(row_now),
            column.eq(column_now),
            row_next.eq(Mux(row_now == rows - 1, 0, row_now + 1)),
            way_next.eq(way_now),
            plane_next.eq(plane_now),
            column_next.eq(column_now),
            position_next.eq(position),
            self.o.payload.choice.eq(self.choices.payload.choice),
            self.o.payload.way.eq(way_now),
            self.o.valid.eq(self.i.valid & self.choices.valid),
            self.choices.ready.eq(self.i.valid & final),
            # The last of several reads need not wait for the choice: the first one has.
            self.i.ready.eq(last if self.reads > 1 else self.choices.valid),
        ]
        if self.groups is not None and self.channel_groups == 1:
            m.d.comb += [
                self.o.payload.active.eq(self.choices.payload.kept.replicate(self.fan_in // self.groups)),
                self.o.payload.count.eq(self.choices.payload.count),
            ]
        inputs = self.i.payload
        if self.bits > 1:
            planes = Cat(self.i.payload[plane::self.bits] for plane in range(self.bits))
            inputs = planes.word_select(plane_now, self.fan_in * self.channel_groups)
        if self.channel_groups == 1:
            m.d.comb += self.o.payload.inputs.eq(inputs)
        else:
            self._select(m, inputs, column_now)
        with m.If(row_now == rows - 1):
            m.d.comb += way_next.eq(Mux(way_now == self.ways - 1, 0, way_now + 1))
            with m.If(way_now == self.ways - 1):
                m.d.comb += plane_next.eq(Mux(plane_now == 0, self.bits - 1, plane_now - 1))
                with m.If(plane_now == 0):
                    m.d.comb += column_next.eq(Mux(column_now == columns - 1, 0, column_now + 1))
        with m.If(last):
            m.d.comb += position_next.eq(Mux(position == self.positions - 1, 0, position + 1))
        last_next = ((row_next == rows - 1) & (way_next == self.ways - 1) & (plane_next == 0)
                     & (column_next == columns - 1))
        with m.If(self.o.valid):
            m.d.sync += [
                row_now.eq(row_next),
                way_now.eq(way_next),
                plane_now.eq(plane_next),
                column_now.eq(column_next),
                last.eq(last_next),
                position.eq(position_next),
                final.eq(last_next & (position_next == self.positions - 1)),
            ]

        return m

    def _select(self, m, inputs, column):
        """Read those of ``inputs`` that are of the group of channels of the group ``column`` of columns."""
        each, channels = self.geometry.column_groups // self.channel_groups, self.fan_in // self.taps
        read, chosen = self.o.payload, self.choices.payload
        plane = Signal(len(inputs))
        m.d.comb += plane.eq(inputs)
        parts = [(read.inputs, plane)]
        if self.groups is not None:
            kept = Signal(len(inputs))
            m.d.comb += kept.eq(chosen.kept.replicate(len(inputs) // self.groups))
            parts.append((read.active, kept))
        with m.Switch(column):
            for group in range(self.channel_groups):
                with m.Case(*range(group * each, (group + 1) * each)):
                    m.d.comb += [of_group.eq(Cat(
                        whole.word_select(tap * self.channel_groups + group, channels)
                        for tap in range(self.taps))) for of_group, whole in parts]
                    if self.groups is not None:
                        m.d.comb += read.count.eq(chosen.count.word_select(group, len(read.count)))
