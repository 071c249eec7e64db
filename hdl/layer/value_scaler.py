"""Values in fixed point: the scaled sums of a layer whose results are added to others."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layer.scale_mux import scaled_layout
from hdl.stream import delayed, stage


__all__ = ["ValueScaler"]


class ValueScaler(wiring.Component):
    """Form ``(gain * sum + offset) >> dropped`` of each sum, in every lane, no less and no more than
    ``bits`` bits in two's complement hold.

    A value v leaves as ``v + 2 ** (bits - 1)``, which is not negative, so its top bit says whether v is 0
    or above.

    Latency is five cycles (operands, product, product again, scaled, value), throughput one group of sums
    per cycle. The product has a second register because a multiplier block is slow and placed far from
    logic.

    Parameters
    ----------
    word : amaranth.lib.data.StructLayout
        Word of the scale memory, with ``gain`` and ``offset``, both signed.
    sum_shape : shape-like
        Shape of a sum.
    bits : int
        Bits of a value.
    dropped : int
        Lowest bits of a scaled sum, which are dropped.
    lanes, columns : int
        Lanes, and channels of a group.

    Members
    -------
    i : In(stream.Signature(scaled_layout(word, sum_shape, lanes, columns)))
        Sums and the words of their channels.
    o : Out(stream.Signature(ArrayLayout(columns * bits, lanes)))
        Values in each lane, that of the first channel lowest.
    """

    latency = 5

    def __init__(self, word, sum_shape, *, bits, dropped=0, lanes, columns):
        self.bits    = bits
        self.dropped = dropped
        self.lanes   = lanes
        self.columns = columns
        super().__init__({
            "i": In(stream.Signature(scaled_layout(word, sum_shape, lanes=lanes, columns=columns))),
            "o": Out(stream.Signature(data.ArrayLayout(columns * bits, lanes))),
        })

    def elaborate(self, platform):
        m = Module()

        zero = 1 << self.bits - 1
        free = stage(m, self.i, self.o, steps=self.latency)
        with m.If(free):
            operands = Signal.like(self.i.payload)
            m.d.sync += operands.eq(self.i.payload)
            for lane in range(self.lanes):
                for column in range(self.columns):
                    which   = f"{lane}_{column}"
                    word    = operands.words[lane][column]
                    first   = Signal.like(word.gain * operands.sums[column], name=f"first_{which}")
                    product = Signal.like(first, name=f"product_{which}")
                    offset  = delayed(m, word.offset, 2, name=f"offset_{which}")
                    total   = (product + offset) >> self.dropped
                    scaled  = Signal.like(total, name=f"scaled_{which}")
                    value   = self.o.payload[lane].word_select(column, self.bits)
                    m.d.sync += [
                        first.eq(word.gain * operands.sums[column]),
                        product.eq(first),
                        scaled.eq(total),
                    ]
                    with m.If(scaled < -zero):
                        m.d.sync += value.eq(0)
                    with m.Elif(scaled >= zero):
                        m.d.sync += value.eq(2 * zero - 1)
                    with m.Else():
                        m.d.sync += value.eq(scaled + zero)

        return m
