# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from hdl.bus.axi_lite import OKAY, SLVERR, AxiLite, axi_lite_members
from hdl.bus.register_map import Register
from hdl.bus.registers import Registers
from sim.component import transfer


class WithRegisters(wiring.Component):
    """AXI4-Lite with two registers that are written, and one that is not."""

    def __init__(self):
        super().__init__(axi_lite_members())

    def elaborate(self, platform):
        m = Module()
        m.submodules.axi_lite  = axi_lite = AxiLite()
        m.submodules.registers = registers = Registers((
            Register("FIXED", "constant", 0x00, "", value=0xC0FFEE),
            Register("A", "setting", 0x04, "", value=1), Register("B", "setting", 0xFFC, "", value=2)))
        connect(m, axi_lite.access, registers.access)
        for name in axi_lite_members():
            connect(m, getattr(axi_lite, name), flipped(getattr(self, name)))
        return m


def word(data, strobe):
    return data | strobe << 32


def response(data, resp):
    return data | resp << 32


@pytest.mark.parametrize("starts", [{}, {"aw": 40}, {"w": 40}, {"b": 40}], ids=str)
@pytest.mark.parametrize("duty", [1.0, 0.4])
def test_writes(duty, starts):
    """Each write has one answer, in order, however address and data come; then the values are read."""
    rng    = random.Random(0)
    values = {0x04: 1, 0xFFC: 2}
    sends, answers = {"aw": [], "w": []}, []
    for _ in range(40):
        address = rng.choice((0x00, 0x04, 0xFFC, 0x08, 0x800))
        data, strobe = rng.getrandbits(32), rng.getrandbits(4)
        sends["aw"].append(address + rng.randrange(4)) # the two lowest bits say nothing
        sends["w"].append(word(data, strobe))
        answers.append(OKAY if address in values else SLVERR)
        if address in values:
            mask = sum(0xFF << 8 * lane for lane in range(4) if strobe >> lane & 1)
            values[address] = values[address] & ~mask | data & mask
    # The two lowest bits say nothing here either.
    reads  = [address + low for address in (0x04, 0xFFC, 0x00, 0x0C, 0x800) for low in range(4)]
    passed = transfer(WithRegisters(), sends | {"ar": reads}, {"b": 40, "r": len(reads)}, duty=duty,
                      starts=starts | {"ar": 1000})
    known  = values | {0x00: 0xC0FFEE}
    assert passed["b"].words == answers
    assert passed["r"].words == [
        response(known[address & ~3], OKAY) if address & ~3 in known else response(0, SLVERR)
        for address in reads]


def test_timing():
    passed = transfer(WithRegisters(), {"aw": [4] * 5, "w": [word(0, 15)] * 5, "ar": [0] * 5},
                      {"b": 5, "r": 5})
    assert passed["aw"].cycles == passed["w"].cycles == passed["ar"].cycles == [0, 2, 4, 6, 8]
    assert passed["b"].cycles == passed["r"].cycles == [
        AxiLite.latency + cycle for cycle in (0, 2, 4, 6, 8)]
