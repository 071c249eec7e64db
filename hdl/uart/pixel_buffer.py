"""Bytes of pixels between a line and an accelerator, which count only when their frame has proved right."""

import operator

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.bus.image_input import beat_layout
from hdl.stream import counter, moves, separate
from hdl.uart.frames import CHECK_BYTES


__all__ = ["PixelBuffer"]


class PixelBuffer(wiring.Component):
    """Keep the bytes of a frame, and send them on if they are committed.

    Throughput is one byte in two cycles, latency three cycles from the commit.

    Parameters
    ----------
    size : int
        Bytes of an image.
    depth : int
        Bytes that there is room for, a power of two from 8 to 32,768.

    Members
    -------
    i : In(stream.Signature(8, always_ready=True))
        Bytes, and a frame check sequence behind those of a frame.
    commit, abandon : In(1)
        The bytes of the frame count, but for its check sequence; or they do not. They never come with a
        byte.
    fits : Out(1)
        There was room for all bytes since the last commit or abandonment.
    taken, after : Out(16)
        Bytes that count, since reset and modulo 65,536; and how many it were with a commit.
    o : Out(stream.Signature(beat_layout(8)))
        Bytes that count, ``last`` with the last one of each image.
    """

    def __init__(self, size, depth=2048):
        self.size  = operator.index(size)
        self.depth = operator.index(depth)
        if self.size < 1:
            raise ValueError(f"Images must have at least 1 byte, not {size!r}")
        if self.depth not in (1 << bits for bits in range(3, 16)):
            raise ValueError(f"Depth must be a power of two from 8 to 32768, not {depth!r}")
        super().__init__({
            "i":       In(stream.Signature(8, always_ready=True)),
            "commit":  In(1),
            "abandon": In(1),
            "fits":    Out(1, init=1),
            "taken":   Out(16),
            "after":   Out(16),
            "o":       Out(stream.Signature(beat_layout(8))),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.bytes = bytes_ = memory.Memory(shape=8, depth=self.depth, init=[])
        write = bytes_.write_port()
        read = bytes_.read_port()

        end   = Signal(16) # of the bytes that are kept
        first = Signal(16) # the byte that leaves next
        next_ = Signal(16)
        room  = Signal()
        m.d.comb += [
            room.eq((end - first)[:16] < self.depth),
            write.addr.eq(end),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid & room),
            self.after.eq(end - CHECK_BYTES),
        ]
        with m.If(self.i.valid):
            m.d.sync += [end.eq(end + room), self.fits.eq(self.fits & room)]
        with m.If(self.commit | self.abandon):
            m.d.sync += [end.eq(Mux(self.commit, self.after, self.taken)), self.fits.eq(1)]
        with m.If(self.commit):
            m.d.sync += self.taken.eq(self.after)

        o = stream.Signature(beat_layout(8)).create(path=("byte_read",))
        separate(m, o, self.o) # as the memory and what is behind are long
        _, last = counter(m, self.size, moves(o), name="byte")
        m.d.comb += [
            next_.eq(first + moves(o)),
            read.addr.eq(next_),
            o.payload.data.eq(read.data),
            o.payload.keep.eq(1),
            o.payload.last.eq(last),
        ]
        m.d.sync += [first.eq(next_), o.valid.eq(next_ != self.taken)]

        return m
