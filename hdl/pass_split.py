"""Pass sets: which passes a map belongs to, and how a layer divides them."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["PassSplit", "pass_set_layout", "branches_layout"]


def pass_set_layout(passes):
    """Pass set of one map: bit ``t`` says whether the map belongs to pass ``t``.

    ``last`` marks the last map of an image.
    """
    return data.StructLayout({"set": passes, "last": 1})


def branches_layout(passes, banks):
    """Pass sets of the maps that one map becomes, one per lane, and ``last`` as above."""
    return data.StructLayout({"sets": data.ArrayLayout(passes, banks), "last": 1})


class PassSplit(wiring.Component):
    """Divide the pass set of each map by the keep bits of its layer.

    A map with the pass set ``S`` becomes the dropped map with ``S & ~mask`` in lane 0 and the kept
    map with ``S & mask`` in lane 1: the two are disjoint and together they are ``S``. A mask serves
    all maps of an image.

    Latency is one cycle, throughput one map per cycle.

    Parameters
    ----------
    passes : int
        T_max: bits of a pass set.

    Members
    -------
    i : In(stream.Signature(pass_set_layout(passes)))
        Pass sets of the maps that enter the layer.
    mask : In(stream.Signature(passes))
        Keep bits of the layer for each image: bit ``t`` is that of pass ``t``.
    o : Out(stream.Signature(branches_layout(passes, 2)))
        Pass sets of the maps that leave.
    """

    latency = 1

    def __init__(self, passes):
        super().__init__({
            "i":    In(stream.Signature(pass_set_layout(passes))),
            "mask": In(stream.Signature(passes)),
            "o":    Out(stream.Signature(branches_layout(passes, 2))),
        })

    def elaborate(self, platform):
        m = Module()

        free = Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(free & self.mask.valid),
            self.mask.ready.eq(free & self.i.valid & self.i.payload.last),
        ]
        with m.If(free):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & self.mask.valid),
                self.o.payload.sets[0].eq(self.i.payload.set & ~self.mask.payload),
                self.o.payload.sets[1].eq(self.i.payload.set & self.mask.payload),
                self.o.payload.last.eq(self.i.payload.last),
            ]

        return m
