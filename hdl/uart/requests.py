"""What a host asks over a line: frames that are requests."""

import enum

from amaranth import *
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.uart.frames import CHECK_BYTES


__all__ = ["HEADER_BYTES", "QUEUE", "Kind", "Requests", "request_layout"]


class Kind(enum.IntEnum):
    """What is asked for: the first byte of a request."""

    EXCHANGE = 1 #: Take pixels, and give results.
    AGAIN    = 2 #: The same, with results from a place on that some were already given from.
    READ     = 3 #: Read a register.
    WRITE    = 4 #: Write a register.
    RESET    = 5 #: Reset the accelerator, and all that is on its way.
    NACK     = 0x7F #: No request: a frame was wrong, or there was no room for it.


#: Bytes of a request before pixels, as :func:`request_layout` has them.
HEADER_BYTES = 8

#: Requests that may wait for their answer.
QUEUE = 4


def request_layout():
    """The head of a request; in the frame each field is little-endian.

    ``tag`` is a number that the answer has too. ``place`` is, of an exchange, the number of bytes of pixels
    before these, and where the request waits for its answer, of those that have been taken; else the
    address of a register. ``value`` is what is written, or of an exchange the number of bytes of results
    that have arrived (the lower half) and of those that may be given (the upper half). Numbers of bytes
    are modulo 65,536.
    """
    return data.StructLayout({"kind": 8, "tag": 8, "place": 16, "value": 32})


class Requests(wiring.Component):
    """Make requests of frames, and hand their pixels to a :class:`hdl.uart.pixel_buffer.PixelBuffer`.

    Each good frame that is a request is one, and each other frame a :attr:`Kind.NACK`; but where
    :data:`QUEUE` wait for their answer a frame is lost, pixels and all. Pixels are taken if they are the
    next ones and there is room for all of them. So whatever becomes of a frame, no byte is taken twice or
    left out.

    Members
    -------
    i : In(stream.Signature(8, always_ready=True)), end, good : In(1)
        Frames, as of :class:`hdl.uart.frame_receiver.FrameReceiver`.
    pixels : Out(stream.Signature(8, always_ready=True))
    commit, abandon : Out(1)
    fits : In(1)
    taken, after : In(16)
        Ports of the buffer.
    bad : Out(16)
        Frames since reset that were wrong or lost, modulo 65,536.
    o : Out(stream.Signature(request_layout()))
        Requests, in order.
    """

    def __init__(self):
        super().__init__({
            "i":       In(stream.Signature(8, always_ready=True)),
            "end":     In(1),
            "good":    In(1),
            "pixels":  Out(stream.Signature(8, always_ready=True)),
            "commit":  Out(1),
            "abandon": Out(1),
            "fits":    In(1),
            "taken":   In(16),
            "after":   In(16),
            "bad":     Out(16),
            "o":       Out(stream.Signature(request_layout())),
        })

    def elaborate(self, platform):
        m = Module()

        header = Signal(request_layout())
        # The number of the byte; the last one is that of all others.
        place  = Signal(range(HEADER_BYTES + CHECK_BYTES + 1))
        whole  = Signal()
        inside = Signal() # behind the header
        m.d.comb += [inside.eq(place >= HEADER_BYTES), whole.eq(place == HEADER_BYTES + CHECK_BYTES)]
        with m.If(self.i.valid & ~whole):
            m.d.sync += place.eq(place + 1)
        with m.If(self.i.valid & ~inside):
            m.d.sync += header.as_value().word_select(place[:3], 8).eq(self.i.payload)

        # Registers, as what is behind them is long; the header is known some bytes before they are needed.
        exchange = Signal()
        expected = Signal()
        real     = Signal()
        m.d.sync += [
            exchange.eq((header.kind == Kind.EXCHANGE) | (header.kind == Kind.AGAIN)),
            expected.eq(exchange & (header.place == self.taken)),
            real.eq((header.kind >= Kind.EXCHANGE) & (header.kind <= Kind.RESET)),
        ]
        known = Signal()
        m.d.comb += [
            known.eq(self.good & whole & real),
            self.pixels.payload.eq(self.i.payload),
            self.pixels.valid.eq(self.i.valid & inside & expected),
        ]

        layout = request_layout()
        m.submodules.queue = queue = fifo.SyncFIFO(width=layout.size, depth=QUEUE)
        entry  = Signal(layout)
        m.d.comb += [
            entry.eq(header),
            queue.w_data.eq(entry),
            queue.w_en.eq(self.end & queue.w_rdy),
            self.commit.eq(queue.w_en & known & expected & self.fits),
            self.abandon.eq(self.end & ~self.commit),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        with m.If(exchange):
            m.d.comb += entry.place.eq(Mux(self.commit, self.after, self.taken))
        with m.If(~known):
            m.d.comb += [entry.eq(0), entry.kind.eq(Kind.NACK)]
        with m.If(self.end):
            m.d.sync += [place.eq(0), self.bad.eq(self.bad + ~(known & queue.w_rdy))]

        return m
