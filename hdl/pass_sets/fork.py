"""Fork of a stream of maps: every way gets each map with its pass set."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.pass_sets.pass_split import pass_set_layout


__all__ = ["Fork"]


class Fork(wiring.Component):
    """Send each word and each pass set on all ways.

    A word passes when all ways take it in the same cycle. Whether a way is ready for a word must not depend
    on whether one is offered to it, and once it is ready it must stay so until it gets one. A pass set is
    taken from each way by itself, and the next one follows when all have it. Latency is none, throughput
    that of the slowest way.

    Parameters
    ----------
    shape : shape-like
        A word of a map.
    passes, outcomes : int
        T_max, and outcomes of the choice that goes with a pass set.
    ways : int
        Ways, at least 2.

    Members
    -------
    i, o_0, ... : stream.Signature(width)
        Words that enter, and that leave on each way.
    i_sets, o_sets_0, ... : stream.Signature(pass_set_layout(passes, outcomes))
        Pass sets, likewise.
    """

    def __init__(self, shape, *, passes, outcomes=1, ways):
        self.ways = ways
        words = stream.Signature(Shape.cast(shape).width)
        sets  = stream.Signature(pass_set_layout(passes, outcomes))
        super().__init__({
            "i": In(words), "i_sets": In(sets),
            **{f"o_{way}": Out(words) for way in range(ways)},
            **{f"o_sets_{way}": Out(sets) for way in range(ways)},
        })

    @property
    def o(self):
        """Words of each way."""
        return tuple(getattr(self, f"o_{way}") for way in range(self.ways))

    @property
    def o_sets(self):
        """Pass sets of each way."""
        return tuple(getattr(self, f"o_sets_{way}") for way in range(self.ways))

    def elaborate(self, platform):
        m = Module()

        ready = Cat(way.ready for way in self.o)
        m.d.comb += self.i.ready.eq(ready.all())
        for way in self.o:
            others = Cat(other.ready for other in self.o if other is not way).all()
            m.d.comb += [way.payload.eq(self.i.payload), way.valid.eq(self.i.valid & others)]

        taken = Signal(self.ways) # ways that have the pass set
        have  = taken | Cat(way.ready for way in self.o_sets)
        m.d.comb += self.i_sets.ready.eq(have.all())
        for index, way in enumerate(self.o_sets):
            m.d.comb += [
                way.payload.eq(self.i_sets.payload),
                way.valid.eq(self.i_sets.valid & ~taken[index]),
            ]
        with m.If(self.i_sets.valid):
            m.d.sync += taken.eq(Mux(have.all(), 0, have))

        return m
