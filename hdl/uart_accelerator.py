# amaranth: UnusedElaboratable=no
"""An accelerator at a serial line."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.placed import other_pins, place_accelerator


__all__ = ["UartAccelerator"]


#: Ports of a UartBus that are ports of the module.
_PORTS = ("rx", "tx", "prediction", "reject", "fault")


class UartAccelerator(wiring.Component):
    """The module of an accelerator, and around it :class:`hdl.uart.uart_bus.UartBus`.

    Parameters
    ----------
    accelerator : hdl.accelerator.Accelerator
        The accelerator, of which the ports are of interest.
    module : str
        Name of its Verilog module.
    bus : UartBus
        The bus.

    Members
    -------
    clk, rst : In(1)
        Clock; reset, active high and synchronous.
    rx, tx, prediction, reject, fault
        Ports of the bus.
    """

    def __init__(self, accelerator, module, bus):
        self.accelerator = accelerator
        self.module      = module
        self.bus         = bus
        super().__init__({
            "clk": In(1),
            "rst": In(1),
            **{name: bus.signature.members[name] for name in _PORTS},
            **other_pins(accelerator),
        })

    def elaborate(self, platform):
        m = Module()

        m.domains.sync = ClockDomain()
        m.domains.core = core = ClockDomain()
        m.submodules.bus = bus = self.bus
        m.d.comb += [ClockSignal().eq(self.clk), ResetSignal().eq(self.rst), core.clk.eq(self.clk),
                     core.rst.eq(bus.reset)]
        for name in _PORTS:
            own, port = getattr(bus, name), getattr(self, name)
            m.d.comb += own.eq(port) if bus.signature.members[name].flow is In else port.eq(own)
        place_accelerator(m, self.accelerator, self.module, bus, self, domain="core")

        return m
