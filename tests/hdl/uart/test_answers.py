# amaranth: UnusedElaboratable=no

import random
import struct

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.bus.axi_lite import AxiLite, axi_lite_members
from hdl.bus.register_map import Register
from hdl.bus.registers import Registers
from hdl.bus.result_output import packet_layout
from hdl.uart.answers import ANSWER, REFUSED, RESET_CYCLES, Answers
from hdl.uart.frame_transmitter import frame_layout
from hdl.uart.requests import Kind, request_layout
from hdl.uart.result_buffer import ResultBuffer
from sim.component import transfer


HEAD = struct.Struct("<BBHI")


class WithRegisters(wiring.Component):
    """Answers with a register that is written and one that is not, and with results."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(request_layout())),
                          "results": In(stream.Signature(packet_layout(8))),
                          "o": Out(stream.Signature(frame_layout())), "resets": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.answers   = answers = Answers()
        m.submodules.axi_lite  = axi_lite = AxiLite()
        m.submodules.buffer    = buffer = ResultBuffer(depth=64)
        m.submodules.registers = registers = Registers((
            Register("FIXED", "constant", 0x00, "", value=0xC0FFEE), Register("A", "setting", 0x04, "")))
        connect(m, axi_lite.access, registers.access)
        for name in axi_lite_members():
            connect(m, getattr(answers, name), getattr(axi_lite, name))
        connect(m, flipped(self.i), answers.i)
        connect(m, answers.o, flipped(self.o))
        connect(m, flipped(self.results), buffer.i)
        connect(m, buffer.o, answers.results)
        m.d.comb += [
            answers.bad.eq(0xABCD), buffer.place.eq(answers.place), buffer.release.eq(answers.release),
            buffer.again.eq(answers.again), answers.next.eq(buffer.next),
            answers.waiting.eq(buffer.waiting)]
        m.d.sync += self.resets.eq(self.resets + answers.reset)
        return m


def asked(kind, tag, place=0, value=0):
    return request_layout().const({"kind": kind, "tag": tag, "place": place, "value": value}).as_bits()


def frame(kind, tag, place, value, results=b""):
    data = HEAD.pack(kind, tag, place, value) + results
    return [byte | (place == len(data) - 1) << 8 for place, byte in enumerate(data)]


@pytest.mark.parametrize("duty", [1.0, 0.3])
def test_answers(duty):
    """One to each request: registers, and results that come again or go on. Of a request that asks for
    nothing, all bits of the head come back."""
    data   = random.Random(0).randbytes(40)
    bad    = 0xABCD << 16
    passed = transfer(WithRegisters(), {"results": list(data), "i": [
        asked(Kind.READ, 1, 0x00), asked(Kind.WRITE, 0xFD, 0x04, 0x5A0FC396), asked(Kind.READ, 3, 0x04),
        asked(Kind.WRITE, 0x84, 0x04, 0xA5F03C69), asked(Kind.READ, 0x7B, 0x04),
        asked(Kind.WRITE, 4, 0x00, 1), asked(Kind.READ, 5, 0x0C),
        asked(Kind.NACK, 0x5A, 0x3C96, 0x87E1D2B4), asked(Kind.NACK, 0xA5, 0xC369, 0x781E2D4B),
        asked(Kind.EXCHANGE, 6, 0x5A3C, 10 << 16), asked(Kind.EXCHANGE, 0xF9, 0xA5C3, 5 << 16),
        asked(Kind.AGAIN, 8, 13, 100 << 16 | 3), asked(Kind.EXCHANGE, 0xF7, 14, 100 << 16 | 40)]},
        {"o": len(answers := [
            *frame(Kind.READ | ANSWER, 1, 0x00, 0xC0FFEE),
            *frame(Kind.WRITE | ANSWER, 0xFD, 0x04, 0x5A0FC396),
            *frame(Kind.READ | ANSWER, 3, 0x04, 0x5A0FC396),
            *frame(Kind.WRITE | ANSWER, 0x84, 0x04, 0xA5F03C69),
            *frame(Kind.READ | ANSWER, 0x7B, 0x04, 0xA5F03C69),
            *frame(Kind.WRITE | ANSWER | REFUSED, 4, 0x00, 1),
            *frame(Kind.READ | ANSWER | REFUSED, 5, 0x0C, 0),
            *frame(0xFF, 0x5A, 0x3C96, 0x87E1D2B4), *frame(0xFF, 0xA5, 0xC369, 0x781E2D4B),
            *frame(Kind.EXCHANGE | ANSWER, 6, 0x5A3C, bad, data[:10]),
            *frame(Kind.EXCHANGE | ANSWER, 0xF9, 0xA5C3, bad | 10, data[10:15]),
            *frame(Kind.AGAIN | ANSWER, 8, 13, bad | 3, data[3:]),
            *frame(Kind.EXCHANGE | ANSWER, 0xF7, 14, bad | 40)])}, duty={"o": duty}, starts={"i": 100})
    assert passed["o"].words == answers


def test_reset():
    """It takes its cycles, and is answered then."""
    dut, seen = WithRegisters(), []

    async def watch(ctx):
        async for *_, resets, valid in ctx.tick().sample(dut.resets, dut.o.valid):
            seen.append((resets, valid))

    passed = transfer(dut, {"i": [asked(Kind.RESET, 1)]}, {"o": 8}, processes=[watch])
    assert passed["o"].words == frame(Kind.RESET | ANSWER, 1, 0, 0)
    first = [valid for _, valid in seen].index(1)
    assert seen[first][0] == seen[-1][0] == RESET_CYCLES
