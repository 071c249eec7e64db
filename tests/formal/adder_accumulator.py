"""Proofs about the sums of partial codes."""

from functools import partial

from amaranth.hdl import Assert, Assume, Cat, Cover, Mux, Signal, signed

from hdl.layer.adder_accumulator import AdderAccumulator
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


#: Bits of a sum that cannot overflow.
WIDE = 16


def adds_exactly(m, dut):
    """Each sum equals that of its codes in 16 bits, planes weighed by powers of two, and comes with the
    array of its codes: no sum overflows, and none is lost, repeated or mixed with another. If masked, a
    plane counts as twice its codes less the number of active inputs.

    Sums are numbered modulo 4, more than can be in flight.
    """
    free(m, dut)
    reads = dut.groups * dut.planes
    numbers = range(4)
    read, number = Signal(range(reads)), Signal(numbers)
    expected = [[Signal(signed(WIDE), name=f"sum_{index}_{column}") for column in range(dut.columns)]
                for index in numbers]
    choices  = [Signal.like(dut.i.payload.choice, name=f"choice_{index}") for index in numbers]
    for column in range(dut.columns):
        for value in dut.i.payload.codes[column]:
            m.d.comb += Assume((value >= dut.codes[0]) & (value <= dut.codes[-1]))
    choice = Signal.like(dut.i.payload.choice)
    with m.If(read != 0):
        m.d.comb += Assume(dut.i.payload.choice == choice)
    if dut.masked:
        _assume_active(m, dut, read)
    with m.If(moved(dut.i)):
        m.d.sync += [choice.eq(dut.i.payload.choice), read.eq(Mux(read == reads - 1, 0, read + 1))]
        with m.If(read == reads - 1):
            m.d.sync += number.eq(number + 1)
    for at in range(reads):
        weight = dut.planes - 1 - at // dut.groups
        for index in numbers:
            with m.If(moved(dut.i) & (read == at) & (number == index)):
                m.d.sync += choices[index].eq(dut.i.payload.choice)
                for column, total in enumerate(expected[index]):
                    codes = _together(dut, column)
                    if dut.masked:
                        codes = 2 * codes - (0 if at % dut.groups else dut.i.payload.active)
                    m.d.sync += total.eq((total if at else 0) + (codes << weight))
    sent = Signal(numbers)
    with m.If(moved(dut.o)):
        m.d.sync += sent.eq(sent + 1)
    with m.If(dut.o.valid):
        m.d.comb += Assert(sent != number)
        for index in numbers:
            with m.If(sent == index):
                m.d.comb += Assert(dut.o.payload.choice == choices[index])
                for column, total in enumerate(expected[index]):
                    m.d.comb += Assert(dut.o.payload.sums[column] == total)
        shape = dut.o.payload.sums.shape().elem_shape
        m.d.comb += [Cover(dut.o.payload.sums[0] == end) for end in (shape.start, shape.stop - 1)]


def _together(dut, column):
    """Codes of all tiles of the read that enters."""
    return sum(dut.i.payload.codes[column][tile] for tile in range(dut.tiles))


def _assume_active(m, dut, read):
    """All reads of a sum, of which ``read`` is the number, come with the same number of active inputs, no
    more than there are; and the codes of no plane add up to more."""
    active = Signal.like(dut.i.payload.active)
    m.d.comb += Assume(dut.i.payload.active <= dut.codes[-1] * dut.tiles * dut.groups)
    with m.If(read != 0):
        m.d.comb += Assume(dut.i.payload.active == active)
    with m.If(moved(dut.i)):
        m.d.sync += active.eq(dut.i.payload.active)
    begins = Cat(read == at for at in range(0, dut.groups * dut.planes, dut.groups)).any()
    for column in range(dut.columns):
        plane = Signal.like(active, name=f"plane_{column}")
        total = Mux(begins, 0, plane) + _together(dut, column)
        m.d.comb += Assume(total <= dut.i.payload.active)
        with m.If(moved(dut.i)):
            m.d.sync += plane.eq(total)


def answers_in_time(m, dut):
    """With sums taken within 2 cycles, a read is taken within 2 cycles; and a sum is there within
    ``latency + 2`` cycles of its last read.
    """
    free(m, dut)
    patient(m, dut.o.ready, 2, "taken")
    answers_within(m, dut.i.valid & ~dut.i.ready, 2, "read")
    reads = dut.groups * dut.planes
    read, owed = Signal(range(reads)), Signal(range(8))
    whole = moved(dut.i) & (read == reads - 1)
    with m.If(moved(dut.i)):
        m.d.sync += read.eq(Mux(read == reads - 1, 0, read + 1))
    m.d.sync += owed.eq(owed + whole - moved(dut.o))
    answers_within(m, (owed != 0) & ~dut.o.valid, dut.latency + 2, "sum")
    m.d.comb += Cover(moved(dut.o))


class Codes(AdderAccumulator):
    """Keeps the range of its codes, which its ports round up to bits."""

    def __init__(self, code, **parameters):
        super().__init__(code, **parameters)
        self.codes = code


PROOFS = [
    Proof(partial(Codes, code=range(0, 3), tiles=2, columns=1, groups=2), keeps_stream_rules),
    Proof(partial(Codes, code=range(0, 3), tiles=2, columns=1, groups=2), adds_exactly),
    Proof(partial(Codes, code=range(-1, 2), tiles=3, columns=1, groups=1, planes=2, arrays=2),
          adds_exactly),
    Proof(partial(Codes, code=range(-3, 4), tiles=3, columns=2, groups=2, planes=2, arrays=2),
          adds_exactly, "bmc", depth=12),
    Proof(partial(Codes, code=range(0, 3), tiles=2, columns=1, groups=1, masked=True), adds_exactly),
    Proof(partial(Codes, code=range(0, 2), tiles=1, columns=1, groups=2, planes=2, arrays=2, masked=True),
          adds_exactly),
    Proof(partial(Codes, code=range(0, 3), tiles=2, columns=1, groups=2, planes=2, arrays=2, masked=True),
          adds_exactly, "bmc", depth=12),
    Proof(partial(Codes, code=range(0, 3), tiles=3, columns=1, groups=2, planes=2), answers_in_time),
    Readiness(partial(Codes, code=range(0, 3), tiles=2, columns=1, groups=2)),
]
