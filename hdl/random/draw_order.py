"""Draws of several accelerators from one source of random bits, image after image."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import stage


__all__ = ["DrawOrder"]


class DrawOrder(wiring.Component):
    """Let one instance after another draw the bits of an image.

    Each image has the bits that it would have if a single accelerator had computed all images, in order.
    An instance that has drawn the bits of its image waits until all others have.

    Latency is a cycle for a request and a cycle for a bit, throughput one of each per cycle; between the
    bits of two images there are ``overhead`` cycles beside those of a mask bank.

    Parameters
    ----------
    request : shape-like
        Shape of a request.
    instances : int
        Instances, at least 1.

    Members
    -------
    draw : tuple of stream.Signature(request), as In
        Requests of each instance. The ports are named ``draw_0`` and so on.
    bits : tuple of stream.Signature(1), as Out
        Bits for each instance, in the order of its requests. The ports are named ``bits_0`` and so on.
    drawn : In(instances)
        Which instance takes the last bit of an image in this cycle: the turn is the next one's.
    o : Out(stream.Signature(request))
        Requests to the source.
    i : In(stream.Signature(1))
        Its bits, in the order of the requests.
    """

    #: Cycles that a bit is late.
    overhead = 2

    def __init__(self, request, instances):
        self.instances = operator.index(instances)
        if self.instances < 1:
            raise ValueError(f"Instances must be at least 1, not {instances!r}")
        super().__init__({
            **{f"draw_{number}": In(stream.Signature(request)) for number in range(self.instances)},
            **{f"bits_{number}": Out(stream.Signature(1)) for number in range(self.instances)},
            "drawn": In(self.instances),
            "o":     Out(stream.Signature(request)),
            "i":     In(stream.Signature(1)),
        })

    @property
    def draw(self):
        return tuple(getattr(self, f"draw_{number}") for number in range(self.instances))

    @property
    def bits(self):
        return tuple(getattr(self, f"bits_{number}") for number in range(self.instances))

    def elaborate(self, platform):
        m = Module()

        turn = Signal(self.instances, init=1) # one-hot
        with m.If((turn & self.drawn).any()):
            m.d.sync += turn.eq(turn.rotate_left(1))

        request = stream.Signature(self.o.payload.shape()).create(path=("request",))
        bit     = stream.Signature(1).create(path=("bit",))
        m.d.comb += [
            request.valid.eq((turn & Cat(draw.valid for draw in self.draw)).any()),
            bit.ready.eq((turn & Cat(bits.ready for bits in self.bits)).any()),
        ]
        for number, (draw, bits) in enumerate(zip(self.draw, self.bits, strict=True)):
            with m.If(turn[number]):
                m.d.comb += request.payload.eq(draw.payload)
            m.d.comb += [
                draw.ready.eq(request.ready & turn[number]),
                bits.valid.eq(bit.valid & turn[number]),
                bits.payload.eq(bit.payload),
            ]
        with m.If(stage(m, request, self.o)):
            m.d.sync += self.o.payload.eq(request.payload)
        with m.If(stage(m, self.i, bit)):
            m.d.sync += bit.payload.eq(self.i.payload)

        return m
