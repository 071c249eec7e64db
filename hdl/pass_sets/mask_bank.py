"""Collection of the random choices of all passes of an image into masks, layer by layer."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port


__all__ = ["MaskBank"]


class MaskBank(wiring.Component):
    """For each image, draw a choice per pass and layer and hand every layer its masks.

    A choice has one bit, a keep bit, or several, the number of an array. Bits are drawn in pass-major
    order: pass 0 of layers 0, 1, ..., then pass 1, and so on, as passes run one after another would
    draw them (Scale-Dropout, eq. 20), and those of a choice from the most significant on. Each of
    them has a mask of its own, whose bit ``t`` is that of pass ``t``; bits from the image's number of
    passes on are zero. While masks wait to be used, the bits of the next images are drawn, up to
    ``AHEAD`` images.

    An image takes :meth:`interval` cycles when masks are taken as they come.

    Parameters
    ----------
    bits : sequence of int
        Bits of a choice of each layer, at least 1.
    passes : int
        T_max.
    protect : bool
        Check the parity of masks that wait.

    Members
    -------
    images : In(stream.Signature(range(passes + 1)))
        Number of passes of each image, from 1 to T_max.
    draw : Out(stream.Signature(range(len(bits))))
        Layer of each bit, to the random source.
    bits : In(stream.Signature(1))
        Bits, from the random source, in the order in which they were asked for.
    taken : Out(bits of a pass)
        One-hot: the bit of a pass, in the order in which they are drawn, that is taken in this cycle.
    masks : tuple of stream.Signature(passes * bits), as Out
        Per layer the masks of its bits for each image, that of the least significant bit lowest; their
        names are ``mask_0`` and so on.
    error : Out(1)
        1 for a cycle after a mask has lost its parity. Only with ``protect``.
    """

    #: Masks that can wait in front of each layer.
    AHEAD = 4

    #: Cycles from the last bit of an image to the first request of the next.
    overhead = 3

    def __init__(self, bits, passes, *, protect=False):
        self.choices = tuple(map(operator.index, bits))
        self.passes  = operator.index(passes)
        self.protect = protect
        super().__init__({
            "images": In(stream.Signature(range(passes + 1))),
            "draw":   Out(stream.Signature(range(len(self.choices)))),
            "bits":   In(stream.Signature(1)),
            "taken":  Out(sum(self.choices)),
            **{f"mask_{layer}": Out(stream.Signature(passes * bits))
               for layer, bits in enumerate(self.choices)},
            **error_port(protect),
        })

    @property
    def masks(self):
        return tuple(getattr(self, f"mask_{layer}") for layer in range(len(self.choices)))

    def interval(self, passes, rng):
        """Cycles from image to image of ``passes`` passes with the random source ``rng``, whose
        sources divide the bits of a pass evenly."""
        def asked(bits):
            turns, rest = divmod(bits, rng.count)
            return turns * max(rng.count, rng.interval) + rest

        bits = passes * sum(self.choices)
        return max(asked(bits), asked(bits - 1) + rng.latency + self.overhead)

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        # Bits of a pass in the order in which they are drawn: their layers, and their masks.
        layers = [layer for layer, bits in enumerate(self.choices) for _ in range(bits)]
        masks  = [Signal(self.passes, name=f"mask_{layer}_{bit}")
                  for layer, bits in enumerate(self.choices) for bit in reversed(range(bits))]
        queues = []
        for layer, sent in enumerate(self.masks):
            m.submodules[f"queue_{layer}"] = queue = parity.fifo(
                width=len(sent.payload), depth=self.AHEAD)
            queues.append(queue)
            m.d.comb += [
                sent.valid.eq(queue.r_rdy),
                sent.payload.eq(queue.r_data),
                queue.r_en.eq(sent.ready),
                queue.w_data.eq(Cat(mask for mask, of in zip(reversed(masks), reversed(layers),
                                                             strict=True) if of == layer)),
            ]

        # Requests run ahead of answers; each counts passes down and the bits of a pass up.
        to_ask  = Signal(range(self.passes + 1))
        to_hear = Signal(range(self.passes + 1))
        asked   = Signal(range(len(layers)))
        heard   = Signal(range(len(layers)))
        at      = Signal(self.passes) # one-hot: the pass that is answered
        # Only masks handed out take room, and those of two images are far apart.
        room = Signal()
        m.d.sync += room.eq(Cat(queue.w_rdy for queue in queues).all())

        m.d.comb += [
            self.draw.valid.eq(to_ask != 0),
            self.draw.payload.eq(asked if set(self.choices) == {1} else Array(layers)[asked]),
        ]
        with m.If(self.draw.valid & self.draw.ready):
            m.d.sync += asked.eq(asked + 1)
            with m.If(asked == len(layers) - 1):
                m.d.sync += [asked.eq(0), to_ask.eq(to_ask - 1)]

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
                        with m.If(heard == index):
                            m.d.comb += self.taken[index].eq(1)
                            m.d.sync += mask.eq(mask | at & self.bits.payload.replicate(self.passes))
                    m.d.sync += heard.eq(heard + 1)
                    with m.If(heard == len(layers) - 1):
                        m.d.sync += [heard.eq(0), at.eq(at << 1), to_hear.eq(to_hear - 1)]
                        with m.If(to_hear == 1):
                            m.next = "Hand out"
            with m.State("Hand out"):
                with m.If(room):
                    m.d.comb += [queue.w_en.eq(1) for queue in queues]
                    m.next = "Idle"
        parity.report()

        return m
