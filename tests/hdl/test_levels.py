import random

import pytest
from amaranth import *
from amaranth.lib.wiring import Component, In, Out
from amaranth.sim import Simulator

from hdl.levels import level_of_value


class Levels(Component):
    """The level of a value of four bits."""

    def __init__(self, thresholds):
        self.thresholds = thresholds
        super().__init__({"i": In(4), "o": Out(len(thresholds).bit_length())})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(level_of_value(self.i, self.thresholds))
        return m


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_levels_of_values(bits):
    """Of every value, with thresholds that all, some and none of them reach."""
    rng = random.Random(bits)
    drawn = [sorted(rng.randint(-8, 8) for _ in range(2**bits - 1)) for _ in range(20)]
    for thresholds in ([0] * (2**bits - 1), [-8] * (2**bits - 1), [8] * (2**bits - 1), *drawn):
        dut = Levels(thresholds)

        async def bench(ctx, dut=dut, thresholds=thresholds):
            for value in range(-8, 8):
                ctx.set(dut.i, value + 8)
                await ctx.delay(1e-6)
                assert ctx.get(dut.o) == sum(value >= each for each in thresholds)

        simulator = Simulator(dut)
        simulator.add_testbench(bench)
        simulator.run()
