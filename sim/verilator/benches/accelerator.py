"""cocotb bench of an emitted accelerator in its harness, run inside the HDL simulator.

The harness has clock and reset, so no Python runs unless there is a junction to play.
"""

import json
import os
import signal
from pathlib import Path

import cocotb
from cocotb.triggers import FallingEdge, First, RisingEdge, Timer
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
    """Stand in for all junctions.

    Instead of junctions that start from ``seed`` and what follows it, the bits of the file ``played`` can
    be given.
    """
    # Which take longer to import than many images to simulate.
    from golden.device.junction import Mtj
    from golden.random.bad_sources import Played

    for source in range(sources):
        set_, read, reset, current, sense = (
            getattr(dut, f"mtj__{source}__{pin}") for pin in ("set", "read", "reset", "current", "sense"))
        junction = Mtj(seed + source) if played is None else Played(
            bit == "1" for bit in Path(played).read_text()[source::sources])
        cocotb.start_soon(play_junction(set_, read, reset, current, sense, junction,
                                        Path(bits_file.format(source)), **times))


async def play_junction(set_, read, reset, current, sense, junction, path, set_ns, read_ns, reset_ns):
    """Stand in for an MTJ: check every pulse, switch by chance, and write down each bit."""
    async def pulse(pin, name, least_ns):
        """Wait for a pulse to end; return the current code, and how long it was."""
        begin, code = get_sim_time("ns"), int(current.value)
        # The current may change as the pulse ends: then both have their new values.
        await First(FallingEdge(pin), current.value_change)
        assert not pin.value, f"Current changed during {name}"
        length_ns = get_sim_time("ns") - begin
        assert length_ns >= least_ns, f"{name} pulse is too short"
        return code, length_ns

    with path.open("w") as bits:
        while True:
            await RisingEdge(set_)
            assert not read.value and not reset.value, "SET overlaps another phase"
            sense.value = int(junction.set(*await pulse(set_, "SET", set_ns)))
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
            junction.reset(*await pulse(reset, "RESET", reset_ns))
