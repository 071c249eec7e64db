"""Proofs about registers that software reads and writes."""

from functools import partial

from amaranth.hdl import Assert, Cover, Signal

from hdl.bus.register_map import Field, Register
from hdl.bus.registers import Registers
from tests.formal.proof import Proof
from tests.formal.streams import free


def keeps_events(m, dut):
    """A flag that is set stays until a 1 is written to it, and one that is not set does not come up."""
    free(m, dut)
    address = dut.registers[1].address // 4
    before, set_, cleared = Signal(), Signal(), Signal()
    m.d.sync += [
        before.eq(dut.flags[9]), set_.eq(dut.flags_set[9]),
        cleared.eq(dut.access.write & (dut.access.write_address == address) & dut.access.write_strobe[1]
                   & dut.access.write_data[9])]
    begun = Signal()
    m.d.sync += begun.eq(1)
    with m.If(begun):
        m.d.comb += [Assert(dut.flags[9] == (set_ | (before & ~cleared))),
                     Cover(before & cleared & ~dut.flags[9])]
    m.d.comb += [Assert(~dut.flags[0]), Assert(dut.flags[10:] == 0)]


def keeps_limits(m, dut):
    """A setting never leaves its limits, and changes only where it is written without an error."""
    free(m, dut)
    least, most = dut.registers[0].limits
    before, written, begun = Signal(32), Signal(), Signal()
    m.d.sync += [before.eq(dut.setting), begun.eq(1), written.eq(
        dut.access.write & ~dut.access.write_error & (dut.access.write_address == 1))]
    m.d.comb += [Assert(dut.setting >= least), Assert(dut.setting <= most),
                 Cover(begun & (dut.setting == most)), Cover(begun & (dut.setting == least))]
    with m.If(begun & ~written):
        m.d.comb += Assert(dut.setting == before)


def waits_while_busy(m, dut):
    """What only changes while nothing is on its way stays while the accelerator is busy, and a write that
    is ignored is reported, and no other one."""
    free(m, dut)
    written, before, begun, busy = Signal(), Signal(32), Signal(), Signal()
    m.d.comb += written.eq(dut.access.write & ((dut.access.write_address == 3)
                                               | (dut.access.write_address == 4)))
    m.d.sync += [before.eq(dut.idle), begun.eq(1), busy.eq(dut.busy)]
    m.d.comb += [Assert(dut.refused == (written & dut.busy)), Cover(dut.refused)]
    with m.If(begun & busy):
        m.d.comb += [Assert(dut.idle == before), Assert(~dut.command_written)]
    m.d.comb += [Cover(dut.command_written & (dut.command == 7)), Cover(begun & (dut.idle != before))]


SMALL = partial(Registers, (
    Register("SETTING", "setting", 4, "", value=3, limits=(2, 5)),
    Register("FLAGS", "flags", 8, "", (Field("some", 1, 9, ""),)),
    Register("IDLE", "setting", 12, "", (Field("some", 0, 3, ""),), idle=True),
    Register("COMMAND", "command", 16, "", idle=True)))

PROOFS = [Proof(SMALL, keeps_events), Proof(SMALL, keeps_limits), Proof(SMALL, waits_while_busy)]
