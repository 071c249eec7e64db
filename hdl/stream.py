"""What blocks with streams are made of: handshakes, register stages and wrapping counters."""

from amaranth import *


__all__ = ["counter", "delayed", "moves", "separate", "stage", "vacant"]


def moves(port):
    """Whether a word passes ``port`` in this cycle."""
    return port.valid & port.ready


def vacant(o):
    """Whether the output ``o``, a register, can be loaded in this cycle: it is empty, or its word is
    taken."""
    return ~o.valid | o.ready


def stage(m, i, o, *, valid=None, steps=1):
    """Put a pipeline of ``steps`` registers between the streams ``i`` and ``o``; ``o`` is the last one.

    The registers move together: all stall while the word in ``o`` waits. Returned is the signal that is
    1 when they move; under this condition the caller loads the payloads.

    Latency is ``steps`` cycles, throughput one word per cycle.

    Parameters
    ----------
    m : Module
        Module of the block.
    i, o : stream interface
        Input and output of the block.
    valid : value or None
        Whether ``o`` becomes valid with the next move, if not every word that enters leaves after
        ``steps`` moves.
    steps : int
        Registers, at least 1.
    """
    free = Signal()
    m.d.comb += [free.eq(vacant(o)), i.ready.eq(free)]
    if valid is None:
        valid = i.valid
        for step in range(steps - 1):
            later = Signal(name=f"valid_{step}")
            with m.If(free):
                m.d.sync += later.eq(valid)
            valid = later
    with m.If(free):
        m.d.sync += o.valid.eq(valid)
    return free


def separate(m, i, o):
    """Put a half buffer between the streams ``i`` and ``o``, whose payloads are alike: a register that is
    loaded when it is empty, so that no path leads from ``o.ready`` to ``i.ready``.

    Latency is one cycle, throughput one word in two cycles.
    """
    m.d.comb += i.ready.eq(~o.valid)
    with m.If(o.ready):
        m.d.sync += o.valid.eq(0)
    with m.If(moves(i)):
        m.d.sync += [o.valid.eq(1), o.payload.eq(i.payload)]


def counter(m, length, step, *, name):
    """Count from 0 to ``length - 1`` and from 0 again, by one in each cycle in which ``step`` is 1.

    Returned are the register and whether it is at its last value.
    """
    value = Signal(range(length), name=name)
    last  = Signal(name=f"{name}_last")
    m.d.comb += last.eq(value == length - 1)
    with m.If(step):
        m.d.sync += value.eq(Mux(last, 0, value + 1))
    return value, last


def delayed(m, value, cycles, *, name):
    """Return ``value`` as it was ``cycles`` cycles before, from a chain of registers."""
    for cycle in range(cycles):
        later = Signal.like(value, name=f"{name}_{cycle}")
        m.d.sync += later.eq(value)
        value = later
    return value
