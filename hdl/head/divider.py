# amaranth: UnusedElaboratable=no
"""Reciprocals by restoring division."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import moves


__all__ = ["RECIPROCAL", "Divider"]


#: Bits of a reciprocal.
RECIPROCAL = 18


class Divider(wiring.Component):
    """Form the reciprocal ``(2 ** 34 - 1) // i`` of a sum, a bit of it per cycle.

    Latency is 19 cycles; a sum is taken at earliest in the cycle after the reciprocal of the one before has
    been taken, ``interval`` cycles after that one.

    Parameters
    ----------
    shape : range
        Values of a sum, at least ``2 ** 16``.

    Members
    -------
    i : In(stream.Signature(shape))
        Sums.
    o : Out(stream.Signature(18))
        Reciprocals.
    """

    interval = RECIPROCAL + 2

    def __init__(self, shape):
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(RECIPROCAL)),
        })

    def elaborate(self, platform):
        m = Module()

        # The dividend is 34 ones. The sum is at least 2 ** 16, so the upper 16 of them are less than it:
        # they are the first remainder, and 18 steps are left.
        divisor   = Signal.like(self.i.payload)
        remainder = Signal.like(divisor)
        step      = Signal(range(RECIPROCAL + 1))
        busy      = Signal()
        trial     = Signal(signed(len(remainder) + 2))
        m.d.comb += [
            trial.eq(Cat(Const(1, 1), remainder) - divisor),
            self.i.ready.eq(~busy),
            self.o.valid.eq(busy & (step == 0)),
        ]
        with m.If(moves(self.i)):
            m.d.sync += [
                busy.eq(1),
                divisor.eq(self.i.payload),
                remainder.eq((1 << 16) - 1),
                step.eq(RECIPROCAL),
            ]
        with m.Elif(step != 0):
            m.d.sync += [
                step.eq(step - 1),
                self.o.payload.eq(Cat(trial >= 0, self.o.payload)),
                remainder.eq(Mux(trial >= 0, trial, Cat(Const(1, 1), remainder))),
            ]
        with m.If(moves(self.o)):
            m.d.sync += busy.eq(0)

        return m
