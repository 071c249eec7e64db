"""Results of several instances of an accelerator, in the order of the images."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import vacant


__all__ = ["Collector"]


class Collector(wiring.Component):
    """Send the result of one image after another, from one instance after another.

    Latency is one cycle, throughput one word per cycle.

    Parameters
    ----------
    layout : amaranth.lib.data.StructLayout
        A word of a result, with ``last``.
    instances : int
        Instances, at least 1.

    Members
    -------
    i : tuple of stream.Signature(layout), as In
        Results of each instance. The ports are named ``i_0`` and so on.
    o : Out(stream.Signature(layout))
        Results in the order of the images.
    """

    latency = 1

    def __init__(self, layout, instances):
        self.instances = operator.index(instances)
        if self.instances < 1:
            raise ValueError(f"Instances must be at least 1, not {instances!r}")
        super().__init__({
            **{f"i_{number}": In(stream.Signature(layout)) for number in range(self.instances)},
            "o": Out(stream.Signature(layout)),
        })

    @property
    def i(self):
        return tuple(getattr(self, f"i_{number}") for number in range(self.instances))

    def elaborate(self, platform):
        m = Module()

        turn  = Signal(self.instances, init=1) # one-hot
        word  = Signal.like(self.o.payload)
        valid = Signal()
        free  = Signal()
        m.d.comb += [
            free.eq(vacant(self.o)),
            valid.eq((turn & Cat(each.valid for each in self.i)).any()),
        ]
        for number, each in enumerate(self.i):
            m.d.comb += each.ready.eq(free & turn[number])
            with m.If(turn[number]):
                m.d.comb += word.eq(each.payload)
        with m.If(free):
            m.d.sync += [self.o.valid.eq(valid), self.o.payload.eq(word)]
            with m.If(valid & word.last):
                m.d.sync += turn.eq(turn.rotate_left(1))

        return m
