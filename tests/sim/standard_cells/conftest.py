import io

import numpy as np
import pytest
from amaranth.sim import Simulator

from gen.emit import emit
from gen.progress import Progress
from gen.standard_cells.liberty import read_library
from gen.standard_cells.mapping import map_design
from tests.gen.standard_cells import library
from tests.gen.standard_cells.sample import Sample


@pytest.fixture(scope="session")
def mapped(tmp_path_factory):
    """The netlist of a component, and its waves by Amaranth's simulator, by signal."""
    folder = tmp_path_factory.mktemp("mapped")
    (folder / "tiny.lib").write_text(library.text())
    tiny    = read_library(folder / "tiny.lib")
    netlist = map_design(folder, emit(Sample(), "sample", folder), tiny, 100.0, Progress(io.StringIO()))

    dut, random = Sample(), np.random.default_rng(1)

    async def testbench(ctx):
        for _ in range(300):
            for port, bits in ((dut.i, 4), (dut.enable, 1), (dut.address, 3)):
                ctx.set(port, int(random.integers(2**bits)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    with simulator.write_vcd(str(folder / "waves.vcd")):
        simulator.run()
    return netlist, folder / "waves.vcd"
