"""Proofs about frames of the bytes of a line, whatever their check sequence says."""

from unittest.mock import patch

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.uart.frame_receiver import FrameReceiver
from tests.formal.proof import Proof
from tests.formal.streams import free


class Check(wiring.Component):
    """Has the ports of a check sequence, which a solver cannot see through, and finds anything at all right
    or wrong."""

    start: In(1)
    data: In(8)
    valid: In(1)
    crc: Out(32)
    match_detected: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.match_detected.eq(AnySeq(1))
        return m


class Free(FrameReceiver):
    def __init__(self):
        super().__init__()
        self.check = Check()

    def elaborate(self, platform):
        with patch("hdl.uart.frame_receiver.check_sequence", lambda: self.check):
            return super().elaborate(platform)


def hands_on_bytes_between_flags(m, dut):
    """Each byte of the line that is neither a flag nor an escape comes out once, in the cycle after, with
    bit 5 inverted behind an escape; the check sequence begins at each flag and has just these bytes. A
    frame ends, in the cycle after, at each flag with anything between it and the flag in front of it, and
    is good where its check sequence is, and no escape is the last byte. What was before a flag does not
    matter behind it.
    """
    free(m, dut)
    flag, escape = 0x7E, 0x7D
    byte, valid  = dut.i.payload, dut.i.valid
    # The byte in front: whether there was one since the flag, and whether it was an escape.
    some, escaped = Signal(), Signal()
    with m.If(valid):
        m.d.sync += [some.eq(byte != flag), escaped.eq(byte == escape)]
    given = Signal()
    m.d.comb += [
        given.eq(valid & (byte != flag) & (byte != escape)),
        Assert(dut.check.valid == given),
        Assert(dut.check.start == (valid & (byte == flag))),
    ]
    plain = Signal(8)
    m.d.comb += plain.eq(byte ^ Mux(escaped, 0x20, 0))
    with m.If(given):
        m.d.comb += Assert(dut.check.data == plain)
    late = Signal(8)
    gave, ended, right, begun = Signal(), Signal(), Signal(), Signal()
    m.d.sync += [
        late.eq(plain), gave.eq(given), begun.eq(1),
        ended.eq(valid & (byte == flag) & some),
        right.eq(dut.check.match_detected & ~escaped),
    ]
    m.d.comb += [
        Assert(dut.o.valid == gave),
        Assert(dut.end == ended),
        Assert(dut.good == (ended & right)),
        Cover(dut.good), Cover(dut.end & ~dut.good), Cover(gave & (late == 0x7E)),
    ]
    with m.If(gave):
        m.d.comb += Assert(dut.o.payload == late)


PROOFS = [Proof(Free, hands_on_bytes_between_flags)]
