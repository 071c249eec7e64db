# amaranth: UnusedElaboratable=no

import pytest
from amaranth.sim import Simulator

from hdl.head.weigh import Weigh
from sim.component import PERIOD


CONFIDENCE = 40000


@pytest.mark.parametrize("count, port", [(1, False), (3, False), (7, False), (3, True)])
def test_weigh(count, port):
    """Products of every class, the extremes of p among them, ``latency`` cycles later; the class comes two
    cycles ahead, and the best one of the leaf is the first of the largest."""
    dut   = Weigh(5, 7, confidence=None if port else CONFIDENCE)
    leaf  = [65535, 0, CONFIDENCE, 65535, CONFIDENCE - 1]
    ahead, products = [], []

    async def bench(ctx):
        ctx.set(dut.count, count)
        if port:
            ctx.set(dut.confidence, CONFIDENCE)
        for cycle in range(len(leaf) + dut.latency):
            ctx.set(dut.i.valid, cycle < len(leaf))
            ctx.set(dut.i.payload, {
                "p": leaf[cycle % len(leaf)], "at": {"place": cycle % len(leaf), "first": cycle == 0}})
            await ctx.tick()
            ahead.append((ctx.get(dut.ahead.valid), ctx.get(dut.ahead.payload.place)))
            square = ctx.get(dut.o.square_low) + (ctx.get(dut.o.square_high) << 16)
            products.append((ctx.get(dut.o.sum), square, ctx.get(dut.o.confident)))
        assert ctx.get(dut.best) == 0

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    assert products[dut.latency - 1:-1] == [
        (count * p, count * p * p, count if p >= CONFIDENCE else 0) for p in leaf]
    begin = dut.latency - 3
    assert [valid for valid, _ in ahead] == [int(begin <= cycle < begin + len(leaf))
                                             for cycle in range(len(ahead))]
    assert [index for valid, index in ahead if valid] == list(range(len(leaf)))
