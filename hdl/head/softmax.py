# amaranth: UnusedElaboratable=no
"""Softmax with base 2: powers of two by a table, one division per leaf."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.checks.parity import Parity, error_port
from hdl.head.divider import RECIPROCAL, Divider
from hdl.stream import counter, moves, stage, vacant


__all__ = ["Softmax", "Relative", "PowerOfTwo", "Normalizer"]


#: Bits of an exponential (Q1.16, without guard bits); fraction bits of a probability.
EXPONENTIAL = 17
PROBABILITY = 16


class Relative(wiring.Component):
    """Subtract the logits of each leaf from the largest of them.

    Latency is four cycles from the last logit of a leaf to its first difference, throughput one
    logit per cycle.

    Parameters
    ----------
    logit : shape-like
        Shape of a logit, signed.
    classes : int
        Logits of a leaf, at least 2.
    protect : bool
        Check the parity of logits that wait.

    Members
    -------
    i : In(stream.Signature(logit))
        Logits, those of a leaf one after another.
    o : Out(stream.Signature(unsigned(logit.width)))
        ``max - logit`` of each logit, with the largest logit of its leaf.
    error : Out(1)
        1 for a cycle after a logit has lost its parity. Only with ``protect``.
    """

    latency = 4

    def __init__(self, logit, *, classes, protect=False):
        self.logit   = Shape.cast(logit)
        self.classes = classes
        self.protect = protect
        self.room    = 2 * classes + 2 # for logits that wait
        if classes < 2:
            raise ValueError(f"Softmax must have at least 2 classes, not {classes!r}")
        super().__init__({
            "i": In(stream.Signature(self.logit)),
            "o": Out(stream.Signature(self.logit.width)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        # One leaf is collected while the one before is sent. Logits of fewer than four leaves fit in their
        # queue, so maxima always fit in theirs.
        m.submodules.logits = logits = parity.fifo(
            width=self.logit.width, depth=self.room)
        m.submodules.maxima = maxima = parity.fifo(width=self.logit.width, depth=4)

        taken    = moves(self.i)
        index, index_last = counter(m, self.classes, taken, name="index")
        logit    = Signal(self.logit)
        largest  = Signal(self.logit)
        first    = Signal() # `logit` is the first, or the last, of its leaf
        last     = Signal()
        valid    = Signal()
        complete = Signal()
        m.d.comb += [
            self.i.ready.eq(logits.w_rdy),
            logits.w_en.eq(taken),
            logits.w_data.eq(self.i.payload),
            maxima.w_en.eq(complete),
            maxima.w_data.eq(largest),
        ]
        m.d.sync += [
            valid.eq(taken),
            logit.eq(self.i.payload),
            first.eq(index == 0),
            last.eq(index_last),
            complete.eq(valid & last),
        ]
        with m.If(valid & (first | (logit > largest))):
            m.d.sync += largest.eq(logit)

        free = Signal()
        send = Signal()
        _, sent_last = counter(m, self.classes, send, name="sent")
        m.d.comb += [
            free.eq(vacant(self.o)),
            send.eq(free & maxima.r_rdy),
            logits.r_en.eq(send),
            maxima.r_en.eq(send & sent_last),
        ]
        with m.If(free):
            m.d.sync += self.o.valid.eq(send)
            m.d.sync += self.o.payload.eq(maxima.r_data.as_signed() - logits.r_data.as_signed())
        parity.report()

        return m


class PowerOfTwo(wiring.Component):
    """Raise two to the negative difference: a table for its fraction, a shift for its integer part.

    See :class:`gen.ir.Head` for every rounding.

    Latency is four cycles, throughput one difference per cycle.

    Parameters
    ----------
    width : int
        Bits of a difference.
    fraction : int
        Fraction bits of a difference, at least 1. The table has ``2 ** fraction`` entries.
    guard : int
        Bits of an exponential beyond 16.
    protect : bool
        Check the parity of the table.

    Members
    -------
    i : In(stream.Signature(width))
        Differences.
    o : Out(stream.Signature(17 + guard))
        Exponentials.
    error : Out(1)
        1 for a cycle after an entry of the table has lost its parity. Only with ``protect``.
    """

    latency = 4

    def __init__(self, width, *, fraction, guard=0, protect=False):
        self.width    = width
        self.fraction = fraction
        self.guard    = guard
        self.protect  = protect
        if fraction < 1:
            raise ValueError(f"A difference must have at least 1 fraction bit, not {fraction!r}")
        super().__init__({
            "i": In(stream.Signature(width)),
            "o": Out(stream.Signature(EXPONENTIAL + guard)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity  = Parity(m, self)
        entries = 1 << self.fraction
        width   = EXPONENTIAL + self.guard
        m.submodules.table = table = memory.Memory(
            shape=width + parity.bits, depth=entries, init=parity.init(
                [round((1 << width - 1) * 2 ** (-entry / entries)) for entry in range(entries)], width))
        port = table.read_port()
        parity.check(port.data, 1, slow=True)

        free     = stage(m, self.i, self.o, steps=self.latency)
        fraction = Signal(self.fraction)
        # A shift saturates at a number that leaves no bit of the entry.
        shift    = [Signal(range(width + 1), name=f"shift_{step}") for step in range(3)]
        whole    = self.i.payload[self.fraction:]
        entry    = Signal(width)
        m.d.comb += [
            port.addr.eq(fraction),
            port.en.eq(free),
        ]
        with m.If(free):
            m.d.sync += [
                fraction.eq(self.i.payload),
                shift[0].eq(Mux(whole[len(shift[0]):].any(), ~0, whole)),
                shift[1].eq(shift[0]),
                shift[2].eq(shift[1]),
                entry.eq(port.data),
                self.o.payload.eq(entry >> shift[2]),
            ]
        parity.report()

        return m


class Normalizer(wiring.Component):
    """Divide the exponentials of each leaf by their sum.

    Three steps, each of which works on another leaf at the same time. Collect: exponentials wait in a
    queue, without guard bits, while they are added up, with guard bits. Divide: one divider after another
    forms the reciprocal of a sum. Multiply: each exponential by the reciprocal.

    Latency is ``latency`` cycles from the last exponential of a leaf to its first probability. A leaf takes
    the larger of ``classes`` and 20 cycles over the number of ``dividers``.

    Parameters
    ----------
    classes : int
        Exponentials of a leaf, at least one of which must be 1.
    guard : int
        Bits of an exponential beyond 16.
    dividers : int
        Dividers.
    protect : bool
        Check the parity of numbers that wait.

    Members
    -------
    i : In(stream.Signature(17 + guard))
        Exponentials, Q1.16 with guard bits.
    o : Out(stream.Signature(16))
        Probabilities, Q0.16.
    error : Out(1)
        1 for a cycle after a stored number has lost its parity. Only with ``protect``.
    """

    #: Cycles of a division.
    DIVISION = Divider.interval

    #: Registers between the exponentials that wait and the probabilities.
    STEPS = 4

    #: Sums that wait for their division, and reciprocals that wait.
    AHEAD = 2

    latency = DIVISION + STEPS + 1

    def __init__(self, classes, *, guard=0, dividers=1, protect=False):
        self.classes  = classes
        self.guard    = guard
        self.protect  = protect
        self.room     = 3 * classes + 40 # for exponentials that wait
        self.dividers = [Divider(range(classes * (1 << 16) + 1)) for _ in range(dividers)]
        super().__init__({
            "i": In(stream.Signature(EXPONENTIAL + guard)),
            "o": Out(stream.Signature(PROBABILITY)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity      = Parity(m, self)
        total_shape = range(self.classes * (1 << 16) + 1)
        m.submodules.exponentials = exponentials = parity.fifo(
            width=EXPONENTIAL, depth=self.room)
        m.submodules.totals = totals = parity.fifo(width=Shape.cast(total_shape).width, depth=self.AHEAD)
        m.submodules.reciprocals = reciprocals = parity.fifo(width=RECIPROCAL, depth=self.AHEAD)

        # Collect.
        taken      = moves(self.i)
        index, last = counter(m, self.classes, taken, name="index")
        total      = Signal(range((self.classes << 16 + self.guard) + 1))
        total_next = Signal.like(total)
        m.d.comb += [
            self.i.ready.eq(exponentials.w_rdy & totals.w_rdy),
            total_next.eq(Mux(index == 0, 0, total) + self.i.payload),
            exponentials.w_en.eq(taken),
            exponentials.w_data.eq(self.i.payload >> self.guard),
            totals.w_en.eq(taken & last),
            totals.w_data.eq(total_next >> self.guard),
        ]
        with m.If(taken):
            m.d.sync += total.eq(total_next)

        # Divide. Sums go to the dividers in turn, and their reciprocals come in the same order.
        asked, _ = counter(m, len(self.dividers), totals.r_en, name="asked")
        given, _ = counter(m, len(self.dividers), reciprocals.w_en, name="given")
        for number, divider in enumerate(self.dividers):
            m.submodules[f"divider_{number}"] = divider
            m.d.comb += divider.i.payload.eq(totals.r_data)
            with m.If(asked == number):
                m.d.comb += [divider.i.valid.eq(totals.r_rdy), totals.r_en.eq(moves(divider.i))]
            with m.If(given == number):
                m.d.comb += [
                    divider.o.ready.eq(reciprocals.w_rdy),
                    reciprocals.w_en.eq(moves(divider.o)),
                    reciprocals.w_data.eq(divider.o.payload),
                ]

        # Multiply.
        free    = Signal()
        send    = Signal()
        valid   = Signal(self.STEPS)
        _, sent_last = counter(m, self.classes, send, name="sent")
        # Operands have two registers, as synthesis may move the first one into a block memory, which is
        # too slow for a product; the product has two, as a multiplier is placed far from logic.
        taken_a = Signal(EXPONENTIAL)
        taken_b = Signal(RECIPROCAL)
        a       = Signal(EXPONENTIAL)
        b       = Signal(RECIPROCAL)
        first   = Signal(EXPONENTIAL + RECIPROCAL)
        product = Signal.like(first)
        m.d.comb += [
            free.eq(vacant(self.o)),
            send.eq(free & reciprocals.r_rdy),
            exponentials.r_en.eq(send),
            reciprocals.r_en.eq(send & sent_last),
            self.o.valid.eq(valid[-1]),
            self.o.payload.eq(product >> RECIPROCAL),
        ]
        with m.If(free):
            m.d.sync += [
                valid.eq(Cat(send, valid)),
                taken_a.eq(exponentials.r_data),
                taken_b.eq(reciprocals.r_data),
                a.eq(taken_a),
                b.eq(taken_b),
                first.eq(a * b),
                product.eq(first),
            ]
        parity.report()

        return m


class Softmax(wiring.Component):
    """Turn the logits of each leaf (last feature map) into probabilities.

    Latency is ``latency`` cycles from the last logit of a leaf to its first probability, more if the
    leaf before is still in progress. A leaf takes ``interval`` cycles.

    Parameters
    ----------
    logit : shape-like
        Shape of a logit in units of ``log2(e) * y / 2 ** fraction``, signed.
    classes : int
        Logits of a leaf, at least 2.
    fraction, guard : int
        See :class:`PowerOfTwo`.
    dividers : int
        See :class:`Normalizer`.
    protect : bool
        Check the parity of all that is stored.

    Members
    -------
    i : In(stream.Signature(logit))
        Logits, those of a leaf one after another.
    o : Out(stream.Signature(16))
        Probabilities, Q0.16, in the same order.
    error : Out(1)
        1 for a cycle after a stored number has lost its parity. Only with ``protect``.
    """

    def __init__(self, logit, *, classes, fraction, guard=0, dividers=1, protect=False):
        self.protect    = protect
        self.relative   = Relative(logit, classes=classes, protect=protect)
        self.power      = PowerOfTwo(Shape.cast(logit).width, fraction=fraction, guard=guard,
                                     protect=protect)
        self.normalizer = Normalizer(classes, guard=guard, dividers=dividers, protect=protect)
        self.latency    = (self.relative.latency + classes - 1 + self.power.latency
                           + self.normalizer.latency)
        self.interval   = max(classes, -(-Normalizer.DIVISION // dividers))
        super().__init__({
            "i": In(stream.Signature(Shape.cast(logit))),
            "o": Out(stream.Signature(PROBABILITY)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.relative   = self.relative
        m.submodules.power      = self.power
        m.submodules.normalizer = self.normalizer
        connect(m, flipped(self.i), self.relative.i)
        connect(m, self.relative.o, self.power.i)
        connect(m, self.power.o, self.normalizer.i)
        connect(m, self.normalizer.o, flipped(self.o))

        parity = Parity(m, self)
        parity.watch(self.relative, self.power, self.normalizer)
        parity.report()

        return m
