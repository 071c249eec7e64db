# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.sim import Simulator

from hdl.head.weigh import Weigh
from sim.component import PERIOD


CONFIDENCE = 40000


@pytest.mark.parametrize("count, port", [
    (1, False), (2, False), (3, False), (4, False), (7, False), (3, True), (4, True), (6, True)])
def test_weigh(count, port):
    """Products of every class, the extremes of p among them, ``latency`` cycles later; the class comes two
    cycles ahead, and the best one of the leaf is the first of the largest."""
    dut   = Weigh(5, 7, confidence=None if port else CONFIDENCE)
    rng   = random.Random(count)
    leaf  = [65535, 0, CONFIDENCE, 65535, CONFIDENCE - 1]
    for spread in (1, 9, 300, 65535) * 5: # probabilities of a position that differ by little, or much
        least = rng.randint(0, 65535 - spread)
        leaf += [least + rng.randint(0, spread) for _ in range(5)]
    ahead, products, best = [], [], []

    async def bench(ctx):
        ctx.set(dut.count, count)
        if port:
            ctx.set(dut.confidence, CONFIDENCE)
        for cycle in range(len(leaf) + dut.latency):
            ctx.set(dut.i.valid, cycle < len(leaf))
            ctx.set(dut.i.payload, {
                "p": leaf[cycle % len(leaf)], "at": {"place": cycle % 5, "first": cycle % 5 == 0}})
            await ctx.tick()
            ahead.append((ctx.get(dut.ahead.valid), ctx.get(dut.ahead.payload.place)))
            best.append(ctx.get(dut.best))
            assert not ahead[-1][0] or ctx.get(dut.ahead.payload.first) == (ahead[-1][1] == 0)
            square = ctx.get(dut.o.square_low) + (ctx.get(dut.o.square_high) << 16)
            products.append((ctx.get(dut.o.sum), square, ctx.get(dut.o.confident)))

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    assert products[dut.latency - 1:-1] == [
        (count * p, count * p * p, count if p >= CONFIDENCE else 0) for p in leaf]
    begin = dut.latency - 3
    assert [valid for valid, _ in ahead] == [int(begin <= cycle < begin + len(leaf))
                                             for cycle in range(len(ahead))]
    assert [index for valid, index in ahead if valid] == [number % 5 for number in range(len(leaf))]
    positions = [leaf[begin:begin + 5] for begin in range(0, len(leaf), 5)]
    assert best[5:len(leaf) + 1:5] == [position.index(max(position)) for position in positions]
