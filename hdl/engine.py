# amaranth: UnusedElaboratable=no
"""A layer: maps with pass sets in, maps with pass sets out."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.layer.adder_accumulator import AdderAccumulator
from hdl.layer.array import array_signature
from hdl.layer.comparator import Comparator
from hdl.layer.crossbar import Crossbar
from hdl.layer.gather import Gather
from hdl.layer.logit import LogitScaler
from hdl.layer.pool import Pool
from hdl.layer.reader import Reader
from hdl.layer.scale_mux import ScaleMux, comparison_layout, gain_layout
from hdl.layer.window import Window
from hdl.pass_sets.map_buffer import MapBuffer
from hdl.pass_sets.pass_split import PassSplit, pass_set_layout


__all__ = ["Engine"]


class Engine(wiring.Component):
    """Run a map through a layer once; send on one map for each outcome of a random choice.

    With one array a map ``(x, S)`` becomes the dropped map with the passes of ``S`` whose keep bit is
    0 and the kept map with the others (Scale-Dropout, eq. 7 to 9). With N of them it comes with the
    array that the passes of ``S`` have chosen, and becomes the map of that array (SpinBayes, 3.3); it
    enters once for each. Where the next layer chooses an array, what leaves is divided by that. An
    empty map is left out. So the pass sets that leave for a map are disjoint and together are the one
    that entered, and the result is that of running each pass on its own.

    A map takes ``map_cycles`` cycles, its words being taken ``word_cycles`` after its first cycle (the
    border that padding adds takes cycles, but no words). Latency from its first cycle to the first
    word of its first successor is ``last_read + latency`` cycles when nothing waits. Its first read, in
    cycle ``first_read``, waits for room for its successors in the map buffer; after it nothing does.

    Parameters
    ----------
    height, width, channels, kernel, stride, padding
        See :class:`hdl.layer.window.Window`.
    bits : int
        Bits of a level that enters.
    weights, tile_rows, rows_per_read, columns_per_read, weight_bits, macro, file
        See :class:`hdl.layer.crossbar.Crossbar`.
    ways : int
        Arrays whose sums are added up: the chosen one and those after it, in a ring.
    sums : range
        Every value that a sum can have.
    pool : int
        See :class:`hdl.layer.pool.Pool`.
    banks : sequence of sequence of dict
        Per keep bit, or per array, and output channel ``threshold`` and ``invert``, or for an output
        layer ``gain`` and ``offset``.
    output_bits : int
        Bits of a level that leaves a hidden layer.
    logit : shape-like or None
        Shape of a logit; None for a hidden layer.
    dropped : int
        See :class:`hdl.layer.logit.LogitScaler`.
    after : int
        Arrays that the next layer chooses from; 1 if it does not.
    passes : int
        T_max.
    depth : int
        Branch sets that the map buffer holds.
    protect : bool
        Check the parity of all that is stored.

    Members
    -------
    i : In(stream.Signature(channels * bits))
        Words of maps in raster order.
    i_sets : In(stream.Signature(pass_set_layout(passes, arrays)))
        Pass set of each map, and its array.
    mask : In(stream.Signature(passes))
        Keep bits of this layer for each image. Only with one array.
    mask_after : In(stream.Signature(passes * bits))
        Choices of the next layer for each image. Only if it chooses an array.
    o : Out(stream.Signature(output channels * output_bits)) or Out(stream.Signature(logit))
        Words of maps in raster order, or the logits of leaves in the order of classes.
    o_sets : Out(stream.Signature(pass_set_layout(passes, after)))
        Pass set of each, and its array in the next layer.
    arrays : Out(array_signature(geometry)).array(row tiles)
        Only with ``macro``.
    error : Out(1)
        1 for a cycle after something stored has lost its parity. Only with ``protect``.
    """

    #: Maps whose array is known before their reads begin.
    CHOICES = 4

    def __init__(self, height, width, channels, *, kernel, stride=1, padding=0, pool=1, bits=1, weights,
                 tile_rows, rows_per_read, columns_per_read, weight_bits=1, macro=None, file=None, ways=1,
                 sums, banks, output_bits=1, logit=None, dropped=0, after=1, passes, depth=4,
                 protect=False):
        fan_in  = kernel[0] * kernel[1] * channels
        outputs = len(weights[0])
        #: Arrays to choose from.
        self.crossbars = len(weights)
        self.logit   = logit
        self.protect = protect
        self.window = Window(height, width, channels * bits, kernel=kernel, stride=stride,
                             padding=padding, protect=protect)
        self.crossbar = Crossbar(weights, fan_in, tile_rows=tile_rows, rows_per_read=rows_per_read,
                                 columns_per_read=columns_per_read, weight_bits=weight_bits,
                                 macro=macro, protect=protect, file=file)
        shape   = self.crossbar.geometry
        rows    = (self.window.padded[0] - kernel[0]) // stride + 1
        columns = (self.window.padded[1] - kernel[1]) // stride + 1
        self.reader = Reader(fan_in, shape, bits=bits, positions=rows * columns, ways=ways)
        self.adder  = AdderAccumulator(shape.codes.elem_shape, tiles=self.crossbar.tiles,
                                       columns=columns_per_read, groups=ways * shape.row_groups,
                                       planes=bits, arrays=self.crossbars)
        #: Outcomes of the random choice of this layer.
        self.choices = len(banks)
        #: Maps that leave side by side: one per keep bit, or that of the array.
        self.lanes  = len(banks) if self.crossbars == 1 else 1
        buffer = {"lanes": self.lanes, "passes": passes, "depth": depth, "copies": after,
                  "reserved": True, "protect": protect}
        total  = Shape.cast(sums)
        if logit is None:
            word = comparison_layout(sums, output_bits)
            self.activation = Comparator(word, total, banks=self.lanes, columns=columns_per_read)
            self.pool   = Pool(rows, columns, shape.column_groups, size=pool, banks=self.lanes,
                               columns=columns_per_read, bits=output_bits, protect=protect)
            self.gather = Gather(outputs, columns=columns_per_read, banks=self.lanes,
                                 bits=output_bits)
            self.buffer = MapBuffer(unsigned(outputs * output_bits),
                                    words=(rows // pool) * (columns // pool), **buffer)
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
            self.activation = LogitScaler(word, total, logit, dropped=dropped, banks=self.lanes)
            self.buffer = MapBuffer(logit, words=outputs, **buffer)
            stages = []
        # Sums come with the array of their last read.
        turned = [*banks[1 - ways:], *banks[:1 - ways]] if ways > 1 else banks
        self.scale_mux = ScaleMux(word, turned, total, columns=columns_per_read,
                                  selected=self.crossbars > 1, protect=protect)
        self.stages = [self.adder, self.scale_mux, self.activation, *stages]
        choices = [self.choices] * (self.crossbars == 1) + [after] * (after > 1)
        self.split  = PassSplit(passes, choices)
        #: Cycles from a read to the first word of the map that it completes.
        self.latency = (self.crossbar.latency + sum(stage.latency for stage in self.stages)
                        + self.buffer.latency)
        self._schedule(self.reader.reads, rows // pool * pool, columns // pool * pool)

        members = {
            "i":      In(stream.Signature(channels * bits)),
            "i_sets": In(stream.Signature(pass_set_layout(passes, self.crossbars))),
            "o":      Out(self.buffer.o.signature),
            "o_sets": Out(self.buffer.o_sets.signature),
            **error_port(protect),
        }
        for name, mask in zip(self.mask_names, self.split.masks, strict=True):
            members[name] = In(mask.signature.flip())
        if macro is not None:
            members["arrays"] = Out(array_signature(shape)).array(self.crossbar.tiles)
        super().__init__(members)

    @property
    def mask_names(self):
        """Names of the ports that take masks, in the order in which the pass sets are divided."""
        return ("mask",) * (self.crossbars == 1) + ("mask_after",) * (self.buffer.copies > 1)

    def _schedule(self, reads, rows, columns):
        """Follow the words of a map that never waits: the next one is taken when the position that a
        word completes has begun its last read."""
        window  = self.window
        size, stride = window.kernel, window.stride
        at, self.word_cycles, self.first_read = 0, [], None
        for y in range(window.padded[0]):
            for x in range(window.padded[1]):
                if window.is_inside(y, x):
                    self.word_cycles.append(at)
                row, column = y - size[0] + 1, x - size[1] + 1
                position = row >= 0 and column >= 0 and row % stride == 0 and column % stride == 0
                if position and self.first_read is None:
                    self.first_read = at + window.latency
                at += reads if position else 1
                if position and row // stride < rows and column // stride < columns:
                    self.last_read = at
        self.map_cycles = at

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
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
        m.submodules.map_buffer = self.buffer
        m.submodules.pass_split = self.split

        connect(m, flipped(self.i), self.window.i)
        connect(m, self.window.o, self.reader.i)
        connect(m, self.reader.o, self.crossbar.i)
        if self.crossbar.macro is not None:
            for outside, inside in zip(self.arrays, self.crossbar.arrays, strict=True):
                connect(m, flipped(outside), inside)

        # A map is read when there is room for what becomes of it, so nothing behind the crossbar ever
        # waits. Row groups and tiles are rarely full to the last row, so sums can lack their top bit.
        m.d.comb += [
            self.adder.i.valid.eq(self.crossbar.o.valid),
            self.adder.i.payload.eq(self.crossbar.o.payload),
            self.adder.o.ready.eq(1),
            self.scale_mux.i.valid.eq(self.adder.o.valid),
            self.scale_mux.i.payload.choice.eq(self.adder.o.payload.choice),
        ]
        m.d.comb += [narrow.eq(wide) for narrow, wide in zip(
            self.scale_mux.i.payload.sums, self.adder.o.payload.sums, strict=True)]
        for stage, after in zip(self.stages[1:], [*self.stages[2:], self.buffer], strict=True):
            m.d.comb += [
                after.i.valid.eq(stage.o.valid),
                after.i.payload.eq(stage.o.payload),
                stage.o.ready.eq(1),
            ]

        m.d.comb += [
            self.split.i.payload.set.eq(self.i_sets.payload.set),
            self.split.i.payload.last.eq(self.i_sets.payload.last),
        ]
        room, chosen = self.buffer.room, self.reader.choices
        if self.crossbars == 1:
            m.d.comb += [
                self.split.i.valid.eq(self.i_sets.valid),
                self.i_sets.ready.eq(self.split.i.ready),
                chosen.valid.eq(room.valid),
                room.ready.eq(chosen.ready),
            ]
        else:
            # The reads of a map wait for its array as well, which comes with its pass set.
            m.submodules.choices = choices = parity.fifo(
                width=len(self.i_sets.payload.choice), depth=self.CHOICES)
            m.d.comb += [
                self.split.i.valid.eq(self.i_sets.valid & choices.w_rdy),
                self.i_sets.ready.eq(self.split.i.ready & choices.w_rdy),
                choices.w_en.eq(self.i_sets.valid & self.split.i.ready),
                choices.w_data.eq(self.i_sets.payload.choice),
                chosen.valid.eq(choices.r_rdy & room.valid),
                chosen.payload.eq(choices.r_data),
                choices.r_en.eq(chosen.ready & room.valid),
                room.ready.eq(chosen.ready & choices.r_rdy),
            ]
        for name, mask in zip(self.mask_names, self.split.masks, strict=True):
            connect(m, flipped(getattr(self, name)), mask)
        connect(m, self.split.o, self.buffer.i_sets)
        connect(m, self.buffer.o, flipped(self.o))
        connect(m, self.buffer.o_sets, flipped(self.o_sets))

        parity.watch(self.window, self.crossbar, *self.stages, self.buffer)
        parity.report()

        return m
