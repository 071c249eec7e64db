"""Comparison of sums with thresholds: the activation of a hidden layer."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.scale_mux import scaled_layout


__all__ = ["Comparator", "compared_layout", "level_of"]


def compared_layout(*, banks, columns, bits=1):
    """Per lane the levels of a group, ``bits`` bits per channel, and the bit to invert each by."""
    return data.StructLayout({
        "reached": data.ArrayLayout(columns * bits, banks),
        "invert":  data.ArrayLayout(columns, banks),
    })


def level_of(reached):
    """Number of ones of ``reached``, bits of a length of ``2 ** bits - 1``; a one is never after a zero.

    The middle one says which half the last one is in, and is the top bit of the number.
    """
    reached, level = list(reached), []
    while reached:
        middle  = len(reached) // 2
        top     = reached[middle]
        level   = [top, *level]
        reached = [Mux(top, upper, lower) for lower, upper in
                   zip(reached[:middle], reached[middle + 1:], strict=True)]
    return Cat(level)


class Comparator(wiring.Component):
    """Compare each sum with the thresholds of its channel, in every lane.

    The outcome is a level: the number of thresholds with ``sum >= threshold``. It is the max-pool that
    applies ``invert``: the level of the largest sum is the largest level.

    Latency is ``latency`` cycles: one for levels of one bit, two for more (compare, count).
    Throughput is one group per cycle.

    Parameters
    ----------
    word : amaranth.lib.data.StructLayout
        Word of the scale memory, with ``threshold`` and ``invert``; the number of thresholds says how
        many ``bits`` a level has.
    sum_shape : shape-like
        Shape of a sum.
    banks, columns : int
        Lanes, and channels of a group.

    Members
    -------
    i : In(stream.Signature(scaled_layout(word, sum_shape, banks, columns)))
        Sums and their words.
    o : Out(stream.Signature(compared_layout(banks, columns, bits)))
        Outcomes.
    """

    def __init__(self, word, sum_shape, *, banks, columns):
        self.banks   = banks
        self.columns = columns
        self.bits    = word["threshold"].shape.length.bit_length()
        self.latency = 1 if self.bits == 1 else 2
        super().__init__({
            "i": In(stream.Signature(scaled_layout(word, sum_shape, banks=banks, columns=columns))),
            "o": Out(stream.Signature(
                compared_layout(banks=banks, columns=columns, bits=self.bits))),
        })

    def elaborate(self, platform):
        m = Module()

        advance = Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance),
        ]
        valid   = Signal()
        reached = Signal(data.ArrayLayout(
            data.ArrayLayout((1 << self.bits) - 1, self.columns), self.banks))
        invert  = Signal(self.o.payload.invert.shape())
        compare = [valid.eq(self.i.valid)]
        for lane in range(self.banks):
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
            with m.If(advance):
                m.d.sync += compare
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(valid), self.o.payload.invert.eq(invert)]
            for lane in range(self.banks):
                m.d.sync += self.o.payload.reached[lane].eq(Cat(map(level_of, reached[lane])))

        return m
