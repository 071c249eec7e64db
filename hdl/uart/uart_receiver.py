"""Bytes of a serial line."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hdl.uart.bit_clock import bit_clock, check_rate


__all__ = ["UartReceiver"]


class UartReceiver(wiring.Component):
    """Receive bytes of eight bits, the lowest first, after a start bit and before a stop bit.

    Each bit is read in its middle, as timed from the edge that begins the byte, so a line of a slightly
    different rate, 2 % at least, is read as well. A byte whose stop bit is not 1 is left out.

    Latency is from the middle of the stop bit two cycles and those of the synchronizer, two more.

    Parameters
    ----------
    clock_hz, baud : int
        Frequency of the clock and bits per second; see :func:`hdl.uart.bit_clock.check_rate`.

    Members
    -------
    rx : In(1)
        The line, of any clock; 1 where it is idle.
    o : Out(stream.Signature(8, always_ready=True))
        Bytes.
    """

    def __init__(self, clock_hz, baud):
        self.rate = check_rate(clock_hz, baud)
        super().__init__({
            "rx": In(1, init=1),
            "o":  Out(stream.Signature(8, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()

        line = Signal(init=1)
        # With a reset: a level of before would begin a byte.
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1, reset_less=False)

        clock, _ = self.rate
        busy  = Signal()
        count = Signal(range(10)) # bits that were read, among them the start bit
        bits  = Signal(8)
        phase, middle = bit_clock(m, self.rate, busy, name="bit")
        m.d.comb += self.o.payload.eq(bits)
        m.d.sync += self.o.valid.eq(0)
        # After a byte whose stop bit is missing the line has to be idle first.
        idle = Signal()
        with m.If(~busy):
            m.d.sync += idle.eq(line)
            with m.If(idle & ~line):
                m.d.sync += [busy.eq(1), count.eq(0), phase.eq(clock // 2)]
        with m.Elif(middle):
            m.d.sync += count.eq(count + 1)
            with m.If(count == 0):
                m.d.sync += busy.eq(~line) # or it was no start bit
            with m.Elif(count == 9):
                m.d.sync += [self.o.valid.eq(line), busy.eq(0), idle.eq(line)]
            with m.Else():
                m.d.sync += bits.eq(Cat(bits[1:], line))

        return m
