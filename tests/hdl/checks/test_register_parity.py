# amaranth: UnusedElaboratable=no
"""Components with parity bits: they do the same, and no bit of a control register flips unseen."""

import random

import pytest
from amaranth.hdl import Array, Cat, Elaboratable, Fragment, Module, Signal
from amaranth.hdl._ast import SignalSet
from amaranth.lib import fifo
from amaranth.sim import Simulator

from hdl.checks.register_parity import RegisterParity
from hdl.head.averaging import Averaging
from hdl.input.pixel_input import PixelInput
from hdl.layer.line_buffer import LineBuffer
from hdl.random.mask_bank import MaskBank
from hdl.random.mtj_rng import MtjRng
from sim.component import PERIOD, transfer


class Everything(Elaboratable):
    """Registers that are assigned in all the ways that there are."""

    def __init__(self):
        self.counter = Signal(4, init=9)
        self.signed  = Signal(range(-5, 6), init=-3)
        self.parts   = Signal(6)
        self.members = [Signal(3, name=f"member_{index}", init=index) for index in range(3)]
        self.halves  = Signal(4), Signal(4)
        # Assigned together.
        self.narrow = Signal(2)
        self.wide   = Signal(20)
        self.state = Signal(2)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += [
            self.counter.eq(self.counter + 3),
            self.signed.eq(~self.signed),
            self.parts.bit_select(self.counter[:2], 2).eq(self.counter),
            Array(self.members)[self.counter[2:]].eq(self.counter),
            Cat(*self.halves).eq(self.wide),
            Cat(self.narrow, self.wide).eq(self.wide + 77),
        ]
        with m.FSM() as fsm:
            for number in range(3):
                with m.State(f"State {number}"):
                    with m.If(self.counter[number]):
                        m.next = f"State {(number + 1) % 3}"
        m.d.comb += self.state.eq(fsm.state)
        m.submodules.queue = queue = fifo.SyncFIFO(width=4, depth=3)
        m.d.comb += [queue.w_en.eq(self.counter[0]), queue.r_en.eq(self.counter[3]),
                     queue.w_data.eq(self.counter)]
        return m

    def values(self):
        return Cat(self.counter, self.signed, self.parts, *self.members, *self.halves, self.narrow,
                   self.wide, self.state)


def registers(fragment):
    """Signals of up to 12 bits that a clock assigns to, in ``fragment`` and below."""
    found = SignalSet(signal for statement in fragment.statements.get("sync", [])
                      for signal in statement._lhs_signals() if 0 < len(signal) <= RegisterParity.BITS)
    return [*found, *(signal for inner, _, _ in fragment.subfragments for signal in registers(inner))]


def simulate(fragment, *benches):
    simulator = Simulator(fragment)
    simulator.add_clock(PERIOD)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


def test_the_same_values():
    traces = []
    for protected in (False, True):
        dut   = Everything()
        top   = RegisterParity(dut) if protected else dut
        trace = []

        async def bench(ctx, dut=dut, top=top, trace=trace):
            for _ in range(60):
                *_, values = await ctx.tick().sample(dut.values())
                trace.append(values)
                assert top is dut or not ctx.get(top.error)

        simulate(top, bench)
        traces.append(trace)
    assert traces[0] == traces[1]
    assert len(set(traces[0])) > 15


@pytest.mark.parametrize("make", [
    Everything,
    lambda: Averaging(3, 6, confidence=40000),
    lambda: PixelInput(5, 6),
    lambda: MaskBank([1, 2], [0, 1], 6),
    lambda: MtjRng([1, 2], 9, code=4, set_cycles=3, read_cycles=1, reset_cycles=2),
    lambda: LineBuffer(5, 6, 2, kernel=(3, 2)),
], ids=["everything", "averaging", "pixel_input", "mask_bank", "mtj_rng", "line_buffer"])
def test_every_flip_is_seen(make):
    """Each bit of each register of up to 12 bits, and of the parities beside them."""
    dut      = RegisterParity(make())
    fragment = Fragment.get(dut, None)
    protected  = [register for register in registers(fragment)
                if register.name not in ("error", "control_error", "narrow")]
    before   = [register for register in registers(Fragment.get(make(), None))
                if register.name != "narrow"]
    assert len(protected) == 2 * len(before) > 0

    async def bench(ctx):
        for register in protected:
            for bit in range(len(register)):
                await ctx.tick().repeat(3)
                assert not ctx.get(dut.error)
                ctx.set(register[bit], 1 - ctx.get(register[bit]))
                await ctx.tick().repeat(2)
                assert ctx.get(dut.error), (register.name, bit)

    simulate(fragment, bench)


def test_cycles_are_the_same():
    words = [random.Random(0).getrandbits(2) for _ in range(90)]
    passed = []
    for protected in (False, True):
        dut = LineBuffer(5, 6, 2, kernel=(3, 2), stride=(2, 2), padding=(1, 1))
        if protected:
            inner = LineBuffer(5, 6, 2, kernel=(3, 2), stride=(2, 2), padding=(1, 1))
            dut.elaborate = lambda platform, inner=inner, dut=dut: _behind(
                RegisterParity(inner), inner, dut)
        passed.append(transfer(dut, {"i": words}, {"o": 36}, duty=0.7))
    assert passed[0] == passed[1]


def _behind(protected, inner, dut):
    m = Module()
    m.submodules.protected = protected
    m.d.comb += [
        inner.i.payload.eq(dut.i.payload), inner.i.valid.eq(dut.i.valid), dut.i.ready.eq(inner.i.ready),
        dut.o.payload.eq(inner.o.payload), dut.o.valid.eq(inner.o.valid), inner.o.ready.eq(dut.o.ready),
    ]
    return m


def test_excluded_types():
    class Excluded(Elaboratable):
        def elaborate(self, platform):
            m = Module()
            self.counter = Signal(3)
            m.d.sync += self.counter.eq(self.counter + 1)
            m.submodules.inside = Everything()
            return m

    fragment = Fragment.get(RegisterParity(Excluded(), exclude=(Excluded,)), None)
    assert not any("parity" in register.name for register in registers(fragment))
