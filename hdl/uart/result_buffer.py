"""Bytes of results, which are kept until they have arrived at the other end of a line."""

import operator

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.bus.result_output import packet_layout
from hdl.stream import delayed, moves


__all__ = ["SETTLES", "ResultBuffer"]


#: Cycles after which a release holds.
SETTLES = 3


class ResultBuffer(wiring.Component):
    """Send bytes in order, and again from any place that is not released.

    Places are numbers of bytes since reset, modulo 65,536. Throughput is one byte per cycle, latency two
    cycles.

    Parameters
    ----------
    depth : int
        Bytes that there is room for, a power of two from 8 to 32,768.

    Members
    -------
    i : In(stream.Signature(packet_layout(8)))
        Bytes. Packets are not told apart.
    o : Out(stream.Signature(8))
        Bytes. They are withdrawn where ``again`` holds.
    place : In(16)
        See below.
    release : In(1)
        Bytes before ``place`` have arrived; ignored unless that is one of those that are kept, or the one
        behind them. This holds :data:`SETTLES` cycles later, and only then is there another release that is
        not ignored.
    again : In(1)
        Sends from ``place`` on, with ``release``; ignored where that is.
    next : Out(16)
        Place of the byte that is sent next.
    waiting : Out(16)
        Bytes that are kept and not sent, by the cycle before.
    """

    def __init__(self, depth=2048):
        self.depth = operator.index(depth)
        if self.depth not in (1 << bits for bits in range(3, 16)):
            raise ValueError(f"Depth must be a power of two from 8 to 32768, not {depth!r}")
        super().__init__({
            "i":       In(stream.Signature(packet_layout(8))),
            "o":       Out(stream.Signature(8)),
            "place":   In(16),
            "release": In(1),
            "again":   In(1),
            "next":    Out(16),
            "waiting": Out(16),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.bytes = bytes_ = memory.Memory(shape=8, depth=self.depth, init=[])
        write = bytes_.write_port()
        read = bytes_.read_port()

        end   = Signal(16)
        first = Signal(16) # that is kept
        next_ = Signal(16)
        m.d.comb += [
            self.i.ready.eq((end - first)[:16] < self.depth),
            write.addr.eq(end),
            write.data.eq(self.i.payload.data),
            write.en.eq(moves(self.i)),
            next_.eq(self.next + moves(self.o)),
            read.addr.eq(next_),
            self.o.payload.eq(read.data),
        ]
        # How far the place and the end are from the first byte, and a cycle later whether that is too far.
        ahead = Signal(16)
        kept  = Signal(16)
        asked = Signal()
        known = Signal()
        m.d.sync += [
            ahead.eq(self.place - first),
            kept.eq(end - first),
            asked.eq(self.release),
            known.eq(asked & (ahead <= kept)),
        ]
        place, again = (delayed(m, value, SETTLES - 1, name=name) for value, name in (
            (self.place, "place_before"), (self.again, "again_before")))
        with m.If(known):
            m.d.sync += first.eq(place)
            with m.If(again):
                m.d.comb += next_.eq(place)
        m.d.sync += [
            end.eq(end + moves(self.i)),
            self.next.eq(next_),
            self.o.valid.eq(next_ != end),
            self.waiting.eq(end - next_),
        ]

        return m
