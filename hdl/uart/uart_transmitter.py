"""Bytes to a serial line."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import moves
from hdl.uart.bit_clock import bit_clock, check_rate


__all__ = ["UartTransmitter"]


class UartTransmitter(wiring.Component):
    """Send bytes as :class:`hdl.uart.uart_receiver.UartReceiver` receives them, one after another without a
    gap: ten bits of the line each.

    Parameters
    ----------
    clock_hz, baud : int
        Frequency of the clock and bits per second; see :func:`hdl.uart.bit_clock.check_rate`.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes. One is taken when the one before has been sent.
    tx : Out(1)
        The line, a register.
    """

    def __init__(self, clock_hz, baud):
        self.rate = check_rate(clock_hz, baud)
        super().__init__({
            "i":  In(stream.Signature(8)),
            "tx": Out(1, init=1),
        })

    def elaborate(self, platform):
        m = Module()

        left = Signal(range(11)) # bits that are not sent
        bits = Signal(9)         # those behind the one on the line
        _, ends = bit_clock(m, self.rate, left != 0, name="bit")
        m.d.comb += self.i.ready.eq((left == 0) | (left == 1) & ends)
        with m.If(ends):
            m.d.sync += [left.eq(left - 1), Cat(self.tx, bits).eq(Cat(bits, 1))]
        with m.If(moves(self.i)):
            m.d.sync += [left.eq(10), Cat(self.tx, bits).eq(Cat(Const(0, 1), self.i.payload, Const(1, 1)))]

        return m
