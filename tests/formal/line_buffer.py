"""Proofs about the line buffer."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.layer.line_buffer import LineBuffer
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


def presents_each_position(m, dut):
    """Every kernel position of a map is presented once, in raster order, and its inputs are the words
    at these places of the map, or 0 in the padding.

    An arbitrary kernel position is followed in every map, and an arbitrary input of it.
    """
    free(m, dut)
    (top, left), (height, width) = dut.padding, dut.padded
    inner = height - 2 * top, width - 2 * left
    positions = [(y, x) for y in range(0, height - dut.kernel[0] + 1, dut.stride[0])
                 for x in range(0, width - dut.kernel[1] + 1, dut.stride[1])]
    inputs = [(y, x) for y in range(dut.kernel[0]) for x in range(dut.kernel[1])]
    position, tap = AnyConst(range(len(positions))), AnyConst(range(len(inputs)))
    m.d.comb += [Assume(position < len(positions)), Assume(tap < len(inputs))]

    # The place in the map of the followed input, unless it is in the padding.
    words  = inner[0] * inner[1]
    place, within = Signal(range(words)), Signal()
    for index, (y, x) in enumerate(positions):
        for number, (down, right) in enumerate(inputs):
            row, column = y + down - top, x + right - left
            if 0 <= row < inner[0] and 0 <= column < inner[1]:
                with m.If((position == index) & (tap == number)):
                    m.d.comb += [within.eq(1), place.eq(row * inner[1] + column)]
    at, value, known = Signal(range(words)), Signal(dut.word_bits), Signal()
    with m.If(moved(dut.i)):
        m.d.sync += at.eq(Mux(at == words - 1, 0, at + 1))
        with m.If(within & (at == place)):
            m.d.sync += [value.eq(dut.i.payload), known.eq(1)]
    sent = Signal(range(len(positions)))
    with m.If(moved(dut.o)):
        m.d.sync += sent.eq(Mux(sent == len(positions) - 1, 0, sent + 1))
        with m.If(sent == position):
            m.d.sync += known.eq(0)
    with m.If(dut.o.valid & (sent == position)):
        m.d.comb += [
            Assert(dut.o.payload.word_select(tap, dut.word_bits) == Mux(within, value, 0)),
            Assert(known | ~within),
            Cover(value.any() & within),
        ]
        if top or left:
            m.d.comb += Cover(~within)


def answers_in_time(m, dut):
    """With positions taken within 2 cycles, a word is taken within 3 times the cycles of its row and
    of the border around it.
    """
    free(m, dut)
    patient(m, dut.o.ready, 2, "taken")
    between = 2 * dut.padding[0] * dut.padded[1] + 2 * dut.padding[1] + 1
    answers_within(m, dut.i.valid & ~dut.i.ready, 3 * between, "word")
    m.d.comb += Cover(moved(dut.o))


PLAIN  = partial(LineBuffer, height=3, width=3, word_bits=1, kernel=(2, 2))
PADDED = partial(LineBuffer, height=2, width=3, word_bits=1, kernel=(2, 2), padding=(1, 1), stride=(2, 2))
#: A map of one row.
ROW    = partial(LineBuffer, height=1, width=5, word_bits=1, kernel=(1, 3), padding=(0, 2), stride=(1, 2))
UNLIKE = partial(LineBuffer, height=2, width=3, word_bits=1, kernel=(2, 3), padding=(0, 1), stride=(1, 2))

PROOFS = [
    *(Proof(make, properties, reach=30) for make in (PLAIN, PADDED, ROW, UNLIKE)
      for properties in (keeps_stream_rules, presents_each_position, answers_in_time)),
    Readiness(PADDED),
]
