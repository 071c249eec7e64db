# amaranth: UnusedElaboratable=no
"""Averaging block: statistics of the class probabilities of all passes."""

import fractions

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.head.softmax import PROBABILITY
from hdl.pass_sets.pass_split import pass_set_layout
from hdl.stream import counter, delayed, moves


__all__ = ["Averaging", "PartitionCheck", "Report", "Totals", "Votes", "Weigh", "products_signature",
           "result_layout", "totals_layout"]


def result_layout(classes, passes):
    """One word of a result: the statistics of a class, and those of the whole image.

    ``prediction`` (class of the largest sum, the lowest on a tie), ``reject`` (Scale-Dropout, eq. 26: no
    class was confident in enough of the passes) and ``passes`` are the same in all words of a result.
    ``error`` is 1 from the first fault on that the checks of the hardware or of its random bits have
    found, until reset: no such result can be trusted.
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


def totals_layout(passes):
    """Fields of a result that are added up over the leaves of an image, for one class."""
    result = result_layout(1, passes)
    return data.StructLayout({name: result[name].shape for name in ("sum", "square", "confident")})


def products_signature(passes):
    """What a leaf of ``c`` passes adds to the totals of a class: ``c * p``, ``c * p * p`` and, if ``p`` is
    confident, ``c``.

    ``c * p * p`` comes as two products, with the lower and the upper half of ``p * p``.
    """
    product = Shape.cast(range(passes + 1)).width + PROBABILITY
    return wiring.Signature({
        "sum":         Out(product),
        "square_low":  Out(product),
        "square_high": Out(product),
        "confident":   Out(range(passes + 1)),
    })


class Weigh(wiring.Component):
    """Multiply the probabilities of a leaf, and their squares, by its number of passes.

    A pipeline that never stalls: square, then multiply. The multipliers of an FPGA are slow, and far from
    other logic, so each has registers of its own at its inputs and at its output.

    Latency is ``latency`` cycles, throughput one class per cycle.

    Parameters
    ----------
    classes, passes, confidence : int
        See :class:`Averaging`.

    Members
    -------
    i : In(stream.Signature(StructLayout({"p": 16, "index": range(classes)})))
        Probability and number of a class.
    count : In(range(passes + 1))
        Passes of the leaf, the same from its first class until its last products.
    ahead : Out(stream.Signature(range(classes)))
        The class whose products follow two cycles later.
    o : Out(products_signature(passes))
        Products.
    best : Out(range(classes))
        Class of the largest probability of the leaf so far, two cycles late; the lowest on a tie.
    """

    latency = 6

    def __init__(self, classes, passes, *, confidence):
        self.confidence = confidence
        super().__init__({
            "i":     In(stream.Signature(data.StructLayout({"p": PROBABILITY, "index": range(classes)}),
                                         always_ready=True)),
            "count": In(range(passes + 1)),
            "ahead": Out(stream.Signature(range(classes), always_ready=True)),
            "o":     Out(products_signature(passes)),
            "best":  Out(range(classes)),
        })

    def elaborate(self, platform):
        m = Module()

        # The probability, from which the square is formed; meanwhile it goes through registers itself.
        width   = len(self.i.payload.p)
        p       = Signal(width)
        p_index = Signal.like(self.i.payload.index)
        p_valid = Signal()
        factor  = Signal(width)
        product = Signal(2 * width)
        square  = Signal(2 * width)
        q       = Signal(width)
        beside  = Signal(data.StructLayout({"p": width, "index": len(p_index), "valid": 1}))
        m.d.comb += [beside.p.eq(p), beside.index.eq(p_index), beside.valid.eq(p_valid)]
        later   = delayed(m, beside, 2, name="later")
        m.d.sync += [
            p.eq(self.i.payload.p), p_index.eq(self.i.payload.index), p_valid.eq(self.i.valid),
            factor.eq(p), product.eq(factor * factor), square.eq(product),
            q.eq(later.p), self.ahead.payload.eq(later.index), self.ahead.valid.eq(later.valid),
        ]

        # Each of the three multipliers reads the count from its own register.
        counts = [self.count]
        for number in range(3):
            counts.append(delayed(m, counts[-1], 1, name=f"count_{number}"))
        firsts    = [Signal(len(self.o.sum), name=f"first_{number}") for number in range(3)]
        confident = Signal.like(self.o.confident)
        m.d.sync += [
            firsts[0].eq(q * counts[1]),
            firsts[1].eq(square[:width] * counts[2]),
            firsts[2].eq(square[width:] * counts[3]),
            confident.eq(Mux(q >= self.confidence, self.count, 0)),
            self.o.sum.eq(firsts[0]),
            self.o.square_low.eq(firsts[1]),
            self.o.square_high.eq(firsts[2]),
            self.o.confident.eq(confident),
        ]

        largest = Signal(width)
        with m.If(p_valid & ((p_index == 0) | (p > largest))):
            m.d.sync += [largest.eq(p), self.best.eq(p_index)]

        return m


class Totals(wiring.Component):
    """Add products to the totals of their class, which are in a memory: read, add, write.

    A class comes once in a leaf, and leaves are so far apart that a class is never read while products
    of it wait to be written.

    Latency is two cycles from products until their totals are stored, throughput one class per cycle.

    Parameters
    ----------
    classes, passes : int
        See :class:`Averaging`.
    protect : bool
        Check the parity of totals.

    Members
    -------
    ahead : In(stream.Signature(range(classes)))
        The class whose products follow two cycles later.
    products : In(products_signature(passes))
        Products.
    fresh : In(1)
        The leaf is the first one of its image: totals begin at 0.
    sending, index : In(1), In(range(classes))
        Read the totals of this class, while no products come.
    row : Out(totals_layout(passes))
        Totals of the class ``index`` of two cycles before.
    largest : Out(range(classes))
        After the last leaf of an image, the class of the largest sum; the lowest on a tie.
    surest : Out(range(passes + 1))
        After the last leaf of an image, the confident passes of the class that has most of them.
    error : Out(1)
        1 for a cycle after a total has lost its parity. Only with ``protect``.
    """

    def __init__(self, classes, passes, *, protect=False):
        self.classes = classes
        self.protect = protect
        self.half    = PROBABILITY # bits of one half of a square
        super().__init__({
            "ahead":    In(stream.Signature(range(classes), always_ready=True)),
            "products": In(products_signature(passes)),
            "fresh":    In(1),
            "sending":  In(1),
            "index":    In(range(classes)),
            "row":      Out(totals_layout(passes)),
            "largest":  Out(range(classes)),
            "surest":   Out(range(passes + 1)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.statistics = statistics = memory.Memory(
            shape=len(self.row.as_value()) + parity.bits, depth=self.classes, init=[])
        fetch = statistics.read_port(domain="comb")
        store = statistics.write_port()

        # Steps of a class: its address, its old totals beside its products, its new totals.
        reading   = Signal()
        address   = Signal(range(self.classes))
        old_valid = Signal()
        old_index = Signal(range(self.classes))
        old       = Signal(self.row.shape())
        new_valid = Signal()
        new_index = Signal(range(self.classes))
        new       = Signal(self.row.shape())
        m.d.comb += [
            fetch.addr.eq(address),
            Value.cast(old).eq(Mux(self.fresh, 0, self.row)),
            store.addr.eq(new_index),
            store.data.eq(parity.stored(Value.cast(new))),
            store.en.eq(new_valid),
        ]
        m.d.sync += [
            reading.eq(self.ahead.valid), address.eq(Mux(self.sending, self.index, self.ahead.payload)),
            old_valid.eq(reading), old_index.eq(address), Value.cast(self.row).eq(fetch.data),
            new_valid.eq(old_valid), new_index.eq(old_index),
            new.sum.eq(old.sum + self.products.sum),
            new.square.eq(old.square + self.products.square_low
                          + (self.products.square_high << self.half)),
            new.confident.eq(old.confident + self.products.confident),
        ]
        # Parity is checked only of totals that were written for this image; others are of an earlier one.
        parity.check(fetch.data, self.sending | (reading & ~self.fresh))
        parity.report_at_once()

        largest_sum = Signal.like(new.sum)
        with m.If(new_valid & ((new_index == 0) | (new.sum > largest_sum))):
            m.d.sync += [largest_sum.eq(new.sum), self.largest.eq(new_index)]
        with m.If(new_valid & ((new_index == 0) | (new.confident > self.surest))):
            m.d.sync += self.surest.eq(new.confident)

        return m


class Votes(wiring.Component):
    """Count for each class, in a memory, the passes in which it had the largest probability.

    Parameters
    ----------
    classes, passes : int
        See :class:`Averaging`.
    protect : bool
        Check the parity of votes.

    Members
    -------
    best, count : In(range(classes)), In(range(passes + 1))
        Class with the largest probability of the leaf, and passes of the leaf.
    vote : In(1)
        Add ``count`` to the votes of ``best``, which has been the same for two cycles.
    index : In(range(classes))
        Class to read or to clear.
    sending : In(1)
        Read the votes of ``index``, not those of ``best``.
    clear : In(1)
        Set the votes of ``index`` to 0.
    used : In(1)
        What is read in this cycle is used.
    votes : Out(range(passes + 1))
        Votes that were read in the cycle before.
    error : Out(1)
        1 for a cycle after votes have lost their parity. Only with ``protect``.
    """

    def __init__(self, classes, passes, *, protect=False):
        self.classes = classes
        self.protect = protect
        super().__init__({
            "best":    In(range(classes)),
            "count":   In(range(passes + 1)),
            "vote":    In(1),
            "index":   In(range(classes)),
            "sending": In(1),
            "clear":   In(1),
            "used":    In(1),
            "votes":   Out(range(passes + 1)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.ballots = ballots = memory.Memory(
            shape=len(self.votes) + parity.bits, depth=self.classes, init=[])
        fetch = ballots.read_port(domain="comb")
        store = ballots.write_port()
        votes_next = Signal.like(self.votes)
        m.d.comb += [
            fetch.addr.eq(Mux(self.sending, self.index, self.best)),
            votes_next.eq(Mux(self.vote, self.votes + self.count, 0)),
            store.addr.eq(Mux(self.vote, self.best, self.index)),
            store.data.eq(parity.stored(votes_next)),
            store.en.eq(self.vote | self.clear),
        ]
        m.d.sync += self.votes.eq(fetch.data)
        parity.check(fetch.data, self.used)
        parity.report_at_once()

        return m


class PartitionCheck(wiring.Component):
    """Check that the pass sets of an image divide its passes: none is empty, no pass is in two of them,
    and their union is the set of the lowest passes.

    Parameters
    ----------
    passes : int
        T_max.

    Members
    -------
    sets : In(stream.Signature(pass_set_layout(passes)))
        Pass sets.
    error : Out(1)
        1 for a cycle after a pass set that is wrong.
    """

    def __init__(self, passes):
        self.passes = passes
        super().__init__({
            "sets": In(stream.Signature(pass_set_layout(passes), always_ready=True)),
            **error_port(True),
        })

    def elaborate(self, platform):
        m = Module()

        part   = self.sets.payload
        before = Signal(self.passes)
        union  = Signal(self.passes)
        shared = Signal()
        gap    = Signal()
        m.d.comb += union.eq(before | part.set)
        m.d.sync += [
            shared.eq(self.sets.valid & ((before & part.set).any() | ~part.set.any())),
            gap.eq(self.sets.valid & part.last & (union & (union + 1)).any()),
        ]
        with m.If(self.sets.valid):
            m.d.sync += before.eq(Mux(part.last, 0, union))
        m.d.comb += self.error.eq(shared | gap)

        return m


class Report(wiring.Component):
    """Send the words of results: the statistics of a class, joined with those of the image.

    Latency is two cycles. A word is taken only after the one before has left.

    Parameters
    ----------
    classes, passes : int
        See :class:`Averaging`.
    agreement : fraction
        Share of the passes in which a class must be confident, or the input is rejected.

    Members
    -------
    i : In(stream.Signature(StructLayout({"totals", "votes", "index"})))
        Statistics of a class, and its number.
    passes, largest, surest : In(range(passes + 1)), In(range(classes)), In(range(passes + 1))
        Passes of the image, the class of the largest sum, and the confident passes of the class that has
        most of them: the same from two cycles before the first word of a result is loaded into ``o`` until
        the last one is.
    fault : In(1)
        ``error`` of the word that is loaded into ``o``.
    o : Out(stream.Signature(result_layout(classes, passes)))
        Results.
    """

    def __init__(self, classes, passes, *, agreement):
        self.classes   = classes
        self.most      = passes
        self.agreement = agreement
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({
                "totals": totals_layout(passes), "votes": range(passes + 1), "index": range(classes)}))),
            "passes":  In(range(passes + 1)),
            "largest": In(range(classes)),
            "surest":  In(range(passes + 1)),
            "fault":   In(1),
            "o": Out(stream.Signature(result_layout(classes, passes))),
        })

    def elaborate(self, platform):
        m = Module()

        # ``surest / passes < agreement``, without a division.
        share    = self.agreement
        required = Signal(range(share.numerator * self.most + 1))
        reject   = Signal()
        m.d.sync += [
            required.eq(_times(self.passes, share.numerator)),
            reject.eq(_times(self.surest, share.denominator) < required),
        ]

        # Two steps: a row, which gathers what the memories gave, then a word.
        row       = Signal(self.i.payload.totals.shape())
        row_votes = Signal.like(self.i.payload.votes)
        row_index = Signal.like(self.i.payload.index)
        row_valid = Signal()
        free      = Signal()
        word      = self.o.payload
        # Rows come too seldom to fill `o` in the cycle in which its word leaves.
        m.d.comb += [free.eq(~self.o.valid), self.i.ready.eq(free)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(free):
            m.d.sync += [
                row_valid.eq(self.i.valid),
                self.o.valid.eq(row_valid),
                word.sum.eq(row.sum),
                word.square.eq(row.square),
                word.votes.eq(row_votes),
                word.confident.eq(row.confident),
                word.prediction.eq(self.largest),
                word.reject.eq(reject),
                word.passes.eq(self.passes),
                word.last.eq(row_index == self.classes - 1),
                word.error.eq(self.fault),
            ]
        with m.If(moves(self.i)):
            m.d.sync += [
                row.eq(self.i.payload.totals),
                row_votes.eq(self.i.payload.votes),
                row_index.eq(self.i.payload.index),
            ]

        return m


class Averaging(wiring.Component):
    """Weigh the probabilities of each leaf by the passes that reach it, and add them up.

    A *leaf* is a last feature map: its probabilities are those of all passes in its pass set ``S``, so
    they count ``c = popcount(S)`` times. ``c * p`` and ``c * p * p`` are added for each class
    (Scale-Dropout, eq. 18 and 21), ``c`` to the votes of its largest class and to the confident passes
    of each class with ``p >= confidence``. After the last leaf of an image the result is sent, class by
    class.

    A state machine takes one leaf after another: it counts the passes of its set, lets its
    probabilities through the pipeline of :class:`Weigh` and :class:`Totals`, a class per cycle, and, when
    the pipeline has drained, has :class:`Votes` add the votes of the leaf. After the last leaf of an image
    it reads totals and votes class by class, clears the votes and hands all to :class:`Report`. Totals
    need no clearing: the first leaf of an image overwrites them.

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
        Check the parity of memories, and that the pass sets of an image divide its passes
        (:class:`PartitionCheck`).

    Members
    -------
    i : In(stream.Signature(16))
        Probabilities, Q0.16, those of a leaf one after another.
    sets : In(stream.Signature(pass_set_layout(passes)))
        Pass set of each leaf.
    o : Out(stream.Signature(result_layout(classes, passes)))
        Results, ``classes`` words each.
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

    latency = DRAIN + 4 + READ

    #: Cycles from one word of a result to the next, while none waits.
    interval = 1 + READ

    def __init__(self, classes, passes, *, confidence, agreement=90, protect=False):
        self.classes = classes
        self.passes  = passes
        self.protect = protect
        self.weigh   = Weigh(classes, passes, confidence=confidence)
        self.totals  = Totals(classes, passes, protect=protect)
        self.votes   = Votes(classes, passes, protect=protect)
        self.report  = Report(classes, passes, agreement=fractions.Fraction(agreement, 100))
        super().__init__({
            "i":     In(stream.Signature(PROBABILITY)),
            "sets":  In(stream.Signature(pass_set_layout(passes))),
            "o":     Out(stream.Signature(result_layout(classes, passes))),
            "fault": In(1),
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
        index, last = counter(m, self.classes, step, name="index")
        connect(m, self.weigh.ahead, self.totals.ahead)
        connect(m, self.weigh.o, self.totals.products)
        connect(m, self.report.o, flipped(self.o))
        m.d.comb += [
            self.weigh.i.valid.eq(moves(self.i)),
            self.weigh.i.payload.p.eq(self.i.payload),
            self.weigh.i.payload.index.eq(index),
            self.weigh.count.eq(count),
            self.totals.fresh.eq(fresh),
            self.totals.sending.eq(sending),
            self.totals.index.eq(index),
            self.votes.best.eq(self.weigh.best),
            self.votes.count.eq(count),
            self.votes.sending.eq(sending),
            self.votes.index.eq(index),
            self.report.i.payload.totals.eq(self.totals.row),
            self.report.i.payload.votes.eq(self.votes.votes),
            self.report.i.payload.index.eq(index),
            self.report.passes.eq(passes),
            self.report.largest.eq(self.totals.largest),
            self.report.surest.eq(self.totals.surest),
        ]

        # An error that a part finds in a cycle is in the word that `Report` loads in the same cycle.
        parity.watch(self.totals, self.votes)
        if self.protect:
            m.submodules.partition_check = check = PartitionCheck(self.passes)
            m.d.comb += [check.sets.valid.eq(queue.r_en), check.sets.payload.eq(sets)]
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
                m.d.comb += [self.votes.clear.eq(1), step.eq(1)]
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
                m.d.comb += [self.i.ready.eq(1), step.eq(self.i.valid)]
                with m.If(step & last):
                    m.d.sync += [passes.eq(Mux(fresh, 0, passes) + count), drain.eq(self.DRAIN)]
                    m.next = "Drain"
            with m.State("Drain"):
                m.d.comb += self.votes.used.eq(1)
                m.d.sync += drain.eq(drain - 1)
                with m.If(drain == 0):
                    m.d.comb += [self.votes.vote.eq(1), queue.r_en.eq(1)]
                    m.d.sync += [fresh.eq(sets.last), wait.eq(self.READ)]
                    with m.If(sets.last):
                        m.next = "Send"
                    with m.Else():
                        m.next = "Count bytes"
            with m.State("Send"):
                # `READ` cycles after `index` changes, its totals and votes are at the report.
                m.d.comb += [
                    sending.eq(1),
                    self.votes.used.eq(1),
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
                    m.next = "Count bytes"

        return m


def _times(value, factor):
    """Product with a constant, by shifts and sums."""
    return sum(value << bit for bit in range(factor.bit_length()) if factor >> bit & 1)
