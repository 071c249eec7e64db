import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from hdl.layer.popcount import popcount, popcount_latency


@pytest.mark.parametrize("size", [*range(1, 15), 18, 19, 25, 36, 37, 75, 128])
def test_counts_ones(size):
    """A new value in every cycle gives its count ``popcount_latency`` cycles later; before, it is 0."""
    m, bits = Module(), Signal(size)
    count = popcount(m, bits, "count")
    rng = random.Random(size)
    values = [0, (1 << size) - 1] * 2 + [1 << index for index in range(size)]
    values += range(1 << size) if size <= 7 else [rng.getrandbits(size) for _ in range(300)]
    counts = []

    async def drive(ctx):
        for value in values + [0] * popcount_latency(size):
            counts.append(ctx.get(count))
            ctx.set(bits, value)
            await ctx.tick()

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(drive)
    sim.run()
    assert counts == [0] * popcount_latency(size) + [value.bit_count() for value in values]


@pytest.mark.parametrize("bits, latency", [(1, 1), (6, 1), (7, 2), (12, 2), (13, 3), (128, 6)])
def test_latency(bits, latency):
    assert popcount_latency(bits) == latency
