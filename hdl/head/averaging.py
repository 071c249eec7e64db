"""Averaging block: statistics of the class probabilities of all passes."""

import fractions

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.head.softmax import PROBABILITY
from hdl.pass_sets.pass_split import pass_set_layout


__all__ = ["Averaging", "result_layout"]


def result_layout(classes, passes):
    """One word of a result: the statistics of a class, and what holds for the whole image.

    ``prediction`` (class of the largest sum, the lowest on a tie), ``reject`` (Scale-Dropout, eq. 26: no
    class was confident in enough of the passes) and ``passes`` are the same in all words of a result.
    ``error`` is 1 from the first fault on that the hardware has seen in itself or in its random bits,
    until reset: no such result can be trusted.
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
        "error":      1,
    })


class Averaging(wiring.Component):
    """Weigh the probabilities of each leaf by the passes that reach it, and add them up.

    A leaf with the pass set ``S`` counts ``c = popcount(S)`` times: ``c * p`` and ``c * p * p`` are
    added for each class (Scale-Dropout, eq. 18 and 21), ``c`` to the votes of its largest class and
    to the confident passes of each class with ``p >= confidence``. After the last leaf of an image
    the result is sent, class by class.

    Latency is ``latency`` cycles from the last probability of an image to the first word of its
    result. A leaf takes ``classes + overhead`` cycles, a result ``interval * classes + 1`` more.

    Parameters
    ----------
    classes, passes : int
        Classes, and T_max.
    confidence : int
        Confidence threshold, Q0.16.
    agreement : int
        Per cent of the passes in which a class must be confident, or the input is rejected.
    protect : bool
        Check the parity of memories, and that the pass sets of an image divide its passes: they are not
        empty, have no pass in common, and leave none out up to the last one.

    Members
    -------
    i : In(stream.Signature(16))
        Probabilities, Q0.16, those of a leaf after each other.
    sets : In(stream.Signature(pass_set_layout(passes)))
        Pass set of each leaf.
    o : Out(stream.Signature(result_layout(classes, passes)))
        Results, ``classes`` words each.
    fault : In(1)
        A fault has been seen elsewhere; ``error`` of the words that follow.
    error : Out(1)
        1 for a cycle after a fault. Only with ``protect``; words that follow have it in ``error``.
    """

    #: Pass sets that can wait while their leaves are still in the softmax.
    AHEAD = 8

    #: Cycles from the last probability of a leaf until its sums are stored, less one.
    DRAIN = 7

    #: Cycles from the index of a class to its row.
    READ = 2

    #: Cycles beside those of the probabilities that a leaf takes: to count its passes, and to let
    #: the last sums be stored.
    overhead = 3 + DRAIN

    latency = DRAIN + 4 + READ

    #: Cycles from one word of a result to the next, when they are taken as they come.
    interval = 1 + READ

    def __init__(self, classes, passes, *, confidence, agreement=90, protect=False):
        self.classes    = classes
        self.passes     = passes
        self.confidence = confidence
        self.agreement  = fractions.Fraction(agreement, 100)
        self.protect    = protect
        super().__init__({
            "i":    In(stream.Signature(PROBABILITY)),
            "sets": In(stream.Signature(pass_set_layout(passes))),
            "o":    Out(stream.Signature(result_layout(classes, passes))),
            "fault": In(1),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.sets_queue = queue = parity.fifo(
            width=len(Value.cast(self.sets.payload)), depth=self.AHEAD)
        sets = data.View(self.sets.payload.shape(), queue.r_data)
        m.d.comb += [
            queue.w_en.eq(self.sets.valid),
            queue.w_data.eq(self.sets.payload),
            self.sets.ready.eq(queue.w_rdy),
        ]

        result = self.o.payload
        stored = data.StructLayout({name: result.shape()[name].shape
                                    for name in ("sum", "square", "confident")})
        m.submodules.statistics = statistics = memory.Memory(
            shape=stored.size + parity.bits, depth=self.classes, init=[])
        m.submodules.ballots = ballots = memory.Memory(
            shape=len(result.votes) + parity.bits, depth=self.classes, init=[])
        total  = statistics.read_port(domain="comb")
        add_up = statistics.write_port()
        votes  = ballots.read_port(domain="comb")
        vote   = ballots.write_port()

        count = Signal(range(self.passes + 1)) # passes of this leaf
        passes = Signal.like(count)             # passes of this image
        index = Signal(range(self.classes))
        last   = index == self.classes - 1
        fresh = Signal(init=1) # this is the first leaf of the image

        # Each multiplier has the count in a register of its own. It is there long before a product.
        counted = [Signal.like(count, name=f"count_{number}") for number in range(3)]
        m.d.sync += [after.eq(before) for after, before in
                     zip(counted, [count, *counted], strict=False)]

        # Counting is spread over two cycles: bytes, then their sum.
        counts = [Signal(range(9), name=f"count_{byte}") for byte in range(-(-self.passes // 8))]

        # Products, one class per cycle, in steps behind `i`. A class comes once in a leaf, and leaves
        # are apart, so what is read for it is never about to be written. A multiplier is slow and far
        # from logic, so registers that nothing else reads stand before and behind it.
        p       = Signal(PROBABILITY)
        p_index = Signal.like(index)
        factor  = Signal(PROBABILITY)
        q       = Signal(PROBABILITY)
        q_index = Signal.like(index)
        product = Signal(2 * PROBABILITY)
        square  = Signal(2 * PROBABILITY)
        later          = [Signal(data.StructLayout({"p": PROBABILITY, "index": len(index), "valid": 1}),
                                 name=f"later_{step}") for step in range(2)]
        firsts         = [Signal(len(count) + PROBABILITY, name=f"first_{number}") for number in range(3)]
        halves         = [Signal(len(count) + PROBABILITY, name=f"half_{half}") for half in range(2)]
        weighed_sum       = Signal.like(result.sum)
        weighed_confident = Signal.like(result.confident)
        weighed_index     = Signal.like(index)
        first_index       = Signal.like(index)
        first_confident   = Signal.like(result.confident)
        first_valid       = Signal()
        before            = Signal(stored)
        p_valid           = Signal()
        q_valid           = Signal()
        weighed_valid     = Signal()
        best              = Signal(PROBABILITY)
        best_index        = Signal.like(index)
        taken             = Signal()
        draining          = Signal()
        sending           = Signal()
        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            total.addr.eq(first_index),
        ]
        m.d.sync += [
            p_valid.eq(taken), p.eq(self.i.payload), p_index.eq(index),
            factor.eq(p), product.eq(factor * factor), square.eq(product),
            later[0].p.eq(p), later[0].index.eq(p_index), later[0].valid.eq(p_valid),
            later[1].eq(later[0]),
            q.eq(later[1].p), q_index.eq(later[1].index), q_valid.eq(later[1].valid),
            firsts[0].eq(q * counted[0]),
            firsts[1].eq(square[:PROBABILITY] * counted[1]),
            firsts[2].eq(square[PROBABILITY:] * counted[2]),
            first_confident.eq(Mux(q >= self.confidence, count, 0)),
            first_index.eq(Mux(sending, index, q_index)), first_valid.eq(q_valid),
            weighed_valid.eq(first_valid), weighed_index.eq(first_index),
            weighed_sum.eq(firsts[0]), halves[0].eq(firsts[1]), halves[1].eq(firsts[2]),
            weighed_confident.eq(first_confident),
            Value.cast(before).eq(total.data),
        ]
        with m.If(p_valid & ((p_index == 0) | (p > best))):
            m.d.sync += [best.eq(p), best_index.eq(p_index)]

        added       = Signal(stored)
        added_index = Signal.like(index)
        added_valid = Signal()
        kept        = Signal(stored)
        m.d.comb += [
            Value.cast(kept).eq(Mux(fresh, 0, before)),
            add_up.addr.eq(added_index),
            add_up.data.eq(parity.stored(Value.cast(added))),
            add_up.en.eq(added_valid),
        ]
        m.d.sync += [
            added_valid.eq(weighed_valid), added_index.eq(weighed_index),
            added.sum.eq(kept.sum + weighed_sum),
            added.square.eq(kept.square + halves[0] + (halves[1] << PROBABILITY)),
            added.confident.eq(kept.confident + weighed_confident),
        ]

        # Votes are read all the time: of the largest class of the leaf, or of the class to send.
        voted = Signal.like(result.votes)
        poll  = Signal.like(result.votes)
        m.d.comb += [
            votes.addr.eq(best_index),
            vote.addr.eq(index),
            vote.data.eq(parity.stored(poll)),
        ]
        m.d.sync += voted.eq(votes.data)

        # After the last leaf these are of all classes, before the first of them is sent.
        largest       = Signal.like(result.sum)
        largest_index = Signal.like(index)
        surest        = Signal.like(result.confident)
        reject        = Signal()
        share  = self.agreement
        needed = Signal(range(share.numerator * self.passes + 1)) # of the confident, times denominator
        m.d.sync += [
            needed.eq(_times(passes, share.numerator)),
            reject.eq(_times(surest, share.denominator) < needed),
        ]
        with m.If(added_valid & ((added_index == 0) | (added.sum > largest))):
            m.d.sync += [largest.eq(added.sum), largest_index.eq(added_index)]
        with m.If(added_valid & ((added_index == 0) | (added.confident > surest))):
            m.d.sync += surest.eq(added.confident)

        # What is read has been written for this image.
        parity.check(total.data, sending | (first_valid & ~fresh))
        parity.check(votes.data, sending | draining)
        if self.protect:
            # Every pass is in one of the sets of an image, and those are the first so many.
            before_sets = Signal(self.passes)
            with_set    = Signal(self.passes)
            shared      = Signal()
            gap         = Signal()
            m.d.comb += with_set.eq(before_sets | sets.set)
            m.d.sync += [
                shared.eq(queue.r_en & ((before_sets & sets.set).any() | ~sets.set.any())),
                gap.eq(queue.r_en & sets.last & (with_set & (with_set + 1)).any()),
            ]
            with m.If(queue.r_en):
                m.d.sync += before_sets.eq(Mux(sets.last, 0, with_set))
            parity.errors += [shared, gap]
        faulty = Signal()
        wrong  = Signal()
        m.d.comb += wrong.eq(Cat(parity.errors).any())
        m.d.sync += faulty.eq(faulty | wrong)
        parity.report()

        # Results leave in two steps behind the memories: a row, then a word.
        row       = Signal(stored)
        row_votes = Signal.like(result.votes)
        row_index = Signal.like(index)
        row_valid = Signal()
        step      = Signal()
        m.d.comb += step.eq(~self.o.valid) # words are not so close that they would wait for each other
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step):
            m.d.sync += [
                row_valid.eq(0),
                self.o.valid.eq(row_valid),
                result.sum.eq(row.sum),
                result.square.eq(row.square),
                result.confident.eq(row.confident),
                result.votes.eq(row_votes),
                result.prediction.eq(largest_index),
                result.reject.eq(reject),
                result.passes.eq(passes),
                result.last.eq(row_index == self.classes - 1),
                result.error.eq(self.fault | faulty | wrong),
            ]

        drain = Signal(range(self.DRAIN + 1))
        wait  = Signal(range(self.READ + 1))

        with m.FSM():
            with m.State("Clear"):
                # Once after reset: a memory starts with zeros in simulation, but not on every chip.
                m.d.comb += vote.en.eq(1)
                m.d.sync += index.eq(Mux(last, 0, index + 1))
                with m.If(last):
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
                m.d.comb += self.i.ready.eq(1)
                with m.If(taken):
                    m.d.sync += index.eq(Mux(last, 0, index + 1))
                    with m.If(last):
                        m.d.sync += [passes.eq(Mux(fresh, 0, passes) + count), drain.eq(self.DRAIN)]
                        m.next = "Drain"
            with m.State("Drain"):
                m.d.comb += draining.eq(1)
                m.d.sync += drain.eq(drain - 1)
                with m.If(drain == 0):
                    m.d.comb += [
                        vote.addr.eq(best_index),
                        poll.eq(voted + count),
                        vote.en.eq(1),
                        queue.r_en.eq(1),
                    ]
                    m.d.sync += fresh.eq(sets.last)
                    m.d.sync += wait.eq(self.READ)
                    with m.If(sets.last):
                        m.next = "Send"
                    with m.Else():
                        m.next = "Count bytes"
            with m.State("Send"):
                # Sums are at rest: `READ` cycles after `index`, `before` and `voted` are its row.
                m.d.comb += [sending.eq(1), votes.addr.eq(index)]
                m.d.sync += wait.eq(wait - (wait != 0))
                with m.If((wait == 0) & step):
                    m.d.comb += vote.en.eq(1)
                    m.d.sync += [
                        row_valid.eq(1),
                        row.eq(before),
                        row_votes.eq(voted),
                        row_index.eq(index),
                        index.eq(Mux(last, 0, index + 1)),
                        wait.eq(self.READ),
                    ]
                    with m.If(last):
                        m.next = "Flush"
            with m.State("Flush"):
                # The last row still needs `passes`, which the next leaf would change.
                with m.If(step):
                    m.next = "Count bytes"

        return m


def _times(value, factor):
    """Product with a constant, by shifts and sums."""
    return sum(value << bit for bit in range(factor.bit_length()) if factor >> bit & 1)
