"""Collection of the keep bits of all passes of an image into one mask per layer."""

import operator

from amaranth import *
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["MaskBank"]


class MaskBank(wiring.Component):
    """For each image, draw a keep bit per pass and layer and hand every layer its mask.

    Bits are drawn in pass-major order: pass 0 of layers 0, 1, ..., then pass 1, and so on, as
    passes run one after another would draw them (Scale-Dropout, eq. 20). Bit ``t`` of a mask is
    pass ``t``; bits from the image's number of passes on are zero. While a mask waits to be used, the
    bits of the next images are drawn, up to ``AHEAD`` images.

    An image takes :meth:`interval` cycles when masks are taken as they come.

    Parameters
    ----------
    layers, passes : int
        Layers, and T_max.

    Members
    -------
    images : In(stream.Signature(range(passes + 1)))
        Number of passes of each image, from 1 to T_max.
    draw : Out(stream.Signature(range(layers)))
        Layer of each bit, to the random source.
    bits : In(stream.Signature(1))
        Bits, from the random source, in the order in which they were asked for.
    masks : Out(stream.Signature(passes)).array(layers)
        Masks, one per image.
    """

    #: Masks that can wait in front of each layer.
    AHEAD = 4

    #: Cycles from the last bit of an image to the first request of the next.
    overhead = 3

    def __init__(self, layers, passes):
        self.layers = operator.index(layers)
        self.passes = operator.index(passes)
        super().__init__({
            "images": In(stream.Signature(range(passes + 1))),
            "draw":   Out(stream.Signature(range(layers))),
            "bits":   In(stream.Signature(1)),
            "masks":  Out(stream.Signature(passes)).array(layers),
        })

    def interval(self, passes, rng):
        """Cycles from image to image of ``passes`` passes with the random source ``rng``."""
        bits = passes * self.layers
        return max(bits * rng.interval, (bits - 1) * rng.interval + rng.latency + self.overhead)

    def elaborate(self, platform):
        m = Module()

        queues = []
        for layer in range(self.layers):
            m.submodules[f"queue_{layer}"] = queue = fifo.SyncFIFO(width=self.passes, depth=self.AHEAD)
            queues.append(queue)
            m.d.comb += [
                self.masks[layer].valid.eq(queue.r_rdy),
                self.masks[layer].payload.eq(queue.r_data),
                queue.r_en.eq(self.masks[layer].ready),
            ]

        masks  = [Signal(self.passes, name=f"mask_{layer}") for layer in range(self.layers)]
        # Requests run ahead of answers; each counts passes down and layers up.
        to_ask, to_hear   = Signal(range(self.passes + 1)), Signal(range(self.passes + 1))
        ask_layer, layer  = Signal(range(self.layers)), Signal(range(self.layers))
        at = Signal(self.passes) # one-hot: the pass that is answered
        # Only masks handed out take room, and those of two images are far apart.
        room = Signal()
        m.d.sync += room.eq(Cat(queue.w_rdy for queue in queues).all())
        m.d.comb += [queue.w_data.eq(mask) for queue, mask in zip(queues, masks, strict=True)]

        m.d.comb += [
            self.draw.valid.eq(to_ask != 0),
            self.draw.payload.eq(ask_layer),
        ]
        with m.If(self.draw.valid & self.draw.ready):
            m.d.sync += ask_layer.eq(ask_layer + 1)
            with m.If(ask_layer == self.layers - 1):
                m.d.sync += [ask_layer.eq(0), to_ask.eq(to_ask - 1)]

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.images.ready.eq(1)
                with m.If(self.images.valid):
                    m.d.sync += [to_ask.eq(self.images.payload), to_hear.eq(self.images.payload)]
                    m.d.sync += at.eq(1)
                    m.d.sync += [mask.eq(0) for mask in masks]
                    m.next = "Draw"
            with m.State("Draw"):
                m.d.comb += self.bits.ready.eq(1)
                with m.If(self.bits.valid):
                    for index, mask in enumerate(masks):
                        with m.If(layer == index):
                            m.d.sync += mask.eq(mask | at & self.bits.payload.replicate(self.passes))
                    m.d.sync += layer.eq(layer + 1)
                    with m.If(layer == self.layers - 1):
                        m.d.sync += [layer.eq(0), at.eq(at << 1), to_hear.eq(to_hear - 1)]
                        with m.If(to_hear == 1):
                            m.next = "Hand out"
            with m.State("Hand out"):
                with m.If(room):
                    m.d.comb += [queue.w_en.eq(1) for queue in queues]
                    m.next = "Idle"

        return m
