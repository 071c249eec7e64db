"""Proofs about bytes of pixels that wait for their frame."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.uart.frames import CHECK_BYTES
from hdl.uart.pixel_buffer import PixelBuffer
from tests.formal.proof import Proof
from tests.formal.streams import check_stream_rules, free, moved


def frames(m, dut):
    """Let frames come, each committed only where all of it fits. Return the number of bytes of the present
    one, and of those that have left."""
    free(m, dut)
    size, left = Signal(16), Signal(16)
    m.d.comb += [
        Assume(~(dut.i.valid & (dut.commit | dut.abandon))),
        Assume(~(dut.commit & dut.abandon)),
        Assume(~dut.commit | dut.fits & (size >= CHECK_BYTES)),
        Assume(size != 0xFFFF),
    ]
    with m.If(dut.i.valid):
        m.d.sync += size.eq(size + 1)
    with m.If(dut.commit | dut.abandon):
        m.d.sync += size.eq(0)
    with m.If(moved(dut.o)):
        m.d.sync += left.eq(left + 1)
    return size, left


def keeps_stream_rules(m, dut):
    """Once valid is up on an output, it and the payload stay until the word is taken."""
    frames(m, dut)
    check_stream_rules(m, dut)


def sends_what_counts(m, dut):
    """The bytes of frames that were committed leave once and in order, and no others; the last byte of each
    image is marked. One byte is followed, whichever it is.
    """
    size, left = frames(m, dut)
    followed   = AnyConst(16)
    value, met, counts = Signal(8), Signal(), Signal()
    with m.If(dut.i.valid & ((dut.taken + size)[:16] == followed) & ~counts):
        m.d.sync += [value.eq(dut.i.payload), met.eq(1)]
    with m.If(dut.commit | dut.abandon):
        m.d.sync += met.eq(0)
    with m.If(dut.commit & met & ((followed - dut.taken)[:16] < size - CHECK_BYTES)):
        m.d.sync += counts.eq(1)
    place = Signal(range(dut.size))
    with m.If(moved(dut.o)):
        m.d.sync += place.eq(Mux(place == dut.size - 1, 0, place + 1))
    with m.If(dut.o.valid):
        m.d.comb += [Assert(left != dut.taken), Assert(dut.o.payload.last == (place == dut.size - 1))]
        with m.If(left == followed):
            m.d.comb += [Assert(counts), Assert(dut.o.payload.data == value),
                         Cover(followed == 2)]
            with m.If(dut.o.ready):
                m.d.sync += counts.eq(0)


def counts_bytes(m, dut):
    """Of bytes that count, ``taken`` is their number, and ``after`` what it is with a commit."""
    size, _ = frames(m, dut)
    count   = Signal(16)
    with m.If(dut.commit):
        m.d.sync += count.eq(count + size - CHECK_BYTES)
        m.d.comb += [Assert(dut.after == (count + size - CHECK_BYTES)[:16]), Cover(count == 2)]
    m.d.comb += Assert(dut.taken == count)


def fits_while_there_is_room(m, dut):
    """A frame does not fit only if, as one of its bytes came, those before it and those that counted and
    had not left were as many as there is room for."""
    size, left = frames(m, dut)
    full = Signal()
    with m.If(dut.i.valid & ((dut.taken + size - left)[:16] >= dut.depth)):
        m.d.sync += full.eq(1)
    with m.If(dut.commit | dut.abandon):
        m.d.sync += full.eq(0)
    m.d.comb += [Assert(dut.fits | full), Cover(~dut.fits), Cover(dut.fits & (size == dut.depth))]


SMALL = partial(PixelBuffer, 3, depth=8)

PROOFS = [
    Proof(SMALL, keeps_stream_rules),
    Proof(SMALL, counts_bytes),
    # Numbers of bytes differ modulo 65,536, of which the solver finds no invariant.
    Proof(SMALL, sends_what_counts, "bmc", depth=24, reach=24),
    Proof(SMALL, fits_while_there_is_room, "bmc", depth=24, reach=24),
]
