"""Proofs about the averaging block."""

from contextlib import ExitStack
from functools import partial
from unittest.mock import patch

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cat, Cover, ResetSignal, Signal

from hdl.head import averaging, result, totals, weigh
from hdl.head.averaging import Averaging
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


def counts_every_pass(m, dut):
    """The passes of a result are those of its leaves, T, the votes of its classes sum to T, no class is
    confident in more than T passes, and a result has one word for each class, the last one marked.

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
    votes, word, result = Signal(range(dut.passes + 1)), Signal(range(dut.classes)), dut.o.payload
    with m.If(dut.o.valid & (left == followed)):
        m.d.comb += [
            Assert(result.passes == total),
            Assert(result.last == (word == dut.classes - 1)),
            Assert(votes + result.votes <= total),
            Assert(result.confident <= total),
        ]
        with m.If(result.last):
            m.d.comb += [
                Assert(votes + result.votes == total),
                Cover((left == 0) & result.votes.bool() & votes.bool()),
            ]
    with m.If(moved(dut.o)):
        m.d.sync += [votes.eq(votes + result.votes), word.eq(word + 1)]
        with m.If(result.last):
            m.d.sync += [votes.eq(0), word.eq(0), left.eq(left + 1)]


def says_one_thing_of_an_image(m, dut):
    """All words of a result have the same prediction, rejection and passes."""
    free(m, dut)
    result = dut.o.payload
    saying = Cat(result.prediction, result.reject, result.passes)
    begun, said = Signal(), Signal.like(saying)
    with m.If(dut.o.valid & begun):
        m.d.comb += [Assert(saying == said), Cover(result.last & result.prediction.any())]
    with m.If(moved(dut.o)):
        m.d.sync += [begun.eq(~result.last), said.eq(saying)]


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
    leaf = dut.classes + dut.overhead + 1
    answers_within(m, owed & ~ends, leaf + dut.latency + (dut.interval + 2) * dut.classes, "image")
    m.d.comb += Cover(ends)


class Narrow(Averaging):
    """Has probabilities of few bits: what is counted does not depend on how exact they are."""

    def __init__(self, classes, passes, *, bits, confidence):
        self.bits = bits
        with self._narrow():
            super().__init__(classes, passes, confidence=confidence)

    def elaborate(self, platform):
        with self._narrow():
            return super().elaborate(platform)

    def _narrow(self):
        patches = ExitStack()
        for module in (averaging, result, totals, weigh):
            patches.enter_context(patch.object(module, "PROBABILITY", self.bits))
        return patches


SMALL = partial(Narrow, classes=2, passes=2, bits=2, confidence=2)

PROOFS = [
    Proof(SMALL, keeps_stream_rules, reach=70),
    Proof(SMALL, counts_every_pass, "bmc", depth=36, reach=70, seconds=900),
    Proof(SMALL, says_one_thing_of_an_image, reach=70),
    Proof(SMALL, answers_in_time, "bmc", depth=80, reach=60),
    Readiness(partial(Averaging, classes=2, passes=2, confidence=40000)),
]
