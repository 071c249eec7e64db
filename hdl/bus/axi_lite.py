"""AXI4-Lite to the registers of an accelerator."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.bus.register_map import ADDRESS_BITS
from hdl.bus.registers import access_signature
from hdl.stream import moves, vacant


__all__ = ["OKAY", "SLVERR", "AxiLite", "axi_lite_members"]


#: Responses of AXI (Arm IHI 0022, A3.4.4).
OKAY, SLVERR = 0, 2


def axi_lite_members():
    """The five channels of AXI4-Lite with 32-bit data, from the side of a subordinate. AWPROT and ARPROT
    are left out, as all accesses are alike."""
    return {
        "aw": In(stream.Signature(ADDRESS_BITS)),
        "w":  In(stream.Signature(data.StructLayout({"data": 32, "strobe": 4}))),
        "b":  Out(stream.Signature(2)),
        "ar": In(stream.Signature(ADDRESS_BITS)),
        "r":  Out(stream.Signature(data.StructLayout({"data": 32, "resp": 2}))),
    }


class AxiLite(wiring.Component):
    """Answer each read and each write of AXI4-Lite.

    Address and data of a write may come in any order. The two lowest bits of an address are ignored, as of
    a bus of 32 bits: an access is to a whole register, of which a write changes the bytes of its strobes.
    SLVERR answers where there is no such register, or none that can be written; a read has 0 then.

    Latency is two cycles from the last of address and data to the answer. One write and one read are
    answered at a time, each in two cycles.

    Members
    -------
    aw, w, b, ar, r : see :func:`axi_lite_members`
        Channels.
    access : Out(access_signature())
        The registers.
    """

    latency = 2

    def __init__(self):
        super().__init__({**axi_lite_members(), "access": Out(access_signature())})

    def elaborate(self, platform):
        m = Module()

        access = self.access

        # Of each channel, what has come and is not answered.
        def waiting(channel, name, done):
            full = Signal(name=f"{name}_full")
            held = Signal.like(channel.payload, name=f"{name}_held")
            m.d.comb += channel.ready.eq(~full)
            with m.If(moves(channel)):
                m.d.sync += [full.eq(1), held.eq(channel.payload)]
            with m.If(done):
                m.d.sync += full.eq(0)
            return full, held

        write = Signal()
        read  = Signal()
        addressed, write_address = waiting(self.aw, "aw", write)
        given, word              = waiting(self.w, "w", write)
        asked, read_address      = waiting(self.ar, "ar", read)
        m.d.comb += [
            write.eq(addressed & given & vacant(self.b)),
            read.eq(asked & vacant(self.r)),
            access.write.eq(write),
            access.write_address.eq(write_address[2:]),
            access.write_data.eq(word.data),
            access.write_strobe.eq(word.strobe),
            access.read_address.eq(read_address[2:]),
        ]
        with m.If(vacant(self.b)):
            m.d.sync += [self.b.valid.eq(write), self.b.payload.eq(Mux(access.write_error, SLVERR, OKAY))]
        with m.If(vacant(self.r)):
            m.d.sync += [
                self.r.valid.eq(read),
                self.r.payload.data.eq(access.read_data),
                self.r.payload.resp.eq(Mux(access.read_error, SLVERR, OKAY)),
            ]

        return m
