# amaranth: UnusedElaboratable=no
"""A layer: feature maps in, the feature maps of all banks out."""

import math
from dataclasses import dataclass

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.layer.adder_accumulator import AdderAccumulator
from hdl.layer.choice_queue import ArrayQueue, MaskQueue
from hdl.layer.comparator import Comparator
from hdl.layer.instance_norm import InstanceNorm
from hdl.layer.logit_scaler import LogitScaler
from hdl.layer.pool import Pool
from hdl.layer.reader import Reader
from hdl.layer.scale_mux import ScaleMux, comparison_layout, gain_layout, signed_shape
from hdl.layer.value_scaler import ValueScaler
from hdl.layer.word_packer import WordPacker
from hdl.levels import level_of_value
from hdl.pass_sets.pass_split import Choice, pass_layout, pass_set_layout


__all__ = ["CentredBits", "Engine", "Levels", "Logits", "Masks", "Values"]


@dataclass(frozen=True)
class Levels:
    """What a hidden layer makes of its sums: levels, pooled."""

    bits: int = 1 #: Bits of a level.
    pool: tuple[int, int] = (1, 1) #: See :class:`hdl.layer.pool.Pool`.


@dataclass(frozen=True)
class CentredBits:
    """What a hidden layer with inverted normalization makes of its sums: bits, from pooled sums
    (:class:`hdl.layer.instance_norm.InstanceNorm`)."""

    pool: tuple[int, int] = (1, 1) #: See :class:`hdl.layer.pool.Pool`.

    bits = 1


@dataclass(frozen=True)
class Values:
    """What a hidden layer makes of its sums whose results are added to others: values in fixed point."""

    bits: int        #: Bits of a value.
    dropped: int = 0 #: See :class:`hdl.layer.value_scaler.ValueScaler`.

    pool = 1, 1


@dataclass(frozen=True)
class Logits:
    """What an output layer makes of its sums."""

    shape: ShapeLike #: Of a logit.
    dropped: int = 0 #: See :class:`hdl.layer.logit_scaler.LogitScaler`.


@dataclass(frozen=True)
class Masks:
    """Each pass drops inputs by a mask of its own (SpinDrop)."""

    groups: int   #: Of inputs; see :class:`hdl.layer.reader.Reader`.
    draw: int = 0 #: Which draw of the mask bank has a bit for each group.
    merged: bool = False #: Whether passes with equal masks run as one.


