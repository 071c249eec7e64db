"""Proofs about packets of pixels."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.bus.image_input import ImageInput
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


#: Packets are numbered modulo so many, more than can be in flight.
NUMBERS = range(8)


def _kept(m, dut):
    """Bytes of the beat, up to the first one that is not kept."""
    kept = Signal(range(dut.lanes + 1))
    for lane in range(dut.lanes):
        with m.If(dut.i.payload.keep[:lane + 1].all()):
            m.d.comb += kept.eq(lane + 1)
    return kept


def _packets(m, dut, kept):
    """The number of the packet of the beat, and how many of its bytes have come before: at most one more
    than an image has."""
    most = dut.pixels * dut.colours + 1
    packet, place = Signal(NUMBERS), Signal(range(most + 1))
    with m.If(moved(dut.i)):
        m.d.sync += place.eq(Mux(place + kept > most, most, place + kept))
        with m.If(dut.i.payload.last):
            m.d.sync += [packet.eq(packet + 1), place.eq(0)]
    return packet, place


def _images(m, dut):
    """The number of the image that leaves, and which of its pixels that is."""
    image, pixel = Signal(NUMBERS), Signal(range(dut.pixels))
    with m.If(moved(dut.o)):
        m.d.sync += pixel.eq(pixel + 1)
        with m.If(pixel == dut.pixels - 1):
            m.d.sync += [pixel.eq(0), image.eq(image + 1)]
    return image, pixel


def hands_on_each_packet_as_an_image(m, dut):
    """Byte p of the k-th image is byte p of the k-th packet, or 0 if this has fewer; so whatever the
    length of packets, no image is shifted, lost or repeated.

    An arbitrary byte of an arbitrary packet is followed.
    """
    free(m, dut)
    size = dut.pixels * dut.colours
    followed, byte = AnyConst(NUMBERS), AnyConst(range(size))
    m.d.comb += Assume(byte < size)
    kept = _kept(m, dut)
    packet, place = _packets(m, dut, kept)
    value, came   = Signal(8), Signal()
    with m.If(moved(dut.i)):
        for lane in range(dut.lanes):
            with m.If((packet == followed) & (lane < kept) & (place + lane == byte)):
                m.d.sync += [value.eq(dut.i.payload.data.word_select(lane, 8)), came.eq(1)]
        with m.If(dut.i.payload.last & ((packet + 1)[:3] == followed)):
            m.d.sync += [value.eq(0), came.eq(0)]
    image, pixel = _images(m, dut)
    for colour in range(dut.colours):
        with m.If(dut.o.valid & (image == followed) & (pixel * dut.colours + colour == byte)):
            m.d.comb += [Assert(dut.o.payload.word_select(colour, 8) == value),
                         Cover(came & (value == 5) & (followed == 1)), Cover(~came & (followed == 1))]


def marks_each_image(m, dut):
    """The k-th mark is 0 if the last byte of the k-th packet is the last one of an image, and 1 if not;
    it is there before the last pixel of the image leaves, and there are never more than have room.

    An arbitrary packet is followed.
    """
    free(m, dut)
    size, followed = dut.pixels * dut.colours, AnyConst(NUMBERS)
    kept = _kept(m, dut)
    packet, place = _packets(m, dut, kept)
    end  = Signal(range(size + 1 + dut.lanes + 1))
    mark = Signal()
    m.d.comb += end.eq(place + kept)
    with m.If(moved(dut.i) & (packet == followed) & (place < size) & (dut.i.payload.last | (end >= size))):
        m.d.sync += mark.eq(~dut.i.payload.last | (end != size))
    image, pixel   = _images(m, dut)
    taken, waiting = Signal(NUMBERS), Signal(range(dut.ahead + 2))
    decided = Signal()
    m.d.comb += decided.eq(moved(dut.i) & (place < size) & (dut.i.payload.last | (end >= size)))
    m.d.sync += waiting.eq(waiting + decided - moved(dut.marks))
    m.d.comb += Assert(waiting <= dut.ahead)
    with m.If(dut.marks.valid):
        m.d.comb += Assert(waiting != 0)
        with m.If(taken == followed):
            m.d.comb += [Assert(dut.marks.payload == mark), Cover(mark & (followed == 1)),
                         Cover(~mark & (followed == 1) & (waiting == dut.ahead))]
    with m.If(moved(dut.marks)):
        m.d.sync += taken.eq(taken + 1)
    with m.If(moved(dut.o) & (pixel == dut.pixels - 1)):
        m.d.comb += Assert(dut.marks.valid | (taken != image))


def answers_in_time(m, dut):
    """With packets enabled, and pixels and marks taken within 2 cycles, a beat is taken within the cycles
    of an image that is filled up."""
    free(m, dut)
    m.d.comb += Assume(dut.enable)
    for name, port in (("o", dut.o), ("marks", dut.marks)):
        patient(m, port.ready, 2, name)
    answers_within(m, dut.i.valid & ~dut.i.ready, 3 * (dut.pixels + 2), "beat")
    m.d.comb += Cover(moved(dut.marks))


SMALL = partial(ImageInput, pixels=3, width=16, ahead=2)
BYTES = partial(ImageInput, pixels=2, width=8, colours=2, ahead=2)
WIDE  = partial(ImageInput, pixels=2, width=16, colours=3, ahead=2)

PROOFS = [
    *(Proof(make, properties) for make in (SMALL, BYTES, WIDE) for properties in (
        keeps_stream_rules, hands_on_each_packet_as_an_image, marks_each_image)),
    Proof(SMALL, answers_in_time),
    Readiness(SMALL),
]
