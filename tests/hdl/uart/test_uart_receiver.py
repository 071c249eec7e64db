# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.sim import Simulator

from hdl.uart.uart_receiver import UartReceiver


def receive(dut, levels):
    """Bytes that come of the levels of the line, one of each cycle."""
    came = []

    async def bench(ctx):
        for level in [*levels, *[1] * 100]:
            ctx.set(dut.rx, level)
            *_, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                came.append(byte)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return came


def line(data, cycles_per_bit, gaps=None):
    """Levels of a line with a start bit, eight bits, a stop bit, and a random gap of at most so many
    bits."""
    bits = []
    for byte in data:
        bits += [0, *(byte >> place & 1 for place in range(8)), 1]
        bits += [1] * (gaps.randrange(4) if gaps else 0)
    return [bits[int(cycle / cycles_per_bit)] for cycle in range(int(len(bits) * cycles_per_bit))]


@pytest.mark.some(4)
@pytest.mark.parametrize("clock, baud", [(100, 3), (40, 10), (125, 3), (16, 1)], ids=str)
@pytest.mark.parametrize("slower", [0.98, 1.0, 1.02])
def test_bytes(clock, baud, slower):
    """Any rate of which a bit lasts four cycles; of a line that is a little slower or faster, too."""
    rng  = random.Random(0)
    data = [0, 0xFF, 0x55, *rng.randbytes(20)]
    dut  = UartReceiver(1000 * clock, 1000 * baud)
    assert receive(dut, line(data, slower * clock / baud)) == data
    assert receive(dut, line(data, slower * clock / baud, gaps=rng)) == data


def test_glitch_and_break():
    """Less than half a start bit is none, and a byte without stop bit is left out; the next one is
    right."""
    dut = UartReceiver(1000, 100)
    assert receive(dut, [*[1] * 20, *[0] * 3, *[1] * 20, *line([0xA5], 10)]) == [0xA5]
    assert receive(dut, [*[0] * 230, *[1] * 20, *line([0xA5], 10)]) == [0xA5]


@pytest.mark.parametrize("baud", [0, 251])
def test_wrong_rate(baud):
    with pytest.raises(ValueError, match=f"^Baud rate must be from 1 to 250, a bit in 4 cycles of 1000 Hz, "
                                         f"not {baud}$"):
        UartReceiver(1000, baud)
