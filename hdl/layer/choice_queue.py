"""Queues of what the maps of a layer are read with: their arrays, or the masks of their inputs."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.layer.popcount import popcount, popcount_latency
from hdl.layer.reader import choice_layout
from hdl.stream import delayed, moves


__all__ = ["ArrayQueue", "MaskQueue"]


class ArrayQueue(wiring.Component):
    """Queue of the arrays, or sets of arrays, that maps are to be read from.

    Latency is one cycle, throughput one map per cycle.

    Parameters
    ----------
    fan_in, geometry
        See :class:`hdl.layer.reader.Reader`.
    protect : bool
        Check the parity of choices that wait.

    Members
    -------
    i : In(stream.Signature(range(outcomes)))
        Choice of each map.
    o : Out(stream.Signature(choice_layout(fan_in, geometry)))
        Choice of each map.
    error : Out(1)
        1 for a cycle after a choice has lost its parity. Only with ``protect``.
    """

    #: Maps that can wait.
    AHEAD = 4

    latency = 1

    def __init__(self, fan_in, geometry, *, protect=False):
        self.protect = protect
        super().__init__({
            "i": In(stream.Signature(range(geometry.outcomes))),
            "o": Out(stream.Signature(choice_layout(fan_in, geometry))),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.arrays = arrays = parity.fifo(width=len(self.i.payload), depth=self.AHEAD)
        m.d.comb += [
            self.i.ready.eq(arrays.w_rdy),
            arrays.w_en.eq(self.i.valid),
            arrays.w_data.eq(self.i.payload),
            self.o.valid.eq(arrays.r_rdy),
            self.o.payload.choice.eq(arrays.r_data),
            arrays.r_en.eq(self.o.ready),
        ]
        parity.report()

        return m


class MaskQueue(wiring.Component):
    """Queue of the masks of the inputs of maps (SpinDrop), and of the numbers of inputs that these keep:
    they are counted while the words of a map are on their way.

    Latency is ``latency`` cycles, throughput one map per cycle.

    Parameters
    ----------
    fan_in, geometry, groups, channel_groups, taps
        See :class:`hdl.layer.reader.Reader`.
    protect : bool
        Check the parity of masks that wait.

    Members
    -------
    i : In(stream.Signature(groups))
        Mask of each map: which groups it keeps, group 0 lowest.
    o : Out(stream.Signature(choice_layout(fan_in, geometry, groups, channel_groups)))
        Mask of each map, and the number of inputs that it keeps, of each group of channels.
    error : Out(1)
        1 for a cycle after a mask has lost its parity. Only with ``protect``.
    """

    #: Maps that can wait.
    AHEAD = 4

    def __init__(self, fan_in, geometry, *, groups, channel_groups=1, taps=1, protect=False):
        self.fan_in  = fan_in
        self.groups  = groups
        self.protect = protect
        self.channel_groups = channel_groups
        self.taps    = taps
        #: Cycles in which the inputs that a mask keeps are counted.
        self.counting = popcount_latency(groups // channel_groups)
        self.latency  = 1 + self.counting
        super().__init__({
            "i": In(stream.Signature(groups)),
            "o": Out(stream.Signature(choice_layout(fan_in, geometry, groups, channel_groups))),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity  = Parity(m, self)
        entered = moves(self.i)
        m.submodules.masks  = masks  = parity.fifo(width=self.groups, depth=self.AHEAD)
        m.submodules.counts = counts = parity.fifo(width=len(self.o.payload.count), depth=self.AHEAD)
        m.d.comb += [
            self.i.ready.eq(masks.w_rdy),
            masks.w_en.eq(entered),
            masks.w_data.eq(self.i.payload),
            # There are never more counts than masks, which are taken together.
            counts.w_en.eq(delayed(m, entered, self.counting, name="counted")),
            counts.w_data.eq(self._counted(m)),
            self.o.valid.eq(masks.r_rdy & counts.r_rdy),
            self.o.payload.kept.eq(masks.r_data),
            self.o.payload.count.eq(counts.r_data),
            masks.r_en.eq(self.o.ready & counts.r_rdy),
            counts.r_en.eq(self.o.ready & masks.r_rdy),
        ]
        parity.report()

        return m

    def _counted(self, m):
        """The inputs that the mask which enters keeps, of each group of channels."""
        mask, groups = self.i.payload, self.channel_groups
        bits = self.groups // groups # of a group of channels
        if groups == 1:
            return self.fan_in // bits * popcount(m, mask, "kept")
        # Bits are of the channels of all groups in turn.
        channels, width = self.fan_in // self.taps, len(self.o.payload.count) // groups
        return Cat((self.fan_in // bits * popcount(m, Cat(
            mask.word_select(place * groups + group, channels) for place in range(bits // channels)),
            f"kept_{group}"))[:width] for group in range(groups))
