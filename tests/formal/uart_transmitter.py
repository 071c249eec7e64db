"""Proofs about bytes to a serial line."""

from functools import partial

from amaranth.hdl import Assert, Cat, Const, Cover, Mux, Signal

from hdl.uart.uart_transmitter import UartTransmitter
from tests.formal.proof import Proof
from tests.formal.streams import answers_within, free, moved


def sends_each_byte_once(m, dut):
    """On the line is, from the cycle after a byte is taken on, a start bit, the bits of the byte, the
    lowest first, and a stop bit, each as long as the rate says; otherwise 1. No byte is taken before the
    one in front of it is sent.
    """
    free(m, dut)
    clock, baud = dut.rate
    # When each bit ends: a whole number of clocks, none of them more than one cycle off.
    left, frame, time = Signal(range(11)), Signal(10, init=0x3FF), Signal(range(clock + baud))
    ends = Signal()
    m.d.comb += [ends.eq((left != 0) & (time + baud >= clock)),
                 Assert(dut.tx == Mux(left == 0, 1, frame[0])),
                 Assert(~moved(dut.i) | (left == 0) | (left == 1) & ends),
                 Cover((left == 1) & ends & ~moved(dut.i)), Cover((left == 1) & moved(dut.i))]
    with m.If(left != 0):
        m.d.sync += time.eq(Mux(ends, time + baud - clock, time + baud))
    with m.If(ends):
        m.d.sync += [left.eq(left - 1), frame.eq(Cat(frame[1:], Const(1)))]
    with m.If(moved(dut.i)):
        m.d.sync += [left.eq(10), frame.eq(Cat(Const(0, 1), dut.i.payload, Const(1, 1)))]


def answers_in_time(m, dut):
    """A byte is taken within the ten bits of the one in front of it."""
    free(m, dut)
    clock, baud = dut.rate
    answers_within(m, dut.i.valid & ~dut.i.ready, -(-10 * clock // baud), "byte")
    m.d.comb += Cover(moved(dut.i))


PROOFS = [Proof(partial(UartTransmitter, clock_hz=clock, baud=baud), properties, reach=60)
          for clock, baud in ((4, 1), (9, 2)) for properties in (sends_each_byte_once, answers_in_time)]
