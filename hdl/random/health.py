"""Health tests of random bits."""

import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import counter


__all__ = ["Health"]


class Health(wiring.Component):
    """Test random bits; raise a sticky alarm when a test fails.

    Repetition count test and adaptive proportion test of NIST SP 800-90B, 4.4.1 and 4.4.2: on the bits
    themselves, or, as bits of an even chance may follow a pattern, on whether each bit differs from the
    bit ``distance`` bits before. An independent bit XORed with any earlier bit has at least the same
    min-entropy, so the cut-offs of the bits bound the false alarms of both.

    The alarm rises one cycle after the bit that trips a test, and stays until reset.

    Parameters
    ----------
    repetition : int
        Cut-off of the repetition count test: equal bits in a row that raise the alarm; at least 2.
    window : int
        Bits of a window of the adaptive proportion test; the first one is the reference.
    proportion : int
        Cut-off of the adaptive proportion test: bits of a window equal to the reference, including
        itself, that raise the alarm; from 2 to ``window``.
    distance : int
        0: the bits themselves are tested. Otherwise each bit is compared with the bit ``distance`` bits
        before; bits before the first one are 0.

    Members
    -------
    strobe : In(1)
        A bit is taken in this cycle.
    bit : In(1)
        The bit.
    alarm : Out(1)
        A test has failed since reset.
    """

    def __init__(self, *, repetition, window, proportion, distance=0):
        self.repetition = operator.index(repetition)
        self.window     = operator.index(window)
        self.proportion = operator.index(proportion)
        self.distance   = operator.index(distance)
        if repetition < 2:
            raise ValueError(f"Repetition must be at least 2, not {repetition!r}")
        if not 2 <= proportion <= window:
            raise ValueError(f"Proportion must be from 2 to {window}, not {proportion!r}")
        if distance < 0:
            raise ValueError(f"Distance must be 0 or more, not {distance!r}")
        super().__init__({"strobe": In(1), "bit": In(1), "alarm": Out(1)})

    def elaborate(self, platform):
        m = Module()

        bit = Signal()
        m.d.comb += bit.eq(self.bit)
        if self.distance:
            past = Signal(self.distance) # the latest bit lowest
            m.d.comb += bit.eq(self.bit ^ past[-1])
            with m.If(self.strobe):
                m.d.sync += past.eq(Cat(self.bit, past))

        place, _  = counter(m, self.window, self.strobe, name="place") # in the window
        first     = Signal()
        run       = Signal(range(self.repetition)) # 0: no bit yet
        before    = Signal()
        equal     = Signal(range(self.proportion))
        reference = Signal()
        m.d.comb += first.eq(place == 0)
        with m.If(self.strobe):
            m.d.sync += before.eq(bit)
            with m.If((run == 0) | (bit != before)):
                m.d.sync += run.eq(1)
            with m.Elif(run == self.repetition - 1):
                m.d.sync += self.alarm.eq(1)
            with m.Else():
                m.d.sync += run.eq(run + 1)

            with m.If(first):
                m.d.sync += [reference.eq(bit), equal.eq(1)]
            with m.Elif(bit == reference):
                with m.If(equal == self.proportion - 1):
                    m.d.sync += self.alarm.eq(1)
                with m.Else():
                    m.d.sync += equal.eq(equal + 1)

        return m
