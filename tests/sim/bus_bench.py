"""cocotb bench of an accelerator on AXI, run inside the HDL simulator: the bus models are those of
cocotbext-axi.

What is to be sent is in ``plan.json``, a list of runs, each of which begins with a reset: ``packets`` (of
pixels, as hexadecimal digits), ``registers`` (what is written to them before), ``seed`` (of the random
stream; none, if it stays) and ``gaps`` (whether streams pause at random). What has come is left in
``answers.json``: of each run the packets, the cycle in which the last beat of each came, and all registers.
"""

import importlib.util
import json
import logging
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)


PERIOD_PS = 8000

specification = importlib.util.spec_from_file_location("spincim_registers", "spincim_registers.py")
spincim = importlib.util.module_from_spec(specification)
specification.loader.exec_module(spincim)

ADDRESS, FIELDS, CONSTANTS = spincim.REGISTERS, spincim.FIELDS, spincim.CONSTANTS


def pauses(seed):
    rng = random.Random(seed)
    while True:
        yield rng.random() < 0.5


class Bus:
    """The drivers of a design, which has had a reset."""

    def __init__(self, dut):
        self.dut     = dut
        options      = {"reset": dut.aresetn, "reset_active_level": False}
        self.pixels  = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **options)
        self.results = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **options)
        self.master  = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **options)
        for model in (self.pixels, self.results, self.master.write_if, self.master.read_if):
            model.log.setLevel(logging.WARNING)

    def pause(self):
        write, read = self.master.write_if, self.master.read_if
        for seed, channel in enumerate((
                self.pixels, self.results, write.aw_channel, write.w_channel, write.b_channel,
                read.ar_channel, read.r_channel)):
            channel.set_pause_generator(pauses(seed))

    async def reset(self):
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 4)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    async def read(self, name):
        answer = await self.master.read(ADDRESS[name], 4)
        assert answer.resp == AxiResp.OKAY, name
        return int.from_bytes(answer.data, "little")

    async def write(self, name, value):
        answer = await self.master.write(ADDRESS[name], value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY, name

    async def transfer(self, packet):
        """Send a packet of pixels; return that of the result."""
        await self.pixels.send(AxiStreamFrame(packet))
        return bytes((await self.results.recv()).tdata)


async def start(dut):
    dut.aresetn.value = 0
    cocotb.start_soon(Clock(dut.aclk, PERIOD_PS, unit="ps").start())
    bus = Bus(dut)
    await bus.reset()
    return bus


PLAN = json.loads(Path("plan.json").read_text())


@cocotb.test()
async def packets(dut):
    """Send all packets of the plan, and write down what comes."""
    bus, answers = await start(dut), []
    for run in PLAN:
        await bus.reset()
        if run["gaps"]:
            bus.pause()
        for name, value in run["registers"].items():
            await bus.write(name, value)
        if run["seed"] is not None:
            for address, value in spincim.seed_writes(run["seed"]):
                assert (await bus.master.write(address, value.to_bytes(4, "little"))).resp == AxiResp.OKAY
        for packet in run["packets"]:
            await bus.pixels.send(AxiStreamFrame(bytes.fromhex(packet)))
        came = [await bus.results.recv() for _ in run["packets"]]
        await ClockCycles(dut.aclk, 200)
        assert bus.results.empty(), "A result has come for no packet"
        answers.append({
            "packets": [bytes(frame.tdata).hex() for frame in came],
            "ends": [frame.sim_time_end // PERIOD_PS for frame in came],
            "registers": {name: await bus.read(name) for name in ADDRESS}})
    Path("answers.json").write_text(json.dumps(answers))


@cocotb.test()
async def registers(dut):
    """What each register says after reset and after it is written, and what is no register."""
    bus = await start(dut)
    assert {name: await bus.read(name) for name in CONSTANTS} == CONSTANTS
    assert (await bus.read("ID")).to_bytes(4, "big") == b"SPIN"
    after_reset = {name: await bus.read(name) for name in ADDRESS if name not in CONSTANTS}
    assert 0 < after_reset.pop("CYCLES") < await bus.read("CYCLES")
    passes = after_reset.pop("PASSES")
    assert 1 < passes < CONSTANTS["PASSES_MAX"]
    assert after_reset.pop("CONFIDENCE") > 32768 and after_reset.pop("AGREEMENT") in range(50, 101)
    assert after_reset == dict.fromkeys(after_reset, 0) | {"CONTROL": 1}

    # Values beyond the limits of a setting become the nearest one; bits that mean nothing stay 0.
    for written, held in ((1, 1), (0, 1), (2**32 - 1, CONSTANTS["PASSES_MAX"]), (3, 3)):
        await bus.write("PASSES", written)
        assert await bus.read("PASSES") == held
    await bus.write("INTERRUPTS", 2**32 - 1)
    assert await bus.read("INTERRUPTS") == 0x1F

    # Bytes alone, at addresses between words: as AXI4-Lite has it, by strobes.
    answer = await bus.master.write(ADDRESS["INTERRUPTS"] + 1, b"\xff\xff")
    assert answer.resp == AxiResp.OKAY and await bus.read("INTERRUPTS") == 0x1F
    answer = await bus.master.write(ADDRESS["INTERRUPTS"], b"\x05")
    assert answer.resp == AxiResp.OKAY and await bus.read("INTERRUPTS") == 5
    answer = await bus.master.read(ADDRESS["ID"] + 1, 2)
    assert (answer.resp, answer.data) == (AxiResp.OKAY, b"IP")

    # No register, and registers that are only read.
    for address in (0x0C, 0x3C, 0x58, 0x6C, 0xFFC):
        answer = await bus.master.read(address, 4)
        assert (answer.resp, answer.data) == (AxiResp.SLVERR, bytes(4))
        assert (await bus.master.write(address, bytes(4))).resp == AxiResp.SLVERR
    for name in ("ID", "STATUS", "IMAGES", "CYCLES", "PIXELS"):
        before = await bus.read(name)
        assert (await bus.master.write(ADDRESS[name], b"\xff" * 4)).resp == AxiResp.SLVERR
        assert await bus.read(name) == before or name == "CYCLES"


@cocotb.test()
async def interrupts(dut):
    """An event interrupts where it may, until it is cleared; without CONTROL.enable no packet is begun."""
    bus   = await start(dut)
    whole = bytes(CONSTANTS["PIXELS"] * CONSTANTS["COLOURS"])
    result, mismatch = (1 << FIELDS["EVENTS"][name][0] for name in ("result", "mismatch"))
    await bus.transfer(whole)
    assert (dut.interrupt.value, await bus.read("EVENTS")) == (0, result)
    await bus.write("INTERRUPTS", result)
    assert dut.interrupt.value == 1
    await bus.write("EVENTS", mismatch)
    assert (dut.interrupt.value, await bus.read("EVENTS")) == (1, result)
    await bus.write("EVENTS", result)
    assert (dut.interrupt.value, await bus.read("EVENTS")) == (0, 0)
    await bus.write("INTERRUPTS", mismatch)
    await bus.transfer(whole)
    assert (dut.interrupt.value, await bus.read("EVENTS")) == (0, result)
    await bus.transfer(whole[1:])
    assert (dut.interrupt.value, await bus.read("EVENTS")) == (1, result | mismatch)
    assert [await bus.read(name) for name in ("IMAGES", "RESULTS", "MISMATCHES")] == [3, 3, 1]

    # A packet that has begun goes on, and no other begins.
    await bus.write("EVENTS", result | mismatch)
    await bus.pixels.send(AxiStreamFrame(whole))
    await RisingEdge(dut.s_axis_tvalid)
    await ClockCycles(dut.aclk, 2)
    await bus.pixels.send(AxiStreamFrame(whole))
    await bus.write("CONTROL", 0)
    await bus.results.recv()
    await ClockCycles(dut.aclk, 1000)
    assert bus.results.empty() and dut.s_axis_tready.value == 0
    assert (await bus.read("IMAGES"), await bus.read("STATUS")) == (4, 0)
    await bus.write("CONTROL", 1)
    await RisingEdge(dut.s_axis_tready)
    assert await bus.read("STATUS") == 1

    # What only changes while no image is on its way.
    for name in ("CONFIDENCE", "AGREEMENT", "RESEED"):
        await bus.write("EVENTS", 2**32 - 1)
        before = await bus.read(name)
        await bus.write(name, 1)
        assert (await bus.read(name), await bus.read("EVENTS")) == (before, 0x10)
    await bus.results.recv()
    assert (await bus.read("IMAGES"), await bus.read("STATUS")) == (5, 0)
