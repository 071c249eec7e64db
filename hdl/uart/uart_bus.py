# amaranth: UnusedElaboratable=no
"""All that is between an accelerator and a serial line."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.bus.axi_bus import AxiBus, settings_members
from hdl.bus.axi_lite import axi_lite_members
from hdl.head.result import result_layout
from hdl.stream import moves, separate
from hdl.uart.answers import Answers
from hdl.uart.frame_receiver import FrameReceiver
from hdl.uart.frame_transmitter import FrameTransmitter
from hdl.uart.pixel_buffer import PixelBuffer
from hdl.uart.requests import Requests
from hdl.uart.result_buffer import ResultBuffer
from hdl.uart.uart_receiver import UartReceiver
from hdl.uart.uart_transmitter import UartTransmitter


__all__ = ["UartBus"]


class UartBus(wiring.Component):
    """Pixels, results and registers of an accelerator over a serial line: the packets and registers of
    :class:`hdl.bus.axi_bus.AxiBus`, by the requests of a host.

    Parameters
    ----------
    clock_hz, baud : int
        See :func:`hdl.uart.bit_clock.check_rate`.
    pixels, colours, classes, passes, passes_max, confidence, agreement, sources, version, build
        See :func:`hdl.bus.register_map.register_map`.

    Members
    -------
    rx, tx : In(1), Out(1)
        The line, from the side of the accelerator.
    prediction, reject : Out(range(classes)), Out(1)
        What the last result says, until the next one.
    fault : Out(1)
        No result can be trusted any more: the ``alarm`` or ``error`` of the accelerator.
    reset : Out(1)
        Resets the accelerator; 1 with the reset of the bus, too.
    pixels, passes, confidence, agreement, reseed, results, alarm, error
        The ports of :class:`hdl.accelerator.Accelerator` of these names, from the other side.
    """

    def __init__(self, *, clock_hz, baud, pixels, colours, classes, passes_max, sources=0, **others):
        self.axi_bus = AxiBus(pixels=pixels, colours=colours, classes=classes, passes_max=passes_max,
                              width=8, result_width=8, sources=sources, **others)
        self.receiver      = UartReceiver(clock_hz, baud)
        self.transmitter   = UartTransmitter(clock_hz, baud)
        self.pixel_buffer  = PixelBuffer(pixels * colours)
        self.result_buffer = ResultBuffer()
        self.registers     = self.axi_bus.registers.registers
        super().__init__({
            "rx":         In(1, init=1),
            "tx":         Out(1, init=1),
            "prediction": Out(result_layout(classes, passes_max)["prediction"].shape),
            "reject":     Out(1),
            "fault":      Out(1),
            "reset":      Out(1, init=1),
            "pixels":     Out(stream.Signature(8 * colours)),
            **settings_members(passes_max, sources),
            "results":    In(stream.Signature(result_layout(classes, passes_max))),
            "alarm":      In(1),
            "error":      In(1),
        })

    def elaborate(self, platform):
        m = Module()

        # A reset that a host asks for leaves the answer to it.
        m.submodules.uart_receiver     = receiver    = self.receiver
        m.submodules.uart_transmitter  = transmitter = self.transmitter
        m.submodules.frame_transmitter = frames_out  = FrameTransmitter()
        m.submodules.answers           = answers     = Answers()
        frames_in, requests = FrameReceiver(), Requests()
        bus, pixels, results = self.axi_bus, self.pixel_buffer, self.result_buffer
        for name, block in (("frame_receiver", frames_in), ("requests", requests), ("axi_bus", bus),
                            ("pixel_buffer", pixels), ("result_buffer", results)):
            m.submodules[name] = ResetInserter(self.reset)(block)

        m.d.sync += self.reset.eq(answers.reset) # a register, as it goes everywhere
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        connect(m, receiver.o, frames_in.i)
        connect(m, frames_in.o, requests.i)
        connect(m, requests.pixels, pixels.i)
        connect(m, requests.o, answers.i)
        connect(m, results.o, answers.results)
        connect(m, answers.o, frames_out.i)
        connect(m, frames_out.o, transmitter.i)
        connect(m, pixels.o, bus.s_axis)
        connect(m, bus.m_axis, results.i)
        for name in axi_lite_members():
            connect(m, getattr(answers, name), getattr(bus, name))
        m.d.comb += [
            requests.end.eq(frames_in.end),
            requests.good.eq(frames_in.good),
            pixels.commit.eq(requests.commit),
            pixels.abandon.eq(requests.abandon),
            requests.fits.eq(pixels.fits),
            requests.taken.eq(pixels.taken),
            requests.after.eq(pixels.after),
            answers.bad.eq(requests.bad),
            results.place.eq(answers.place),
            results.release.eq(answers.release),
            results.again.eq(answers.again),
            answers.next.eq(results.next),
            answers.waiting.eq(results.waiting),
        ]

        separate(m, bus.pixels, self.pixels) # as what is in front waits for what is behind
        with m.If(self.reset):
            m.d.sync += self.pixels.valid.eq(0)
        connect(m, flipped(self.results), bus.results)
        m.d.comb += [self.passes.eq(bus.passes), self.confidence.eq(bus.confidence),
                     self.agreement.eq(bus.agreement), bus.alarm.eq(self.alarm), bus.error.eq(self.error),
                     self.fault.eq(self.alarm | self.error)]
        if "reseed" in self.signature.members:
            connect(m, bus.reseed, flipped(self.reseed))
        with m.If(moves(self.results)):
            m.d.sync += [self.prediction.eq(self.results.payload.prediction),
                         self.reject.eq(self.results.payload.reject)]

        return m
