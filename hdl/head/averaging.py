# amaranth: UnusedElaboratable=no
"""Averaging block: statistics of the class probabilities of all passes."""

import fractions

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.head.partition_check import PartitionCheck
from hdl.head.report import Report
from hdl.head.result import result_layout
from hdl.head.softmax import PROBABILITY
from hdl.head.totals import Totals
from hdl.head.votes import Votes
from hdl.head.weigh import Weigh
from hdl.pass_sets.pass_split import pass_set_layout
from hdl.stream import counter, delayed, moves


__all__ = ["Averaging"]


class Averaging(wiring.Component):
    """Weigh the probabilities of each leaf by the passes that reach it, and add them up.

    A *leaf* is a last feature map: its probabilities are those of all passes in its pass set ``S``, so
    they count ``c = popcount(S)`` times. ``c * p`` and ``c * p * p`` are added for each class
    (Scale-Dropout, eq. 18 and 21), ``c`` to the votes of its largest class and to the confident passes
    of each class with ``p >= confidence``. After the last leaf of an image the result is sent, class by
    class. Where each of several positions of a map has an answer of its own, as in a segmentation, all this
    is done for one position after another, each with its own part of the memories.

    A state machine takes one leaf after another: it counts the passes of its set and lets its
    probabilities through the pipeline of :class:`Weigh` and :class:`Totals`, a class per cycle; behind the
    last class of a position :class:`Votes` adds the votes of that. In the last leaf of an image, when the
    pipeline has drained after a position, it reads totals and votes of this class by class, clears the
    votes and hands all to :class:`Report`. Totals need no clearing: the first leaf of an image overwrites
    them.

    Latency is ``latency`` cycles from the last probability of a position to the first word of its part of
    the result. A leaf takes ``classes * positions + overhead`` cycles; the last one of an image takes
    ``between`` more for each position but one, and ``interval * classes + 1`` more for each.

    Parameters
    ----------
    classes, passes : int
        Classes, and T_max.
    positions : int
        Positions of a map of logits.
    confidence : int
        Confidence threshold, Q0.16.
    agreement : int
        Per cent of the passes in which a class must be confident, or the input is rejected.
    settable : bool
        Whether both are ports.
    protect : bool
        Check the parity of memories, and that the pass sets of an image divide its passes
        (:class:`PartitionCheck`).

    Members
    -------
    i : In(stream.Signature(16))
        Probabilities, Q0.16, those of a leaf one after another, all classes of a position together.
    sets : In(stream.Signature(pass_set_layout(passes)))
        Pass set of each leaf.
    o : Out(stream.Signature(result_layout(classes, passes)))
        Results, ``classes`` words for each position.
    confidence, agreement : In(16), In(7)
        See above; the same from the first leaf of an image to the last word of its result. Only with
        ``settable``.
    fault : In(1)
        Another block has found a fault: the words that follow have ``error``.
    error : Out(1)
        1 for a cycle after a fault. Only with ``protect``; the words that follow have ``error``.
    """

    #: Pass sets that can wait while their leaves are still in the softmax.
    AHEAD = 8

    #: One cycle less than from the last probability of a leaf until its totals are stored.
    DRAIN = Weigh.latency + 1

    #: Cycles from the index of a class to its totals and votes.
    READ = 2

    #: Cycles from a pass set to the first probability of its leaf: its passes are counted.
    COUNT = 3

    #: Cycles of a leaf beside those of its probabilities: to count its passes, and to store its totals.
    overhead = COUNT + DRAIN

    #: Cycles between the last probability of a position and the first one of the next, if a result is to be
    #: sent between them, beside those of the result.
    between = DRAIN + 1

    #: Cycles from the last probability of a position until its largest one is known.
    BEST = 2

    latency = DRAIN + 4 + READ

    #: Cycles from one word of a result to the next, while none waits.
    interval = 1 + READ

    def __init__(self, classes, passes, *, positions=1, confidence, agreement=90, settable=False,
                 protect=False):
        self.classes  = classes
        self.passes   = passes
        self.positions = positions
        self.settable = settable
        self.protect  = protect
        places        = classes * positions
        self.weigh    = Weigh(places, passes, confidence=None if settable else confidence)
        self.totals   = Totals(places, passes, protect=protect)
        self.votes    = Votes(places, passes, protect=protect)
        self.report   = Report(classes, passes,
                               agreement=None if settable else fractions.Fraction(agreement, 100))
        super().__init__({
            "i":     In(stream.Signature(PROBABILITY)),
            "sets":  In(stream.Signature(pass_set_layout(passes))),
            "o":     Out(stream.Signature(result_layout(classes, passes))),
            "fault": In(1),
            **({"confidence": In(PROBABILITY, init=confidence),
                "agreement":  In(7, init=agreement)} if settable else {}),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.weigh  = self.weigh
        m.submodules.totals = self.totals
        m.submodules.voting = self.votes
        m.submodules.report = self.report
        m.submodules.sets_queue = queue = parity.fifo(
            width=len(Value.cast(self.sets.payload)), depth=self.AHEAD)
        sets = data.View(self.sets.payload.shape(), queue.r_data)
        m.d.comb += [
            queue.w_en.eq(self.sets.valid),
            queue.w_data.eq(self.sets.payload),
            self.sets.ready.eq(queue.w_rdy),
        ]

        # Registers of the state machine below, by which it controls the parts.
        count   = Signal(range(self.passes + 1)) # of the leaf
        passes  = Signal.like(count)             # of the leaves of the image so far
        fresh   = Signal(init=1)                 # the leaf is the first one of its image
        sending = Signal()
        step    = Signal()
        advance = Signal() # to the next position
        index, last = counter(m, self.classes, step, name="index")
        _, final    = counter(m, self.positions, advance, name="position")
        base  = Const(0) # place of the first class of the position
        if self.positions > 1:
            base = Signal(range(self.classes * self.positions))
            with m.If(advance):
                m.d.sync += base.eq(Mux(final, 0, base + self.classes))
        place = Signal(range(self.classes * self.positions))
        whole = Signal() # the last probability of a position is taken
        used  = delayed(m, whole, self.BEST, name="used")
        vote  = delayed(m, used, 1, name="vote")
        m.d.comb += place.eq(base + index)
        connect(m, self.weigh.ahead, self.totals.ahead)
        connect(m, self.weigh.o, self.totals.products)
        connect(m, self.report.o, flipped(self.o))
        m.d.comb += [
            self.weigh.i.valid.eq(moves(self.i)),
            self.weigh.i.payload.p.eq(self.i.payload),
            self.weigh.i.payload.at.place.eq(place),
            self.weigh.i.payload.at.first.eq(index == 0),
            self.weigh.count.eq(count),
            self.totals.fresh.eq(fresh),
            self.totals.sending.eq(sending),
            self.totals.index.eq(place),
            self.votes.best.eq(self.weigh.best),
            self.votes.count.eq(count),
            self.votes.sending.eq(sending),
            self.votes.used.eq(used | sending),
            self.votes.vote.eq(vote),
            self.votes.index.eq(place),
            self.report.i.payload.totals.eq(self.totals.row),
            self.report.i.payload.votes.eq(self.votes.votes),
            self.report.i.payload.index.eq(index),
            self.report.passes.eq(passes),
            self.report.largest.eq(self.totals.largest - base),
            self.report.surest.eq(self.totals.surest),
            self.report.final.eq(final),
        ]

        if self.settable:
            m.d.comb += [self.weigh.confidence.eq(self.confidence),
                         self.report.agreement.eq(self.agreement)]

        # An error that a part finds in a cycle is in the word that `Report` loads in the same cycle.
        parity.watch(self.totals, self.votes)
        if self.protect:
            m.submodules.partition_check = check = PartitionCheck(self.passes)
            m.d.comb += [check.sets.valid.eq(whole & (base == 0)), check.sets.payload.eq(sets)]
            parity.watch(check)
        faulty = Signal()
        wrong  = Signal()
        m.d.comb += [
            wrong.eq(Cat(parity.errors).any()),
            self.report.fault.eq(self.fault | faulty | wrong),
        ]
        m.d.sync += faulty.eq(faulty | wrong)
        parity.report()

        # Passes are counted in two cycles: bytes of the set, then their sum.
        counts = [Signal(range(9), name=f"count_{byte}") for byte in range(-(-self.passes // 8))]
        drain  = Signal(range(self.DRAIN + 1))
        wait   = Signal(range(self.READ + 1))

        with m.FSM():
            with m.State("Clear"):
                # Once after reset: a memory starts with zeros in simulation, but not on every chip.
                m.d.comb += [self.votes.clear.eq(1), step.eq(1), advance.eq(last)]
                with m.If(last & final):
                    m.next = "Count bytes"
            with m.State("Count bytes"):
                with m.If(queue.r_rdy):
                    for byte, ones in enumerate(counts):
                        m.d.sync += ones.eq(sum(sets.set[8 * byte:8 * byte + 8]))
                    m.next = "Count"
            with m.State("Count"):
                m.d.sync += count.eq(sum(counts))
                m.next = "Add"
            with m.State("Add"):
                m.d.comb += [self.i.ready.eq(1), step.eq(self.i.valid)]
                m.d.comb += whole.eq(step & last)
                with m.If(whole):
                    m.d.sync += drain.eq(self.DRAIN)
                    with m.If(base == 0):
                        m.d.sync += passes.eq(Mux(fresh, 0, passes) + count)
                    with m.If(final | sets.last):
                        m.next = "Drain"
                    with m.Else():
                        m.d.comb += advance.eq(1)
            with m.State("Drain"):
                m.d.sync += drain.eq(drain - 1)
                with m.If(drain == 0):
                    m.d.comb += queue.r_en.eq(final)
                    m.d.sync += wait.eq(self.READ)
                    with m.If(final):
                        m.d.sync += fresh.eq(sets.last)
                    with m.If(sets.last):
                        m.next = "Send"
                    with m.Else():
                        m.d.comb += advance.eq(1)
                        m.next = "Count bytes"
            with m.State("Send"):
                # `READ` cycles after `index` changes, its totals and votes are at the report.
                m.d.comb += [
                    sending.eq(1),
                    self.report.i.valid.eq(wait == 0),
                ]
                m.d.sync += wait.eq(wait - (wait != 0))
                with m.If(moves(self.report.i)):
                    m.d.comb += [self.votes.clear.eq(1), step.eq(1)]
                    m.d.sync += wait.eq(self.READ)
                    with m.If(last):
                        m.next = "Flush"
            with m.State("Flush"):
                # The last word still needs `passes`, which the next leaf would change.
                with m.If(self.report.i.ready):
                    m.d.comb += advance.eq(1)
                    m.next = "Add"
                    with m.If(final):
                        m.next = "Count bytes"

        return m
