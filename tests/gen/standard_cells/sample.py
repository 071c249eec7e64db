# amaranth: UnusedElaboratable=no
"""A component with all that is mapped: logic, registers, a small memory and a large one."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Sample(wiring.Component):
    """Adds up what comes in; remembers the last eight words, and in a memory of its own, four."""

    i: In(4)
    enable: In(1)
    address: In(3)
    total: Out(8)
    old: Out(4)
    last: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = Memory(shape=4, depth=8, init=[])
        m.submodules.few   = few   = Memory(shape=4, depth=4, init=[])
        read, write = words.read_port(), words.write_port()
        seen, put   = few.read_port(domain="comb"), few.write_port()
        at = Signal(3)
        m.d.comb += [write.data.eq(self.i), write.addr.eq(at), write.en.eq(self.enable),
                     read.addr.eq(self.address), read.en.eq(1), self.old.eq(read.data),
                     put.data.eq(self.i), put.addr.eq(at), put.en.eq(self.enable),
                     seen.addr.eq(self.address), self.last.eq(seen.data)]
        with m.If(self.enable):
            m.d.sync += [self.total.eq(self.total + self.i), at.eq(at + 1)]
        return m
