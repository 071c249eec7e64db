"""The beat of a serial line, from a clock that need not be a multiple of it."""

import math
import operator

from amaranth import *


__all__ = ["LEAST_CYCLES", "bit_clock", "check_rate"]


#: Cycles of the clock that a bit must last at least: a receiver sees an edge up to a cycle late, and must
#: still read the middle of each of ten bits.
LEAST_CYCLES = 4


def check_rate(clock_hz: int, baud: int) -> tuple[int, int]:
    """Return ``clock_hz`` and ``baud``, both in whole Hz, divided by what divides both.

    Raises
    ------
    ValueError
        If a bit would last less than :data:`LEAST_CYCLES`.
    """
    clock_hz, baud = operator.index(clock_hz), operator.index(baud)
    if not 1 <= baud <= clock_hz // LEAST_CYCLES:
        raise ValueError(f"Baud rate must be from 1 to {clock_hz // LEAST_CYCLES}, a bit in {LEAST_CYCLES} "
                         f"cycles of {clock_hz} Hz, not {baud}")
    common = math.gcd(clock_hz, baud)
    return clock_hz // common, baud // common


def bit_clock(m, rate, run, *, name):
    """Count ``run`` cycles; return the phase, a register from 0 to ``clock - 1``, and whether a bit ends in
    this cycle.

    ``rate`` is (clock, baud) of :func:`check_rate`. Bits last ``clock / baud`` cycles in the mean, none
    more than one cycle longer or shorter than another.
    """
    clock, baud = rate
    phase = Signal(range(clock), name=f"{name}_phase")
    ends  = Signal(name=f"{name}_ends")
    m.d.comb += ends.eq(run & (phase >= clock - baud))
    with m.If(run):
        m.d.sync += phase.eq(Mux(phase >= clock - baud, phase + baud - clock, phase + baud))
    return phase, ends
