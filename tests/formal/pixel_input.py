"""Proofs about the start of an image."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Cover, Mux, Signal

from hdl.input.pixel_input import PixelInput
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


def passes_pixels(m, dut):
    """Every pixel that is taken leaves in the same cycle, unchanged, and none leaves that is not taken."""
    free(m, dut)
    m.d.comb += Assert(moved(dut.i) == moved(dut.o))
    with m.If(moved(dut.o)):
        m.d.comb += [Assert(dut.o.payload == dut.i.payload), Cover(1)]


def announces_each_image(m, dut):
    """The k-th announcement is the number of passes T at the k-th first pixel, from 1 to T_max, and the
    k-th pass set that of the lowest T bits; there is exactly one of both for each image, and never room for
    one too few.
    """
    free(m, dut)
    left  = Signal(range(dut.pixels))
    first = moved(dut.i) & (left == 0)
    with m.If(moved(dut.i)):
        m.d.sync += left.eq(Mux(left == 0, dut.pixels - 1, left - 1))
    most   = dut.most
    wanted = Mux(dut.passes == 0, 1, Mux(dut.passes > most, most, dut.passes))
    # An arbitrary image is followed, by its number modulo more than can be in flight.
    images = 8
    followed, image = AnyConst(range(images)), Signal(range(images))
    value = Signal.like(dut.passes)
    with m.If(first):
        m.d.sync += image.eq(image + 1)
        with m.If(image == followed):
            m.d.sync += value.eq(wanted)
    for name, port in (("masks", dut.masks), ("sets", dut.sets)):
        number, waiting = Signal(range(images), name=f"{name}_number"), Signal(range(images), name=name)
        m.d.sync += waiting.eq(waiting + first - moved(port))
        m.d.comb += [
            Assert(waiting <= dut.AHEAD),
            Assert((waiting != 0) | ~port.valid),
            Cover((waiting == dut.AHEAD) & (number == 1)),
        ]
        with m.If(moved(port)):
            m.d.sync += number.eq(number + 1)
        with m.If(port.valid):
            passes = port.payload if name == "masks" else sum(port.payload.set)
            m.d.comb += [Assert(passes != 0), Assert(passes <= dut.most)]
            if name == "sets":
                m.d.comb += [Assert((port.payload.set & (port.payload.set + 1)) == 0),
                             Assert(port.payload.last)]
            with m.If(number == followed):
                m.d.comb += Assert(passes == value)


def answers_in_time(m, dut):
    """With pixels and announcements taken within 2 cycles, a pixel is taken within 6 cycles."""
    free(m, dut)
    for name, port in (("o", dut.o), ("masks", dut.masks), ("sets", dut.sets)):
        patient(m, port.ready, 2, name)
    answers_within(m, dut.i.valid & ~dut.i.ready, 6, "pixel")
    m.d.comb += Cover(moved(dut.sets))


SMALL = partial(PixelInput, pixels=3, passes=5, width=2)
LEAST = partial(PixelInput, pixels=1, passes=5, width=2)

PROOFS = [
    *(Proof(make, properties) for make in (SMALL, LEAST) for properties in (
        keeps_stream_rules, passes_pixels, announces_each_image, answers_in_time)),
    Readiness(SMALL),
]
