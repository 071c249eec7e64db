# amaranth: UnusedElaboratable=no

import pytest
from amaranth.sim import Simulator

from hdl.head.votes import Votes
from sim.component import PERIOD


@pytest.mark.parametrize("protect", [False, True])
def test_votes_are_added_read_and_cleared(protect):
    dut   = Votes(3, 9, protect=protect)
    leaves = [(2, 2), (0, 1), (2, 1), (1, 1), (2, 4)]

    async def bench(ctx):
        async def read():
            ctx.set(dut.sending, 1)
            ctx.set(dut.used, 1)
            votes = []
            for index in range(3):
                ctx.set(dut.index, index)
                await ctx.tick()
                votes.append(ctx.get(dut.votes))
                assert not (protect and ctx.get(dut.error))
            ctx.set(dut.sending, 0)
            ctx.set(dut.used, 0)
            await ctx.tick()
            assert not (protect and ctx.get(dut.error))
            return votes

        async def clear(*classes):
            ctx.set(dut.clear, 1)
            for index in classes:
                ctx.set(dut.index, index)
                await ctx.tick()
            ctx.set(dut.clear, 0)

        async def vote(best, count):
            ctx.set(dut.best, best)
            ctx.set(dut.count, count)
            await ctx.tick().repeat(2) # their votes so far are read
            ctx.set(dut.vote, 1)
            await ctx.tick()
            ctx.set(dut.vote, 0)

        await clear(0, 1, 2)
        assert await read() == [0, 0, 0]
        for leaf in leaves:
            await vote(*leaf)
        assert await read() == [1, 1, 7]
        await clear(2)
        assert await read() == [1, 1, 0]
        await vote(0, 8)
        assert await read() == [9, 1, 0]

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
