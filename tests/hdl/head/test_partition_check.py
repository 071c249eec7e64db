# amaranth: UnusedElaboratable=no

from itertools import product

import pytest
from amaranth.sim import Simulator

from hdl.head.partition_check import PartitionCheck
from sim.component import PERIOD


def errors(passes, images):
    """Whether an error is raised for each pass set of ``images``, lists of sets as numbers."""
    dut, found = PartitionCheck(passes), []

    async def bench(ctx):
        for sets in images:
            for number, members in enumerate(sets):
                ctx.set(dut.sets.payload, {"set": members, "last": number == len(sets) - 1})
                ctx.set(dut.sets.valid, 1)
                await ctx.tick()
                found.append(ctx.get(dut.error))
                ctx.set(dut.sets.valid, 0)
                await ctx.tick()
                assert not ctx.get(dut.error)

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("sets", [[0b1], [0b111], [0b101, 0b010], [0b0100, 0b0001, 0b1010]])
def test_partitions_raise_none(sets):
    assert not any(errors(4, [sets, sets]))


def test_every_pair_of_sets():
    """All that two sets of three passes can be: only those that divide the lowest passes are right."""
    for first, second in product(range(8), repeat=2):
        union = first | second
        right = first and second and not first & second and not union & (union + 1)
        found = errors(3, [[first, second], [0b1]])
        assert any(found[:2]) != bool(right), (first, second)
        # The next image begins anew.
        assert not found[2], (first, second)
