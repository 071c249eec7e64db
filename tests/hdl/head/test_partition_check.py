# amaranth: UnusedElaboratable=no

import random
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


@pytest.mark.parametrize("passes", [1, 3, 4])
def test_sets_of_any_kind(passes):
    """Against what the definition says, one set in a cycle or none, whatever stands at the port then; most
    images are right until a set is replaced."""
    dut, rng = PartitionCheck(passes), random.Random(passes)
    offered, before, left = [], 0, []
    while len(offered) < 3000:
        if not left:
            count = rng.randrange(1, passes + 1)
            lanes = [rng.randrange(count) for _ in range(rng.randrange(count, passes + 1))]
            left  = [members for index in range(count) if (members := sum(
                1 << number for number, lane in enumerate(lanes) if lane == index))]
        members, last = left.pop(0), not left
        if rng.random() < 0.1:
            members, last = rng.randrange(1 << passes), rng.random() < 0.5
        while rng.random() < 0.3:
            offered.append((0, rng.randrange(1 << passes), rng.randrange(2), False))
        union = before | members
        offered.append((1, members, last, bool(
            before & members or not members or last and union & (union + 1))))
        before = 0 if last else union
        left   = [] if last else left

    async def bench(ctx):
        for valid, members, last, wrong in offered:
            ctx.set(dut.sets.payload, {"set": members, "last": last})
            ctx.set(dut.sets.valid, valid)
            await ctx.tick()
            assert ctx.get(dut.error) == wrong

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    assert 100 < sum(wrong for *_, wrong in offered) < len(offered) // 2
