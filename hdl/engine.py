# amaranth: UnusedElaboratable=no
"""A layer: feature maps with pass sets in, feature maps with pass sets out."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.layer.adder_accumulator import AdderAccumulator
from hdl.layer.array import array_signature
from hdl.layer.comparator import Comparator
from hdl.layer.crossbar import Crossbar
from hdl.layer.instance_norm import InstanceNorm
from hdl.layer.line_buffer import LineBuffer
from hdl.layer.logit_scaler import LogitScaler
from hdl.layer.pool import Pool
from hdl.layer.popcount import popcount, popcount_latency
from hdl.layer.reader import Reader
from hdl.layer.scale_mux import ScaleMux, comparison_layout, gain_layout
from hdl.layer.word_packer import WordPacker
from hdl.pass_sets.map_buffer import MapBuffer
from hdl.pass_sets.pass_split import Choice, PassSplit, pass_set_layout
from hdl.stream import delayed, moves


__all__ = ["Engine"]


class Engine(wiring.Component):
    """Compute one layer for each feature map; send one map for each outcome of the random choices.

    A map carries a *pass set* of T bits: bit t is 1 if pass t has produced exactly this map. Where each
    pass chooses one of several banks (Scale-Dropout, eq. 7 to 9: a keep bit), a map with the pass set S
    becomes a map for each bank, with the passes of S that chose it. Where each pass chooses one of several
    arrays (SpinBayes, 3.3), a map enters together with the array that the passes of S have chosen. Where
    each pass drops inputs by a mask of its own (SpinDrop), a map enters together with the number of its
    only pass. If the next layer has several arrays, S is divided further by the arrays that its passes have
    chosen there. Maps with an empty pass set are not sent. So the pass sets that leave for a map are
    disjoint, their union is S, and every pass gets the result that it would get alone.

    A map takes ``map_cycles`` cycles, and its words are taken in the cycles ``word_cycles`` (the border
    that padding adds takes cycles, but no words). Latency from the first cycle of a map to the first
    word that is sent is ``last_read + latency`` cycles while nothing waits. The first read of a map, in
    cycle ``first_read``, waits for a credit of the map buffer; no block behind it ever waits.

    Parameters
    ----------
    height, width, channels, kernel, stride, padding
        See :class:`hdl.layer.line_buffer.LineBuffer`.
    bits : int
        Bits of a level of the maps that enter.
    weights, tile_rows, rows_per_read, columns_per_read, weight_bits, macro, file
        See :class:`hdl.layer.crossbar.Crossbar`.
    ways : int
        Arrays whose sums are added up: the chosen one and the following ones, in a ring.
    sums : range
        Values that the codes of an array can add up to; words of ``banks`` are for these.
    pool : int
        See :class:`hdl.layer.pool.Pool`.
    banks : sequence of sequence of sequence of dict
        Per array, bank and output channel the fields ``threshold`` and ``invert``, or for an output layer
        and inverted normalization ``gain`` and ``offset``. With ``ways``, an array stands for those from it
        on.
    array_choice, bank_choice : hdl.pass_sets.pass_split.Choice or None
        How each pass chooses one of the arrays, and one of the banks; None if there is one.
    next_early_choice : hdl.pass_sets.pass_split.Choice or None
        That of the next engine, ``early_choice``.
    groups : int or None
        Groups of inputs that a pass masks; see :class:`hdl.layer.reader.Reader`.
    mask_draw : int
        Which draw of the mask bank has a bit for each group, if there are groups.
    output_bits : int
        Bits of a level of the maps that a hidden layer sends.
    logit : shape-like or None
        Shape of a logit; None for a hidden layer.
    dropped : int
        See :class:`hdl.layer.logit_scaler.LogitScaler`.
    passes : int
        T_max.
    depth : int
        Branch sets that the map buffer holds.
    protect : bool
        Check the parity of all stored words.

    Members
    -------
    i : In(stream.Signature(channels * bits))
        Words of maps in raster order.
    i_sets : In(stream.Signature(pass_set_layout(passes, outcomes)))
        Pass set of each map, and the outcome of ``early_choice``: the array that computes it, or the number
        of its pass.
    kept : In(stream.Signature(passes * groups))
        Masks of the bits of the groups, for each image. Only with ``groups``.
    mask, next_mask : In(stream.Signature(passes * bits))
        Masks of the choice of a bank, and of an array of the next layer, for each image
        (:class:`hdl.random.mask_bank.MaskBank`). Only of choices that draw.
    o : Out(stream.Signature(output channels * output_bits)) or Out(stream.Signature(logit))
        Words of maps in raster order, or logits in the order of classes.
    o_sets : Out(stream.Signature(pass_set_layout(passes, next_arrays)))
        Pass set of each map, and the array of the next layer that its passes have chosen.
    arrays : Out(array_signature(geometry)).array(row tiles)
        Only with ``macro``.
    error : Out(1)
        1 for a cycle after a stored word has lost its parity. Only with ``protect``.
    """

    #: Arrays of maps that can wait in front of the reads.
    AHEAD = 4

    def __init__(self, height, width, channels, *, kernel, stride=1, padding=0, pool=1, bits=1, weights,
                 tile_rows, rows_per_read, columns_per_read, weight_bits=1, macro=None, file=None, ways=1,
                 sums, banks, array_choice=None, bank_choice=None, next_early_choice=None, groups=None,
                 mask_draw=0, output_bits=1, logit=None, dropped=0, passes, depth=4, protect=False):
        fan_in  = kernel[0] * kernel[1] * channels
        outputs = len(weights[0])
        #: Arrays, of which each pass chooses one.
        self.crossbars    = len(weights)
        self.array_choice = array_choice
        #: Results per cycle: those of all banks.
        self.lanes        = len(banks[0])
        for what, count, choice in (("array", self.crossbars, array_choice),
                                    ("bank", self.lanes, bank_choice)):
            if count != (1 if choice is None else choice.outcomes):
                raise ValueError(f"Choice of {what} must have {count} outcomes, not {choice!r}")
        self.groups = groups
        #: What divides the pass sets before maps enter: the choice of an array, or that each pass has a
        #: mask of its own; None if nothing does.
        self.early_choice = array_choice if groups is None else Choice(tuple(range(passes)), draw=None)
        next_outcomes = 1 if next_early_choice is None else next_early_choice.outcomes
        apart = next_early_choice is not None and next_early_choice.separates(passes)
        self.logit   = logit
        self.protect = protect
        self.line_buffer = LineBuffer(height, width, channels * bits, kernel=kernel, stride=stride,
                                      padding=padding, protect=protect)
        self.crossbar = Crossbar(weights, fan_in, tile_rows=tile_rows, rows_per_read=rows_per_read,
                                 columns_per_read=columns_per_read, weight_bits=weight_bits,
                                 macro=macro, masked=groups is not None, protect=protect, file=file)
        shape   = self.crossbar.geometry
        rows    = (self.line_buffer.padded[0] - kernel[0]) // stride + 1
        columns = (self.line_buffer.padded[1] - kernel[1]) // stride + 1
        self.reader = Reader(fan_in, shape, bits=bits, positions=rows * columns, ways=ways,
                             groups=groups)
        self.adder  = AdderAccumulator(shape.codes.elem_shape, tiles=self.crossbar.tiles,
                                       columns=columns_per_read, groups=ways * shape.row_groups,
                                       planes=bits, arrays=self.crossbars, masked=groups is not None)
        buffer = {"lanes": self.lanes, "passes": passes, "depth": depth, "next_arrays": next_outcomes,
                  "apart": apart, "by_credit": True, "protect": protect}
        total  = Shape.cast(sums)
        # The adder tags a sum with the last array read for it, ``(chosen + ways - 1) % crossbars``, so
        # the banks are stored rotated by ``ways - 1``.
        rotated = [*banks[1 - ways:], *banks[:1 - ways]] if ways > 1 else banks
        if logit is None:
            self.packer = WordPacker(outputs, columns=columns_per_read, lanes=self.lanes,
                                     bits=output_bits)
            self.buffer = MapBuffer(unsigned(outputs * output_bits),
                                    words=(rows // pool) * (columns // pool), **buffer)
        if logit is None and "gain" in banks[0][0][0]:
            self.activation = InstanceNorm(rotated, sums, rows, columns, size=pool,
                                           columns=columns_per_read, protect=protect)
            self.muxes = [self.activation.gain_mux, self.activation.offset_mux]
            self._named = {"instance_norm": self.activation, "word_packer": self.packer}
        elif logit is None:
            word = comparison_layout(sums, output_bits)
            self.activation = Comparator(word, total, lanes=self.lanes, columns=columns_per_read)
            self.pool   = Pool(rows, columns, shape.column_groups, size=pool, lanes=self.lanes,
                               columns=columns_per_read, bits=output_bits, protect=protect)
            self._named = {"comparator": self.activation, "pool": self.pool, "word_packer": self.packer}
        else:
            if (rows, columns, columns_per_read) != (1, 1, 1):
                raise ValueError(f"Output layer must read 1 column at 1 x 1 positions, not "
                                 f"{columns_per_read} at {rows} x {columns}")
            word = gain_layout(*(_signed_shape(fields[name] for of_array in banks
                                                for bank in of_array for fields in bank)
                                 for name in ("gain", "offset")))
            self.activation = LogitScaler(word, total, logit, dropped=dropped, lanes=self.lanes)
            self.buffer = MapBuffer(logit, words=outputs, **buffer)
            self._named = {"logit_scaler": self.activation}
        if not isinstance(self.activation, InstanceNorm):
            self.scale_mux = ScaleMux(word, rotated, total, columns=columns_per_read, protect=protect)
            self.muxes  = [self.scale_mux]
            self._named = {"scale_mux": self.scale_mux, **self._named}
        self.stages = [self.adder, *self._named.values()]
        # What divides the pass sets.
        divisions = {"mask": bank_choice, "next_mask": None if apart else next_early_choice}
        divisions = {name: choice for name, choice in divisions.items() if choice is not None}
        self.split = PassSplit(passes, divisions.values())
        #: Cycles in which the inputs that a mask keeps are counted.
        self.counting = 0 if groups is None else popcount_latency(groups)
        self._split_masks = [name for name, choice in divisions.items() if choice.bits]
        #: Draws whose masks the engine takes, by the names of the ports.
        self.drawn = {name: divisions[name].draw for name in self._split_masks}
        if groups is not None:
            self.drawn["kept"] = mask_draw
        #: Cycles from the last read of a map to the first word that is sent.
        self.latency = (self.crossbar.latency + sum(stage.latency for stage in self.stages)
                        + self.buffer.latency)
        self._schedule(self.reader.reads, rows // pool * pool, columns // pool * pool)

        members = {
            "i":      In(stream.Signature(channels * bits)),
            "i_sets": In(stream.Signature(pass_set_layout(
                passes, 1 if self.early_choice is None else self.early_choice.outcomes))),
            "o":      Out(self.buffer.o.signature),
            "o_sets": Out(self.buffer.o_sets.signature),
            **error_port(protect),
        }
        for name, mask in zip(self._split_masks, self.split.masks, strict=True):
            members[name] = In(mask.signature.flip())
        if groups is not None:
            members["kept"] = In(stream.Signature(passes * groups))
        if macro is not None:
            members["arrays"] = Out(array_signature(shape)).array(self.crossbar.tiles)
        super().__init__(members)

    def _schedule(self, reads, rows, columns):
        """Set ``map_cycles``, ``word_cycles``, ``first_read`` and ``last_read``, those of a map that never
        waits.

        A word that completes a kernel position takes as many cycles as this has reads, any other word
        takes one. Of the positions only ``rows`` x ``columns`` are pooled: the last of them completes the
        map that is sent.
        """
        line_buffer = self.line_buffer
        size, stride = line_buffer.kernel, line_buffer.stride
        cycle, self.word_cycles, self.first_read = 0, [], None
        for y in range(line_buffer.padded[0]):
            for x in range(line_buffer.padded[1]):
                if line_buffer.is_inside(y, x):
                    self.word_cycles.append(cycle)
                row, column = y - size[0] + 1, x - size[1] + 1
                position = row >= 0 and column >= 0 and row % stride == 0 and column % stride == 0
                if position and self.first_read is None:
                    self.first_read = cycle + line_buffer.latency
                cycle += reads if position else 1
                if position and row // stride < rows and column // stride < columns:
                    self.last_read = cycle
        self.map_cycles = cycle

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.line_buffer = self.line_buffer
        m.submodules.reader    = self.reader
        m.submodules.crossbar  = self.crossbar
        m.submodules.adder_accumulator = self.adder
        for name, block in self._named.items():
            m.submodules[name] = block
        m.submodules.map_buffer = self.buffer
        m.submodules.pass_split = self.split

        connect(m, flipped(self.i), self.line_buffer.i)
        connect(m, self.line_buffer.o, self.reader.i)
        connect(m, self.reader.o, self.crossbar.i)
        if self.crossbar.macro is not None:
            for pins, tile in zip(self.arrays, self.crossbar.arrays, strict=True):
                connect(m, flipped(pins), tile)

        # The reads of a map have a credit for its results in the map buffer, so nothing behind the
        # crossbar ever waits. Sums of the adder can have a top bit too many, as it counts all row groups
        # and tiles as full.
        behind = self.stages[1]
        m.d.comb += [
            self.adder.i.valid.eq(self.crossbar.o.valid),
            self.adder.i.payload.eq(self.crossbar.o.payload),
            self.adder.o.ready.eq(1),
            behind.i.valid.eq(self.adder.o.valid),
            behind.i.payload.choice.eq(self.adder.o.payload.choice),
        ]
        m.d.comb += [narrow.eq(wide) for narrow, wide in zip(
            behind.i.payload.sums, self.adder.o.payload.sums, strict=True)]
        for stage, following in zip(self.stages[1:], [*self.stages[2:], self.buffer], strict=True):
            m.d.comb += [
                following.i.valid.eq(stage.o.valid),
                following.i.payload.eq(stage.o.payload),
            ]
            if not stage.o.signature.always_ready:
                m.d.comb += stage.o.ready.eq(1)

        m.d.comb += [
            self.split.i.payload.set.eq(self.i_sets.payload.set),
            self.split.i.payload.last.eq(self.i_sets.payload.last),
        ]
        credit, chosen = self.buffer.credit, self.reader.choices
        if self.groups is not None:
            self._mask_reads(m, parity, credit, chosen)
        elif self.crossbars == 1:
            m.d.comb += [
                self.split.i.valid.eq(self.i_sets.valid),
                self.i_sets.ready.eq(self.split.i.ready),
                chosen.valid.eq(credit.valid),
                credit.ready.eq(chosen.ready),
            ]
        else:
            # The reads of a map also wait for its array, which comes with its pass set.
            m.submodules.choices = choices = parity.fifo(
                width=len(self.i_sets.payload.choice), depth=self.AHEAD)
            m.d.comb += [
                self.split.i.valid.eq(self.i_sets.valid & choices.w_rdy),
                self.i_sets.ready.eq(self.split.i.ready & choices.w_rdy),
                choices.w_en.eq(self.i_sets.valid & self.split.i.ready),
                choices.w_data.eq(self.i_sets.payload.choice),
                chosen.valid.eq(choices.r_rdy & credit.valid),
                chosen.payload.array.eq(choices.r_data),
                choices.r_en.eq(chosen.ready & credit.valid),
                credit.ready.eq(chosen.ready & choices.r_rdy),
            ]
        for name, mask in zip(self._split_masks, self.split.masks, strict=True):
            connect(m, flipped(getattr(self, name)), mask)
        connect(m, self.split.o, self.buffer.i_sets)
        connect(m, self.buffer.o, flipped(self.o))
        connect(m, self.buffer.o_sets, flipped(self.o_sets))

        parity.watch(self.line_buffer, self.crossbar, *self.stages, self.buffer)
        parity.report()

        return m


    def _mask_reads(self, m, parity, credit, chosen):
        """The reads of a map wait for the mask of its pass, and for the number of inputs that this keeps:
        it is counted while the words of the map are on their way."""
        passes  = len(self.i_sets.payload.set)
        entered = moves(self.i_sets)
        # Group 0 is drawn first, so its bit is the most significant one.
        kept = Signal(self.groups)
        m.d.comb += [kept[group].eq(self.kept.payload.word_select(self.groups - 1 - group, passes)
                                    .bit_select(self.i_sets.payload.choice, 1))
                     for group in range(self.groups)]
        m.submodules.choices = masks = parity.fifo(width=self.groups, depth=self.AHEAD)
        m.submodules.counts = counts = parity.fifo(
            width=len(chosen.payload.count), depth=self.AHEAD)
        each  = self.reader.fan_in // self.groups
        known = masks.w_rdy & self.kept.valid
        m.d.comb += [
            self.split.i.valid.eq(self.i_sets.valid & known),
            self.i_sets.ready.eq(self.split.i.ready & known),
            self.kept.ready.eq(entered & self.i_sets.payload.last),
            masks.w_en.eq(entered),
            masks.w_data.eq(kept),
            # There are never more counts than masks, which are taken together.
            counts.w_en.eq(delayed(m, entered, self.counting, name="counted")),
            counts.w_data.eq(each * popcount(m, kept, "kept")),
            chosen.valid.eq(masks.r_rdy & counts.r_rdy & credit.valid),
            chosen.payload.kept.eq(masks.r_data),
            chosen.payload.count.eq(counts.r_data),
            masks.r_en.eq(chosen.ready & counts.r_rdy & credit.valid),
            counts.r_en.eq(chosen.ready & masks.r_rdy & credit.valid),
            credit.ready.eq(chosen.ready & masks.r_rdy & counts.r_rdy),
        ]


def _signed_shape(values):
    """The narrowest signed shape of all integers ``values``."""
    return signed(1 + max((value if value >= 0 else ~value).bit_length() for value in values))
