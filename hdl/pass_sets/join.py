"""Join of two streams of maps: word by word their sum, or their channels side by side."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import error_port
from hdl.levels import level_of_value
from hdl.pass_sets.pass_split import pass_set_layout
from hdl.stream import moves, vacant


__all__ = ["Join"]


class Join(wiring.Component):
    """Join the maps of two ways that have parted before, in the same order and with the same pass sets.

    Latency is one cycle for words, none for pass sets, throughput one of each per cycle.

    Parameters
    ----------
    width, branch_width : int
        Bits of the words of the trunk, and of the branch.
    bits : int
        Bits of a channel.
    added : bool
        Add the values of a channel, ``v + 2 ** (bits - 1)`` for a value v, no less and no more than its
        bits hold; else the channels of the trunk are followed by those of the branch.
    thresholds : pair of sequences of int
        Of values of the trunk, and of the branch: ``2 ** bits - 1`` that ascend, and each value becomes the
        one whose number is how many of these it has reached. Without any, it stays as it is.
    passes, outcomes : int
        T_max, and outcomes of the choice that goes with a pass set of the trunk.
    protect : bool
        Check that both ways have the same pass sets.

    Members
    -------
    i, branch : In(stream.Signature(width))
        Words of the trunk and of the branch.
    i_sets, branch_sets : In(stream.Signature(pass_set_layout(passes, outcomes)))
        Pass sets of these; those of the branch without a choice.
    o : Out(stream.Signature(width))
        Joined words.
    o_sets : Out(stream.Signature(pass_set_layout(passes, outcomes)))
        Their pass sets.
    error : Out(1)
        1 for a cycle after pass sets have differed. Only with ``protect``.
    """

    latency = 1

    def __init__(self, width, branch_width, *, bits, added, passes, outcomes=1, thresholds=((), ()),
                 protect=False):
        self.bits    = bits
        self.thresholds = thresholds
        self.added   = added
        self.protect = protect
        if added and width != branch_width:
            raise ValueError(f"Words that are added must be equally wide, not of {width} and "
                             f"{branch_width} bits")
        super().__init__({
            "i":           In(stream.Signature(width)),
            "i_sets":      In(stream.Signature(pass_set_layout(passes, outcomes))),
            "branch":      In(stream.Signature(branch_width)),
            "branch_sets": In(stream.Signature(pass_set_layout(passes))),
            "o":           Out(stream.Signature(width if added else width + branch_width)),
            "o_sets":      Out(stream.Signature(pass_set_layout(passes, outcomes))),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        free = Signal()
        m.d.comb += [
            free.eq(vacant(self.o)),
            self.i.ready.eq(free & self.branch.valid),
            self.branch.ready.eq(free & self.i.valid),
        ]
        ways = [Signal.like(word.payload, name=name) for word, name in (
            (self.i, "trunk"), (self.branch, "beside"))]
        m.d.comb += [way.eq(values) for way, values in zip(ways, self._ways(), strict=True)]
        with m.If(free):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & self.branch.valid),
                self.o.payload.eq(self._sum(*ways) if self.added else Cat(*ways)),
            ]

        m.d.comb += [
            self.o_sets.payload.eq(self.i_sets.payload),
            self.o_sets.valid.eq(self.i_sets.valid & self.branch_sets.valid),
            self.i_sets.ready.eq(self.o_sets.ready & self.branch_sets.valid),
            self.branch_sets.ready.eq(self.o_sets.ready & self.i_sets.valid),
        ]
        if self.protect:
            one, other = self.i_sets.payload, self.branch_sets.payload
            m.d.sync += self.error.eq(moves(self.o_sets)
                                      & ((one.set != other.set) | (one.last != other.last)))

        return m

    def _ways(self):
        """The words of both ways, with other values where there are thresholds."""
        return [Cat(level_of_value(word.payload.word_select(channel, self.bits), thresholds)
                    for channel in range(len(word.payload) // self.bits)) if thresholds else word.payload
                for word, thresholds in zip((self.i, self.branch), self.thresholds, strict=True)]

    def _sum(self, *ways):
        zero, values = 1 << self.bits - 1, []
        for channel in range(len(self.i.payload) // self.bits):
            one, other = (way.word_select(channel, self.bits) for way in ways)
            total = one + other # twice the zero too much
            value = Mux(total < zero, 0, Mux(total >= 3 * zero, 2 * zero - 1, total - zero))
            values.append(value[:self.bits])
        return Cat(values)
