"""Registers of 32 bits that software reads and writes, made of their description."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.bus.register_map import ADDRESS_BITS


__all__ = ["Registers", "access_signature"]


def access_signature():
    """How a bus reads and writes registers: a bridge drives it, and any bus may have one.

    In each cycle the word at ``read_address`` (in words) is in ``read_data``. With ``write`` the bytes of
    ``write_data`` whose bit of ``write_strobe`` is 1 go to the word at ``write_address``. An error says
    that there is no such register, or that it is only read; then nothing is written, and 0 is read.
    """
    return wiring.Signature({
        "read_address":  Out(ADDRESS_BITS - 2),
        "read_data":     In(32),
        "read_error":    In(1),
        "write":         Out(1),
        "write_address": Out(ADDRESS_BITS - 2),
        "write_data":    Out(32),
        "write_strobe":  Out(4),
        "write_error":   In(1),
    })


class Registers(wiring.Component):
    """The registers of ``registers``, each as its kind says (:class:`hdl.bus.register_map.Register`).

    Settings, flags and counters change in the cycle after they are written, set or stepped. A flag that is
    set and cleared at once is set. What is written to registers with ``idle`` while ``busy`` is ignored,
    which is no error of the bus.

    Parameters
    ----------
    registers : sequence of hdl.bus.register_map.Register
        A :exc:`ValueError` is raised if two have one name or address, or an address is not that of a word.

    Members
    -------
    access : In(access_signature())
        Reads and writes.
    <name> : In(32), Out(32), or of a setting Out of as many bits as it needs
        By kind. ``input``: what is read. ``setting`` and ``flags``: their value. ``command``: what was
        written last.
    <name>_set : In(32)
        Of flags: those that are set.
    <name>_step : In(1)
        Of counters: whether they count in this cycle.
    <name>_written : Out(1)
        Of commands: 1 for the first cycle with each.
    busy, refused : In(1), Out(1)
        See above; and 1 for a cycle as a write is ignored.
    """

    def __init__(self, registers):
        self.registers = tuple(registers)
        for what in ("name", "address"):
            values = [getattr(register, what) for register in self.registers]
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"Registers must have one {what} each, but two have {value!r}")
        for register in self.registers:
            if register.address not in range(0, 1 << ADDRESS_BITS, 4):
                raise ValueError(f"Address of register {register.name} must be a multiple of 4 below "
                                 f"{1 << ADDRESS_BITS}, not {register.address!r}")
        members = {"access": In(access_signature()), "busy": In(1), "refused": Out(1)}
        for register in self.registers:
            name = register.name.lower()
            members |= {"constant": {},
                        "input":    {name: In(32)},
                        "counter":  {f"{name}_step": In(1)},
                        "setting":  {name: Out(register.width, init=register.value)},
                        "flags":    {name: Out(32), f"{name}_set": In(32)},
                        "command":  {name: Out(32), f"{name}_written": Out(1)}}[register.kind]
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()

        access = self.access
        m.d.comb += [access.read_error.eq(1), access.write_error.eq(1)]
        for register in self.registers:
            name  = register.name.lower()
            write = Signal(name=f"{name}_write")
            value = self._value(m, register, name)
            with m.If(access.read_address == register.address // 4):
                m.d.comb += [access.read_data.eq(value & register.mask), access.read_error.eq(0)]
            if register.kind not in ("setting", "flags", "command"):
                continue
            with m.If(access.write_address == register.address // 4):
                m.d.comb += access.write_error.eq(0)
                if register.idle:
                    m.d.comb += [write.eq(access.write & ~self.busy),
                                 self.refused.eq(access.write & self.busy)]
                else:
                    m.d.comb += write.eq(access.write)
            if register.kind == "command":
                m.d.sync += getattr(self, f"{name}_written").eq(write)
                with m.If(write):
                    m.d.sync += getattr(self, name).eq(access.write_data)
                continue
            strobes = Cat(bit.replicate(8) for bit in access.write_strobe)
            if register.kind == "flags":
                clear = Mux(write, strobes & access.write_data, 0)
                m.d.sync += value.eq((value & ~clear | getattr(self, f"{name}_set")) & register.mask)
            else:
                written = Signal(32, name=f"{name}_written")
                m.d.comb += written.eq(
                    (value & ~strobes | access.write_data & strobes) & register.mask)
                with m.If(write):
                    m.d.sync += value.eq(written)
                    if register.limits:
                        least, most = register.limits
                        with m.If(written < least):
                            m.d.sync += value.eq(least)
                        with m.Elif(written > most):
                            m.d.sync += value.eq(most)

        return m

    def _value(self, m, register, name):
        """What is read of a register."""
        if register.kind in ("constant", "command"):
            return Const(register.value, 32)
        if register.kind != "counter":
            return getattr(self, name)
        count = Signal(32, name=f"{name}_count")
        m.d.sync += count.eq(count + getattr(self, f"{name}_step"))
        return count
