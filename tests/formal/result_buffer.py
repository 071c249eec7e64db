"""Proofs about bytes of results that are kept until they have arrived."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Signal

from hdl.uart.result_buffer import SETTLES, ResultBuffer
from tests.formal.proof import Proof
from tests.formal.streams import free, moved


class Places:
    """Anything may happen, but there is no release until the one before holds.

    Attributes
    ----------
    end, first : 16
        Place of the byte that comes in next, and of the first one that is kept.
    holds : 1
        A release holds from the next cycle on.
    place : 16
        Of that release.
    """

    def __init__(self, m, dut):
        free(m, dut)
        recent = Signal(SETTLES - 1)
        m.d.sync += recent.eq((recent << 1) | dut.release)
        m.d.comb += Assume(~(dut.release & recent.any()))
        self.end, self.first, self.place, self.holds = Signal(16), Signal(16), Signal(16), Signal()
        # The release of the cycle before, and whether its place is one of those kept, or that behind them.
        place, kept = Signal(16, name="place_asked"), Signal()
        m.d.sync += [
            self.end.eq(self.end + moved(dut.i)),
            place.eq(dut.place),
            kept.eq(dut.release & ((dut.place - self.first)[:16] <= (self.end - self.first)[:16])),
            self.place.eq(place), self.holds.eq(kept),
        ]
        with m.If(self.holds):
            m.d.sync += self.first.eq(self.place)


def sends_what_is_kept(m, dut):
    """The byte that is sent, for the first time or again, is the one that came in at its place, unless that
    was released. One place is followed, whichever it is.
    """
    places   = Places(m, dut)
    followed = AnyConst(16)
    value, stored, released, again = Signal(8), Signal(), Signal(), Signal()
    with m.If(moved(dut.i) & (places.end == followed) & ~stored):
        m.d.sync += [value.eq(dut.i.payload.data), stored.eq(1)]
    with m.If(places.holds & stored
              & ((followed - places.first)[:16] < (places.place - places.first)[:16])):
        m.d.sync += released.eq(1)
    with m.If(dut.o.valid & (dut.next == followed)):
        m.d.comb += [Assert(stored), Assert(released | (dut.o.payload == value)),
                     Cover(~released & (followed == 1)), Cover(~released & again)]
        with m.If(dut.o.ready):
            m.d.sync += again.eq(1)


def sends_in_order(m, dut):
    """Behind a byte that is sent comes the next one, and one that is not taken stays, unless bytes are
    asked for again. As many wait as had come in by the cycle before and are not sent."""
    places = Places(m, dut)
    begun, next_, left, stays, asked = Signal(), Signal(16), Signal(16), Signal(), Signal(SETTLES)
    m.d.sync += [
        begun.eq(1), next_.eq(dut.next + moved(dut.o)), left.eq(places.end - dut.next - moved(dut.o)),
        stays.eq(dut.o.valid & ~dut.o.ready), asked.eq((asked << 1) | (dut.release & dut.again)),
    ]
    with m.If(begun & ~asked[SETTLES - 1]):
        m.d.comb += [Assert(dut.next == next_), Assert(dut.waiting == left), Assert(~stays | dut.o.valid),
                     Cover(dut.next == 2), Cover(dut.waiting == 2)]


def goes_where_it_is_asked(m, dut):
    """Three cycles after bytes were asked for again, that of this place is the next, if it is kept or that
    behind them."""
    places, asked = Places(m, dut), Signal(SETTLES)
    m.d.sync += asked.eq((asked << 1) | (dut.release & dut.again))
    place, holds = Signal(16), Signal()
    m.d.sync += [place.eq(places.place), holds.eq(places.holds)]
    with m.If(asked[SETTLES - 1] & holds):
        m.d.comb += [Assert(dut.next == place), Cover(place == 2)]


def overwrites_nothing(m, dut):
    """A byte comes in where fewer are kept than there is room for, and only there."""
    places = Places(m, dut)
    m.d.comb += [
        Assert(dut.i.ready == ((places.end - places.first)[:16] < dut.depth)),
        Cover(~dut.i.ready), Cover(dut.i.ready & (places.first == 5)),
    ]


SMALL = partial(ResultBuffer, depth=8)

# Numbers of bytes differ modulo 65,536, of which the solver finds no invariant: bounded.
PROOFS = [Proof(SMALL, properties, "bmc", depth=20, reach=20) for properties in (
    sends_in_order, goes_where_it_is_asked, overwrites_nothing, sends_what_is_kept)]
