"""Frames of the bytes of a line."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.uart.frames import ESCAPE, FLAG, INVERTED, check_sequence


__all__ = ["FrameReceiver"]


class FrameReceiver(wiring.Component):
    """Take apart what :class:`hdl.uart.frame_transmitter.FrameTransmitter` sends.

    A byte that was lost, doubled or changed makes a frame wrong, or two if it was a flag between them; from
    the next flag on all is well again. Between two flags may be nothing, which is no frame.

    Latency is one cycle.

    Members
    -------
    i : In(stream.Signature(8, always_ready=True))
        Bytes of a line.
    o : Out(stream.Signature(8, always_ready=True))
        Bytes of frames, with the check sequence at the end of each.
    end : Out(1)
        1 in the cycle in which a frame ends, which is after its last byte.
    good : Out(1)
        1 with ``end`` if the check sequence is that of the frame.
    """

    latency = 1

    def __init__(self):
        super().__init__({
            "i":    In(stream.Signature(8, always_ready=True)),
            "o":    Out(stream.Signature(8, always_ready=True)),
            "end":  Out(1),
            "good": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.check = check = check_sequence()
        byte    = self.i.payload
        flag    = Signal()
        escape  = Signal()
        begun   = Signal()
        escaped = Signal()
        m.d.comb += [
            flag.eq(self.i.valid & (byte == FLAG)),
            escape.eq(self.i.valid & (byte == ESCAPE)),
            check.valid.eq(self.i.valid & ~flag & ~escape),
            check.data.eq(byte ^ Mux(escaped, INVERTED, 0)),
            check.start.eq(flag),
        ]
        m.d.sync += [
            self.o.valid.eq(check.valid),
            self.o.payload.eq(check.data),
            self.end.eq(flag & begun),
            self.good.eq(flag & begun & check.match_detected & ~escaped),
        ]
        with m.If(flag):
            m.d.sync += [begun.eq(0), escaped.eq(0)]
        with m.Elif(self.i.valid):
            m.d.sync += [begun.eq(1), escaped.eq(escape)]

        return m
