"""Spintronic arbiter: selects the array that is read."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


__all__ = ["Arbiter"]


class Arbiter(wiring.Component):
    """Enable the read decoder of the chosen array (SpinBayes, 3.5.1), or of each array of the chosen set in
    turn: a demultiplexer by a table.

    Latency is zero cycles: no registers.

    Parameters
    ----------
    geometry : hdl.layer.array.ArrayGeometry
        The arrays, and the sets of them to choose from.

    Members
    -------
    choice : In(range(outcomes))
        Number of a set. Of one that there is not, no bit is 1.
    way : In(range(ways))
        Which array of the set. Of one that there is not, no bit is 1.
    read : In(1)
        A read begins.
    enables : Out(arrays)
        The bit of the array is 1 when a read begins; the others are 0.
    """

    def __init__(self, geometry):
        self.geometry = geometry
        super().__init__({
            "choice":  In(range(geometry.outcomes)),
            "way":     In(range(geometry.ways)),
            "read":    In(1),
            "enables": Out(geometry.arrays),
        })

    def elaborate(self, platform):
        m = Module()

        for array, enable in enumerate(self.enables):
            m.d.comb += enable.eq(self.read & Cat(
                (self.choice == outcome) & (self.way == arrays.index(array))
                for outcome, arrays in enumerate(self.geometry.sets) if array in arrays).any())

        return m
