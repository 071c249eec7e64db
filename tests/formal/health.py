"""Proofs about the health tests of random bits."""

from functools import partial

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Cat, Cover, Mux, Signal

from hdl.random.health import Health
from tests.formal.proof import Proof


def alarms_exactly(m, dut):
    """The alarm is up exactly when ``repetition`` bits in a row have been equal, or ``proportion`` bits
    of a window have been equal to its first; it stays up.

    The answer comes from all bits of the longest history, not from counters of equal bits.
    """
    m.d.comb += [dut.strobe.eq(AnySeq(1)), dut.bit.eq(AnySeq(1))]
    length  = max(dut.repetition, dut.window)
    history = Signal(length)              # the latest bit is lowest
    taken   = Signal(range(length + 1))   # how many of them there are
    at      = Signal(range(dut.window))   # place of the next bit in its window
    bits, count, expected = Cat(dut.bit, history)[:length], Signal(range(length + 1)), Signal()
    run     = Signal()
    m.d.comb += count.eq(Mux(taken == length, length, taken + 1))
    m.d.comb += run.eq((count >= dut.repetition) & (
        bits[:dut.repetition].all() | ~bits[:dut.repetition].any()))
    share = Signal()
    for place in range(dut.window):
        window = bits[:place + 1]
        equal  = sum(bit == window[-1] for bit in window)
        with m.If(at == place):
            m.d.comb += share.eq(equal >= dut.proportion)
    with m.If(dut.strobe):
        m.d.sync += [
            history.eq(bits),
            taken.eq(count),
            at.eq(Mux(at == dut.window - 1, 0, at + 1)),
            expected.eq(expected | run | share),
        ]
    m.d.comb += [
        Assert(dut.alarm == expected),
        Cover(dut.strobe & run & ~share & ~dut.alarm),
        Cover(dut.strobe & share & ~run & ~dut.alarm),
    ]


PROOFS = [Proof(partial(Health, repetition=repetition, window=window, proportion=proportion),
                alarms_exactly)
          for repetition, window, proportion in ((3, 4, 3), (4, 6, 5), (5, 5, 4))]
