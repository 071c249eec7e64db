"""The accelerator in an SoC of LiteX.

LiteX puts a bridge between its bus, of whichever kind that is, and the registers, which are on AXI4-Lite.
"""

import json
from pathlib import Path

from litex.gen import ClockSignal, If, Instance, LiteXModule, ResetSignal, Signal
from litex.soc.cores.dma import WishboneDMAReader, WishboneDMAWriter
from litex.soc.integration.soc import SoCRegion
from litex.soc.interconnect import axi, stream, wishbone
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel

from gen.command import UserError


__all__ = ["SpinCIM", "add_accelerator"]


#: Bytes of addresses of the registers.
REGISTERS = 4096

#: Directions of ports, as migen has them.
PREFIX = {"in": "i_", "out": "o_"}


class SpinCIM(LiteXModule):
    """An accelerator in the clock domain ``sys``.

    Parameters
    ----------
    platform : GenericPlatform
        Gets the Verilog, and the initial contents of memories.
    directory : Path or str
        What ``gen.build --bus axi`` wrote.

    Attributes
    ----------
    bus : AXILiteInterface
        Registers.
    sink : Endpoint([("data", ...)])
        Pixels, as many bits as with ``--bus-width``, the first byte lowest; ``last`` with the last bytes of
        an image. What is behind the bytes of an image in the last word does not count.
    source : Endpoint([("data", 128)])
        Results, of which an image has a packet.
    ev : EventManager
        Has ``accelerator``, the interrupt.
    pins : dict of Signal
        All other ports by name: of junctions (``--rng mtj``) and of arrays (``--view macro``).

    Raises
    ------
    UserError
        If there is no such build in ``directory``.
    """

    def __init__(self, platform, directory):
        directory = Path(directory)
        try:
            manifest = json.loads((directory / "manifest.json").read_text())
            described = manifest["bus"]
        except (OSError, ValueError, KeyError):
            raise UserError(f"There is no build in {directory}; make one with: "
                            f"python -m gen.build --bus axi --out {directory}") from None
        if not described or described["kind"] != "axi":
            raise UserError(f"The accelerator in {directory} is not on AXI; build it with --bus axi")

        beat        = described["pixel_width"] // 8
        self.bus    = axi.AXILiteInterface(data_width=32, address_width=32)
        self.sink   = stream.Endpoint([("data", 8 * beat)])
        self.source = stream.Endpoint([("data", described["result_width"])])
        self.ev     = EventManager()
        self.ev.accelerator = EventSourceLevel(description="An event of the accelerator.")
        self.ev.finalize()

        keep, rest = Signal(beat, reset=-1), manifest["pixels"] * manifest["colours"] % beat
        if rest:
            self.comb += If(self.sink.last, keep.eq(2**rest - 1))
        wires = {
            "aclk": ClockSignal("sys"), "aresetn": ~ResetSignal("sys"), "s_axis_tkeep": keep,
            "interrupt": self.ev.accelerator.trigger,
            "s_axi_awaddr": self.bus.aw.addr[:12], "s_axi_araddr": self.bus.ar.addr[:12],
            "s_axi_wdata": self.bus.w.data, "s_axi_wstrb": self.bus.w.strb,
            "s_axi_bresp": self.bus.b.resp, "s_axi_rdata": self.bus.r.data, "s_axi_rresp": self.bus.r.resp,
        }
        for name, port in (("s_axis", self.sink), ("m_axis", self.source)):
            wires |= {f"{name}_t{word}": getattr(port, word) for word in ("data", "valid", "ready", "last")}
        for name in ("aw", "w", "b", "ar", "r"):
            port = getattr(self.bus, name)
            wires |= {f"s_axi_{name}valid": port.valid, f"s_axi_{name}ready": port.ready}
        self.pins = {port["name"]: Signal(port["width"], name=port["name"])
                     for port in described["ports"] if port["name"] not in wires}
        wires |= self.pins
        self.specials += Instance(described["top"], **{
            PREFIX[port["direction"]] + port["name"]: wires[port["name"]] for port in described["ports"]})
        for source in (*manifest["sources"], *described["sources"]):
            platform.add_source(str(directory / source))


def add_accelerator(soc, directory, name="accelerator", origin=None):
    """Add an accelerator to ``soc``, with direct memory access for pixels and results, and return it.

    The registers become the region ``name`` of the bus. The engines, ``reader`` and ``writer`` of the
    accelerator, have registers among those of the SoC, as LiteX has them for such engines. The reader takes
    an image from memory, the writer puts its records there: 32 bytes for each class, ``spincim.h`` of the
    build says how many. Bytes keep their order. If the SoC has interrupts, one is ``name``.

    Parameters
    ----------
    soc : SoC
        Its bus must have words of as many bits as the pixels (``--bus-width``).
    directory : Path or str
        What ``gen.build --bus axi`` wrote.
    origin : int or None
        Address of the registers; None for one that is free.

    Raises
    ------
    UserError
        If there is no such build, or words differ.
    """
    accelerator = SpinCIM(soc.platform, directory)
    words, width = soc.bus.data_width, len(accelerator.sink.data)
    if words != width:
        raise UserError(f"Pixels come in words of {width} bits, and the bus of the SoC has {words}; build "
                        f"with --bus-width {words}")
    soc.bus.add_slave(name, accelerator.bus, SoCRegion(origin=origin, size=REGISTERS, cached=False))
    for engine, kind in (("reader", WishboneDMAReader), ("writer", WishboneDMAWriter)):
        port = wishbone.Interface(data_width=words, address_width=soc.bus.address_width, addressing="word")
        # "big" is what LiteX calls bytes that stay where they are.
        accelerator.add_module(engine, kind(port, endianness="big", with_csr=True))
        soc.bus.add_master(f"{name}_{engine}", master=port)
    accelerator.words = stream.Converter(len(accelerator.source.data), words)
    accelerator.comb += [
        accelerator.reader.source.connect(accelerator.sink),
        accelerator.source.connect(accelerator.words.sink),
        accelerator.words.source.connect(accelerator.writer.sink),
    ]
    soc.add_module(name, accelerator)
    if soc.irq.enabled:
        soc.irq.add(name, use_loc_if_exists=True)
    return accelerator
