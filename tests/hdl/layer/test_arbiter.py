# amaranth: UnusedElaboratable=no

import itertools

import pytest
from amaranth.sim import Simulator

from hdl.layer.arbiter import Arbiter
from hdl.layer.array import ArrayGeometry


def enables_of(arrays, sets=()):
    """What is enabled, without and with a read, for each choice and way that there are bits for."""
    dut = Arbiter(ArrayGeometry(1, 1, rows_per_read=1, columns_per_read=1, arrays=arrays, sets=sets))
    seen = []

    async def drive(ctx):
        for choice, way in itertools.product(range(1 << len(dut.choice)), range(1 << len(dut.way))):
            for read in (0, 1):
                ctx.set(dut.choice, choice)
                ctx.set(dut.way, way)
                ctx.set(dut.read, read)
                await ctx.delay(1e-9)
                seen.append(ctx.get(dut.enables))

    sim = Simulator(dut)
    sim.add_testbench(drive)
    sim.run()
    return seen[::2], seen[1::2]


@pytest.mark.parametrize("arrays", [1, 2, 3, 8, 10])
def test_enables_the_chosen_array(arrays):
    """None for a number that no array has."""
    idle, read = enables_of(arrays)
    assert not any(idle)
    assert read == [1 << choice if choice < arrays else 0
                    for choice in range(1 << (arrays - 1).bit_length())]


@pytest.mark.parametrize("arrays, sets", [
    (3, [(0, 1), (0, 2), (1, 2)]), (4, [(0, 1, 3), (1, 2, 3)]), (2, [(1,), (0,)]),
    (3, [(2, 0), (0, 2), (1, 0)])])
def test_enables_each_array_of_the_chosen_set(arrays, sets):
    idle, read = enables_of(arrays, sets)
    assert not any(idle)
    ways = 1 << (len(sets[0]) - 1).bit_length()
    assert read == [
        1 << sets[choice][way] if choice < len(sets) and way < len(sets[0]) else 0
        for choice in range(1 << (len(sets) - 1).bit_length()) for way in range(ways)]
