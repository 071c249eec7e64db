"""cocotb bench of an SoC of LiteX with an accelerator, run inside the HDL simulator: a manager of Wishbone
in place of a processor, which puts images into the memory of the SoC, starts both engines, and reads the
results.

``plan.json`` has ``images`` (as hexadecimal digits), ``records`` (bytes of a result), ``memory`` and
``registers`` (addresses), and ``engines``, the addresses of the registers of the engines and of the events.
The results are left in ``answers.json``.
"""

import json
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge


PLAN = json.loads(Path("plan.json").read_text())


class Refused(Exception):
    """The bus has answered with an error."""


class Manager:
    def __init__(self, dut):
        self.dut = dut

    async def access(self, address, write=None):
        """Read a word at a byte address, or write one."""
        dut = self.dut
        dut.wishbone_adr.value   = address // 4
        dut.wishbone_we.value    = write is not None
        dut.wishbone_dat_w.value = write or 0
        dut.wishbone_cyc.value   = dut.wishbone_stb.value = 1
        while True:
            await RisingEdge(dut.sys_clk)
            if dut.wishbone_ack.value or dut.wishbone_err.value:
                break
        refused, word = dut.wishbone_err.value, int(dut.wishbone_dat_r.value)
        dut.wishbone_cyc.value = dut.wishbone_stb.value = 0
        await RisingEdge(dut.sys_clk)
        if refused:
            raise Refused
        return word

    async def read(self, address, count):
        words = [await self.access(address + at) for at in range(0, count, 4)]
        return b"".join(word.to_bytes(4, "little") for word in words)

    async def write(self, address, content):
        for at in range(0, len(content), 4):
            await self.access(address + at, int.from_bytes(content[at:at + 4], "little"))

    async def start(self, engine, base, length):
        enable, start, size = (PLAN["engines"][f"{engine}_{name}"] for name in ("enable", "base", "length"))
        await self.access(enable, 0)
        await self.access(start, 0) # the upper half
        await self.access(start + 4, base)
        await self.access(size, length)
        await self.access(enable, 1)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def images(dut):
    for name in ("adr", "dat_w", "cyc", "stb", "we", "cti", "bte"):
        getattr(dut, f"wishbone_{name}").value = 0
    dut.wishbone_sel.value = 15
    dut.sys_rst.value = 1
    cocotb.start_soon(Clock(dut.sys_clk, 8, unit="ns").start())
    await ClockCycles(dut.sys_clk, 4)
    dut.sys_rst.value = 0
    soc, memory, registers = Manager(dut), PLAN["memory"], PLAN["registers"]
    assert await soc.read(registers, 4) == b"NIPS"
    for address in (registers + 0x0C, registers + 0xFFC): # there is no such register
        try:
            await soc.access(address)
        except Refused:
            continue
        raise AssertionError(f"{address:#x} was read")
    answers = []
    for image in map(bytes.fromhex, PLAN["images"]):
        await soc.write(memory, image)
        room = memory + -(-len(image) // 4) * 4
        await soc.start("writer", room, PLAN["records"])
        await soc.start("reader", memory, room - memory)
        while not await soc.access(PLAN["engines"]["writer_done"]):
            pass
        answers.append((await soc.read(room, PLAN["records"])).hex())
    results, mismatches = [int.from_bytes(await soc.read(registers + at, 4), "little")
                           for at in (0x28, 0x2C)]
    assert (results, mismatches) == (len(answers), 0)
    # The interrupt, by the event manager of LiteX, of the event that a result has been sent.
    pending = PLAN["engines"]["ev_status"]
    assert not await soc.access(pending)
    await soc.access(registers + 0x20, 1)
    assert await soc.access(pending)
    await soc.access(registers + 0x1C, 1)
    assert not await soc.access(pending)
    Path("answers.json").write_text(json.dumps(answers))
