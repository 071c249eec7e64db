"""The crossbar arrays of a layer behind a stream of reads."""

from amaranth import *
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.array import ArrayGeometry, EmulatedArray, array_signature


__all__ = ["Crossbar", "read_layout"]


def read_layout(fan_in, geometry):
    """Payload of a read: all inputs of the layer, the row group and the column group."""
    return data.StructLayout({
        "inputs":       fan_in,
        "row_group":    range(geometry.row_groups),
        "column_group": range(geometry.column_groups),
    })


class Crossbar(wiring.Component):
    """Read the arrays of a layer: word lines in, ADC codes out.

    The fan-in is cut into row tiles of equal size (the last may be smaller), which are all read at
    once. Once begun, a read cannot wait, so one begins only when there is room for its codes; a
    read per cycle still passes when the codes are taken as they come.

    Latency is ``latency`` cycles; throughput is one read per cycle.

    Parameters
    ----------
    weights : sequence of int
        Per output channel an integer whose bit ``i`` is the weight of input ``i``.
    fan_in : int
        Inputs.
    tile_rows : int
        Inputs of a row tile.
    rows_per_read, columns_per_read : int
        See :class:`hdl.array.ArrayGeometry`; rows count per row tile.
    macro : int or None
        None: the arrays are emulated. Otherwise they are outside, at the pins ``arrays``, and
        answer this number of cycles after a read.

    Members
    -------
    i : In(stream.Signature(read_layout(fan_in, geometry)))
        Reads.
    o : Out(stream.Signature(ArrayLayout(ArrayLayout(code, row tiles), columns_per_read)))
        ADC codes of each column, one per row tile.
    arrays : Out(array_signature(geometry)).array(row tiles)
        Pins of the row tiles. Only with ``macro``. A last tile that is smaller leaves its upper
        inputs at zero and must hold ones there.
    """

    def __init__(self, weights, fan_in, *, tile_rows, rows_per_read, columns_per_read, macro=None):
        self.weights  = tuple(weights)
        self.fan_in   = fan_in
        self.geometry = ArrayGeometry(tile_rows, len(self.weights), rows_per_read=rows_per_read,
                                      columns_per_read=columns_per_read)
        self.tiles    = -(-fan_in // tile_rows)
        self.macro    = macro
        array_latency = EmulatedArray.latency_of(self.geometry) if macro is None else macro
        #: Cycles from a read to its codes; the queue behind the arrays takes one.
        self.latency  = array_latency + 1
        code = self.geometry.codes.elem_shape
        members = {
            "i": In(stream.Signature(read_layout(fan_in, self.geometry))),
            "o": Out(stream.Signature(
                data.ArrayLayout(data.ArrayLayout(code, self.tiles), columns_per_read))),
        }
        if macro is not None:
            members["arrays"] = Out(array_signature(self.geometry)).array(self.tiles)
        super().__init__(members)

    def tile_weights(self, tile):
        """Columns of a row tile; rows beyond the fan-in hold ones."""
        rows = self.geometry.rows
        mask = (1 << rows) - 1
        beyond = max(0, (tile + 1) * rows - self.fan_in)
        ones = ((1 << beyond) - 1) << (rows - beyond)
        return [(weight >> tile * rows & mask) | ones for weight in self.weights]

    def elaborate(self, platform):
        m = Module()

        shape   = self.geometry
        latency = self.latency - 1
        # As many as can be on the way, so that a read per cycle never waits for room: in the arrays,
        # in the queue, and taken from it but not yet counted.
        depth   = latency + 3

        padded = Signal(self.tiles * shape.rows)
        m.d.comb += padded.eq(self.i.payload.inputs)
        answered = Signal(latency)
        begin    = Signal()
        m.d.comb += begin.eq(self.i.valid & self.i.ready)
        m.d.sync += answered.eq(Cat(begin, answered))

        m.submodules.queue = queue = fifo.SyncFIFO(
            width=len(Value.cast(self.o.payload)), depth=depth)
        codes = data.View(self.o.payload.shape(), queue.w_data)
        m.d.comb += queue.w_en.eq(answered[-1])
        for tile in range(self.tiles):
            if self.macro is None:
                array = EmulatedArray(shape, self.tile_weights(tile))
                m.submodules[f"array_{tile}"] = array
                pins = array.pins
            else:
                pins = self.arrays[tile]
            m.d.comb += [
                pins.read.eq(begin),
                pins.inputs.eq(padded.word_select(tile, shape.rows)),
                pins.row_group.eq(self.i.payload.row_group),
                pins.column_group.eq(self.i.payload.column_group),
            ]
            m.d.comb += [codes[column][tile].eq(pins.codes[column])
                         for column in range(shape.columns_per_read)]

        m.d.comb += [
            self.o.valid.eq(queue.r_rdy),
            Value.cast(self.o.payload).eq(queue.r_data),
            queue.r_en.eq(self.o.ready),
        ]

        # Whether there is room is known a cycle ahead: it decides about all that comes before.
        room, room_next = Signal(range(depth + 1), init=depth), Signal(range(depth + 1))
        ready, taken = Signal(init=1), Signal()
        m.d.sync += taken.eq(self.o.valid & self.o.ready)
        m.d.comb += [
            room_next.eq(room - begin + taken),
            self.i.ready.eq(ready),
        ]
        m.d.sync += [room.eq(room_next), ready.eq(room_next != 0)]

        return m
