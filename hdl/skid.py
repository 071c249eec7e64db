"""Skid buffer: cuts the path along which readiness travels backwards."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["Skid"]


class Skid(wiring.Component):
    """Pass words on; keep one aside when it cannot be, so that ``i.ready`` is a register.

    Latency is zero cycles, throughput one word per cycle.

    Parameters
    ----------
    shape : shape-like
        Shape of a word.

    Members
    -------
    i, o : In, Out(stream.Signature(shape))
        Words.
    """

    latency = 0

    def __init__(self, shape):
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()

        word  = Signal.like(Value.cast(self.i.payload))
        empty = Signal(init=1)
        m.d.comb += [
            self.i.ready.eq(empty),
            self.o.valid.eq(self.i.valid | ~empty),
            Value.cast(self.o.payload).eq(Mux(empty, self.i.payload, word)),
        ]
        with m.If(empty):
            m.d.sync += [word.eq(self.i.payload), empty.eq(~self.i.valid | self.o.ready)]
        with m.Else():
            m.d.sync += empty.eq(self.o.ready)

        return m
