# amaranth: UnusedElaboratable=no

import pytest
from amaranth.sim import Simulator

from hdl.layer.arbiter import Arbiter


@pytest.mark.parametrize("arrays", [1, 2, 3, 6, 8])
def test_enables_the_chosen_array(arrays):
    dut = Arbiter(arrays)
    seen = []

    async def drive(ctx):
        for choice in range(arrays):
            for read in (0, 1):
                ctx.set(dut.choice, choice)
                ctx.set(dut.read, read)
                await ctx.delay(1e-9)
                seen.append(ctx.get(dut.enables))

    sim = Simulator(dut)
    sim.add_testbench(drive)
    sim.run()
    assert seen == [enables for choice in range(arrays) for enables in (0, 1 << choice)]


@pytest.mark.parametrize("arrays", [0, -1])
def test_rejects(arrays):
    with pytest.raises(ValueError, match=f"^Number of arrays must be at least 1, not {arrays}$"):
        Arbiter(arrays)
