"""Proofs about the packets of results."""

from functools import partial

from amaranth.hdl import Assert, Cover, Mux, Signal

from hdl.bus.result_output import FLAGS, ResultOutput, record_layout
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def ends_packets_with_images(m, dut):
    """Each word has one record of as many beats as that takes; TLAST is 1 in the last beat of the last
    word of an image and nowhere else. A mark is taken with each of these words, and is in the flags of
    all words of its image.
    """
    free(m, dut)
    waiting, last, mark, beat = Signal(), Signal(), Signal(), Signal(range(dut.beats))
    m.d.comb += Assert(moved(dut.marks) == (moved(dut.i) & dut.i.payload.last))
    with m.If(moved(dut.o)):
        m.d.sync += beat.eq(Mux(beat == dut.beats - 1, 0, beat + 1))
        with m.If(beat == dut.beats - 1):
            m.d.sync += waiting.eq(0)
    with m.If(moved(dut.i)):
        m.d.comb += [Assert(~waiting | (moved(dut.o) & (beat == dut.beats - 1))), Assert(dut.marks.valid)]
        m.d.sync += [waiting.eq(1), last.eq(dut.i.payload.last), mark.eq(dut.marks.payload)]
    m.d.comb += [
        Assert(dut.o.valid == waiting),
        Assert(dut.sent == (moved(dut.o) & dut.o.payload.last)),
    ]
    place = record_layout()["flags"].offset + list(FLAGS).index("mismatch")
    with m.If(dut.o.valid):
        m.d.comb += [
            Assert(dut.o.payload.last == (last & (beat == dut.beats - 1))),
            Cover(dut.o.payload.last & mark),
        ]
        with m.If(beat == place // dut.width):
            m.d.comb += Assert(dut.o.payload.data[place % dut.width] == mark)


SMALL = partial(ResultOutput, classes=2, passes=2, width=64)

PROOFS = [Proof(SMALL, keeps_stream_rules), Proof(SMALL, ends_packets_with_images), Readiness(SMALL)]
