"""Health tests on random bits."""

import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


__all__ = ["Health"]


class Health(wiring.Component):
    """Watch random bits; raise a sticky alarm when they cannot be what they should be.

    Repetition count test and adaptive proportion test of NIST SP 800-90B, 4.4.1 and 4.4.2.

    The alarm rises one cycle after the bit that trips a test, and stays until reset.

    Parameters
    ----------
    repetition : int
        So many equal bits in a row raise the alarm; at least 2.
    window : int
        Bits of a window, the first of which is the reference.
    proportion : int
        So many bits equal to the reference, itself included, raise the alarm; from 2 to ``window``.

    Members
    -------
    strobe : In(1)
        A bit is taken in this cycle.
    bit : In(1)
        The bit.
    alarm : Out(1)
        A test has failed since reset.
    """

    def __init__(self, *, repetition, window, proportion):
        self.repetition = operator.index(repetition)
        self.window     = operator.index(window)
        self.proportion = operator.index(proportion)
        if repetition < 2:
            raise ValueError(f"Repetition must be at least 2, not {repetition!r}")
        if not 2 <= proportion <= window:
            raise ValueError(f"Proportion must be from 2 to {window}, not {proportion!r}")
        super().__init__({"strobe": In(1), "bit": In(1), "alarm": Out(1)})

    def elaborate(self, platform):
        m = Module()

        run, before = Signal(range(self.repetition)), Signal() # run of 0: no bit yet
        at, equal   = Signal(range(self.window)), Signal(range(self.proportion))
        reference   = Signal()
        with m.If(self.strobe):
            m.d.sync += before.eq(self.bit)
            with m.If((run == 0) | (self.bit != before)):
                m.d.sync += run.eq(1)
            with m.Elif(run == self.repetition - 1):
                m.d.sync += self.alarm.eq(1)
            with m.Else():
                m.d.sync += run.eq(run + 1)

            m.d.sync += at.eq(Mux(at == self.window - 1, 0, at + 1))
            with m.If(at == 0):
                m.d.sync += [reference.eq(self.bit), equal.eq(1)]
            with m.Elif(self.bit == reference):
                with m.If(equal == self.proportion - 1):
                    m.d.sync += self.alarm.eq(1)
                with m.Else():
                    m.d.sync += equal.eq(equal + 1)

        return m
