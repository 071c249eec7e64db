"""Health tests on random bits."""

import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


__all__ = ["Health"]


class Health(wiring.Component):
    """Watch random bits; raise a sticky alarm when they cannot be what they should be.

    Repetition count test and adaptive proportion test of NIST SP 800-90B, 4.4.1 and 4.4.2. An even chance
    may hide a pattern, so with a ``period`` both also test

    - whether each bit differs from the one before;
    - whether it differs from the one a period before;

    and each of the bits of a period must change at least once in so many periods as bits may not be
    equal in a row. Whatever is known of the past, a good bit is foreseen no more often than its own
    chances allow, so the limits for the bits hold for all of these.

    The alarm rises one cycle after the bit that trips a test, and stays until reset.

    Parameters
    ----------
    repetition : int
        So many equal bits in a row raise the alarm; at least 2.
    window : int
        Bits of a window, the first of which is the reference.
    proportion : int
        So many bits equal to the reference, itself included, raise the alarm; from 2 to ``window``.
    period : int
        Bits after which the same layer has its turn again; 0: only the bits themselves are tested.

    Members
    -------
    strobe : In(1)
        A bit is taken in this cycle.
    bit : In(1)
        The bit.
    alarm : Out(1)
        A test has failed since reset.
    """

    def __init__(self, *, repetition, window, proportion, period=0):
        self.repetition = operator.index(repetition)
        self.window     = operator.index(window)
        self.proportion = operator.index(proportion)
        self.period     = operator.index(period)
        if repetition < 2:
            raise ValueError(f"Repetition must be at least 2, not {repetition!r}")
        if not 2 <= proportion <= window:
            raise ValueError(f"Proportion must be from 2 to {window}, not {proportion!r}")
        if period < 0:
            raise ValueError(f"Period must be 0 or more, not {period!r}")
        super().__init__({"strobe": In(1), "bit": In(1), "alarm": Out(1)})

    def elaborate(self, platform):
        m = Module()

        at = Signal(range(self.window))
        with m.If(self.strobe):
            m.d.sync += at.eq(Mux(at == self.window - 1, 0, at + 1))
            self._watch(m, self.bit, at)
            if self.period:
                past = Signal(self.period) # the last bit lowest, zeros before the first
                m.d.sync += past.eq(Cat(self.bit, past))
                for distance in sorted({1, self.period}):
                    self._watch(m, self.bit ^ past[distance - 1], at)
                self._watch_each(m, self.bit ^ past[-1])

        return m

    def _watch(self, m, bit, at):
        """Test ``bit``, number ``at`` of a window."""
        run       = Signal(range(self.repetition)) # 0: no bit yet
        before    = Signal()
        equal     = Signal(range(self.proportion))
        reference = Signal()
        m.d.sync += before.eq(bit)
        with m.If((run == 0) | (bit != before)):
            m.d.sync += run.eq(1)
        with m.Elif(run == self.repetition - 1):
            m.d.sync += self.alarm.eq(1)
        with m.Else():
            m.d.sync += run.eq(run + 1)

        with m.If(at == 0):
            m.d.sync += [reference.eq(bit), equal.eq(1)]
        with m.Elif(bit == reference):
            with m.If(equal == self.proportion - 1):
                m.d.sync += self.alarm.eq(1)
            with m.Else():
                m.d.sync += equal.eq(equal + 1)

    def _watch_each(self, m, differs):
        """Test that each bit of a period, of which this one ``differs`` from a period before, does so once
        in so many periods."""
        place       = Signal(range(self.period))
        turn        = Signal(range(self.repetition))
        changed     = Signal(self.period) # this place highest
        changed_now = Signal()
        m.d.comb += changed_now.eq(differs | (changed[-1] & (turn != 0)))
        m.d.sync += [changed.eq(Cat(changed_now, changed)), place.eq(place + 1)]
        with m.If(place == self.period - 1):
            m.d.sync += [place.eq(0), turn.eq(Mux(turn == self.repetition - 1, 0, turn + 1))]
        with m.If((turn == self.repetition - 1) & ~changed_now):
            m.d.sync += self.alarm.eq(1)
