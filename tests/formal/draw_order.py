"""Proofs about draws of several accelerators."""

from functools import partial

from amaranth.hdl import Assert, Assume, Cover, Signal

from hdl.random.draw_order import DrawOrder
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import check_stream_rules, free, moved


#: Bits that an image draws.
BITS = 2


def _behave(m, dut):
    """Instances and a source as they are: each image draws :data:`BITS` bits, and those of the next image
    when they are there; a bit comes after its request."""
    free(m, dut)
    owed = Signal(3)
    m.d.sync += owed.eq(owed + moved(dut.o) - moved(dut.i))
    with m.If(owed == 0):
        m.d.comb += Assume(~dut.i.valid)
    for number, (draw, bits) in enumerate(zip(dut.draw, dut.bits, strict=True)):
        asked = Signal(range(BITS + 1), name=f"asked_{number}")
        got   = Signal(range(BITS), name=f"got_{number}")
        with m.If(asked == BITS):
            m.d.comb += Assume(~draw.valid)
        with m.If(moved(draw)):
            m.d.sync += asked.eq(asked + 1)
        with m.If(moved(bits)):
            m.d.sync += got.eq(got + 1)
            with m.If(got == BITS - 1):
                m.d.sync += [got.eq(0), asked.eq(0)]
        m.d.comb += Assume(dut.drawn[number] == (moved(bits) & (got == BITS - 1)))


def keeps_stream_rules_of_images(m, dut):
    """Once valid is up on an output, it and the payload stay until the word is taken."""
    _behave(m, dut)
    check_stream_rules(m, dut)


def draws_one_image_after_another(m, dut):
    """Instances draw in turn, each all bits of an image, and get the bits that answer their requests: bits
    enter and leave in the same order, and are neither lost nor repeated."""
    _behave(m, dut)
    turn, count = Signal(range(dut.instances)), Signal(range(BITS))
    held, bit   = Signal(), Signal()
    with m.If(moved(dut.i)):
        m.d.comb += Assert(~held | sum(moved(bits) for bits in dut.bits).any())
        m.d.sync += [held.eq(1), bit.eq(dut.i.payload)]
    for number, (draw, bits) in enumerate(zip(dut.draw, dut.bits, strict=True)):
        with m.If(moved(draw)):
            m.d.comb += Assert(turn == number)
        with m.If(bits.valid):
            m.d.comb += [Assert(turn == number), Assert(held), Assert(bits.payload == bit)]
        with m.If(moved(bits)):
            with m.If(~moved(dut.i)):
                m.d.sync += held.eq(0)
            m.d.sync += count.eq(count + 1)
            with m.If(count == BITS - 1):
                m.d.sync += [count.eq(0), turn.eq((number + 1) % dut.instances)]
    m.d.comb += Cover((turn == dut.instances - 1) & held & (count == BITS - 1))


MAKE = partial(DrawOrder, 1, 2)

PROOFS = [Proof(MAKE, keeps_stream_rules_of_images), Proof(MAKE, draws_one_image_after_another),
          Readiness(MAKE)]
