# amaranth: UnusedElaboratable=no
"""What is added up of the probabilities of all passes, in a memory."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.checks.parity import Parity, error_port
from hdl.head.result import SMALL, place_layout, products_signature, totals_layout
from hdl.head.softmax import PROBABILITY


__all__ = ["Totals"]


class Totals(wiring.Component):
    """Add products to the totals of their class, which are in a memory: read, add, write.

    A place, a class of a position, comes once in a leaf, and leaves are so far apart that a place is never
    read while products of it wait to be written.

    Latency is two cycles from products until their totals are stored, throughput one class per cycle.

    Parameters
    ----------
    places, passes : int
        Classes of all positions, and T_max.
    protect : bool
        Check the parity of totals.

    Members
    -------
    ahead : In(stream.Signature(place_layout(places)))
        The place whose products follow two cycles later.
    products : In(products_signature(passes))
        Products.
    fresh : In(1)
        The leaf is the first one of its image: totals begin at 0.
    sending, index : In(1), In(range(places))
        Read the totals of this place, while no products come.
    row : Out(totals_layout(passes))
        Totals of the place ``index`` of two cycles before.
    largest : Out(range(places))
        After the last leaf of an image, the place of the largest sum of the position; the lowest on a tie.
    surest : Out(range(passes + 1))
        After the last leaf of an image, the confident passes of the class of the position that has most of
        them.
    error : Out(1)
        1 for a cycle after a total has lost its parity. Only with ``protect``.
    """

    def __init__(self, places, passes, *, protect=False):
        self.places  = places
        self.protect = protect
        self.half    = PROBABILITY # bits of one half of a square
        super().__init__({
            "ahead":    In(stream.Signature(place_layout(places), always_ready=True)),
            "products": In(products_signature(passes)),
            "fresh":    In(1),
            "sending":  In(1),
            "index":    In(range(places)),
            "row":      Out(totals_layout(passes)),
            "largest":  Out(range(places)),
            "surest":   Out(range(passes + 1)),
            **error_port(protect),
        })

    def elaborate(self, platform):
        m = Module()

        parity = Parity(m, self)
        m.submodules.statistics = statistics = memory.Memory(
            shape=len(self.row.as_value()) + parity.bits, depth=self.places, init=[])
        store = statistics.write_port()
        # What is larger is for block memories, whose read takes a cycle.
        small = self.places <= SMALL
        fetch = (statistics.read_port(domain="comb") if small else
                 statistics.read_port(transparent_for=[store]))

        # Steps of a class: its place, its old totals beside its products, its new totals.
        reading   = Signal()
        chosen    = Signal.like(self.ahead.payload)
        address   = Signal.like(chosen)
        old_valid = Signal()
        old_at    = Signal.like(chosen)
        old       = Signal(self.row.shape())
        new_valid = Signal()
        new_at    = Signal.like(chosen)
        new       = Signal(self.row.shape())
        m.d.comb += [
            chosen.place.eq(Mux(self.sending, self.index, self.ahead.payload.place)),
            chosen.first.eq(self.ahead.payload.first),
            fetch.addr.eq(address.place if small else chosen.place),
            Value.cast(old).eq(Mux(self.fresh, 0, self.row)),
            store.addr.eq(new_at.place),
            store.data.eq(parity.stored(Value.cast(new))),
            store.en.eq(new_valid),
        ]
        m.d.sync += [
            reading.eq(self.ahead.valid), address.eq(chosen),
            old_valid.eq(reading), old_at.eq(address), Value.cast(self.row).eq(fetch.data),
            new_valid.eq(old_valid), new_at.eq(old_at),
            new.sum.eq(old.sum + self.products.sum),
            new.square.eq(old.square + self.products.square_low
                          + (self.products.square_high << self.half)),
            new.confident.eq(old.confident + self.products.confident),
        ]
        # Parity is checked only of totals that were written for this image; others are of an earlier one.
        parity.check(fetch.data, self.sending | (reading & ~self.fresh))
        parity.report_at_once()

        largest_sum = Signal.like(new.sum)
        with m.If(new_valid & (new_at.first | (new.sum > largest_sum))):
            m.d.sync += [largest_sum.eq(new.sum), self.largest.eq(new_at.place)]
        with m.If(new_valid & (new_at.first | (new.confident > self.surest))):
            m.d.sync += self.surest.eq(new.confident)

        return m
