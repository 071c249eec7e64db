"""Packing of groups of channels into words of a map."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import counter, moves, stage


__all__ = ["WordPacker"]


class WordPacker(wiring.Component):
    """Join consecutive groups of channels of each lane into one word with all channels.

    Latency is one cycle from the last group of a word, throughput one group per cycle.

    Parameters
    ----------
    channels, columns : int
        Channels of a word and of a group. Channels of the last group beyond those of a word are dropped.
    lanes : int
        Lanes.
    bits : int
        Bits of a channel.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(columns * bits, lanes)))
        Groups.
    o : Out(stream.Signature(ArrayLayout(channels * bits, lanes)))
        Words: channel ``c`` starts at bit ``c * bits``.
    """

    latency = 1

    def __init__(self, channels, *, columns, lanes, bits=1):
        self.channels = channels
        self.columns  = columns
        self.lanes    = lanes
        self.bits     = bits
        self.groups   = -(-channels // columns)
        super().__init__({
            "i": In(stream.Signature(data.ArrayLayout(columns * bits, lanes))),
            "o": Out(stream.Signature(data.ArrayLayout(channels * bits, lanes))),
        })

    def elaborate(self, platform):
        m = Module()

        # The register in which a word is collected is the one that `o` shows, so no group is taken while
        # a complete word waits.
        _, last = counter(m, self.groups, moves(self.i), name="group")
        stage(m, self.i, self.o, valid=self.i.valid & last)
        group_width = self.columns * self.bits
        for lane in range(self.lanes):
            # Groups are shifted in from the top, so that the first ends at the bottom.
            shifted = Signal(self.groups * group_width, name=f"shifted_{lane}")
            m.d.comb += self.o.payload[lane].eq(shifted)
            with m.If(moves(self.i)):
                m.d.sync += shifted.eq(Cat(shifted, self.i.payload[lane])[group_width:])

        return m
