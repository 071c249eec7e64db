# amaranth: UnusedElaboratable=no
"""Numbers of a regression, as the averaging block takes them."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.head.softmax import PROBABILITY
from hdl.stream import stage


__all__ = ["OffsetBinary"]


class OffsetBinary(wiring.Component):
    """Turn signed numbers into words of 16 bits in offset binary: ``number + 2 ** 15``, held to 0 to 65535.

    It stands in the place of the softmax where a network answers with numbers
    (:attr:`gen.ir.Head.regression`).

    Latency is one cycle, throughput one number per cycle, so a number takes ``interval`` cycles.

    Parameters
    ----------
    number : shape-like
        Shape of a number, signed.

    Members
    -------
    i : In(stream.Signature(number))
        Numbers.
    o : Out(stream.Signature(16))
        Words.
    """

    latency = interval = 1

    def __init__(self, number):
        self.number = Shape.cast(number)
        super().__init__({
            "i": In(stream.Signature(self.number)),
            "o": Out(stream.Signature(PROBABILITY)),
        })

    def elaborate(self, platform):
        m = Module()

        middle = 1 << PROBABILITY - 1
        free   = stage(m, self.i, self.o)
        word   = Signal(PROBABILITY)
        m.d.comb += word.eq(self.i.payload + middle)
        if self.number.width > PROBABILITY:
            with m.If(self.i.payload < -middle):
                m.d.comb += word.eq(0)
            with m.Elif(self.i.payload >= middle):
                m.d.comb += word.eq(~0)
        with m.If(free):
            m.d.sync += self.o.payload.eq(word)

        return m
