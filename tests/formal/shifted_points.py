"""Proofs about points that are shifted at random."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cat, Cover, Mux, Signal

from hdl.random.shifted_points import ShiftedPoints
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, check_stream_rules, free, moved


def environment(m, dut):
    """Bits of a pass are asked for in order; an image begins when all bits of the one before are given, and
    all of their passes asked for; the random source gives one bit for each request, in order."""
    free(m, dut)
    place, given = Signal(range(len(dut.drop))), Signal(range(dut.latency + 1))
    owed = Signal(range(dut.count + 1))
    with m.If(moved(dut.i)):
        m.d.sync += place.eq(Mux(place == len(dut.drop) - 1, 0, place + 1))
    m.d.sync += [given.eq(given + moved(dut.i) - moved(dut.o)),
                 owed.eq(owed + moved(dut.draw) - moved(dut.bits))]
    m.d.comb += [
        Assume(~dut.i.valid | (dut.i.payload == place)),
        Assume(~dut.begin | ~dut.i.valid & (place == 0) & (given == 0)),
        Assume(~dut.bits.valid | (owed != 0)),
    ]
    return owed


def keeps_stream_rules(m, dut):
    """While the random source answers each request, once valid is up on an output, it and the payload stay
    until the word is taken.
    """
    environment(m, dut)
    check_stream_rules(m, dut)


def gives_shifted_points(m, dut):
    """The bits of the points, one point after another, are those of the sums of their coordinates and the
    shifts that were drawn before, and shifts are drawn for the first point of an image and for the first
    beyond the last.

    An arbitrary bit of a pass is followed.
    """
    environment(m, dut)
    place = AnyConst(range(len(dut.drop)))
    m.d.comb += Assume(place < len(dut.drop))
    # What has been drawn since shifts were last due, and the shift of this place among it.
    received, shift = Signal(range(dut.count + 1)), Signal(dut.width)
    number = Signal(range(len(dut.points)))
    with m.If(moved(dut.bits)):
        m.d.comb += Assert(received != dut.count)
        m.d.comb += Assert(dut.taken == 1 << received)
        m.d.sync += received.eq(received + 1)
        for first in range(len(dut.drop)):
            with m.If((place == first) & (received >= first * dut.width)
                      & (received < (first + 1) * dut.width)):
                m.d.sync += shift.eq(Cat(dut.bits.payload, shift)[:dut.width])
    with m.Else():
        m.d.comb += Assert(dut.taken == 0)
    last = moved(dut.i) & (dut.i.payload == len(dut.drop) - 1)
    with m.If(last):
        m.d.sync += number.eq(number + 1)
        with m.If(number == len(dut.points) - 1):
            m.d.sync += [number.eq(0), received.eq(0)]
    with m.If(dut.begin):
        m.d.sync += [number.eq(0), received.eq(0)]
    # Answers of this place that are on their way, the oldest lowest.
    sums = Array(Array(point)[place] for point in dut.points)[number] + shift
    bit  = sums[:dut.width] >= Array(dut.drop)[place]
    on_way, bits = Signal(range(dut.latency + 1)), Signal(dut.latency)
    asked, answered = Signal(), Signal()
    turn = Signal(range(len(dut.drop)))
    with m.If(moved(dut.o)):
        m.d.sync += turn.eq(Mux(turn == len(dut.drop) - 1, 0, turn + 1))
    m.d.comb += [asked.eq(moved(dut.i) & (dut.i.payload == place)),
                 answered.eq(moved(dut.o) & (turn == place))]
    kept = Mux(answered, bits >> 1, bits)
    m.d.sync += [on_way.eq(on_way + asked - answered),
                 bits.eq(kept | Mux(asked, bit << (on_way - answered)[:2], 0))]
    with m.If(moved(dut.i)):
        m.d.comb += Assert(received == dut.count)
    with m.If(dut.o.valid & (turn == place)):
        m.d.comb += [Assert(on_way != 0), Assert(dut.o.payload == bits[0]),
                     Cover(dut.o.payload & (number == 1)), Cover(~dut.o.payload & (number == 1))]


def answers_in_time(m, dut):
    """With requests for random bits taken at once, bits given in the next cycle and answers taken at once,
    a request is taken within as many cycles as shifts have bits, and two more.
    """
    owed = environment(m, dut)
    m.d.comb += [Assume(dut.draw.ready), Assume((owed == 0) | dut.bits.valid), Assume(dut.o.ready)]
    answers_within(m, dut.i.valid & ~dut.i.ready, dut.count + 2, "request")
    m.d.comb += Cover(moved(dut.o))


SMALL  = partial(ShiftedPoints, width=1, points=((0, 1), (1, 1)), drop=(1, 1))
SHIFTS = partial(ShiftedPoints, width=2, points=((3, 1), (0, 2), (1, 1)), drop=(1, 3))

PROOFS = [
    Proof(SMALL, keeps_stream_rules, reach=30),
    Proof(SMALL, gives_shifted_points, reach=30),
    Proof(SHIFTS, gives_shifted_points, reach=30),
    Proof(SHIFTS, answers_in_time),
    Readiness(SHIFTS),
]
