# amaranth: UnusedElaboratable=no

import itertools
import random

import pytest
from amaranth.sim import Simulator

from hdl.uart.uart_transmitter import UartTransmitter


def levels(dut, data, cycles, rests=()):
    """Levels of the line in so many cycles, while bytes wait to be sent; or with a rest in front of each,
    of cycles in which none waits."""
    seen = []

    async def send(ctx):
        for byte, rest in itertools.zip_longest(data, rests):
            if rest:
                ctx.set(dut.i.valid, 0)
                await ctx.tick().repeat(rest)
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def watch(ctx):
        for _ in range(cycles):
            *_, level = await ctx.tick().sample(dut.tx)
            seen.append(level)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(send)
    sim.add_testbench(watch)
    sim.run()
    return seen


RATES = pytest.mark.parametrize("clock, baud", [(100, 3), (4, 1), (125, 3)], ids=str)


@RATES
def test_after_a_rest(clock, baud):
    """However long it is, the start bit of the next byte is a whole one."""
    rests  = range(1, 10)
    cycles = sum(rests) + len(rests) * (11 * clock // baud)
    seen   = levels(UartTransmitter(1000 * clock, 1000 * baud), [0xFF] * len(rests), cycles, rests)
    starts = [len(list(of)) for level, of in itertools.groupby(seen) if not level]
    assert len(starts) == len(rests) and set(starts) <= {clock // baud, -(-clock // baud)}


@RATES
def test_bytes(clock, baud):
    """Ten bits for each byte and no gap: each bit begins within a cycle of where it must."""
    data = [0, 0xFF, 0xA5, *random.Random(0).randbytes(20)]
    bits = [bit for byte in data for bit in (0, *(byte >> place & 1 for place in range(8)), 1)]
    seen = levels(UartTransmitter(1000 * clock, 1000 * baud), data, int((len(bits) + 3) * clock / baud))
    assert seen[0] == seen[-1] == 1
    line = seen[seen.index(0):]
    for place, bit in enumerate(bits):
        begin, end = place * clock / baud, (place + 1) * clock / baud
        assert set(line[int(begin) + 1:int(end) - 1]) <= {bit}
        assert line[int((begin + end) / 2)] == bit
    assert set(line[int(len(bits) * clock / baud) + 1:]) == {1}
