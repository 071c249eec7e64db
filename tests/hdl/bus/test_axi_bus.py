# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import ClockDomain, Module, Value
from amaranth.sim import Simulator

from hdl.bus.axi_bus import AxiBus
from hdl.bus.image_input import beat_layout
from hdl.head.result import result_layout
from sim.component import transfer


ADDRESS = {"CONTROL": 0x10, "PASSES": 0x14, "STATUS": 0x18, "EVENTS": 0x1C, "INTERRUPTS": 0x20,
           "IMAGES": 0x24, "RESULTS": 0x28, "MISMATCHES": 0x2C, "CYCLES": 0x30, "CONFIDENCE": 0x34}


def make():
    return AxiBus(pixels=3, colours=1, classes=2, passes=4, passes_max=5, width=16)


def beat(data, keep, last):
    return beat_layout(16).const({"data": data, "keep": keep, "last": last}).as_bits()


def test_streams():
    """Pixels go to the accelerator, its results come out, with the marks of their images."""
    words  = [result_layout(2, 5).const({"sum": number, "last": number % 2}).as_bits()
              for number in range(6)]
    packet = [beat(0x0201, 3, 0), beat(0x0003, 1, 1)]
    passed = transfer(make(), {"s_axis": [*packet, beat(9, 1, 1), *packet], "results": words},
                      {"pixels": 9, "m_axis": 12}, starts={"results": 50})
    assert passed["pixels"].words == [1, 2, 3, 9, 0, 0, 1, 2, 3]
    assert [beat >> 64 & 0xFFFFFFFF for beat in passed["m_axis"].words[::2]] == list(range(6))
    flags = [beat >> 96 & 0xF for beat in passed["m_axis"].words[1::2]]
    assert flags == [0, 1, 8, 9, 0, 1]
    assert [beat >> 128 for beat in passed["m_axis"].words] == [0, 0, 0, 1] * 3


class Software:
    """Reads and writes the registers of a bus."""

    def __init__(self, ctx, dut):
        self.ctx, self.dut = ctx, dut
        for channel in (dut.b, dut.r):
            ctx.set(channel.ready, 1)

    async def send(self, channel, payload):
        self.ctx.set(Value.cast(channel.payload), payload)
        self.ctx.set(channel.valid, 1)
        await self.ctx.tick().until(channel.ready)
        self.ctx.set(channel.valid, 0)

    async def read(self, name):
        await self.send(self.dut.ar, ADDRESS[name])
        data, resp = await self.ctx.tick().sample(self.dut.r.payload.data, self.dut.r.payload.resp).until(
            self.dut.r.valid)
        assert resp == 0
        return data

    async def write(self, name, value):
        await self.send(self.dut.aw, ADDRESS[name])
        await self.send(self.dut.w, value | 0xF << 32)
        [resp] = await self.ctx.tick().sample(self.dut.b.payload).until(self.dut.b.valid)
        assert resp == 0


@pytest.mark.parametrize("level, bit", [("alarm", 1), ("error", 2)])
def test_alarm(level, bit):
    """An alarm or a fault is an event when it comes up; it stays in the status, where nothing clears it."""
    dut = make()

    async def bench(ctx):
        software = Software(ctx, dut)
        await software.write("INTERRUPTS", 0xF ^ 2 << bit)
        ctx.set(getattr(dut, level), 1)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.interrupt) == 0
        await software.write("INTERRUPTS", 2 << bit)
        assert ctx.get(dut.interrupt) == 1
        assert (await software.read("STATUS"), await software.read("EVENTS")) == (1 << bit, 2 << bit)
        await software.write("EVENTS", 2 << bit)
        assert ctx.get(dut.interrupt) == 0
        assert (await software.read("STATUS"), await software.read("EVENTS")) == (1 << bit, 0)

    simulate(dut, bench)


@pytest.mark.parametrize("levels", [("alarm", "error"), ("error", "alarm")])
def test_alarm_and_error(levels):
    """One is an event though the other is already there; that is none again."""
    dut = make()
    first, second = (4 << ("alarm", "error").index(level) for level in levels)

    async def bench(ctx):
        software = Software(ctx, dut)
        ctx.set(getattr(dut, levels[0]), 1)
        await ctx.tick().repeat(3)
        assert await software.read("EVENTS") == first
        await software.write("EVENTS", first)
        ctx.set(getattr(dut, levels[1]), 1)
        await ctx.tick().repeat(3)
        assert await software.read("EVENTS") == second
        await software.write("EVENTS", second)
        await ctx.tick().repeat(3)
        assert (await software.read("STATUS"), await software.read("EVENTS")) == (6, 0)

    simulate(dut, bench)


def test_refused():
    """A setting that is written while an image is on its way is an event that raises the interrupt."""
    dut = make()

    async def bench(ctx):
        software = Software(ctx, dut)
        before = await software.read("CONFIDENCE")
        await software.write("INTERRUPTS", 0x10)
        await software.send(dut.s_axis, beat(0x0201, 3, 0))
        assert ctx.get(dut.interrupt) == 0
        await software.write("CONFIDENCE", before ^ 1)
        assert ctx.get(dut.interrupt) == 1
        assert (await software.read("CONFIDENCE"), await software.read("EVENTS")) == (before, 0x10)
        await software.write("INTERRUPTS", 0xF)
        assert ctx.get(dut.interrupt) == 0

    simulate(dut, bench)


def test_passes_go_to_the_accelerator():
    dut = make()

    async def bench(ctx):
        software = Software(ctx, dut)
        assert ctx.get(dut.passes) == await software.read("PASSES") == 4
        for written, held in ((2, 2), (0, 1), (9, 5)):
            await software.write("PASSES", written)
            assert ctx.get(dut.passes) == await software.read("PASSES") == held

    simulate(dut, bench)


def test_what_is_counted():
    """Images that are whole, results that are sent, packets of a wrong length, and cycles."""
    dut = make()

    async def bench(ctx):
        software = Software(ctx, dut)
        ctx.set(dut.pixels.ready, 1)
        for packet in ([beat(0x0201, 3, 0), beat(0x0003, 1, 1)], [beat(0, 1, 1)], [beat(0, 3, 0)]):
            for word in packet:
                await software.send(dut.s_axis, word)
        counts = [await software.read(name) for name in ("IMAGES", "RESULTS", "MISMATCHES", "STATUS")]
        assert counts == [2, 0, 1, 1]
        ctx.set(dut.m_axis.ready, 1)
        for place in range(2):
            await software.send(dut.results, result_layout(2, 5).const({"last": place}).as_bits())
        counts = [await software.read(name) for name in ("IMAGES", "RESULTS", "MISMATCHES", "EVENTS")]
        assert counts == [2, 1, 1, 3]
        for enabled, raised in ((1, 1), (2, 1), (0xC, 0), (0, 0)):
            await software.write("INTERRUPTS", enabled)
            assert ctx.get(dut.interrupt) == raised
        before = await software.read("CYCLES")
        await ctx.tick().repeat(random.Random(0).randrange(100))
        between = await software.read("CYCLES") - before
        assert between == random.Random(0).randrange(100) + 3

    simulate(dut, bench)


def simulate(dut, bench):
    top = Module()
    top.domains.sync   = ClockDomain()
    top.submodules.dut = dut
    sim = Simulator(top)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
