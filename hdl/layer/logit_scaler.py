"""Logits: the scaled sums of the output layer."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.scale_mux import scaled_layout
from hdl.stream import delayed, stage


__all__ = ["LogitScaler"]


class LogitScaler(wiring.Component):
    """Form ``(gain * sum + offset) >> dropped`` in every lane.

    Latency is four cycles (operands, product, product again, logit), throughput one sum per cycle. The
    product has a second register because a multiplier block is slow and placed far from logic.

    Parameters
    ----------
    word : amaranth.lib.data.StructLayout
        Word of the scale memory, with ``gain`` and ``offset``, both signed.
    sum_shape : shape-like
        Shape of a sum.
    logit : shape-like
        Shape of a logit, signed, wide enough for all words and sums.
    dropped : int
        Lowest bits of a scaled sum, which are dropped.
    lanes : int
        Lanes.

    Members
    -------
    i : In(stream.Signature(scaled_layout(word, sum_shape, lanes, 1)))
        Sums and the words of their channels, one channel at a time.
    o : Out(stream.Signature(ArrayLayout(logit, lanes)))
        Logits.
    """

    latency = 4

    def __init__(self, word, sum_shape, logit, *, dropped=0, lanes):
        self.dropped = dropped
        self.lanes   = lanes
        super().__init__({
            "i": In(stream.Signature(scaled_layout(word, sum_shape, lanes=lanes, columns=1))),
            "o": Out(stream.Signature(data.ArrayLayout(logit, lanes))),
        })

    def elaborate(self, platform):
        m = Module()

        free = stage(m, self.i, self.o, steps=self.latency)
        with m.If(free):
            operands = Signal.like(self.i.payload)
            m.d.sync += operands.eq(self.i.payload)
            for lane in range(self.lanes):
                word    = operands.words[lane][0]
                first   = Signal.like(word.gain * operands.sums[0], name=f"first_{lane}")
                product = Signal.like(first, name=f"product_{lane}")
                offset  = delayed(m, word.offset, 2, name=f"offset_{lane}")
                m.d.sync += [
                    first.eq(word.gain * operands.sums[0]),
                    product.eq(first),
                    self.o.payload[lane].eq((product + offset) >> self.dropped),
                ]

        return m
