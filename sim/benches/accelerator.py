"""cocotb bench of an emitted accelerator in its harness, run inside the HDL simulator."""

import json
import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from cocotb.utils import get_sim_time

from golden.device import Mtj


PERIOD_PS = int(os.environ["PERIOD_PS"])


@cocotb.test()
async def images_to_results(dut):
    """Reset, then let the harness send all images; what it writes is compared afterwards."""
    if "MTJ" in os.environ:
        cocotb.start_soon(play_junction(dut, **json.loads(os.environ["MTJ"])))
    Clock(dut.clk, PERIOD_PS, unit="ps").start()
    await Timer(4 * PERIOD_PS + PERIOD_PS // 4, unit="ps")
    dut.rst.value = 0
    await RisingEdge(dut.done)
    await Timer(2 * PERIOD_PS, unit="ps")


async def play_junction(dut, seed, bits_file, set_ns, read_ns, reset_ns):
    """Stand in for the MTJ: check every pulse, switch by chance, and write down each keep bit."""
    junction = Mtj(seed)
    with Path(bits_file).open("w") as bits:
        while True:
            await RisingEdge(dut.mtj__set)
            begin = get_sim_time("ns")
            code = int(dut.mtj__current.value)
            assert not dut.mtj__read.value and not dut.mtj__reset.value, "SET overlaps another phase"
            await FallingEdge(dut.mtj__set)
            assert get_sim_time("ns") - begin >= set_ns, "SET pulse is too short"
            assert int(dut.mtj__current.value) == code, "Current changed during SET"
            dut.mtj__sense.value = int(junction.set(code))
            if not dut.mtj__read.value:
                await RisingEdge(dut.mtj__read)
            begin = get_sim_time("ns")
            await FallingEdge(dut.mtj__read)
            assert get_sim_time("ns") - begin >= read_ns, "Read is too short"
            assert not dut.mtj__set.value, "Read overlaps SET"
            bits.write("01"[not junction.switched])
            bits.flush()
            if not dut.mtj__reset.value:
                await RisingEdge(dut.mtj__reset)
            begin = get_sim_time("ns")
            await FallingEdge(dut.mtj__reset)
            assert get_sim_time("ns") - begin >= reset_ns, "RESET pulse is too short"
            junction.reset()
