# amaranth: UnusedElaboratable=no
"""All that is between an accelerator and AXI."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.bus.axi_lite import AxiLite, axi_lite_members
from hdl.bus.image_input import ImageInput, beat_layout
from hdl.bus.register_map import register_map
from hdl.bus.registers import Registers
from hdl.bus.result_output import ResultOutput, packet_layout
from hdl.head.result import result_layout
from hdl.random.rng_bank import reseed_signature


__all__ = ["AxiBus", "settings_members"]


def settings_members(passes_max, sources):
    """Ports of an accelerator that are driven by registers, from the other side."""
    return {
        "passes":     Out(range(passes_max + 1)),
        "confidence": Out(16),
        "agreement":  Out(7),
        **({"reseed": Out(reseed_signature(sources))} if sources else {}),
    }


class AxiBus(wiring.Component):
    """Pixels and results as packets of AXI4-Stream, and registers on AXI4-Lite, for an accelerator.

    Parameters
    ----------
    pixels, colours, classes, passes, passes_max, width, confidence, agreement, sources, version, build
        See :func:`hdl.bus.register_map.register_map`.
    result_width : int
        Bits of a beat of results. With 128 a record is two beats, and no accelerator sends words faster.

    Members
    -------
    s_axis : In(stream.Signature(beat_layout(width)))
        A packet for each image (:class:`hdl.bus.image_input.ImageInput`).
    m_axis : Out(stream.Signature(packet_layout(result_width)))
        A packet for each result, as many as there are images and in their order
        (:class:`hdl.bus.result_output.ResultOutput`).
    aw, w, b, ar, r : see :func:`hdl.bus.axi_lite.axi_lite_members`
        Registers.
    interrupt : Out(1)
        1 while an event is set that may raise it.
    pixels, passes, confidence, agreement, reseed, results, alarm, error
        The ports of :class:`hdl.accelerator.Accelerator` of these names, from the other side.
    """

    def __init__(self, *, pixels, colours, classes, passes_max, width, result_width=128, sources=0,
                 **others):
        self.registers = Registers(register_map(
            pixels=pixels, colours=colours, classes=classes, passes_max=passes_max, width=width,
            sources=sources, **others))
        self.image_input   = ImageInput(pixels, width=width, colours=colours)
        self.result_output = ResultOutput(classes, passes_max, width=result_width)
        super().__init__({
            "s_axis":    In(stream.Signature(beat_layout(width))),
            "m_axis":    Out(stream.Signature(packet_layout(result_width))),
            **axi_lite_members(),
            "interrupt": Out(1),
            "pixels":    Out(stream.Signature(8 * colours)),
            **settings_members(passes_max, sources),
            "results":   In(stream.Signature(result_layout(classes, passes_max))),
            "alarm":     In(1),
            "error":     In(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.axi_lite      = axi_lite  = AxiLite()
        m.submodules.registers     = registers = self.registers
        m.submodules.image_input   = image     = self.image_input
        m.submodules.result_output = result    = self.result_output

        connect(m, flipped(self.s_axis), image.i)
        connect(m, image.o, flipped(self.pixels))
        connect(m, image.marks, result.marks)
        connect(m, flipped(self.results), result.i)
        connect(m, result.o, flipped(self.m_axis))
        for name in axi_lite_members():
            port, own = getattr(axi_lite, name), flipped(getattr(self, name))
            connect(m, port, own)
        connect(m, axi_lite.access, registers.access)

        # An alarm or a fault stays until reset; the event is that it comes up.
        levels = Cat(self.alarm, self.error)
        before = Signal.like(levels)
        m.d.sync += before.eq(levels)
        m.d.comb += [
            image.enable.eq(registers.control[0]),
            self.passes.eq(registers.passes),
            self.confidence.eq(registers.confidence),
            self.agreement.eq(registers.agreement),
            registers.busy.eq(image.busy),
            registers.status.eq(Cat(image.busy, self.alarm, self.error)),
            registers.events_set.eq(Cat(result.sent, image.mismatch, levels & ~before, registers.refused)),
            registers.images_step.eq(image.whole),
            registers.results_step.eq(result.sent),
            registers.mismatches_step.eq(image.mismatch),
            registers.cycles_step.eq(1),
            self.interrupt.eq((registers.events & registers.interrupts).any()),
        ]

        if "reseed" in self.signature.members:
            m.d.comb += [
                self.reseed.payload.state.eq(Cat(registers.state_low, registers.state_high)),
                self.reseed.payload.source.eq(registers.reseed),
                self.reseed.valid.eq(registers.reseed_written),
            ]

        return m
