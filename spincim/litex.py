"""The accelerator in an SoC of LiteX.

LiteX puts a bridge between its bus, of whichever kind that is, and the registers, which are on AXI4-Lite.
Only a bus of 32 bits is allowed. The bridge from a wider one (LiteX 2024.12) also reads the registers
beside what is asked for, of which there may be none, and waits for ever where a write is for the upper
half alone.
"""

import json
from pathlib import Path

from litex.gen import ClockSignal, Constant, If, Instance, LiteXModule, ResetSignal, Signal
from litex.soc.cores.dma import WishboneDMAReader, WishboneDMAWriter
from litex.soc.integration.soc import SoCRegion
from litex.soc.interconnect import axi, stream, wishbone
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel

from gen.command import UserError


__all__ = ["SpinCIM", "add_accelerator"]


#: Bytes of addresses of the registers, and bits of a word of the bus.
REGISTERS, WORD = 4096, 32

#: Directions of ports, as migen has them.
PREFIX = {"in": "i_", "out": "o_"}


class SpinCIM(LiteXModule):
    """An accelerator in the clock domain ``sys``.

    Parameters
    ----------
    platform : GenericPlatform
        Gets the Verilog; weights that have files of their own are left to the user.
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
        If there is no such build in ``directory``, or the platform has another one: the modules of all
        builds have the same names.
    """

    def __init__(self, platform, directory):
        directory = Path(directory)
        try:
            manifest = json.loads((directory / "manifest.json").read_text())
            described = manifest["bus"]
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(f"There is no build in {directory}; make one with: python -m gen.build "
                            f"--layers NETWORK --bus axi --bus-width {WORD} --out {directory}") from None
        if not described or described["kind"] != "axi":
            raise UserError(f"The accelerator in {directory} is not on AXI; build it with --bus axi")
        sources = [str((directory / source).resolve())
                   for source in (*manifest["sources"], *described["sources"])]
        for known, *_ in platform.sources:
            if known not in sources and Path(known).name in {Path(source).name for source in sources}:
                raise UserError(f"The platform already has another build, {known}, and modules of both "
                                "have the same names; use the same build for all accelerators of an SoC")

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
            "interrupt": self.ev.accelerator.trigger, "s_axi_awprot": Constant(0, 3),
            "s_axi_arprot": Constant(0, 3),
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
        for source in sources:
            platform.add_source(source)


def add_accelerator(soc, directory, origin, name="accelerator"):
    """Add an accelerator to ``soc``, with direct memory access for pixels and results, and return it.

    The registers become the region ``name`` of the bus. The engines, ``reader`` and ``writer`` of the
    accelerator, have registers among those of the SoC, as LiteX has them for such engines. The reader takes
    an image from memory, the writer puts its records there: 32 bytes for each class, ``spincim.h`` of the
    build says how many. Bytes keep their order. If the SoC has interrupts, one is ``name``.

    Parameters
    ----------
    soc : SoC
        Its bus must have words of 32 bits.
    directory : Path or str
        What ``gen.build --bus axi --bus-width 32`` wrote.
    origin : int
        Address of the registers, which take 4 KiB.
    name : str
        An identifier that the SoC does not have yet.

    Raises
    ------
    UserError
        If there is no such build, a word has not 32 bits, the name cannot be, or the build has more ports.
    """
    if not name.isidentifier() or hasattr(soc, name):
        raise UserError(f"Name {name!r} is no identifier, or the SoC has it already; choose another")
    if soc.bus.data_width != WORD:
        raise UserError(f"The bus of the SoC has words of {soc.bus.data_width} bits, for which the bridge "
                        f"of LiteX to the registers does not work; make it {WORD}, by "
                        f"bus_data_width={WORD}")
    accelerator = SpinCIM(soc.platform, directory)
    if len(accelerator.sink.data) != WORD:
        raise UserError(f"Pixels come in words of {len(accelerator.sink.data)} bits, and the bus of the "
                        f"SoC has {WORD}; build with --bus-width {WORD}")
    if accelerator.pins:
        raise UserError(f"The accelerator has ports that an SoC does not connect, such as "
                        f"{next(iter(accelerator.pins))!r}; take spincim.litex.SpinCIM, which has them as "
                        "pins")
    soc.bus.add_slave(name, accelerator.bus, SoCRegion(origin=origin, size=REGISTERS, cached=False))
    for engine, kind in (("reader", WishboneDMAReader), ("writer", WishboneDMAWriter)):
        port = wishbone.Interface(data_width=WORD, address_width=soc.bus.address_width, addressing="word")
        # "big" is what LiteX calls bytes that stay where they are.
        accelerator.add_module(engine, kind(port, endianness="big", with_csr=True))
        soc.bus.add_master(f"{name}_{engine}", master=port)
    accelerator.words = stream.Converter(len(accelerator.source.data), WORD)
    accelerator.comb += [
        accelerator.reader.source.connect(accelerator.sink),
        accelerator.source.connect(accelerator.words.sink),
        accelerator.words.source.connect(accelerator.writer.sink),
    ]
    soc.add_module(name, accelerator)
    if soc.irq.enabled:
        soc.irq.add(name, use_loc_if_exists=True)
    return accelerator
