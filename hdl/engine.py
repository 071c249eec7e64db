# amaranth: UnusedElaboratable=no
"""A layer: maps with pass sets in, maps with pass sets out."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.adder_accumulator import AdderAccumulator
from hdl.array import array_signature
from hdl.comparator import Comparator
from hdl.crossbar import Crossbar
from hdl.gather import Gather
from hdl.logit import LogitScaler
from hdl.map_buffer import MapBuffer
from hdl.pass_split import PassSplit, pass_set_layout
from hdl.pool import Pool
from hdl.reader import Reader
from hdl.scale_mux import ScaleMux, comparison_layout, gain_layout
from hdl.skid import Skid
from hdl.window import Window


__all__ = ["Engine"]


class Engine(wiring.Component):
    """Run a map through a layer once; send on one map for each keep bit that some pass drew.

    A map ``(x, S)`` becomes the dropped map with the passes of ``S`` whose keep bit is 0 and the
    kept map with the others; an empty one is left out. So the pass sets that leave for a map are
    disjoint and together are the one that entered, and the result is that of running each pass on its
    own (Scale-Dropout, eq. 7 to 9).

    A map takes ``map_cycles`` cycles, its words being taken ``word_cycles`` after its first cycle (the
    border that padding adds takes cycles, but no words). Latency from its first cycle to the first
    word of its first successor is ``last_read + latency`` cycles when nothing waits.

    Parameters
    ----------
    height, width, channels, kernel, stride, padding
        See :class:`hdl.window.Window`.
    weights, tile_rows, rows_per_read, columns_per_read, macro
        See :class:`hdl.crossbar.Crossbar`.
    pool : int
        See :class:`hdl.pool.Pool`.
    banks : sequence of sequence of dict
        Per keep bit and output channel ``threshold`` and ``invert``, or for an output layer ``gain``
        and ``offset``.
    logit : shape-like or None
        Shape of a logit; None for a hidden layer.
    passes : int
        T_max.
    depth : int
        Branch sets that the map buffer holds.

    Members
    -------
    i : In(stream.Signature(channels))
        Words of maps in raster order.
    i_sets : In(stream.Signature(pass_set_layout(passes)))
        Pass set of each map.
    mask : In(stream.Signature(passes))
        Keep bits of this layer for each image.
    o : Out(stream.Signature(output channels)) or Out(stream.Signature(logit))
        Words of maps in raster order, or the logits of leaves in the order of classes.
    o_sets : Out(stream.Signature(pass_set_layout(passes)))
        Pass set of each.
    arrays : Out(array_signature(geometry)).array(row tiles)
        Only with ``macro``.
    """

    def __init__(self, height, width, channels, *, kernel, stride=1, padding=0, pool=1, weights,
                 tile_rows, rows_per_read, columns_per_read, macro=None, banks, logit=None, passes,
                 depth=4):
        fan_in  = kernel[0] * kernel[1] * channels
        outputs = len(weights)
        self.logit  = logit
        self.window = Window(height, width, channels, kernel=kernel, stride=stride, padding=padding)
        self.crossbar = Crossbar(weights, fan_in, tile_rows=tile_rows, rows_per_read=rows_per_read,
                                 columns_per_read=columns_per_read, macro=macro)
        shape = self.crossbar.geometry
        self.reader = Reader(fan_in, shape)
        self.adder  = AdderAccumulator(shape.codes.elem_shape, tiles=self.crossbar.tiles,
                                       columns=columns_per_read, groups=shape.row_groups)
        lanes   = len(banks)
        sums    = Shape.cast(range(fan_in + 1))
        rows    = (self.window.padded[0] - kernel[0]) // stride + 1
        columns = (self.window.padded[1] - kernel[1]) // stride + 1
        if logit is None:
            word = comparison_layout(fan_in)
            self.scale_mux = ScaleMux(word, banks, sums, columns=columns_per_read)
            self.activation = Comparator(word, sums, banks=lanes, columns=columns_per_read)
            self.pool   = Pool(rows, columns, shape.column_groups, size=pool, banks=lanes,
                               columns=columns_per_read)
            self.gather = Gather(outputs, columns=columns_per_read, banks=lanes)
            self.buffer = MapBuffer(unsigned(outputs), words=(rows // pool) * (columns // pool),
                                    lanes=lanes, passes=passes, depth=depth)
            stages = [self.pool, self.gather]
        else:
            if (rows, columns, columns_per_read) != (1, 1, 1):
                raise ValueError(f"Output layer must read 1 column at 1 x 1 positions, not "
                                 f"{columns_per_read} at {rows} x {columns}")
            word = gain_layout(*(Shape.cast(range(min(field[name] for bank in banks for field in bank),
                                                  max(field[name] for bank in banks for field in bank)
                                                  + 1)) for name in ("gain", "offset")))
            word = gain_layout(*(signed(field.shape.width + (not field.shape.signed))
                                 for _, field in word))
            self.scale_mux = ScaleMux(word, banks, sums, columns=1)
            self.activation = LogitScaler(word, sums, logit, banks=lanes)
            self.buffer = MapBuffer(logit, words=outputs, lanes=lanes, passes=passes, depth=depth)
            stages = []
        # Readiness would travel from the map buffer back to the crossbar in one cycle.
        self.skid   = Skid(self.activation.o.payload.shape())
        self.stages = [self.adder, self.scale_mux, self.activation, self.skid, *stages]
        self.split  = PassSplit(passes)
        #: Cycles from a read to the first word of the map that it completes.
        self.latency = (self.crossbar.latency + sum(stage.latency for stage in self.stages)
                        + self.buffer.latency)
        self._schedule(shape.row_groups * shape.column_groups, rows // pool * pool,
                       columns // pool * pool)

        members = {
            "i":      In(stream.Signature(channels)),
            "i_sets": In(stream.Signature(pass_set_layout(passes))),
            "mask":   In(stream.Signature(passes)),
            "o":      Out(stream.Signature(self.buffer.o.payload.shape())),
            "o_sets": Out(stream.Signature(pass_set_layout(passes))),
        }
        if macro is not None:
            members["arrays"] = Out(array_signature(shape)).array(self.crossbar.tiles)
        super().__init__(members)

    def _schedule(self, reads, rows, columns):
        """Follow the words of a map that never waits: the next one is taken when the position that a
        word completes has begun its last read."""
        window  = self.window
        size, stride = window.kernel, window.stride
        at, self.word_cycles = 0, []
        for y in range(window.padded[0]):
            for x in range(window.padded[1]):
                if window.is_inside(y, x):
                    self.word_cycles.append(at)
                row, column = y - size[0] + 1, x - size[1] + 1
                position = row >= 0 and column >= 0 and row % stride == 0 and column % stride == 0
                at += reads if position else 1
                if position and row // stride < rows and column // stride < columns:
                    self.last_read = at
        self.map_cycles = at

    def elaborate(self, platform):
        m = Module()

        m.submodules.window    = self.window
        m.submodules.reader    = self.reader
        m.submodules.crossbar  = self.crossbar
        m.submodules.adder_accumulator = self.adder
        m.submodules.scale_mux = self.scale_mux
        if self.logit is None:
            m.submodules.comparator = self.activation
            m.submodules.pool       = self.pool
            m.submodules.gather     = self.gather
        else:
            m.submodules.logit_scaler = self.activation
        m.submodules.skid       = self.skid
        m.submodules.map_buffer = self.buffer
        m.submodules.pass_split = self.split

        connect(m, flipped(self.i), self.window.i)
        connect(m, self.window.o, self.reader.i)
        connect(m, self.reader.o, self.crossbar.i)
        connect(m, self.crossbar.o, self.adder.i)
        if self.crossbar.macro is not None:
            for outside, inside in zip(self.arrays, self.crossbar.arrays, strict=True):
                connect(m, flipped(outside), inside)

        # Row groups and tiles are rarely full to the last row, so sums can lack their top bit.
        m.d.comb += [
            self.scale_mux.i.valid.eq(self.adder.o.valid),
            self.adder.o.ready.eq(self.scale_mux.i.ready),
        ]
        m.d.comb += [narrow.eq(wide) for narrow, wide in zip(
            self.scale_mux.i.payload, self.adder.o.payload, strict=True)]
        for stage, after in zip(self.stages[1:], [*self.stages[2:], self.buffer], strict=True):
            connect(m, stage.o, after.i)

        connect(m, flipped(self.i_sets), self.split.i)
        connect(m, flipped(self.mask), self.split.mask)
        connect(m, self.split.o, self.buffer.i_sets)
        connect(m, self.buffer.o, flipped(self.o))
        connect(m, self.buffer.o_sets, flipped(self.o_sets))

        return m