class Engine(wiring.Component):
    """Compute one layer for each feature map that enters, with every bank.

    A map comes with its pass set, which is handed on, and with what has divided this before the map
    entered: its arrays (SpinBayes, 3.3), or the number of its only pass, or of one of several with equal
    masks (SpinDrop). The results of all banks leave side by side, one lane for each: the edge behind
    (:mod:`hdl.pass_sets.edge`) divides the pass set by the bank that each pass has chosen (Scale-Dropout,
    eq. 7 to 9), or mixes two banks for each pass.

    A map takes ``map_cycles`` cycles, and its words are taken in the cycles ``word_cycles`` (the border
    that padding adds takes cycles, but no words). Latency from the last read of a map, in cycle
    ``last_read``, to its last word is ``latency`` cycles. The first read of a map, in cycle ``first_read``,
    waits for a credit of the edge, and for its array or mask; no block behind the crossbar ever waits.

    Parameters
    ----------
    line_buffer : hdl.layer.line_buffer.LineBuffer
        Where the words of maps come to; its words are those of ``bits`` bits for each channel.
    crossbar : hdl.layer.crossbar.Crossbar
        The arrays; masked with ``masks``. Where it has fewer inputs than a kernel, each of as
        many groups of its columns sees an equal part of the channels.
    results : Levels, CentredBits, Values or Logits
        What the layer sends. A :exc:`ValueError` is raised for logits of several columns at a time.
    sums : range
        Values of a sum as the adder gives it; words of ``banks`` are for these.
    banks : sequence of sequence of sequence of dict
        Per set of arrays, bank and output channel the fields ``threshold`` and ``invert``, or for centred
        bits, values and logits ``gain`` and ``offset``.
    bits : int
        Bits of a level of the maps that enter.
    value_bits : int or None
        Bits of the values in fixed point that enter instead.
    entrance : sequence of (sequence of int, int)
        Per channel of these values thresholds, ``2 ** bits - 1`` that ascend, and 1 or 0: the line buffer
        takes how many of them each value has reached, inverted bit by bit where that is 1.
    array_choice, bank_choice : hdl.pass_sets.pass_split.Choice or None
        How each pass chooses one of the sets of arrays of the crossbar, whose sums are added up, and one of
        the banks; None if there is one.
    mix : hdl.pass_sets.mixer.Mix or None
        How each pass takes each channel from one of two banks, instead of ``bank_choice``. A
        :exc:`ValueError` is raised for another number of banks, or with both.
    masks : Masks or None
        Masks of the inputs, if there are any.
    passes : int
        T_max.
    protect : bool
        Check the parity of all stored words; so do ``line_buffer`` and ``crossbar``.

    Members
    -------
    i : In(stream.Signature(bits of a word))
        Words of maps in raster order.
    i_sets : In(stream.Signature(pass_set_layout(passes, outcomes)))
        Pass set of each map, and the outcome of ``early_choice``: the arrays that compute it, or the number
        of a pass whose mask it has.
    passes : Out(stream.Signature(pass_layout(passes)))
        The pass of each map. Only with ``masks``.
    kept : In(stream.Signature(groups))
        Which groups of inputs this pass keeps (:class:`hdl.random.mask_store.MaskStore`). Only with
        ``masks``.
    o : Out(stream.Signature(lanes * width))
        Words of maps in raster order, or logits, those of all classes of one position after another, of all
        banks: that of the first bank lowest. Plain bits, as ABC9 takes a wire of the name ``x[1]``, which
        Amaranth gives to a part of an array, for bit 1 of the port ``x``.
    o_sets : Out(stream.Signature(pass_set_layout(passes)))
        Pass set of each map.
    credit : In(stream.Signature(0))
        Credits, each for the words of a map.
    arrays : Out(array_signature(geometry)).array(row tiles)
        Only with arrays that are macros.
    error : Out(1)
        1 for a cycle after a stored word has lost its parity. Only with ``protect``.
    """

    def __init__(self, line_buffer, crossbar, results, *, sums, banks, bits=1, value_bits=None,
                 entrance=(), array_choice=None, bank_choice=None, mix=None, masks=None, passes,
                 protect=False):
        #: Results per cycle: those of all banks.
        self.lanes = len(banks[0])
        geometry   = crossbar.geometry
        if mix is not None and (self.lanes, bank_choice) != (2, None):
            raise ValueError(f"Banks to mix must be 2, without a choice of one, not {self.lanes} with "
                             f"{bank_choice!r}")
        for what, count, choice in (("array", geometry.outcomes, array_choice),
                                    ("bank", 1 if mix else self.lanes, bank_choice)):
            if count != (1 if choice is None else choice.outcomes):
                raise ValueError(f"Choice of {what} must have {count} outcomes, not {choice!r}")
        self.masks   = masks
        self.protect = protect
        self.bits = bits
        self.value_bits = value_bits
        self.entrance   = entrance
        for thresholds, _ in entrance if value_bits is not None else ():
            if len(thresholds) != 2**bits - 1:
                raise ValueError(f"Levels of {bits} bits must have {2**bits - 1} thresholds of values, not "
                                 f"{len(thresholds)}")
        #: What divides the pass sets behind the engine.
        self.bank_choice  = bank_choice
        self.mix          = mix
        #: What divides the pass sets before maps enter: the choice of an array, or that each pass has a
        #: mask of its own; None if nothing does.
        self.early_choice = array_choice if masks is None else Choice(tuple(range(passes)), draw=None)
        self.line_buffer  = line_buffer
        self.crossbar     = crossbar
        fan_in, inputs = crossbar.fan_in, len(line_buffer.o.payload) // bits
        groups = None if masks is None else masks.groups
        parts  = {"channel_groups": inputs // fan_in, "taps": math.prod(line_buffer.kernel)}
        self.reader = Reader(fan_in, geometry, bits=bits, positions=math.prod(line_buffer.positions),
                             groups=groups, **parts)
        #: Between the choice that comes with a map and the reads that wait for it.
        self.choices = (
            None if self.early_choice is None else
            ArrayQueue(fan_in, geometry, protect=protect) if masks is None else
            MaskQueue(fan_in, geometry, groups=groups, **parts, protect=protect))
        self.adder  = AdderAccumulator(geometry.codes.elem_shape, tiles=crossbar.tiles,
                                       columns=geometry.columns_per_read,
                                       groups=geometry.ways * geometry.row_groups, planes=bits,
                                       arrays=geometry.outcomes, masked=masks is not None)
        make = self._logits if isinstance(results, Logits) else self._levels
        self.stages = {"adder_accumulator": self.adder, **make(results, banks, sums)}
        self.latency = crossbar.latency + sum(stage.latency for stage in self.stages.values())
        self._schedule(self.reader.reads)

        entering = 1 if self.early_choice is None else self.early_choice.outcomes
        super().__init__({
            "i":      In(stream.Signature(len(line_buffer.i.payload) * (value_bits or bits) // bits)),
            "i_sets": In(stream.Signature(pass_set_layout(passes, entering))),
            **({} if masks is None else {"passes": Out(stream.Signature(pass_layout(passes))),
                                         "kept":   In(stream.Signature(groups))}),
            "o":      Out(stream.Signature(self.lanes * Shape.cast(self.word).width, always_ready=True)),
            "o_sets": Out(stream.Signature(pass_set_layout(passes))),
            "credit": In(stream.Signature(0)),
            **({} if crossbar.macro is None else {
                "arrays": crossbar.signature.members["arrays"]}),
            **error_port(protect),
        })

    def _levels(self, results, banks, sums):
        """Blocks behind the adder of a hidden layer."""
        geometry, line_buffer = self.crossbar.geometry, self.line_buffer
        columns, outputs = geometry.columns_per_read, len(banks[0][0])
        lanes = {"columns": columns, "lanes": self.lanes}
        self.pooled = tuple(
            whole // side for whole, side in zip(line_buffer.positions, results.pool, strict=True))
        self.pool   = results.pool
        #: Shape of a word that leaves, and words of a map.
        self.word, self.words = unsigned(outputs * results.bits), math.prod(self.pooled)
        packer = {"word_packer": WordPacker(outputs, bits=results.bits, **lanes)}
        if isinstance(results, CentredBits):
            norm = InstanceNorm(banks, sums, *line_buffer.positions, size=results.pool, columns=columns,
                                protect=self.protect)
            self.muxes = [norm.gain_mux, norm.offset_mux]
            return {"instance_norm": norm, **packer}
        word, total = comparison_layout(sums, results.bits), Shape.cast(sums)
        if isinstance(results, Values):
            word = _gains(banks)
        scale_mux   = ScaleMux(word, banks, total, columns=columns, protect=self.protect)
        self.muxes  = [scale_mux]
        if isinstance(results, Values):
            return {
                "scale_mux":    scale_mux,
                "value_scaler": ValueScaler(word, total, bits=results.bits, dropped=results.dropped,
                                            **lanes),
                **packer,
            }
        return {
            "scale_mux":  scale_mux,
            "comparator": Comparator(word, total, **lanes),
            "pool":       Pool(*line_buffer.positions, geometry.column_groups, size=results.pool,
                               bits=results.bits, protect=self.protect, **lanes),
            **packer,
        }

    def _logits(self, results, banks, sums):
        """Blocks behind the adder of an output layer."""
        geometry, line_buffer = self.crossbar.geometry, self.line_buffer
        if geometry.columns_per_read != 1:
            raise ValueError(f"Output layer must read 1 column, not {geometry.columns_per_read}")
        word = _gains(banks)
        total = Shape.cast(sums)
        self.pooled, self.pool = line_buffer.positions, (1, 1)
        #: Shape of a word that leaves, and words of a map.
        self.word, self.words = results.shape, len(banks[0][0]) * math.prod(line_buffer.positions)
        scale_mux  = ScaleMux(word, banks, total, columns=1, protect=self.protect)
        self.muxes = [scale_mux]
        return {
            "scale_mux":    scale_mux,
            "logit_scaler": LogitScaler(word, total, results.shape, dropped=results.dropped,
                                        lanes=self.lanes),
        }

    def _schedule(self, reads):
        """Set ``map_cycles``, ``word_cycles``, ``first_read``, ``last_read`` and ``final_read``, those of a
        map that never waits.

        A word that completes a kernel position takes as many cycles as this has reads, any other word
        takes one. ``last_read`` is that of the last position that is pooled, which completes the map that
        is sent, ``final_read`` that of the last position of all.
        """
        line_buffer = self.line_buffer
        rows, columns = (whole * side for whole, side in zip(self.pooled, self.pool, strict=True))
        size, (down, right) = line_buffer.kernel, line_buffer.stride
        cycle, self.word_cycles, self.first_read = 0, [], None
        for y in range(line_buffer.padded[0]):
            for x in range(line_buffer.padded[1]):
                if line_buffer.is_inside(y, x):
                    self.word_cycles.append(cycle)
                row, column = y - size[0] + 1, x - size[1] + 1
                position = row >= 0 and column >= 0 and row % down == 0 and column % right == 0
                if position and self.first_read is None:
                    self.first_read = cycle + line_buffer.latency
                cycle += reads if position else 1
                if position:
                    self.final_read = cycle + line_buffer.latency - 1
                if position and row // down < rows and column // right < columns:
                    self.last_read = self.final_read
        self.map_cycles = cycle

    def elaborate(self, platform):
        m = Module()

        m.submodules.line_buffer = self.line_buffer
        m.submodules.reader      = self.reader
        m.submodules.crossbar    = self.crossbar
        for name, stage in self.stages.items():
            m.submodules[name] = stage
        entering = self.line_buffer.i
        m.d.comb += [
            entering.valid.eq(self.i.valid),
            entering.payload.eq(self._entering()),
            self.i.ready.eq(entering.ready),
        ]
        connect(m, self.line_buffer.o, self.reader.i)
        connect(m, self.reader.o, self.crossbar.i)
        if self.crossbar.macro is not None:
            for pins, tile in zip(self.arrays, self.crossbar.arrays, strict=True):
                connect(m, flipped(pins), tile)

        # The reads of a map have a credit for its results, so nothing behind the crossbar ever waits. Sums
        # of the adder can have a top bit too many, as it counts all row groups and tiles as full.
        adder, behind, *following = self.stages.values()
        m.d.comb += [
            adder.i.valid.eq(self.crossbar.o.valid),
            adder.i.payload.eq(self.crossbar.o.payload),
            adder.o.ready.eq(1),
            behind.i.valid.eq(adder.o.valid),
            behind.i.payload.choice.eq(adder.o.payload.choice),
        ]
        m.d.comb += [narrow.eq(wide) for narrow, wide in zip(
            behind.i.payload.sums, adder.o.payload.sums, strict=True)]
        for stage, sent in zip((behind, *following), (*(stage.i for stage in following), self.o),
                               strict=True):
            m.d.comb += [
                sent.valid.eq(stage.o.valid),
                Value.cast(sent.payload).eq(Value.cast(stage.o.payload)),
            ]
            if not stage.o.signature.always_ready:
                m.d.comb += stage.o.ready.eq(1)

        # Pass sets go past the layer. The reads of a map wait for a credit, and for its array or mask.
        m.d.comb += [
            self.o_sets.payload.set.eq(self.i_sets.payload.set),
            self.o_sets.payload.last.eq(self.i_sets.payload.last),
        ]
        chosen = self.reader.choices
        if self.choices is None:
            m.d.comb += [
                self.o_sets.valid.eq(self.i_sets.valid),
                self.i_sets.ready.eq(self.o_sets.ready),
                chosen.valid.eq(self.credit.valid),
                self.credit.ready.eq(chosen.ready),
            ]
        else:
            m.submodules.choices = queue = self.choices
            if self.masks is None:
                told = queue.i
                m.d.comb += told.payload.eq(self.i_sets.payload.choice)
            else:
                told = self.passes
                m.d.comb += [
                    told.payload.number.eq(self.i_sets.payload.choice),
                    told.payload.last.eq(self.i_sets.payload.last),
                ]
                connect(m, flipped(self.kept), queue.i)
            m.d.comb += [
                told.valid.eq(self.i_sets.valid & self.o_sets.ready),
                self.o_sets.valid.eq(self.i_sets.valid & told.ready),
                self.i_sets.ready.eq(self.o_sets.ready & told.ready),
                chosen.payload.eq(queue.o.payload),
                chosen.valid.eq(queue.o.valid & self.credit.valid),
                queue.o.ready.eq(chosen.ready & self.credit.valid),
                self.credit.ready.eq(chosen.ready & queue.o.valid),
            ]

        parity = Parity(m, self)
        parity.watch(self.line_buffer, self.crossbar, *self.stages.values(),
                     *([] if self.choices is None else [self.choices]))
        parity.report()

        return m


    def _entering(self):
        """The levels of the word that enters."""
        word = self.i.payload
        if self.value_bits is None:
            return word
        levels = []
        for channel, (thresholds, invert) in enumerate(self.entrance):
            level = level_of_value(word.word_select(channel, self.value_bits), thresholds)
            levels.append(~level if invert else level)
        return Cat(levels)


def _gains(banks):
    """Layout of the gains and offsets of ``banks``."""
    return gain_layout(*(signed_shape(fields[name] for of_array in banks for bank in of_array
                                      for fields in bank) for name in ("gain", "offset")))
