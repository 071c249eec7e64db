"""Proofs about the interface of a magnetic tunnel junction."""

from functools import partial

from amaranth.hdl import Array, Assert, Cover, Mux, Signal

from hdl.random.mtj_rng import MtjRng
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


def keeps_the_phases(m, dut):
    """SET, read and RESET are never up together, each is up for its number of cycles or more, and the
    junction is RESET between two SET pulses.
    """
    free(m, dut)
    pulses = dut.mtj.set, dut.mtj.read, dut.mtj.reset
    m.d.comb += Assert(sum(pulses) <= 1)
    for name, pulse, cycles in zip(("set", "read", "reset"), pulses, dut.cycles, strict=True):
        up = Signal(range(cycles + 1), name=f"{name}_up")
        m.d.sync += up.eq(Mux(pulse, Mux(up == cycles, up, up + 1), 0))
        with m.If((up != 0) & ~pulse):
            m.d.comb += Assert(up == cycles)
            m.d.comb += Cover(up == cycles)
    idle, set_before, reset_before = Signal(), Signal(), Signal()
    m.d.sync += [set_before.eq(dut.mtj.set), reset_before.eq(dut.mtj.reset)]
    with m.If(reset_before & ~dut.mtj.reset):
        m.d.sync += idle.eq(1)
    with m.If(dut.mtj.set):
        m.d.sync += idle.eq(0)
        with m.If(~set_before):
            m.d.comb += Assert(idle | (reset_before & ~dut.mtj.reset))


def holds_the_current(m, dut):
    """Through the whole of a SET pulse, and in the cycle before it, the current is that of the layer
    that was asked for last; through a RESET pulse, and in the cycle before it, that of RESET.
    """
    free(m, dut)
    layer, before = Signal.like(dut.i.payload), Signal.like(dut.mtj.current)
    m.d.sync += before.eq(dut.mtj.current)
    with m.If(moved(dut.i)):
        m.d.sync += layer.eq(dut.i.payload)
    with m.If(dut.mtj.set):
        wanted = Array(dut.currents)[layer]
        m.d.comb += [Assert(dut.mtj.current == wanted), Assert(before == wanted), Cover(layer == 1)]
    with m.If(dut.mtj.reset):
        m.d.comb += [Assert(dut.mtj.current == dut.reset_current), Assert(before == dut.reset_current)]


def gives_each_bit_once(m, dut):
    """Each request gives one bit, which is 0 if the sense amplifier answered 1 in the last cycle of
    its read; the next request is not taken before that.
    """
    free(m, dut)
    asked, answered, bit = Signal(), Signal(), Signal()
    read, sense = Signal(), Signal()
    m.d.sync += [read.eq(dut.mtj.read), sense.eq(dut.mtj.sense)]
    ends = read & ~dut.mtj.read
    now  = Mux(ends, ~sense, bit)
    m.d.comb += Assert(dut.o.valid == (answered | ends))
    with m.If(ends):
        m.d.sync += [asked.eq(0), bit.eq(now)]
        m.d.comb += Assert(asked & ~answered)
    m.d.sync += answered.eq((answered | ends) & ~dut.o.ready)
    with m.If(dut.o.valid):
        m.d.comb += [Assert(dut.o.payload == now), Cover(now), Cover(~now)]
    with m.If(moved(dut.i)):
        m.d.sync += asked.eq(1)
        m.d.comb += Assert(~asked | ends)


def answers_in_time(m, dut):
    """With bits taken within 2 cycles, a request is taken within ``interval + 2`` cycles, and its bit
    is there exactly ``latency`` cycles later.
    """
    free(m, dut)
    patient(m, dut.o.ready, 2, "taken")
    answers_within(m, dut.i.valid & ~dut.i.ready, dut.interval + 2, "request")
    since = Signal(range(dut.latency + 2))
    with m.If(moved(dut.i)):
        m.d.sync += since.eq(1)
    with m.Elif((since != 0) & (since <= dut.latency)):
        m.d.sync += since.eq(since + 1)
    with m.If((since != 0) & (since < dut.latency)):
        m.d.comb += Assert(~dut.o.valid | (since < 3))
    with m.If(since == dut.latency):
        m.d.comb += [Assert(dut.o.valid), Cover(1)]


SMALL = partial(MtjRng, (1, 2), reset_current=3, code=2, set_cycles=3, read_cycles=2, reset_cycles=4)
SHORT = partial(MtjRng, (1, 2), reset_current=3, code=2, set_cycles=1, read_cycles=1, reset_cycles=1)

PROOFS = [
    *(Proof(make, properties, reach=40) for make in (SMALL, SHORT) for properties in (
        keeps_stream_rules, keeps_the_phases, holds_the_current, gives_each_bit_once, answers_in_time)),
    Readiness(SMALL),
]
