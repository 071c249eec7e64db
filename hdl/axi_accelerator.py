# amaranth: UnusedElaboratable=no
"""An accelerator with AXI ports of the standard names."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.placed import other_pins, place_accelerator


__all__ = ["AxiAccelerator"]


#: Name of each channel of AXI, its stream of :class:`hdl.bus.axi_bus.AxiBus`, and the parts of its payload
#: with the fields that they are, or with None for all of it.
_CHANNELS = (
    ("s_axis_t",  "s_axis", {"data": "data", "keep": "keep", "last": "last"}),
    ("m_axis_t",  "m_axis", {"data": "data", "last": "last"}),
    ("s_axi_aw",  "aw",     {"addr": None}),
    ("s_axi_w",   "w",      {"data": "data", "strb": "strobe"}),
    ("s_axi_b",   "b",      {"resp": None}),
    ("s_axi_ar",  "ar",     {"addr": None}),
    ("s_axi_r",   "r",      {"data": "data", "resp": "resp"}),
)


class AxiAccelerator(wiring.Component):
    """The module of an accelerator, and around it :class:`hdl.bus.axi_bus.AxiBus`.

    Ports have the names that tools find AXI interfaces by. Pins of junctions and arrays go through with
    the names that they have on the accelerator.

    Parameters
    ----------
    accelerator : hdl.accelerator.Accelerator
        The accelerator, of which the ports are of interest.
    module : str
        Name of its Verilog module.
    bus : AxiBus
        The bus.
    """

    def __init__(self, accelerator, module, bus):
        self.accelerator = accelerator
        self.module      = module
        self.bus         = bus
        members = {"aclk": In(1), "aresetn": In(1)}
        for prefix, name, parts in _CHANNELS:
            member  = bus.signature.members[name]
            inward  = In if member.flow is In else Out
            outward = Out if member.flow is In else In
            payload = getattr(bus, name).payload
            for part, field in parts.items():
                value = payload if field is None else payload[field]
                members[prefix + part] = inward(len(Value.cast(value)))
            if prefix in ("s_axi_aw", "s_axi_ar"):
                members[f"{prefix}prot"] = In(3)
            members |= {f"{prefix}valid": inward(1), f"{prefix}ready": outward(1)}
        members["interrupt"] = Out(1)
        super().__init__(members | other_pins(accelerator))

    def elaborate(self, platform):
        m = Module()

        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        m.submodules.bus = bus = self.bus
        for prefix, name, parts in _CHANNELS:
            channel = getattr(bus, name)
            pairs   = [(getattr(self, prefix + part), channel.payload if field is None else
                        channel.payload[field]) for part, field in parts.items()]
            pairs.append((getattr(self, f"{prefix}valid"), channel.valid))
            ready   = channel.ready, getattr(self, f"{prefix}ready")
            if bus.signature.members[name].flow is In:
                m.d.comb += [*(own.eq(port) for port, own in pairs), ready[1].eq(ready[0])]
            else:
                m.d.comb += [*(port.eq(own) for port, own in pairs), ready[0].eq(ready[1])]
        m.d.comb += self.interrupt.eq(bus.interrupt)

        place_accelerator(m, self.accelerator, self.module, bus, self)

        return m
