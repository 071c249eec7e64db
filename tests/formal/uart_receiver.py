"""Proofs about bytes of a serial line."""

from functools import partial

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Cat, Const, Cover, Mux, Signal

from hdl.uart.uart_receiver import UartReceiver
from tests.formal.proof import Proof


def receives_each_byte_once(m, dut):
    """Of a line that has noise and then rests for as long as a byte, each byte that follows comes once and
    unchanged, before the one behind it has ended; and nothing else comes.
    """
    clock, baud = dut.rate
    assert baud == 1
    noise, quiet = Signal(init=1), Signal(range(10 * clock + 4))
    line   = Signal()
    left   = Signal(range(11))
    frame  = Signal(10)
    time   = Signal(range(clock)) # of a bit
    begins = AnySeq(1)
    byte   = AnySeq(8)
    m.d.comb += [line.eq(Mux(noise, AnySeq(1), Mux(left == 0, 1, frame[0]))), dut.rx.eq(line)]
    m.d.sync += quiet.eq(Mux(line, quiet + 1, 0))
    clean = Signal(init=1) # nothing but rest since the reset
    m.d.sync += clean.eq(clean & line)
    with m.If(noise & line & (clean & AnySeq(1) | (quiet == 10 * clock + 3))):
        m.d.sync += noise.eq(0)
    ends = Signal()
    m.d.comb += ends.eq((left != 0) & (time == clock - 1))
    with m.If(left != 0):
        m.d.sync += time.eq(Mux(ends, 0, time + 1))
    with m.If(ends):
        m.d.sync += [left.eq(left - 1), frame.eq(Cat(frame[1:], Const(1)))]
    # Bytes that have begun and not come: the last one, and the one in front of it.
    last, before = Signal(8), Signal(8)
    due = Signal(range(3))
    begin = Signal()
    m.d.comb += begin.eq(~noise & begins & ((left == 0) | (left == 1) & ends))
    m.d.sync += due.eq(due + begin - dut.o.valid)
    with m.If(begin):
        m.d.sync += [left.eq(10), frame.eq(Cat(Const(0, 1), byte, Const(1, 1))), last.eq(byte),
                     before.eq(last)]
        # If none came, the third one would find two that are due.
        m.d.comb += [Assert(due != 2), Cover(dut.rx)]
    with m.If(noise):
        m.d.sync += due.eq(0)
    with m.Elif(dut.o.valid):
        m.d.comb += [Assert(due != 0), Assert(dut.o.payload == Mux(due == 2, before, last))]


PROOFS = [Proof(partial(UartReceiver, clock_hz=4, baud=1), receives_each_byte_once, "bmc", depth=130)]
