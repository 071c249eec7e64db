"""Proofs about the averaging block."""

from contextlib import ExitStack
from functools import partial
from unittest.mock import patch

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cat, Cover, Mux, ResetSignal, Signal

from hdl.head import averaging, result, totals, votes, weigh
from hdl.head.averaging import Averaging
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


def counts_every_pass(m, dut):
    """The passes of a result are those of its leaves, T, the votes of the classes of a position sum to T,
    no class is confident in more than T passes, and a result has one word for each class of each position,
    the last one marked.

    The pass sets of an image are disjoint and none is empty; that they are is proven of the engine. Only
    here there is no reset but the first one, so that more cycles can be looked at.
    """
    free(m, dut)
    m.d.comb += Assume(~ResetSignal())
    # An arbitrary image is followed, by its number modulo more than can be in flight.
    numbers  = range(2 * dut.AHEAD)
    followed = AnyConst(numbers)
    seen, total   = Signal(dut.passes), Signal(range(dut.passes + 1))
    entered, left = Signal(numbers), Signal(numbers)
    part = dut.sets.payload.set
    with m.If(dut.sets.valid):
        m.d.comb += [Assume((part & seen) == 0), Assume(part != 0)]
    with m.If(moved(dut.sets)):
        m.d.sync += seen.eq(seen | part)
        with m.If(dut.sets.payload.last):
            m.d.sync += [seen.eq(0), entered.eq(entered + 1)]
            with m.If(entered == followed):
                m.d.sync += total.eq(sum(seen | part))
    votes, result = Signal(range(dut.passes + 1)), dut.o.payload
    final, place  = _place(m, dut)
    with m.If(dut.o.valid & (left == followed)):
        m.d.comb += [
            Assert(result.passes == total),
            Assert(result.last == (final & (place == dut.positions - 1))),
            Assert(votes + result.votes <= total),
            Assert(result.confident <= total),
        ]
        with m.If(final):
            m.d.comb += [
                Assert(votes + result.votes == total),
                Cover((left == 0) & result.votes.bool() & votes.bool()),
            ]
    with m.If(moved(dut.o)):
        m.d.sync += votes.eq(Mux(final, 0, votes + result.votes))
        with m.If(result.last):
            m.d.sync += left.eq(left + 1)


def _place(m, dut):
    """Whether the word that is sent is the last one of a position, and the number of this."""
    word, place = Signal(range(dut.classes)), Signal(range(dut.positions))
    final = word == dut.classes - 1
    with m.If(moved(dut.o)):
        m.d.sync += word.eq(Mux(final, 0, word + 1))
        with m.If(final):
            m.d.sync += place.eq(Mux(place == dut.positions - 1, 0, place + 1))
    return final, place


def says_one_thing_of_a_position(m, dut):
    """All words of a position have the same prediction and rejection, and all of a result the same
    passes."""
    free(m, dut)
    result = dut.o.payload
    final, place = _place(m, dut)
    for begun, saying in ((Signal(), Cat(result.prediction, result.reject)), (Signal(), result.passes)):
        said = Signal.like(saying)
        with m.If(dut.o.valid & begun):
            m.d.comb += [Assert(saying == said), Cover(final & result.prediction.any())]
        with m.If(moved(dut.o)):
            ends = result.last if saying is result.passes else final
            m.d.sync += [begun.eq(~ends), said.eq(saying)]


def answers_in_time(m, dut):
    """With probabilities at hand and words of results taken within 2 cycles, the result of an image of
    one leaf is sent whole within the cycles of a leaf and of a result, and 2 more for each word.

    One image at a time is in flight here.
    """
    free(m, dut)
    patient(m, dut.o.ready, 2, "result")
    owed = Signal()
    m.d.comb += [Assume(dut.i.valid), Assume(~dut.sets.valid | (~owed & dut.sets.payload.last))]
    with m.If(moved(dut.sets)):
        m.d.sync += owed.eq(1)
    ends = moved(dut.o) & dut.o.payload.last
    with m.If(ends):
        m.d.sync += owed.eq(0)
    words = (dut.interval + 2) * dut.classes
    leaf  = dut.classes + dut.overhead + dut.classes * dut.positions - 1 # and to clear votes after reset
    more  = (dut.positions - 1) * (dut.classes + dut.between + words + 1)
    answers_within(m, owed & ~ends, leaf + dut.latency + words + more, "image")
    m.d.comb += Cover(moved(dut.o) & dut.o.payload.prediction.any())


class Narrow(Averaging):
    """Has probabilities of few bits: what is counted does not depend on how exact they are. ``small`` are
    the entries of the largest memory that is read within a cycle."""

    def __init__(self, classes, passes, *, bits, confidence, positions=1, small=result.SMALL):
        self.bits  = bits
        self.small = small
        with self._narrow():
            super().__init__(classes, passes, positions=positions, confidence=confidence)

    def elaborate(self, platform):
        with self._narrow():
            return super().elaborate(platform)

    def _narrow(self):
        patches = ExitStack()
        for module in (averaging, result, totals, weigh):
            patches.enter_context(patch.object(module, "PROBABILITY", self.bits))
        for module in (totals, votes):
            patches.enter_context(patch.object(module, "SMALL", self.small))
        return patches


SMALL   = partial(Narrow, classes=2, passes=2, bits=2, confidence=2)
SEVERAL = partial(SMALL, positions=2)
LARGE   = partial(SEVERAL, small=0)

PROOFS = [
    Proof(SMALL, keeps_stream_rules, reach=70),
    Proof(SMALL, counts_every_pass, "bmc", depth=36, reach=70, seconds=900),
    Proof(SMALL, says_one_thing_of_a_position, reach=70),
    Proof(SMALL, answers_in_time, "bmc", depth=80, reach=60),
    *(proof for block in (SEVERAL, LARGE) for proof in (
        Proof(block, keeps_stream_rules, reach=100),
        Proof(block, says_one_thing_of_a_position, "bmc", depth=50, reach=100, seconds=900),
        Proof(block, answers_in_time, "bmc", depth=100, reach=100, seconds=900))),
    Readiness(partial(Averaging, classes=2, passes=2, confidence=40000)),
    Readiness(partial(Averaging, classes=2, passes=2, positions=2, confidence=40000)),
]
