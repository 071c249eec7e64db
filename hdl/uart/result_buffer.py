"""Bytes of results, which are kept until they have arrived at the other end of a line."""

import operator

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.bus.result_output import packet_layout
from hdl.stream import moves


__all__ = ["ResultBuffer"]


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
        Bytes. They are withdrawn as ``again`` is 1.
    place : In(16)
        See below.
    release : In(1)
        Bytes before ``place`` have arrived; ignored unless that is one of those that are kept, or the one
        behind them.
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
        write, read = bytes_.write_port(), bytes_.read_port()

        end   = Signal(16)
        first = Signal(16) # that is kept
        next_ = Signal(16)
        known = Signal()
        m.d.comb += [
            self.i.ready.eq((end - first)[:16] < self.depth),
            write.addr.eq(end),
            write.data.eq(self.i.payload.data),
            write.en.eq(moves(self.i)),
            known.eq(self.release & ((self.place - first)[:16] <= (end - first)[:16])),
            next_.eq(self.next + moves(self.o)),
            read.addr.eq(next_),
            self.o.payload.eq(read.data),
        ]
        with m.If(known):
            m.d.sync += first.eq(self.place)
            with m.If(self.again):
                m.d.comb += next_.eq(self.place)
        m.d.sync += [
            end.eq(end + moves(self.i)),
            self.next.eq(next_),
            self.o.valid.eq(next_ != end),
            self.waiting.eq(end - next_),
        ]

        return m
