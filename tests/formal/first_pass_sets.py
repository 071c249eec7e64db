"""Proofs about where pass sets begin."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.pass_sets.first_pass_sets import ArrayPasses, SequentialPasses, SharedPasses
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def counted(m, dut):
    """Images have 1 to T_max passes."""
    free(m, dut)
    with m.If(dut.images.valid):
        m.d.comb += [Assume(dut.images.payload != 0), Assume(dut.images.payload <= dut.passes)]


def gives_all_passes(m, dut):
    """The one map of an image of T passes has the set of the lowest T bits, and is its last."""
    counted(m, dut)
    m.d.comb += Assert(moved(dut.images) == moved(dut.o_sets))
    with m.If(dut.o_sets.valid):
        m.d.comb += [
            Assert(dut.o_sets.payload.set == (1 << dut.images.payload) - 1),
            Assert(dut.o_sets.payload.last),
            Cover(dut.images.payload == dut.passes),
        ]


def sends_each_pass_once(m, dut):
    """An image of T passes leaves T times, word by word as it entered, with the sets of pass 0 to
    T - 1 in order, of which only that of T - 1 is the last; images leave in the order in which they
    entered.

    Images are numbered modulo 4, more than can be in flight. One word of one of them is followed.
    """
    counted(m, dut)
    numbers, words = range(4), dut.words
    followed, word = AnyConst(numbers), AnyConst(range(words))
    m.d.comb += Assume(word < words)
    filling, at, value = Signal(numbers), Signal(range(words)), Signal(dut.word_bits)
    entered = Signal(numbers)
    with m.If(moved(dut.i)):
        m.d.sync += at.eq(Mux(at == words - 1, 0, at + 1))
        with m.If(at == words - 1):
            m.d.sync += filling.eq(filling + 1)
        with m.If((filling == followed) & (at == word)):
            m.d.sync += value.eq(dut.i.payload)
    # `images` is taken as the last word of an image is fetched: the number of passes at that time is
    # the one of the whole image, as streams keep their rules.
    total = [Signal(range(dut.passes + 1), name=f"total_{number}") for number in numbers]
    with m.If(moved(dut.images)):
        m.d.sync += entered.eq(entered + 1)
    for number in numbers:
        with m.If(dut.images.valid & (entered == number)):
            m.d.sync += total[number].eq(dut.images.payload)

    def follow(name, ends):
        number, index = Signal(numbers, name=f"{name}_number"), Signal(
            range(dut.passes), name=f"{name}_index")
        passes = Signal(range(dut.passes + 1), name=f"{name}_passes")
        for image in numbers:
            with m.If(number == image):
                m.d.comb += passes.eq(total[image])
        last = index + 1 == passes
        with m.If(ends):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
            with m.If(last):
                m.d.sync += number.eq(number + 1)
        return number, index, last

    number, index, last = follow("sets", moved(dut.o_sets))
    with m.If(dut.o_sets.valid):
        m.d.comb += [
            Assert(dut.o_sets.payload.set == 1 << index),
            Assert(dut.o_sets.payload.last == last),
            Cover(last & (number == 1)),
        ]
    sent = Signal(range(words))
    with m.If(moved(dut.o)):
        m.d.sync += sent.eq(Mux(sent == words - 1, 0, sent + 1))
    number, index, last = follow("maps", moved(dut.o) & (sent == words - 1))
    with m.If(dut.o.valid & (number == followed) & (sent == word)):
        m.d.comb += [Assert(dut.o.payload == value), Cover(value.any() & (index == 1))]


def divides_each_set(m, dut):
    """The sets that leave for a map are disjoint, their union is the set that entered, none is empty,
    and the last one alone is the last of its image if the map was: each pass leaves once, with the
    array that it has drawn.

    One map at a time is in flight here; that maps keep their order is proven of the map buffer.
    """
    free(m, dut)
    passes = len(dut.i_sets.payload.set)
    left, last, busy = Signal(passes), Signal(), Signal()
    member, drawn    = AnyConst(range(passes)), Signal.like(dut.o_sets.payload.choice)
    m.d.comb += Assume(~dut.i_sets.valid | (~busy & dut.i_sets.payload.set.any()))
    with m.If(moved(dut.i_sets)):
        m.d.sync += [left.eq(dut.i_sets.payload.set), last.eq(dut.i_sets.payload.last), busy.eq(1)]
        for bit in range(len(drawn)):
            m.d.sync += drawn[bit].eq(dut.mask.payload.word_select(bit, passes).bit_select(member, 1))
    sent = dut.o_sets.payload
    with m.If(dut.o_sets.valid):
        m.d.comb += [
            Assert(sent.set != 0),
            Assert((sent.set & ~left) == 0),
            Assert(sent.last == (last & (sent.set == left))),
        ]
        with m.If(sent.set.bit_select(member, 1)):
            m.d.comb += Assert(sent.choice == drawn)
    with m.If(moved(dut.o_sets)):
        m.d.sync += left.eq(left & ~sent.set)
        with m.If(left == sent.set):
            m.d.sync += busy.eq(0)
        m.d.comb += [Cover(sent.last & (sent.choice == 1)), Cover(left != sent.set)]


PROOFS = [
    Proof(partial(SharedPasses, passes=4), keeps_stream_rules),
    Proof(partial(SharedPasses, passes=4), gives_all_passes, "induction", depth=2),
    Proof(partial(SequentialPasses, word_bits=1, words=2, passes=2), keeps_stream_rules),
    Proof(partial(SequentialPasses, word_bits=1, words=2, passes=3), sends_each_pass_once),
    Proof(partial(ArrayPasses, word_bits=1, words=2, arrays=2, passes=2), keeps_stream_rules),
    Proof(partial(ArrayPasses, word_bits=1, words=2, arrays=2, passes=2), divides_each_set),
    Readiness(partial(SharedPasses, passes=4)),
    Readiness(partial(SequentialPasses, word_bits=1, words=2, passes=2)),
    Readiness(partial(ArrayPasses, word_bits=1, words=2, arrays=2, passes=2)),
]
