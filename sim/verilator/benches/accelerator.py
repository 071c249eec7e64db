"""cocotb bench of an emitted accelerator in its harness, run inside the HDL simulator.

The harness has clock and reset, so no Python runs unless there is a junction to play.
"""

import json
import os
import signal
from pathlib import Path

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from cocotb.utils import get_sim_time


# Who has started this run decides when it ends.
signal.signal(signal.SIGINT, signal.SIG_IGN)


@cocotb.test()
async def images_to_results(dut):
    """Let the harness send all images; what it writes is compared afterwards."""
    if "MTJ" in os.environ:
        play(dut, **json.loads(os.environ["MTJ"]))
    await RisingEdge(dut.done)
    await Timer(1, unit="us") # in which files are flushed


def play(dut, sources, bits_file, seed=1, played=None, **times):
    """Stand in for all junctions; their pins have numbers where there are several.

    Instead of junctions that start from ``seed`` and what follows it, the bits of the file ``played`` can
    be given.
    """
    # Which take longer to import than many images to simulate.
    from golden.device.junction import Mtj
    from golden.random.bad_sources import Played

    for source in range(sources):
        pins = f"mtj__{source}" if sources > 1 else "mtj"
        set_, read, reset, current, sense = (
            getattr(dut, f"{pins}__{pin}") for pin in ("set", "read", "reset", "current", "sense"))
        junction = Mtj(seed + source) if played is None else Played(
            bit == "1" for bit in Path(played).read_text()[source::sources])
        cocotb.start_soon(play_junction(set_, read, reset, current, sense, junction,
                                        Path(bits_file.format(source)), **times))


async def play_junction(set_, read, reset, current, sense, junction, path, set_ns, read_ns, reset_ns):
    """Stand in for an MTJ: check every pulse, switch by chance, and write down each bit."""
    with path.open("w") as bits:
        while True:
            await RisingEdge(set_)
            begin = get_sim_time("ns")
            code = int(current.value)
            assert not read.value and not reset.value, "SET overlaps another phase"
            await FallingEdge(set_)
            assert get_sim_time("ns") - begin >= set_ns, "SET pulse is too short"
            assert int(current.value) == code, "Current changed during SET"
            sense.value = int(junction.set(code))
            if not read.value:
                await RisingEdge(read)
            begin = get_sim_time("ns")
            await FallingEdge(read)
            assert get_sim_time("ns") - begin >= read_ns, "Read is too short"
            assert not set_.value, "Read overlaps SET"
            bits.write(str(int(not junction.switched)))
            bits.flush()
            if not reset.value:
                await RisingEdge(reset)
            begin = get_sim_time("ns")
            await FallingEdge(reset)
            assert get_sim_time("ns") - begin >= reset_ns, "RESET pulse is too short"
            junction.reset()
