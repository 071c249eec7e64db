"""The top module of a board: its pins, its clock, and an accelerator at its serial line."""

from amaranth import *
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer


__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """Connect the Verilog module of a :class:`hdl.uart_accelerator.UartAccelerator` with a board.

    The platform, of Amaranth, has the pins. The clock of the board goes to the module ``pll``, whose output
    is that of the accelerator, which is in reset until the output is stable. The last of the light-emitting
    diodes shows that the last image is rejected, the one before it that results cannot be trusted any more
    (a fault), and the others its class in binary, the lowest bit first; where there are too few diodes the
    low bits of the class are left out.

    Parameters
    ----------
    module : str
        Name of the Verilog module.
    bits : int
        Width of its port ``prediction``.
    """

    def __init__(self, module, bits):
        self.module = module
        self.bits   = bits

    def elaborate(self, platform):
        m = Module()

        def pin(direction, port):
            m.submodules += (buffer := io.Buffer(direction, port))
            return buffer

        locked = Signal()
        m.domains.sync = ClockDomain()
        m.submodules.pll = Instance(
            "pll", i_clkin=pin("i", platform.request(platform.default_clk, dir="-")).i,
            o_clkout0=ClockSignal(), o_locked=locked)
        m.submodules.reset = ResetSynchronizer(~locked)

        uart = platform.request("uart", dir="-")
        prediction = Signal(self.bits)
        reject = Signal()
        fault  = Signal()
        m.submodules.accelerator = Instance(
            self.module, i_clk=ClockSignal(), i_rst=ResetSignal(), i_rx=pin("i", uart.rx).i,
            o_tx=pin("o", uart.tx).o, o_prediction=prediction, o_reject=reject, o_fault=fault)

        leds = []
        for name, number in platform.resources:
            if name in ("led", "rgb_led"):
                led = platform.request(name, number, dir="-")
                leds += [pin("o", port).o for port in ([led] if name == "led" else [led.r, led.g, led.b])]
        m.d.comb += [led.eq(value) for led, value in zip(
            leds, shown(prediction, fault, reject, len(leds)), strict=True)]

        return m


def shown(prediction, fault, reject, count):
    """Return what each of ``count`` diodes shows."""
    values = [*prediction, *[0] * (count - len(prediction) - 2), fault, reject]
    return values[len(values) - count:]
