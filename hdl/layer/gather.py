"""Collection of groups of channels into words of a map."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["Gather"]


class Gather(wiring.Component):
    """Join consecutive groups of channels of each lane into one word with all channels.

    Latency is one cycle from the last group of a word, throughput one group per cycle.

    Parameters
    ----------
    channels, columns : int
        Channels of a word and of a group. The last group may be short: what is beyond is dropped.
    banks : int
        Lanes.
    bits : int
        Bits of a channel.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(columns * bits, banks)))
        Groups.
    o : Out(stream.Signature(ArrayLayout(channels * bits, banks)))
        Words: channel ``c`` starts at bit ``c * bits``.
    """

    latency = 1

    def __init__(self, channels, *, columns, banks, bits=1):
        self.channels = channels
        self.columns  = columns
        self.banks    = banks
        self.bits     = bits
        self.groups   = -(-channels // columns)
        super().__init__({
            "i": In(stream.Signature(data.ArrayLayout(columns * bits, banks))),
            "o": Out(stream.Signature(data.ArrayLayout(channels * bits, banks))),
        })

    def elaborate(self, platform):
        m = Module()

        group = Signal(range(self.groups))
        last  = group == self.groups - 1
        # Only the last group of a word completes it, so until then nothing waits for `o`; but the
        # register it is collected in is the one that is read.
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid & last)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += group.eq(Mux(last, 0, group + 1))
        group_width = self.columns * self.bits
        for lane in range(self.banks):
            # Groups are shifted in from the top, so that the first ends at the bottom.
            shifted = Signal(self.groups * group_width, name=f"shifted_{lane}")
            m.d.comb += self.o.payload[lane].eq(shifted)
            with m.If(self.i.ready & self.i.valid):
                m.d.sync += shifted.eq(Cat(shifted, self.i.payload[lane])[group_width:])

        return m
