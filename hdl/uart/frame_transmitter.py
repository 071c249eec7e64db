"""Frames to the bytes of a line."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import moves
from hdl.uart.frames import CHECK_BYTES, ESCAPE, FLAG, INVERTED, check_sequence


__all__ = ["FrameTransmitter", "frame_layout"]


def frame_layout():
    """A byte of a frame, and whether it is the last one."""
    return data.StructLayout({"data": 8, "last": 1})


class FrameTransmitter(wiring.Component):
    """Send frames of one byte or more, each with its frame check sequence behind it, between flags
    (:mod:`hdl.uart.frames`).

    Latency is one byte, the flag. A byte takes one cycle, or two where it is escaped, and a frame six bytes
    more than it has.

    Members
    -------
    i : In(stream.Signature(frame_layout()))
        Frames.
    o : Out(stream.Signature(8))
        Bytes of a line.
    """

    def __init__(self):
        super().__init__({
            "i": In(stream.Signature(frame_layout())),
            "o": Out(stream.Signature(8)),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.check = check = check_sequence()
        inside  = Signal() # of a frame, whose first flag is sent
        closing = Signal() # the check sequence follows
        place   = Signal(range(CHECK_BYTES + 1))
        escaped = Signal()
        byte    = Signal(8)
        special = Signal()
        sent    = Signal() # a byte of the frame or its check sequence
        m.d.comb += [
            byte.eq(Mux(closing, check.crc.word_select(place[:2], 8), self.i.payload.data)),
            special.eq(((byte == FLAG) | (byte == ESCAPE)) & ~escaped),
            self.o.payload.eq(Mux(special, ESCAPE, byte ^ Mux(escaped, INVERTED, 0))),
            self.o.valid.eq(closing | self.i.valid),
            sent.eq(moves(self.o) & inside & ~special),
            self.i.ready.eq(inside & ~closing & self.o.ready & ~special),
            check.valid.eq(moves(self.i)),
            check.data.eq(byte),
            check.start.eq(~inside),
        ]
        with m.If(~inside | (place == CHECK_BYTES)):
            m.d.comb += [special.eq(0), self.o.payload.eq(FLAG)]
        with m.If(moves(self.o)):
            m.d.sync += [escaped.eq(special), inside.eq(1)]
        with m.If(sent & ~closing):
            m.d.sync += closing.eq(self.i.payload.last)
        with m.If(sent & closing):
            m.d.sync += place.eq(place + 1)
            with m.If(place == CHECK_BYTES):
                m.d.sync += [place.eq(0), closing.eq(0), inside.eq(0)]

        return m
