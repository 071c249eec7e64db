"""Spintronic arbiter: selects the array that is read."""

import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


__all__ = ["Arbiter"]


class Arbiter(wiring.Component):
    """Enable the read decoder of the chosen array: a 1-to-N demultiplexer (SpinBayes, 3.5.1).

    Latency is zero cycles: no registers.

    Parameters
    ----------
    arrays : int
        Arrays N to choose from, at least 1.

    Members
    -------
    choice : In(range(arrays))
        Number of an array.
    read : In(1)
        A read begins.
    enables : Out(arrays)
        The chosen bit is 1 when a read begins; the others are 0.
    """

    def __init__(self, arrays):
        self.arrays = operator.index(arrays)
        if arrays < 1:
            raise ValueError(f"Number of arrays must be at least 1, not {arrays!r}")
        super().__init__({
            "choice":  In(range(arrays)),
            "read":    In(1),
            "enables": Out(arrays),
        })

    def elaborate(self, platform):
        m = Module()

        m.d.comb += self.enables.eq(self.read << self.choice)

        return m
