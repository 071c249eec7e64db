"""Proofs about which passes have drawn the same."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.pass_sets.part_sequencer import PartSequencer
from hdl.random.equal_passes import EqualPasses
from tests.formal.proof import Proof
from tests.formal.streams import free, moved


def environment(m, dut):
    """Images have 1 to T_max whole passes, and are begun only while there is room; one is done only once it
    is there. Returned are place and number of the pass of the bit that comes."""
    free(m, dut)
    place, number = Signal(range(dut.bits)), Signal(range(dut.most + 1))
    whole = Signal(range(dut.IMAGES + 1))
    begun = (number != 0) | (place != 0)
    ended = dut.strobe & (place == dut.bits - 1)
    m.d.comb += [
        Assume(~dut.strobe | ((number != dut.most) & (begun | (whole != dut.IMAGES)))),
        Assume(~dut.handed | ended | (~dut.strobe & (number != 0) & (place == 0))),
        Assume(~dut.rows.done | (whole != 0)),
        Assume(dut.rows.numbers.payload < dut.most),
    ]
    m.d.sync += whole.eq(whole + dut.handed - dut.rows.done)
    with m.If(dut.strobe):
        m.d.sync += place.eq(Mux(ended, 0, place + 1))
        with m.If(ended):
            m.d.sync += number.eq(number + 1)
    with m.If(dut.handed):
        m.d.sync += number.eq(0)
    return place, number


def compares_passes(m, dut):
    """Bit p of the row of pass t of an image, for p up to t, is 1 if and only if both have drawn the same
    bits, and bits above t are 0; questions are taken when the image is whole, and not before.

    Images are numbered modulo 8, more than can be stored. Two passes of one of them are followed.
    """
    place, number = environment(m, dut)
    images, passes = range(8), range(dut.most)
    followed, early, late = AnyConst(images), AnyConst(passes), AnyConst(passes)
    m.d.comb += Assume((early <= late) & (late < dut.most))
    writing, reading = Signal(images), Signal(images)
    m.d.sync += [writing.eq(writing + dut.handed), reading.eq(reading + dut.rows.done)]
    m.d.comb += Assert(dut.rows.numbers.ready == (reading != writing))

    # What the early one draws, whether the late one agrees so far, and whether it has drawn.
    word, equal, known = Signal(dut.bits), Signal(), Signal()
    with m.If(dut.strobe & (writing == followed)):
        with m.If(number == early):
            m.d.sync += word.bit_select(place, 1).eq(dut.bit)
        with m.If(number == late):
            agrees = (early == late) | (word.bit_select(place, 1) == dut.bit)
            m.d.sync += [
                equal.eq(((place == 0) | equal) & agrees),
                known.eq(place == dut.bits - 1),
            ]
    with m.If(dut.handed & ((writing + 1)[:3] == followed)):
        m.d.sync += known.eq(0)

    steps, expected = Signal(range(PartSequencer.ROW + 1)), Signal()
    m.d.sync += steps.eq(Mux(steps == 0, 0, steps - 1))
    with m.If(moved(dut.rows.numbers)):
        m.d.sync += steps.eq(0)
        with m.If(known & (reading == followed) & (dut.rows.numbers.payload == late)):
            m.d.sync += [steps.eq(PartSequencer.ROW), expected.eq(equal)]
    with m.If(steps == 1):
        row = dut.rows.row
        m.d.comb += [
            Assert(row.bit_select(early, 1) == expected),
            Assert((row >> late) == 1),
            Cover(expected & (early != late) & (followed == 1)),
            Cover(~expected & (followed == 1)),
        ]


SMALL = partial(EqualPasses, bits=2, passes=3)
ONE   = partial(EqualPasses, bits=1, passes=2)

PROOFS = [
    Proof(SMALL, compares_passes, "bmc", depth=20, reach=30),
    Proof(ONE, compares_passes, "bmc", depth=20, reach=30),
]
