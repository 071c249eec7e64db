# amaranth: UnusedElaboratable=no
"""What is added up of the probabilities of all passes, in a memory."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.head.result import SMALL, products_signature, totals_layout
from hdl.head.softmax import PROBABILITY


__all__ = ["Totals"]


class Totals(wiring.Component):
    """Add products to the totals of their class, which are in a memory: read, add, write.

    A class of a position comes once in a leaf, and leaves are so far apart that a class is never read while
    products of it wait to be written.

    Latency is two cycles from products until their totals are stored, throughput one class per cycle.

    Parameters
    ----------
    classes, passes, positions : int
        See :class:`hdl.head.averaging.Averaging`.
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
    base : In(range(classes * positions))
        Number of the first class of the position among those of all positions, the same from the first
        class in ``ahead`` until the totals of all are stored, or until the last of them has been read. Only
        with several ``positions``.
    row : Out(totals_layout(passes))
        Totals of the class ``index`` of two cycles before.
    largest : Out(range(classes))
        After the last leaf of an image, the class of the largest sum of the position; the lowest on a tie.
    surest : Out(range(passes + 1))
        After the last leaf of an image, the confident passes of the class of the position that has most of
        them.
    error : Out(1)
        1 for a cycle after a total has lost its parity. Only with ``protect``.
    """

    def __init__(self, classes, passes, *, positions=1, protect=False):
        self.classes = classes
        self.entries = classes * positions
        self.protect = protect
        self.half    = PROBABILITY # bits of one half of a square
        super().__init__({
            "ahead":    In(stream.Signature(range(classes), always_ready=True)),
            "products": In(products_signature(passes)),
            "fresh":    In(1),
            "sending":  In(1),
            "index":    In(range(classes)),
            **({"base": In(range(self.entries))} if positions > 1 else {}),
            "row":      Out(totals_layout(passes)),
            "largest":  Out(range(classes)),
            "surest":   Out(range(passes + 1)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.statistics = statistics = memory.Memory(
            shape=len(self.row.as_value()) + parity.bits, depth=self.entries, init=[])
        store = statistics.write_port()
        # What is larger is for block memories, whose read takes a cycle.
        small = self.entries <= SMALL
        base  = self.base if self.entries > self.classes else 0
        fetch = (statistics.read_port(domain="comb") if small else
                 statistics.read_port(transparent_for=[store]))

        # Steps of a class: its address, its old totals beside its products, its new totals.
        reading   = Signal()
        chosen    = Signal(range(self.classes))
        address   = Signal(range(self.classes))
        old_valid = Signal()
        old_index = Signal(range(self.classes))
        old       = Signal(self.row.shape())
        new_valid = Signal()
        new_index = Signal(range(self.classes))
        new       = Signal(self.row.shape())
        m.d.comb += [
            chosen.eq(Mux(self.sending, self.index, self.ahead.payload)),
            fetch.addr.eq(base + (address if small else chosen)),
            Value.cast(old).eq(Mux(self.fresh, 0, self.row)),
            store.addr.eq(base + new_index),
            store.data.eq(parity.stored(Value.cast(new))),
            store.en.eq(new_valid),
        ]
        m.d.sync += [
            reading.eq(self.ahead.valid), address.eq(chosen),
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
