# amaranth: UnusedElaboratable=no
"""The words of results, made of what was added up."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.head.result import result_layout, totals_layout
from hdl.stream import moves


__all__ = ["Report"]


class Report(wiring.Component):
    """Send the words of results: the statistics of a class, joined with those of its position.

    Latency is two cycles. A word is taken only after the one before has left.

    Parameters
    ----------
    classes, passes : int
        See :class:`hdl.head.averaging.Averaging`.
    agreement : fraction or None
        Share of the passes in which a class must be confident, or the input is rejected. None: that of the
        port.

    Members
    -------
    i : In(stream.Signature(StructLayout({"totals", "votes", "index"})))
        Statistics of a class, and its number.
    passes, largest, surest : In(range(passes + 1)), In(range(classes)), In(range(passes + 1))
        Passes of the image, the class of the largest sum of the position, and the confident passes of the
        class that has most of them: the same from two cycles before the first word of the position is
        loaded into ``o`` until the last one is.
    final : In(1)
        Whether the position is the last one of its image, as long the same.
    agreement : In(7)
        This share in per cent, as long the same as ``passes``, if there is no other.
    fault : In(1)
        ``error`` of the word that is loaded into ``o``.
    o : Out(stream.Signature(result_layout(classes, passes)))
        Results.
    """

    def __init__(self, classes, passes, *, agreement):
        self.classes = classes
        self.most    = passes
        self.share   = agreement
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({
                "totals": totals_layout(passes), "votes": range(passes + 1), "index": range(classes)}))),
            "passes":  In(range(passes + 1)),
            "largest": In(range(classes)),
            "surest":  In(range(passes + 1)),
            "final":   In(1, init=1),
            "fault":   In(1),
            **({"agreement": In(7)} if agreement is None else {}),
            "o": Out(stream.Signature(result_layout(classes, passes))),
        })

    def elaborate(self, platform):
        m = Module()

        # ``surest / passes < agreement``, without a division.
        part, whole = ((self.agreement, 100) if self.share is None else
                       (self.share.numerator, self.share.denominator))
        required = Signal(range((127 if self.share is None else part) * self.most + 1))
        reject   = Signal()
        m.d.sync += [
            required.eq(_times(self.passes, part)),
            reject.eq(_times(self.surest, whole) < required),
        ]

        # Two steps: a row, which gathers what the memories gave, then a word.
        row       = Signal(self.i.payload.totals.shape())
        row_votes = Signal.like(self.i.payload.votes)
        row_index = Signal.like(self.i.payload.index)
        row_valid = Signal()
        free      = Signal()
        word      = self.o.payload
        # Rows come too seldom to fill `o` in the cycle in which its word leaves.
        m.d.comb += [free.eq(~self.o.valid), self.i.ready.eq(free)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(free):
            m.d.sync += [
                row_valid.eq(self.i.valid),
                self.o.valid.eq(row_valid),
                word.sum.eq(row.sum),
                word.square.eq(row.square),
                word.votes.eq(row_votes),
                word.confident.eq(row.confident),
                word.prediction.eq(self.largest),
                word.reject.eq(reject),
                word.passes.eq(self.passes),
                word.last.eq(self.final & (row_index == self.classes - 1)),
                word.error.eq(self.fault),
            ]
        with m.If(moves(self.i)):
            m.d.sync += [
                row.eq(self.i.payload.totals),
                row_votes.eq(self.i.payload.votes),
                row_index.eq(self.i.payload.index),
            ]

        return m


def _times(value, factor):
    """Product by shifts and sums, as multipliers of an FPGA are far from other logic."""
    if isinstance(factor, int):
        return sum(value << bit for bit in range(factor.bit_length()) if factor >> bit & 1)
    return sum(Mux(bit, value << place, 0) for place, bit in enumerate(factor))
