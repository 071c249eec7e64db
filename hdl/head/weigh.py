# amaranth: UnusedElaboratable=no
"""Products of the probabilities of a leaf with the number of its passes."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.head.result import place_layout, products_signature
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
    places, passes : int
        Classes of all positions, and T_max.
    confidence : int or None
        See :class:`hdl.head.averaging.Averaging`. None: that of the port.

    Members
    -------
    i : In(stream.Signature(StructLayout({"p": 16, "at": place_layout(places)})))
        Probability and place of a class.
    count : In(range(passes + 1))
        Passes of the leaf, the same from its first class until its last products.
    ahead : Out(stream.Signature(place_layout(places)))
        The place of the class whose products follow two cycles later.
    o : Out(products_signature(passes))
        Products.
    confidence : In(16)
        Confidence threshold, Q0.16, if there is no other.
    best : Out(range(places))
        Place of the largest probability of the position so far, two cycles late; the lowest on a tie.
    """

    latency = 6

    def __init__(self, places, passes, *, confidence):
        if confidence is not None:
            self.confidence = confidence
        super().__init__({
            "i":     In(stream.Signature(data.StructLayout({
                "p": PROBABILITY, "at": place_layout(places)}), always_ready=True)),
            "count": In(range(passes + 1)),
            "ahead": Out(stream.Signature(place_layout(places), always_ready=True)),
            "o":     Out(products_signature(passes)),
            "best":  Out(range(places)),
            **({"confidence": In(PROBABILITY)} if confidence is None else {}),
        })

    def elaborate(self, platform):
        m = Module()

        # The probability, from which the square is formed; meanwhile it goes through registers itself.
        width   = len(self.i.payload.p)
        p       = Signal(width)
        p_at    = Signal.like(self.i.payload.at)
        p_valid = Signal()
        factor  = Signal(width)
        product = Signal(2 * width)
        square  = Signal(2 * width)
        q       = Signal(width)
        beside  = Signal(data.StructLayout({"p": width, "at": p_at.shape(), "valid": 1}))
        m.d.comb += [beside.p.eq(p), beside.at.eq(p_at), beside.valid.eq(p_valid)]
        later   = delayed(m, beside, 2, name="later")
        m.d.sync += [
            p.eq(self.i.payload.p), p_at.eq(self.i.payload.at), p_valid.eq(self.i.valid),
            factor.eq(p), product.eq(factor * factor), square.eq(product),
            q.eq(later.p), self.ahead.payload.eq(later.at), self.ahead.valid.eq(later.valid),
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
        with m.If(p_valid & (p_at.first | (p > largest))):
            m.d.sync += [largest.eq(p), self.best.eq(p_at.place)]

        return m
