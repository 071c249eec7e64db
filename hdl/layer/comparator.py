"""Threshold comparison: the sums of a hidden layer against thresholds, which is its activation."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.scale_mux import scaled_layout
from hdl.levels import level_of
from hdl.stream import stage


__all__ = ["Comparator", "compared_layout"]


def compared_layout(*, lanes, columns, bits=1):
    """Per lane the levels of a group of channels, ``bits`` bits each, and whether to invert each."""
    return data.StructLayout({
        "reached": data.ArrayLayout(columns * bits, lanes),
        "invert":  data.ArrayLayout(columns, lanes),
    })


class Comparator(wiring.Component):
    """Compare each sum with the thresholds of its channel, in every lane.

    The outcome is a level: the number of thresholds with ``sum >= threshold``. ``invert`` (the gain of
    the batch normalization is negative) is only handed on: :class:`hdl.layer.pool.Pool` applies it
    after max-pooling, which must find the largest sum, and levels grow with the sum.

    Latency is ``latency`` cycles: one for levels of one bit, two for more (compare, count).
    Throughput is one group per cycle.

    Parameters
    ----------
    word : amaranth.lib.data.StructLayout
        Word of the scale memory, with ``threshold`` and ``invert``; the number of thresholds says how
        many ``bits`` a level has.
    sum_shape : shape-like
        Shape of a sum.
    lanes, columns : int
        Lanes, and channels of a group.

    Members
    -------
    i : In(stream.Signature(scaled_layout(word, sum_shape, lanes, columns)))
        Sums and the words of their channels.
    o : Out(stream.Signature(compared_layout(lanes, columns, bits)))
        Levels, not yet inverted.
    """

    def __init__(self, word, sum_shape, *, lanes, columns):
        self.lanes   = lanes
        self.columns = columns
        self.bits    = word["threshold"].shape.length.bit_length()
        self.latency = 1 if self.bits == 1 else 2
        super().__init__({
            "i": In(stream.Signature(scaled_layout(word, sum_shape, lanes=lanes, columns=columns))),
            "o": Out(stream.Signature(
                compared_layout(lanes=lanes, columns=columns, bits=self.bits))),
        })

    def elaborate(self, platform):
        m = Module()

        free    = stage(m, self.i, self.o, steps=self.latency)
        reached = Signal(data.ArrayLayout(
            data.ArrayLayout((1 << self.bits) - 1, self.columns), self.lanes))
        invert  = Signal(self.o.payload.invert.shape())
        compare = []
        for lane in range(self.lanes):
            for column in range(self.columns):
                word = self.i.payload.words[lane][column]
                compare += [
                    reached[lane][column].eq(Cat(
                        self.i.payload.sums[column] >= threshold for threshold in word.threshold)),
                    invert[lane][column].eq(word.invert),
                ]
        if self.bits == 1:
            m.d.comb += compare
        else:
            with m.If(free):
                m.d.sync += compare
        with m.If(free):
            m.d.sync += self.o.payload.invert.eq(invert)
            for lane in range(self.lanes):
                m.d.sync += self.o.payload.reached[lane].eq(Cat(map(level_of, reached[lane])))

        return m
