"""Rules of streams, and an environment that keeps them."""

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Assume, Const, Cover, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out


__all__ = ["answers_within", "check_stream_rules", "free", "keeps_stream_rules", "moved", "patient",
           "ports"]


def ports(dut):
    """Yield name, port and direction of each stream of ``dut``."""
    for name, member in dut.signature.members.items():
        if member.is_signature:
            signature = member.signature if member.flow is Out else member.signature.flip()
            if isinstance(signature, stream.Signature):
                yield name, getattr(dut, name), member.flow


def moved(port):
    """A word passes."""
    return port.valid & port.ready


def free(m, dut, loose=()):
    """Let anything at all be at the inputs of ``dut``, except that streams keep their rules, but for those
    that are ``loose``."""
    for _, member, value in dut.signature.flatten(dut):
        value = Value.cast(value)
        if member.flow is In and not isinstance(value, Const):
            m.d.comb += value.eq(AnySeq(len(value)))
    for name, port, flow in ports(dut):
        if flow is In and name not in loose:
            _holds(m, name, port, Assume)


def _holds(m, name, port, rule):
    waiting = Signal(name=f"{name}_waiting")
    before  = Signal.like(Value.cast(port.payload), name=f"{name}_before")
    m.d.sync += [waiting.eq(port.valid & ~port.ready), before.eq(port.payload)]
    with m.If(waiting):
        m.d.comb += rule(port.valid & (Value.cast(port.payload) == before))


def keeps_stream_rules(m, dut):
    """Once valid is up on an output, it and the payload stay until the word is taken."""
    free(m, dut)
    check_stream_rules(m, dut)


def check_stream_rules(m, dut):
    """Assert the rules of all outputs of ``dut``, and cover a word that waits before it is taken."""
    for name, port, flow in ports(dut):
        count = Signal(2, name=f"{name}_count")
        with m.If(moved(port) & (count != 2)):
            m.d.sync += count.eq(count + 1)
        if flow is Out and not isinstance(port.ready, Const):
            _holds(m, name, port, Assert)
            waited = Signal(name=f"{name}_waited")
            m.d.sync += waited.eq(port.valid & ~port.ready)
            m.d.comb += Cover((count == 1) & waited & moved(port))
        elif flow is Out:
            m.d.comb += Cover(count == 2)


def patient(m, signal, cycles, name):
    """Assume that ``signal`` is never down for more than ``cycles`` cycles."""
    _within(m, ~signal, cycles, name, Assume)


def answers_within(m, waiting, cycles, name):
    """Assert that ``waiting`` is never up for more than ``cycles`` cycles."""
    _within(m, waiting, cycles, name, Assert)


def _within(m, condition, cycles, name, rule):
    count = Signal(range(cycles + 1), name=f"{name}_cycles")
    m.d.sync += count.eq(0)
    with m.If(condition):
        m.d.comb += rule(count != cycles)
        m.d.sync += count.eq(count + (count != cycles))
