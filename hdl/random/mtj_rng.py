"""Interface of a magnetic tunnel junction used as a source of random bits."""

import operator

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.stream import moves, vacant


__all__ = ["MtjRng", "mtj_signature"]


def mtj_signature(code, reset_current):
    """Pins of the write and read circuit of one MTJ.

    ``set`` and ``reset`` are write pulses of either direction, ``current`` the code of the current of
    the pulse, stable from the cycle before it to its end, after reset ``reset_current``; ``read`` enables
    the sense amplifier, whose answer ``sense`` is 1 when SET has switched the junction. At most one of
    the three is up.
    """
    return wiring.Signature({
        "set":     Out(1),
        "read":    Out(1),
        "reset":   Out(1),
        "current": Out(code, init=reset_current),
        "sense":   In(1),
    })


class MtjRng(wiring.Component):
    """Draw keep bits from one MTJ: SET with the current of the layer, read, RESET.

    The junction switches with the dropout probability of the layer (Scale-Dropout, V-B and eq. 25),
    so a switched junction is a keep bit of 0. After reset the junction is first put into its idle
    state by a RESET pulse. RESET has a current of its own: with that of a SET of even chance, and half as
    long, it fails more often than not, and the junction stays switched.

    A bit takes ``interval`` cycles; latency from a request to its bit is ``latency`` cycles.

    Parameters
    ----------
    currents : sequence of int
        Per layer the code of the SET current.
    reset_current : int
        Code of the RESET current.
    code : int
        Bits of a current code.
    set_cycles, read_cycles, reset_cycles : int
        Length of each phase, at least 1. A :exc:`ValueError` is raised otherwise.

    Members
    -------
    i : In(stream.Signature(range(layers)))
        Layer of each bit to draw.
    o : Out(stream.Signature(1))
        Keep bits.
    mtj : Out(mtj_signature(code, reset_current))
        Pins of the junction. ``sense`` is sampled in the last cycle of ``read``.
    """

    def __init__(self, currents, reset_current, *, code, set_cycles, read_cycles, reset_cycles):
        self.currents = tuple(operator.index(current) for current in currents)
        self.reset_current = operator.index(reset_current)
        self.cycles   = set_cycles, read_cycles, reset_cycles
        for current in (*self.currents, self.reset_current):
            if not 0 <= current < 1 << code:
                raise ValueError(f"Current must be from 0 to {(1 << code) - 1}, not {current!r}")
        for name, cycles in zip(("SET", "Read", "RESET"), self.cycles, strict=True):
            if cycles < 1:
                raise ValueError(f"{name} must take at least 1 cycle, not {cycles!r}")
        self.latency  = set_cycles + read_cycles + 2
        self.interval = set_cycles + read_cycles + reset_cycles + 1
        super().__init__({
            "i":   In(stream.Signature(range(len(self.currents)))),
            "o":   Out(stream.Signature(1)),
            "mtj": Out(mtj_signature(code, self.reset_current)),
        })

    def elaborate(self, platform):
        m = Module()

        set_cycles, read_cycles, reset_cycles = self.cycles
        left = Signal(range(max(self.cycles)), init=reset_cycles - 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        def take():
            """Take a request, if there is one: its current settles for a cycle before the pulse."""
            m.d.comb += self.i.ready.eq(vacant(self.o))
            with m.If(moves(self.i)):
                m.d.sync += self.mtj.current.eq(Array(self.currents)[self.i.payload])
                m.next = "Settle"

        # Pulses come from registers: a glitch would write the junction.
        with m.FSM(init="Wake"):
            with m.State("Wake"):
                m.d.sync += self.mtj.reset.eq(1)
                m.next = "RESET"
            with m.State("Idle"):
                take()
            with m.State("Settle"):
                m.d.sync += [self.mtj.set.eq(1), left.eq(set_cycles - 1)]
                m.next = "SET"
            with m.State("SET"):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    # The current of RESET settles during the read.
                    m.d.sync += [
                        self.mtj.set.eq(0),
                        self.mtj.read.eq(1),
                        self.mtj.current.eq(self.reset_current),
                        left.eq(read_cycles - 1),
                    ]
                    m.next = "Read"
            with m.State("Read"):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.sync += [
                        self.mtj.read.eq(0),
                        self.mtj.reset.eq(1),
                        left.eq(reset_cycles - 1),
                        self.o.valid.eq(1),
                        self.o.payload.eq(~self.mtj.sense),
                    ]
                    m.next = "RESET"
            with m.State("RESET"):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.sync += self.mtj.reset.eq(0)
                    m.next = "Idle"
                    take()

        return m
