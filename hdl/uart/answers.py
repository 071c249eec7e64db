"""What a host is told over a line: an answer to each request."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.bus.axi_lite import OKAY, axi_lite_members
from hdl.stream import moves, separate
from hdl.uart.frame_transmitter import frame_layout
from hdl.uart.requests import HEADER_BYTES, Kind, request_layout
from hdl.uart.result_buffer import SETTLES


__all__ = ["ANSWER", "REFUSED", "Answers"]


#: Bits of ``kind`` that an answer has in addition to its request: always, and where there is no such
#: register or it cannot be written.
ANSWER, REFUSED = 0x80, 0x40

#: Cycles of a reset.
RESET_CYCLES = 16


class Answers(wiring.Component):
    """Answer requests, one after another, each with a frame.

    The frame begins as the request does (:func:`hdl.uart.requests.request_layout`), with :data:`ANSWER` in
    its ``kind``. If a register was read, ``value`` is what it holds. In the answer to an exchange, the
    lower half of ``value`` is the offset of the first byte of results in the stream of all results, the
    upper half the number of bad frames; bytes of results follow, as many as there are and as the request
    allows. Every second cycle at most has a byte.

    Members
    -------
    i : In(stream.Signature(request_layout()))
        Requests.
    bad : In(16)
        Bad frames.
    results : In(stream.Signature(8))
    place : Out(16)
    release, again : Out(1)
    next, waiting : In(16)
        Ports of a :class:`hdl.uart.result_buffer.ResultBuffer`.
    aw, w, b, ar, r
        Registers, from the side of a manager of AXI4-Lite (:func:`hdl.bus.axi_lite.axi_lite_members`).
    reset : Out(1)
        1 for :data:`RESET_CYCLES` where the request is a reset.
    o : Out(stream.Signature(frame_layout()))
        Answers.
    """

    def __init__(self):
        super().__init__({
            "i":       In(stream.Signature(request_layout())),
            "bad":     In(16),
            "results": In(stream.Signature(8)),
            "place":   Out(16),
            "release": Out(1),
            "again":   Out(1),
            "next":    In(16),
            "waiting": In(16),
            **{name: member.flip() for name, member in axi_lite_members().items()},
            "reset":   Out(1),
            "o":       Out(stream.Signature(frame_layout())),
        })

    def elaborate(self, platform):
        m = Module()

        request = Signal(request_layout())
        value   = data.View(data.StructLayout({"low": 16, "high": 16}), request.value)
        m.d.comb += [
            self.place.eq(value.low),
            self.aw.payload.eq(request.place),
            self.w.payload.data.eq(request.value),
            self.w.payload.strobe.eq(0xF),
            self.ar.payload.eq(request.place),
        ]
        count = Signal(16) # of bytes behind the header
        byte  = Signal(range(HEADER_BYTES))
        cycle = Signal(range(RESET_CYCLES))
        o = stream.Signature(frame_layout()).create(path=("word",))
        separate(m, o, self.o) # the paths from the buffer's memory and to the check of the frame are long
        m.d.comb += [
            o.payload.data.eq(request.as_value().word_select(byte, 8)),
            o.payload.last.eq((byte == HEADER_BYTES - 1) & (count == 0)),
        ]

        def request_is(kind, state):
            with m.If(request.kind == kind):
                m.next = state

        def answered(response):
            with m.If(response != OKAY):
                m.d.sync += request.kind.eq(request.kind | REFUSED)
            m.next = "head"

        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [request.eq(self.i.payload), byte.eq(0), count.eq(0)]
                with m.If(self.i.valid):
                    m.next = "begin"
            with m.State("begin"):
                m.d.sync += request.kind.eq(request.kind | ANSWER)
                m.next = "head"
                with m.If((request.kind == Kind.EXCHANGE) | (request.kind == Kind.AGAIN)):
                    m.d.comb += [self.release.eq(1), self.again.eq(request.kind == Kind.AGAIN)]
                    m.next = "settle"
                request_is(Kind.READ, "read")
                request_is(Kind.WRITE, "write address")
                request_is(Kind.RESET, "reset")
            with m.State("settle"): # the buffer goes to another place
                m.d.sync += cycle.eq(cycle + 1)
                with m.If(cycle == SETTLES - 2):
                    m.d.sync += cycle.eq(0)
                    m.next = "give"
            with m.State("give"):
                m.d.sync += [
                    count.eq(Mux(self.waiting < value.high, self.waiting, value.high)),
                    value.low.eq(self.next),
                    value.high.eq(self.bad),
                ]
                m.next = "head"
            with m.State("read"):
                m.d.comb += self.ar.valid.eq(1)
                with m.If(self.ar.ready):
                    m.next = "value"
            with m.State("value"):
                m.d.comb += self.r.ready.eq(1)
                m.d.sync += request.value.eq(self.r.payload.data)
                with m.If(self.r.valid):
                    answered(self.r.payload.resp)
            with m.State("write address"):
                m.d.comb += self.aw.valid.eq(1)
                with m.If(self.aw.ready):
                    m.next = "write"
            with m.State("write"):
                m.d.comb += self.w.valid.eq(1)
                with m.If(self.w.ready):
                    m.next = "written"
            with m.State("written"):
                m.d.comb += self.b.ready.eq(1)
                with m.If(self.b.valid):
                    answered(self.b.payload)
            with m.State("reset"):
                m.d.comb += self.reset.eq(1)
                m.d.sync += cycle.eq(cycle + 1)
                with m.If(cycle == RESET_CYCLES - 1):
                    m.next = "head"
            with m.State("head"):
                m.d.comb += o.valid.eq(1)
                with m.If(o.ready):
                    m.d.sync += byte.eq(byte + 1)
                    with m.If(byte == HEADER_BYTES - 1):
                        m.next = "idle"
                        with m.If(count != 0):
                            m.next = "body"
            with m.State("body"):
                m.d.comb += [
                    o.valid.eq(self.results.valid),
                    o.payload.data.eq(self.results.payload),
                    o.payload.last.eq(count == 1),
                    self.results.ready.eq(o.ready),
                ]
                with m.If(moves(o)):
                    m.d.sync += count.eq(count - 1)
                    with m.If(count == 1):
                        m.next = "idle"

        return m
