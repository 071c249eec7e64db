"""Pixel input: finds the first pixel of each image and announces the image."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.pass_sets.pass_split import pass_set_layout
from hdl.stream import moves


__all__ = ["PixelInput"]


class PixelInput(wiring.Component):
    """Count pixels; with the first pixel of each image, announce its number of passes T.

    Pixels go through unchanged in the same cycle. ``passes`` is sampled as the first pixel of an image
    is taken; a value of 0 counts as 1, one above T_max as T_max. Two cycles later T is announced on
    ``masks``, and the first pass set of the image, {0, ..., T - 1}, is sent on ``sets``. Both wait in
    queues; while one of these is full, the first pixel of an image is not taken.

    Parameters
    ----------
    pixels : int
        Pixels of an image, at least 1.
    passes : int
        T_max.
    width : int
        Bits of a pixel.
    protect : bool
        Check the parity of announcements that wait.

    Members
    -------
    i, o : In, Out(stream.Signature(width))
        Pixels.
    passes : In(range(passes + 1))
        Passes of the next image.
    masks : Out(stream.Signature(range(passes + 1)))
        Number of passes of each image, for the mask bank (:mod:`hdl.random.mask_bank`).
    sets : Out(stream.Signature(pass_set_layout(passes)))
        Pass set of each image: the lowest T bits are 1.
    error : Out(1)
        1 for a cycle after an announcement has lost its parity. Only with ``protect``.
    """

    #: Announcements that can wait in each queue.
    AHEAD = 4

    #: Cycles from the first pixel of an image to its announcement.
    announcement = 2

    def __init__(self, pixels, passes, *, width=8, protect=False):
        self.pixels = operator.index(pixels)
        self.most   = operator.index(passes)
        self.protect = protect
        super().__init__({
            "i":      In(stream.Signature(width)),
            "o":      Out(stream.Signature(width)),
            "passes": In(range(passes + 1)),
            "masks":  Out(stream.Signature(range(passes + 1))),
            "sets":   Out(stream.Signature(pass_set_layout(passes))),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        first  = Signal(init=1)
        space  = Signal() # in both queues
        begin  = Signal()
        left   = Signal(range(self.pixels), init=self.pixels - 1)
        passes = Signal.like(self.passes)
        # An announcement is written a cycle later, so that the handshake of pixels depends on registers
        # of one bit only.
        announce  = Signal()
        announced = Signal.like(self.passes)
        m.d.sync += [announce.eq(begin), announced.eq(passes)]
        queues = []
        for port in (self.masks, self.sets):
            queue = parity.fifo(width=len(announced), depth=self.AHEAD)
            queues.append(queue)
            m.d.comb += [
                queue.w_en.eq(announce),
                queue.w_data.eq(announced),
                port.valid.eq(queue.r_rdy),
                queue.r_en.eq(port.ready),
            ]
        m.submodules.masks_queue, m.submodules.sets_queue = queues

        m.d.comb += [
            self.masks.payload.eq(queues[0].r_data),
            self.sets.payload.set.eq(Cat(queues[1].r_data > number for number in range(self.most))),
            self.sets.payload.last.eq(1),
            passes.eq(Mux(self.passes == 0, 1, Mux(self.passes > self.most, self.most, self.passes))),
            space.eq(queues[0].w_rdy & queues[1].w_rdy & ~announce),
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & (~first | space)),
            self.i.ready.eq(self.o.ready & (~first | space)),
            begin.eq(moves(self.i) & first),
        ]
        with m.If(moves(self.i)):
            m.d.sync += [first.eq(left == 0), left.eq(left - 1)]
            with m.If(left == 0):
                m.d.sync += left.eq(self.pixels - 1)
        parity.report()

        return m
