# amaranth: UnusedElaboratable=no
"""Products of the probabilities of a leaf with the number of its passes."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.head.result import products_signature
from hdl.head.softmax import PROBABILITY
from hdl.stream import delayed


__all__ = ["Weigh"]


class Weigh(wiring.Component):
    """Multiply the probabilities of a leaf, and their squares, by its number of passes.

    A pipeline that never stalls: square, then multiply. The multipliers of an FPGA are slow, and far from
    other logic, so each has registers of its own at its inputs and at its output.

    Latency is ``latency`` cycles, throughput one class per cycle.

    Parameters
    ----------
    classes, passes, confidence : int
        See :class:`hdl.head.averaging.Averaging`. A ``confidence`` of None is that of the port.

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
    confidence : In(16)
        Confidence threshold, Q0.16, if there is no other.
    best : Out(range(classes))
        Class of the largest probability of the leaf so far, two cycles late; the lowest on a tie.
    """

    latency = 6

    def __init__(self, classes, passes, *, confidence):
        if confidence is not None:
            self.confidence = confidence
        super().__init__({
            "i":     In(stream.Signature(data.StructLayout({"p": PROBABILITY, "index": range(classes)}),
                                         always_ready=True)),
            "count": In(range(passes + 1)),
            "ahead": Out(stream.Signature(range(classes), always_ready=True)),
            "o":     Out(products_signature(passes)),
            "best":  Out(range(classes)),
            **({"confidence": In(PROBABILITY)} if confidence is None else {}),
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
