# amaranth: UnusedElaboratable=no
"""Check of the pass sets that reach the averaging block."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from hdl.checks.parity import error_port
from hdl.pass_sets.pass_split import pass_set_layout


__all__ = ["PartitionCheck"]


class PartitionCheck(wiring.Component):
    """Check that the pass sets of an image divide its passes: none is empty, no pass is in two of them,
    and their union is the set of the lowest passes.

    Parameters
    ----------
    passes : int
        T_max.

    Members
    -------
    sets : In(stream.Signature(pass_set_layout(passes)))
        Pass sets.
    error : Out(1)
        1 for a cycle after a pass set that is wrong.
    """

    def __init__(self, passes):
        self.passes = passes
        super().__init__({
            "sets": In(stream.Signature(pass_set_layout(passes), always_ready=True)),
            **error_port(True),
        })

    def elaborate(self, platform):
        m = Module()

        part   = self.sets.payload
        before = Signal(self.passes)
        union  = Signal(self.passes)
        shared = Signal()
        gap    = Signal()
        m.d.comb += union.eq(before | part.set)
        m.d.sync += [
            shared.eq(self.sets.valid & ((before & part.set).any() | ~part.set.any())),
            gap.eq(self.sets.valid & part.last & (union & (union + 1)).any()),
        ]
        with m.If(self.sets.valid):
            m.d.sync += before.eq(Mux(part.last, 0, union))
        m.d.comb += self.error.eq(shared | gap)

        return m
