"""Pixels of AXI4-Stream: whole images of packets of any length."""

import operator

from amaranth import *
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import moves


__all__ = ["WIDTHS", "ImageInput", "beat_layout"]


#: Bits of a beat that there may be.
WIDTHS = (8, 16, 32, 64)


def beat_layout(width):
    """A beat of AXI4-Stream: TDATA of ``width`` bits, the first byte lowest, TKEEP and TLAST."""
    return data.StructLayout({"data": width, "keep": width // 8, "last": 1})


class ImageInput(wiring.Component):
    """Hand on whole images of packets that should have one image each.

    The bytes of a packet are the components of its pixels in order. In a beat they are the lowest ones, up
    to the first one that is not kept; only the last beat of a packet needs to have fewer than all. A packet
    that ends early is filled up with zeros, of one that is too long the rest is dropped, and TLAST belongs
    to the beat of the last byte. So each packet is one image, whatever its length, and the next image
    begins with the next packet. Those of a wrong length are marked.

    Throughput is one pixel per cycle where a beat has the bytes of a pixel at least, else one beat per
    cycle; packets follow each other without a gap if the last byte of each is the last one of its beat.
    Latency is one cycle.

    Parameters
    ----------
    pixels : int
        Pixels of an image, at least 1.
    width : int
        Bits of a beat, one of :data:`WIDTHS`.
    colours : int
        Components of a pixel, of a byte each; at least 1.
    ahead : int
        Images whose marks can wait, and so the images that can be on their way: while there are so many, no
        beat is taken.

    Members
    -------
    i : In(stream.Signature(beat_layout(width)))
        Packets.
    o : Out(stream.Signature(8 * colours))
        Pixels, the first component in the lowest bits.
    marks : Out(stream.Signature(1))
        For each image, before its last pixel leaves: 1 if its packet was of a wrong length.
    enable : In(1)
        Packets are begun. One that has begun goes on.
    whole, mismatch : Out(1)
        1 for a cycle as an image is complete, and as a packet proves to be of a wrong length.
    busy : Out(1)
        An image has begun whose mark has not been taken.
    """

    latency = 1

    def __init__(self, pixels, *, width=32, colours=1, ahead=64):
        self.pixels  = operator.index(pixels)
        self.colours = operator.index(colours)
        self.ahead   = operator.index(ahead)
        if self.pixels < 1:
            raise ValueError(f"Images must have at least 1 pixel, not {pixels!r}")
        if width not in WIDTHS:
            raise ValueError(f"Width must be {', '.join(map(str, WIDTHS[:-1]))} or {WIDTHS[-1]}, not "
                             f"{width!r}")
        if self.colours < 1:
            raise ValueError(f"Pixels must have at least 1 component, not {colours!r}")
        self.lanes = width // 8
        super().__init__({
            "i":        In(stream.Signature(beat_layout(width))),
            "o":        Out(stream.Signature(8 * self.colours)),
            "marks":    Out(stream.Signature(1)),
            "enable":   In(1),
            "whole":    Out(1),
            "mismatch": Out(1),
            "busy":     Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.marks_queue = queue = fifo.SyncFIFO(width=1, depth=self.ahead)
        m.d.comb += [
            self.marks.payload.eq(queue.r_data),
            self.marks.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.marks.ready),
        ]

        # Bytes that wait, the first one lowest. A beat is taken when less than a pixel is left of them.
        lanes, colours = self.lanes, self.colours
        held  = Signal(8 * (lanes + colours - 1))
        count = Signal(range(lanes + colours))
        after = Signal(range(lanes + colours)) # what is left of the count
        rest  = Signal.like(held)
        m.d.comb += [
            self.o.payload.eq(held[:8 * colours]),
            self.o.valid.eq(count >= colours),
            after.eq(count),
            rest.eq(held),
        ]
        with m.If(moves(self.o)):
            m.d.comb += [after.eq(count - colours), rest.eq(held >> 8 * colours)]

        begun    = Signal() # a part of an image is taken
        filling  = Signal() # zeros end an image that is too short
        skipping = Signal() # the rest of a packet that is too long is dropped
        left     = Signal(range(self.pixels * colours + 1), init=self.pixels * colours) # bytes of the image
        space    = Signal()
        taken    = Signal()
        offered  = Signal(range(lanes + 1))
        inserted = Signal(range(lanes + 1))
        enough   = Signal() # for the image
        m.d.comb += [
            space.eq(after < colours),
            self.i.ready.eq(skipping | space & ~filling & queue.w_rdy & (begun | self.enable)),
            taken.eq(Mux(filling, space, moves(self.i) & ~skipping)),
            offered.eq(lanes),
            enough.eq(offered >= left),
            inserted.eq(Mux(enough, left, offered)),
        ]
        for lane in reversed(range(lanes)):
            with m.If(~self.i.payload.keep[lane] & ~filling):
                m.d.comb += offered.eq(lane)

        beat = Mux(filling, 0, self.i.payload.data)
        m.d.sync += [count.eq(after), held.eq(rest)]
        with m.If(taken):
            m.d.sync += [count.eq(after + inserted), begun.eq(~enough),
                         left.eq(Mux(enough, self.pixels * colours, left - inserted))]
            m.d.comb += self.whole.eq(enough)
            for place in range(colours):
                with m.If(after == place):
                    m.d.sync += held.eq(Cat(rest[:8 * place], beat))
        with m.If(taken & filling):
            m.d.sync += filling.eq(~enough)
        with m.Elif(taken):
            ends = self.i.payload.last
            m.d.comb += [
                queue.w_en.eq(enough | ends),
                queue.w_data.eq(~enough | ~ends | (offered != left)),
                self.mismatch.eq(queue.w_en & queue.w_data),
            ]
            m.d.sync += [filling.eq(~enough & ends), skipping.eq(enough & ~ends)]
        with m.If(skipping & moves(self.i) & self.i.payload.last):
            m.d.sync += skipping.eq(0)
        m.d.comb += self.busy.eq(begun | filling | queue.r_rdy)

        return m
