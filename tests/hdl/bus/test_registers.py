# amaranth: UnusedElaboratable=no

import random
from dataclasses import replace

import pytest
from amaranth.sim import Simulator

from hdl.bus.register_map import Field, Register, register_map
from hdl.bus.registers import Registers


TABLE = (
    Register("FIXED", "constant", 0x00, "", value=0x12345678),
    Register("LIVE", "input", 0x04, "", (Field("a", 0, 4, ""), Field("b", 8, 4, ""))),
    Register("COUNT", "counter", 0x08, ""),
    Register("SET", "setting", 0x0C, "", value=7, limits=(2, 900)),
    Register("BITS", "setting", 0x14, "", (Field("low", 0, 3, ""), Field("high", 28, 4, "")), value=5),
    Register("FLAGS", "flags", 0x18, "", (Field("a", 0, 1, ""), Field("b", 9, 1, ""))),
    Register("DO", "command", 0x1C, ""),
    Register("IDLE", "setting", 0x20, "", (Field("low", 0, 7, ""),), value=3, idle=True),
    Register("IDLE_DO", "command", 0x24, "", idle=True),
)

MASKS = {"LIVE": 0xF0F, "BITS": 0xF0000007, "FLAGS": 0x201, "IDLE": 0x7F}


class Model:
    """What registers hold, written and read as software does."""

    def __init__(self):
        self.values = {register.name: register.value for register in TABLE}
        self.names  = {register.address // 4: register.name for register in TABLE}

    def read(self, address, live):
        name = self.names.get(address)
        return (0, 1) if name is None else (live & MASKS[name] if name == "LIVE" else self.values[name], 0)

    def write(self, address, data, strobe):
        """Whether there is an error; and the new value of a register."""
        name  = self.names.get(address)
        bytes_ = [(data if strobe >> lane & 1 else self.values.get(name, 0)) >> 8 * lane & 0xFF
                  for lane in range(4)]
        value = int.from_bytes(bytes(bytes_), "little")
        if name == "SET":
            return 0, {name: min(max(value, 2), 900)}
        if name in ("BITS", "IDLE"):
            return 0, {name: value & MASKS[name]}
        if name in ("DO", "IDLE_DO"):
            return 0, {}
        if name == "FLAGS":
            cleared = sum(data & 0xFF << 8 * lane for lane in range(4) if strobe >> lane & 1)
            return 0, {name: self.values[name] & ~cleared}
        return 1, {}


def test_registers_are_those_of_the_model():
    """At random, with reads, writes and events in the same cycles."""
    dut, model, rng = Registers(TABLE), Model(), random.Random(0)

    async def bench(ctx):
        access = dut.access
        for _ in range(3000):
            live, step = rng.getrandbits(32), rng.getrandbits(1)
            events = rng.choice((0, 0, rng.getrandbits(32)))
            read, written = (rng.randrange(12) ^ rng.choice((0, 0, 0, 1 << rng.randrange(10)))
                             for _ in range(2)) # others differ in one bit
            busy = rng.getrandbits(1)
            write, strobe = rng.getrandbits(1), rng.choice((15, rng.getrandbits(4)))
            data = rng.choice((rng.getrandbits(32), rng.getrandbits(10), 1 << rng.randrange(32),
                               *range(1, 4), *range(898, 903)))
            for port, value in ((dut.busy, busy), (dut.live, live), (dut.count_step, step),
                                (dut.flags_set, events),
                                (access.read_address, read), (access.write, write),
                                (access.write_address, written), (access.write_data, data),
                                (access.write_strobe, strobe)):
                ctx.set(port, value)
            assert (ctx.get(access.read_data), ctx.get(access.read_error)) == model.read(read, live)
            error, changed = model.write(written, data, strobe)
            assert ctx.get(access.write_error) == error
            name    = model.names.get(written)
            refused = write and busy and name in ("IDLE", "IDLE_DO")
            assert ctx.get(dut.refused) == refused
            if write and not refused:
                model.values |= changed
            model.values["FLAGS"] |= events & MASKS["FLAGS"]
            model.values["COUNT"] += step
            await ctx.tick()
            assert [ctx.get(port) for port in (dut.set, dut.bits, dut.flags, dut.idle)] == [
                model.values[name] for name in ("SET", "BITS", "FLAGS", "IDLE")]
            for port, signal, sent in (("DO", dut.do, dut.do_written),
                                       ("IDLE_DO", dut.idle_do, dut.idle_do_written)):
                assert ctx.get(sent) == (write and name == port and not refused)
                assert not ctx.get(sent) or ctx.get(signal) == data

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("change, message", [
    ({"name": "FIXED"}, "Registers must have one name each, but two have 'FIXED'"),
    ({"address": 4}, "Registers must have one address each, but two have 4"),
    ({"address": 6}, "Address of register IDLE_DO must be a multiple of 4 below 4096, not 6"),
    ({"address": 4096}, "Address of register IDLE_DO must be a multiple of 4 below 4096, not 4096"),
])
def test_refuses(change, message):
    with pytest.raises(ValueError) as error:
        Registers((*TABLE[:-1], replace(TABLE[-1], **change)))
    assert str(error.value) == message


def test_map():
    """Fields of a register share no bit, and each value is within its fields and limits."""
    table = register_map(pixels=784, colours=1, classes=10, positions=(7, 300), passes=20, passes_max=32,
                         width=64, version=(1, 2, 3), build=0xDEADBEEF)
    values = {register.name: register.value for register in table}
    assert (values["VERSION"], values["BUILD"], values["BEAT"]) == (0x01020003, 0xDEADBEEF, 8)
    assert (values["CLASSES"], values["POSITIONS"]) == (10, 7 << 16 | 300)
    assert (values["ID"]).to_bytes(4, "big") == b"SPIN"
    for register in table:
        bits = [low for field in register.fields for low in range(field.low, field.low + field.width)]
        assert len(bits) == len(set(bits)) and register.mask == (sum(1 << bit for bit in bits) or 2**32 - 1)
        assert register.value & ~register.mask == 0
        assert register.limits is None or register.limits[0] <= register.value <= register.limits[1]
