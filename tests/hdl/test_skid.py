# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.hdl import Module, unsigned
from amaranth.sim import Simulator

from hdl.skid import Skid
from sim.component import transfer


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
def test_passes_words_in_order(duty):
    words = np.random.default_rng(0).integers(0, 256, 100).tolist()

    passed = transfer(Skid(unsigned(8)), {"i": words}, {"o": len(words)}, duty=duty)

    assert passed["o"].words == words


def test_takes_no_cycle():
    passed = transfer(Skid(unsigned(8)), {"i": list(range(10))}, {"o": 10})

    assert passed["o"].cycles == passed["i"].cycles == list(range(10))


def test_readiness_is_a_register():
    """What the output does in a cycle is not seen at the input before the next."""
    skid = Skid(unsigned(8))
    seen = []

    async def bench(ctx):
        ctx.set(skid.i.valid, 1)
        for ready in (1, 0, 1, 1):
            before = ctx.get(skid.i.ready)
            ctx.set(skid.o.ready, ready)
            seen.append((before, ctx.get(skid.i.ready)))
            await ctx.tick()

    top = Module()
    top.submodules.skid = skid
    sim = Simulator(top)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    # The word that could not go on at the second step is kept, which the third step shows.
    assert seen == [(1, 1), (1, 1), (0, 0), (1, 1)]
