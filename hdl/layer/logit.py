"""Scaled sums of the output layer."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.scale_mux import scaled_layout


__all__ = ["LogitScaler"]


class LogitScaler(wiring.Component):
    """Form ``(gain * sum + offset) >> dropped`` in every lane.

    Latency is four cycles (operands, product, product, logit), throughput one sum per cycle. A
    multiplier is slow and far from logic, so the register behind it has one more behind it.

    Parameters
    ----------
    word : amaranth.lib.data.StructLayout
        Word of the scale memory, with ``gain`` and ``offset``, both signed.
    sum_shape : shape-like
        Shape of a sum.
    logit : shape-like
        Shape of a logit, signed; the caller makes it wide enough for every word.
    dropped : int
        Lowest bits of a scaled sum that are left out.
    banks : int
        Lanes.

    Members
    -------
    i : In(stream.Signature(scaled_layout(word, sum_shape, banks, 1)))
        Sums and their words, one channel at a time.
    o : Out(stream.Signature(ArrayLayout(logit, banks)))
        Logits.
    """

    latency = 4

    def __init__(self, word, sum_shape, logit, *, dropped=0, banks):
        self.dropped = dropped
        self.banks   = banks
        super().__init__({
            "i": In(stream.Signature(scaled_layout(word, sum_shape, banks=banks, columns=1))),
            "o": Out(stream.Signature(data.ArrayLayout(logit, banks))),
        })

    def elaborate(self, platform):
        m = Module()

        advance = Signal()
        valid   = Signal(3)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance),
        ]
        with m.If(advance):
            m.d.sync += Cat(valid, self.o.valid).eq(Cat(self.i.valid, valid))
            operands = Signal.like(self.i.payload)
            m.d.sync += operands.eq(self.i.payload)
            for lane in range(self.banks):
                word    = operands.words[lane][0]
                first   = Signal.like(word.gain * operands.sums[0], name=f"first_{lane}")
                product = Signal.like(first, name=f"product_{lane}")
                offsets = [Signal.like(word.offset, name=f"offset_{lane}_{step}") for step in range(2)]
                m.d.sync += [
                    first.eq(word.gain * operands.sums[0]),
                    product.eq(first),
                    Cat(offsets).eq(Cat(word.offset, offsets)),
                    self.o.payload[lane].eq((product + offsets[-1]) >> self.dropped),
                ]

        return m
