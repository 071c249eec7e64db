"""Comparison of sums with thresholds: the activation of a hidden layer."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.scale_mux import scaled_layout


__all__ = ["Comparator", "compared_layout"]


def compared_layout(*, banks, columns):
    """Per lane the outcomes of the comparisons of a group, and the bits to invert them by."""
    return data.StructLayout({
        "reached": data.ArrayLayout(columns, banks),
        "invert":  data.ArrayLayout(columns, banks),
    })


class Comparator(wiring.Component):
    """Compare each sum with the threshold of its channel, in every lane.

    The outcome is ``sum >= threshold``. It is the max-pool that applies ``invert``: the pool of the
    sums, compared, is the OR of their comparisons.

    Latency is one cycle, throughput one group per cycle.

    Parameters
    ----------
    word : amaranth.lib.data.StructLayout
        Word of the scale memory, with ``threshold`` and ``invert``.
    sum_shape : shape-like
        Shape of a sum.
    banks, columns : int
        Lanes, and channels of a group.

    Members
    -------
    i : In(stream.Signature(scaled_layout(word, sum_shape, banks, columns)))
        Sums and their words.
    o : Out(stream.Signature(compared_layout(banks, columns)))
        Outcomes.
    """

    latency = 1

    def __init__(self, word, sum_shape, *, banks, columns):
        self.banks   = banks
        self.columns = columns
        super().__init__({
            "i": In(stream.Signature(scaled_layout(word, sum_shape, banks=banks, columns=columns))),
            "o": Out(stream.Signature(compared_layout(banks=banks, columns=columns))),
        })

    def elaborate(self, platform):
        m = Module()

        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
            for lane in range(self.banks):
                for column in range(self.columns):
                    word = self.i.payload.words[lane][column]
                    m.d.sync += [
                        self.o.payload.reached[lane][column].eq(
                            self.i.payload.sums[column] >= word.threshold),
                        self.o.payload.invert[lane][column].eq(word.invert),
                    ]

        return m
