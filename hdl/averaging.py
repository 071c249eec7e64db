"""Averaging block: statistics of the class probabilities of all passes."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.pass_split import pass_set_layout
from hdl.softmax import PROBABILITY


__all__ = ["Averaging", "result_layout"]


def result_layout(classes, passes):
    """One word of a result: the statistics of a class, and what holds for the whole image.

    ``prediction`` (class of the largest sum, the lowest on a tie) and ``reject`` (Scale-Dropout,
    eq. 26: no class was confident in 90 % of the passes) are those of the classes up to this word,
    so they are meant to be read where ``last`` is 1.
    """
    return data.StructLayout({
        "sum":        range(passes * ((1 << PROBABILITY) - 1) + 1),      # of p, Q0.16
        "square":     range(passes * ((1 << PROBABILITY) - 1) ** 2 + 1), # of p * p, Q0.32
        "votes":      range(passes + 1),  # passes in which the class was the largest
        "confident":  range(passes + 1),  # passes in which p reached the confidence threshold
        "prediction": range(classes),
        "reject":     1,
        "passes":     range(passes + 1),
        "last":       1,
    })


class Averaging(wiring.Component):
    """Weigh the probabilities of each leaf by the passes that reach it, and add them up.

    A leaf with the pass set ``S`` counts ``c = popcount(S)`` times: ``c * p`` and ``c * p * p`` are
    added for each class (Scale-Dropout, eq. 18 and 21), ``c`` to the votes of its largest class and
    to the confident passes of each class with ``p >= confidence``. After the last leaf of an image
    the result is sent, class by class.

    Latency is ``latency`` cycles from the last probability of an image to the first word of its
    result. A leaf takes ``classes + overhead`` cycles, a result ``classes + 1`` more.

    Parameters
    ----------
    classes, passes : int
        Classes, and T_max.
    confidence : int
        Confidence threshold, Q0.16.

    Members
    -------
    i : In(stream.Signature(16))
        Probabilities, Q0.16, those of a leaf after each other.
    sets : In(stream.Signature(pass_set_layout(passes)))
        Pass set of each leaf.
    o : Out(stream.Signature(result_layout(classes, passes)))
        Results, ``classes`` words each.
    """

    #: Cycles beside those of the probabilities that a leaf takes: to count its passes, and to let
    #: the last sums be stored.
    overhead = 5

    latency = 6

    def __init__(self, classes, passes, *, confidence):
        self.classes    = classes
        self.passes     = passes
        self.confidence = confidence
        super().__init__({
            "i":    In(stream.Signature(PROBABILITY)),
            "sets": In(stream.Signature(pass_set_layout(passes))),
            "o":    Out(stream.Signature(result_layout(classes, passes))),
        })

    def elaborate(self, platform):
        m = Module()

        result = self.o.payload
        stored = data.StructLayout({name: result.shape()[name].shape
                                    for name in ("sum", "square", "confident")})
        m.submodules.statistics = statistics = memory.Memory(
            shape=len(result.sum) + len(result.square) + len(result.confident),
            depth=self.classes, init=[])
        m.submodules.ballots = ballots = memory.Memory(
            shape=len(result.votes), depth=self.classes, init=[])
        total, add_up = statistics.read_port(domain="comb"), statistics.write_port()
        votes, vote   = ballots.read_port(domain="comb"), ballots.write_port()

        count  = Signal(range(self.passes + 1)) # passes of this leaf
        passes = Signal.like(count)             # passes of this image
        index  = Signal(range(self.classes))
        last   = index == self.classes - 1
        fresh  = Signal(init=1)                 # this is the first leaf of the image

        # Counting is spread over two cycles: bytes, then their sum.
        counts = [Signal(range(9), name=f"count_{byte}") for byte in range(-(-self.passes // 8))]

        # Products, one class per cycle, in two steps behind `i`.
        p, p_index     = Signal(PROBABILITY), Signal.like(index)
        square         = Signal(2 * PROBABILITY)
        q, q_index     = Signal(PROBABILITY), Signal.like(index)
        weighed        = Signal(stored)
        weighed_index  = Signal.like(index)
        p_valid, q_valid, weighed_valid = Signal(), Signal(), Signal()
        best, best_index = Signal(PROBABILITY), Signal.like(index)
        taken = Signal()
        m.d.comb += taken.eq(self.i.valid & self.i.ready)
        m.d.sync += [
            p_valid.eq(taken), p.eq(self.i.payload), p_index.eq(index),
            q_valid.eq(p_valid), q.eq(p), q_index.eq(p_index), square.eq(p * p),
            weighed_valid.eq(q_valid), weighed_index.eq(q_index),
            weighed.sum.eq(q * count),
            weighed.square.eq(square * count),
            weighed.confident.eq(Mux(q >= self.confidence, count, 0)),
        ]
        with m.If(p_valid & ((p_index == 0) | (p > best))):
            m.d.sync += [best.eq(p), best_index.eq(p_index)]

        before = data.View(stored, total.data)
        after  = Signal(stored)
        m.d.comb += [
            total.addr.eq(Mux(weighed_valid, weighed_index, index)),
            add_up.addr.eq(weighed_index),
            add_up.data.eq(after),
            add_up.en.eq(weighed_valid),
            votes.addr.eq(index),
        ]
        for name in stored.members:
            m.d.comb += after[name].eq(Mux(fresh, 0, before[name]) + weighed[name])

        m.d.comb += vote.addr.eq(index)

        # Results leave in two steps behind the memories: a row, then what compares it.
        row            = Signal(stored)
        row_votes, row_index = Signal.like(result.votes), Signal.like(index)
        row_valid, step      = Signal(), Signal()
        largest, largest_index = Signal.like(result.sum), Signal.like(index)
        needed = Signal(range(9 * self.passes + 1)) # nine tenths of the passes, times ten
        sure   = Signal()
        larger, surer = Signal(), Signal()
        m.d.comb += [
            step.eq(~self.o.valid | self.o.ready),
            larger.eq((row_index == 0) | (row.sum > largest)),
            surer.eq((sure & (row_index != 0)) | (row.confident * 10 >= needed)),
        ]
        m.d.sync += needed.eq(passes * 9)
        with m.If(step):
            m.d.sync += [
                row_valid.eq(0),
                self.o.valid.eq(row_valid),
                result.sum.eq(row.sum),
                result.square.eq(row.square),
                result.confident.eq(row.confident),
                result.votes.eq(row_votes),
                result.prediction.eq(Mux(larger, row_index, largest_index)),
                result.reject.eq(~surer),
                result.passes.eq(passes),
                result.last.eq(row_index == self.classes - 1),
            ]
            with m.If(row_valid):
                m.d.sync += sure.eq(surer)
                with m.If(larger):
                    m.d.sync += [largest.eq(row.sum), largest_index.eq(row_index)]

        drain     = Signal(2)

        with m.FSM():
            with m.State("Clear"):
                # Once after reset: a memory starts with zeros in simulation, but not on every chip.
                m.d.comb += vote.en.eq(1)
                m.d.sync += index.eq(Mux(last, 0, index + 1))
                with m.If(last):
                    m.next = "Count bytes"
            with m.State("Count bytes"):
                with m.If(self.sets.valid):
                    for byte, ones in enumerate(counts):
                        m.d.sync += ones.eq(sum(self.sets.payload.set[8 * byte:8 * byte + 8]))
                    m.next = "Count"
            with m.State("Count"):
                m.d.sync += count.eq(sum(counts))
                m.next = "Add"
            with m.State("Add"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(taken):
                    m.d.sync += index.eq(Mux(last, 0, index + 1))
                    with m.If(last):
                        m.d.sync += [passes.eq(Mux(fresh, 0, passes) + count), drain.eq(2)]
                        m.next = "Drain"
            with m.State("Drain"):
                m.d.sync += drain.eq(drain - 1)
                with m.If(drain == 0):
                    m.d.comb += [
                        votes.addr.eq(best_index),
                        vote.addr.eq(best_index),
                        vote.data.eq(votes.data + count),
                        vote.en.eq(1),
                        self.sets.ready.eq(1),
                    ]
                    m.d.sync += fresh.eq(self.sets.payload.last)
                    with m.If(self.sets.payload.last):
                        m.next = "Send"
                    with m.Else():
                        m.next = "Count bytes"
            with m.State("Send"):
                # Sums are at rest, so `total` answers for `index`.
                with m.If(step):
                    m.d.comb += vote.en.eq(1)
                    m.d.sync += [
                        row_valid.eq(1),
                        row.eq(before),
                        row_votes.eq(votes.data),
                        row_index.eq(index),
                        index.eq(Mux(last, 0, index + 1)),
                    ]
                    with m.If(last):
                        m.next = "Flush"
            with m.State("Flush"):
                # The last row still needs `passes`, which the next leaf would change.
                with m.If(step):
                    m.next = "Count bytes"

        return m
