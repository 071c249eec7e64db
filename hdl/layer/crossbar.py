# amaranth: UnusedElaboratable=no
"""The crossbar arrays of a layer behind a stream of reads."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.layer.arbiter import Arbiter
from hdl.layer.array import ArrayGeometry, EmulatedArray, array_signature
from hdl.stream import delayed


__all__ = ["Crossbar", "codes_layout", "read_layout"]


def read_layout(fan_in, geometry, *, masked=False):
    """A read: the inputs of all rows of the layer, the row group and column group to read, the ``choice``
    of a set of arrays and which ``way`` of the set; if inputs are masked, which of them are ``active``, and
    how many (``count``)."""
    return data.StructLayout({
        **({"active": fan_in, "count": range(fan_in + 1)} if masked else {}),
        "inputs":       fan_in,
        "row_group":    range(geometry.row_groups),
        "column_group": range(geometry.column_groups),
        "choice":       range(geometry.outcomes),
        "way":          range(geometry.ways),
    })


def codes_layout(code, *, tiles, columns, arrays=1, active=None):
    """Answer to a read: per column the ADC codes of all row tiles, and which of the ``arrays``, or sets of
    arrays, was chosen; also, where ``active`` is a range, how many inputs of the layer are active."""
    return data.StructLayout({
        "codes":  data.ArrayLayout(data.ArrayLayout(code, tiles), columns),
        "choice": range(arrays),
        **({} if active is None else {"active": active}),
    })


class Crossbar(wiring.Component):
    """Read the arrays of a layer: word lines in, ADC codes out.

    The fan-in is cut into row tiles of equal size (the last may be smaller), which are all read at
    once. Where a tile has several arrays, an arbiter enables the one that ``choice`` and ``way`` name.
    There is no back-pressure: both streams are always ready.

    Latency is ``latency`` cycles; throughput is one read per cycle.

    Parameters
    ----------
    weights : sequence of sequence of int
        Per array and output channel an integer whose field ``i``, of ``weight_bits`` bits, is the
        weight of input ``i``; see :class:`hdl.layer.array.EmulatedArray`.
    fan_in : int
        Inputs.
    tile_rows : int
        Inputs of a row tile.
    rows_per_read, columns_per_read, weight_bits, sets
        See :class:`hdl.layer.array.ArrayGeometry`; ``rows_per_read`` are rows of each row tile.
    macro : int or None
        None: the arrays are emulated. Otherwise they are macros at the pins ``arrays``, which answer
        this number of cycles after a read.
    masked : bool
        Each read says which inputs are active; else all are.
    protect : bool
        Check the parity of weights of emulated arrays.
    file : str or None
        Words of weights that emulated arrays have in memory are in files and not in the design, those of
        a row tile in ``<file>_<row tile>.hex``; see :class:`hdl.layer.array.EmulatedArray`. None: they
        are in the design.

    Members
    -------
    i : In(stream.Signature(read_layout(fan_in, geometry, masked)))
        Reads.
    o : Out(stream.Signature(codes_layout(code, row tiles, columns_per_read, outcomes, active)))
        Codes of the reads, in the same order.
    arrays : Out(array_signature(geometry)).array(row tiles)
        Pins of the row tiles. Only with ``macro``. Unless masked the inputs of the layer are active, and of
        a last tile that is smaller no others.
    error : Out(1)
        1 for a cycle after a word of weights has lost its parity. Only with ``protect``.
    """

    def __init__(self, weights, fan_in, *, tile_rows, rows_per_read, columns_per_read, weight_bits=1,
                 sets=(), macro=None, masked=False, protect=False, file=None):
        self.masked   = masked
        self.weights  = tuple(tuple(columns) for columns in weights)
        self.fan_in   = fan_in
        for columns in self.weights:
            if len(columns) != len(self.weights[0]):
                raise ValueError(f"Array 0 has {len(self.weights[0])} columns, but another has "
                                 f"{len(columns)}")
        self.geometry = ArrayGeometry(tile_rows, len(self.weights[0]), rows_per_read=rows_per_read,
                                      columns_per_read=columns_per_read, weight_bits=weight_bits,
                                      arrays=len(self.weights), sets=sets)
        several = self.geometry.arrays > 1 or self.geometry.outcomes > 1
        self.arbiter  = Arbiter(self.geometry) if several else None
        self.tiles    = -(-fan_in // tile_rows)
        self.macro    = macro
        self.protect  = protect
        #: Cycles from a read to its codes.
        self.latency  = EmulatedArray.latency_of(self.geometry) if macro is None else macro
        #: Name of the file of each row tile; none where there is none.
        self.files    = (tuple(f"{file}_{tile}.hex" for tile in range(self.tiles))
                         if file and macro is None and EmulatedArray.has_memory(self.geometry) else ())
        code = self.geometry.codes.elem_shape
        members = {
            "i": In(stream.Signature(read_layout(fan_in, self.geometry, masked=masked),
                                     always_ready=True)),
            "o": Out(stream.Signature(codes_layout(
                code, tiles=self.tiles, columns=columns_per_read, arrays=self.geometry.outcomes,
                active=range(fan_in + 1) if masked else None), always_ready=True)),
            **error_port(protect),
        }
        if macro is not None:
            members["arrays"] = Out(array_signature(self.geometry)).array(self.tiles)
        super().__init__(members)

    def tile_weights(self, tile):
        """Columns of each array of a row tile, with zeros beyond the fan-in."""
        width = self.geometry.rows * self.geometry.weight_bits
        return [[weight >> tile * width & (1 << width) - 1 for weight in columns]
                for columns in self.weights]

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        shape  = self.geometry
        inputs, active = (Signal(self.tiles * shape.rows, name=name) for name in ("inputs", "active"))
        m.d.comb += [
            inputs.eq(self.i.payload.inputs),
            active.eq(self.i.payload.active if self.masked else (1 << self.fan_in) - 1),
        ]
        if self.masked:
            m.d.comb += self.o.payload.active.eq(
                delayed(m, self.i.payload.count, self.latency, name="count"))
        answered = Signal(self.latency)
        m.d.sync += answered.eq(Cat(self.i.valid, answered))
        m.d.comb += self.o.valid.eq(answered[-1])

        read = self.i.valid
        if self.arbiter is not None:
            m.submodules.arbiter = self.arbiter
            m.d.comb += [
                self.arbiter.read.eq(read),
                self.arbiter.choice.eq(self.i.payload.choice),
                self.arbiter.way.eq(self.i.payload.way),
            ]
            read = self.arbiter.enables
            m.d.comb += self.o.payload.choice.eq(
                delayed(m, self.i.payload.choice, self.latency, name="choice"))
        for tile in range(self.tiles):
            if self.macro is None:
                array = EmulatedArray(shape, self.tile_weights(tile), protect=self.protect,
                                      file=self.files[tile] if self.files else None)
                m.submodules[f"array_{tile}"] = array
                parity.watch(array)
                pins = array.pins
            else:
                pins = self.arrays[tile]
            m.d.comb += [
                pins.read.eq(read),
                pins.inputs.eq(inputs.word_select(tile, shape.rows)),
                pins.active.eq(active.word_select(tile, shape.rows)),
                pins.row_group.eq(self.i.payload.row_group),
                pins.column_group.eq(self.i.payload.column_group),
            ]
            m.d.comb += [self.o.payload.codes[column][tile].eq(pins.codes[column])
                         for column in range(shape.columns_per_read)]
        parity.report()

        return m
