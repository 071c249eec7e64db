"""Proofs about frames to the bytes of a line, with another check sequence."""

from unittest.mock import patch

from amaranth.hdl import Assert, Cat, Cover, Module, Mux, Signal

from hdl.uart.frame_transmitter import FrameTransmitter
from tests.formal.frame_receiver import Check
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


class Sum(Check):
    """A check sequence that turns and adds up bytes."""

    def elaborate(self, platform):
        m = Module()
        total = Signal(8)
        with m.If(self.valid):
            m.d.sync += total.eq(_next(total, self.data))
        with m.Elif(self.start):
            m.d.sync += total.eq(0)
        m.d.comb += self.crc.eq(_sequence(total))
        return m


def _next(total, byte):
    return total.rotate_left(1) ^ byte


def _sequence(total):
    return Cat(total, ~total, total ^ 0x7E, total ^ 0x7D)


class Summing(FrameTransmitter):
    def elaborate(self, platform):
        with patch("hdl.uart.frame_transmitter.check_sequence", Sum):
            return super().elaborate(platform)


def sends_each_frame_once(m, dut):
    """On the line are, for each frame, a flag, the bytes of the frame, its check sequence and a flag, with
    an escape before each byte that would be a flag or an escape, and bit 5 of that byte inverted. No byte
    is taken that is not sent in the same cycle.
    """
    free(m, dut)
    flag, escape = 0x7E, 0x7D
    inside, escaped = Signal(), Signal()
    left  = Signal(range(5)) # bytes of the check sequence that are not sent
    total = Signal(8)
    plain, now = Signal(8), Signal(8)
    m.d.comb += [plain.eq(dut.o.payload ^ Mux(escaped, 0x20, 0)),
                 now.eq(Mux(left == 0, dut.i.payload.data,
                            _sequence(total).word_select((4 - left)[:2], 8)))]
    special = (now == flag) | (now == escape)
    ending  = Signal() # the flag behind is missing
    with m.If(~moved(dut.o)):
        m.d.comb += Assert(~moved(dut.i))
    with m.Elif(~inside | ending):
        m.d.comb += [Assert(dut.o.payload == flag), Assert(~moved(dut.i)), Cover(ending)]
        m.d.sync += [inside.eq(~inside), ending.eq(0), total.eq(0)]
    with m.Elif(~escaped & special):
        m.d.comb += [Assert(dut.o.payload == escape), Assert(~moved(dut.i)), Cover(left == 2)]
        m.d.sync += escaped.eq(1)
    with m.Else():
        m.d.comb += [Assert(plain == now), Assert(moved(dut.i) == (left == 0))]
        m.d.sync += escaped.eq(0)
        with m.If(left == 0):
            m.d.sync += total.eq(_next(total, now))
            with m.If(dut.i.payload.last):
                m.d.sync += left.eq(4)
        with m.Else():
            m.d.sync += [left.eq(left - 1), ending.eq(left == 1)]


def answers_in_time(m, dut):
    """With bytes of the line taken within 2 cycles, a byte is taken within those of a check sequence, two
    flags and an escape."""
    free(m, dut)
    patient(m, dut.o.ready, 2, "line")
    answers_within(m, dut.i.valid & ~dut.i.ready, 3 * 12, "byte")
    m.d.comb += Cover(moved(dut.i))


PROOFS = [
    Proof(Summing, keeps_stream_rules), Proof(Summing, sends_each_frame_once),
    Proof(Summing, answers_in_time), Readiness(FrameTransmitter),
]
