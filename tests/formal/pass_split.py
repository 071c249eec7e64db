"""Proofs about the division of pass sets."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cat, Cover, Signal

from hdl.pass_sets.pass_split import Choice, PassSplit
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


def divides_each_set(m, dut):
    """The sets that leave for a map are disjoint, their union is the set that entered, and ``last`` is
    kept: every pass is in the one set of the outcomes that it has drawn.
    """
    free(m, dut)
    entered, last = Signal(dut.passes), Signal()
    member, drawn = AnyConst(range(dut.passes)), Signal(range(len(dut.o.payload.sets)))
    m.d.comb += Assume(member < dut.passes)
    with m.If(moved(dut.i)):
        m.d.sync += [entered.eq(dut.i.payload.set), last.eq(dut.i.payload.last)]
        # The last choice varies fastest.
        branch, masks = 0, iter(dut.masks)
        for choice in dut.choices:
            number = member
            if choice.bits:
                mask   = next(masks).payload
                number = Cat(mask.word_select(bit, dut.passes).bit_select(member, 1)
                             for bit in range(choice.bits))
            outcome = Array(choice.table[at % len(choice.table)] for at in range(1 << len(number)))[number]
            branch  = branch * choice.outcomes + outcome
        m.d.sync += drawn.eq(branch)
    sets = list(dut.o.payload.sets)
    with m.If(dut.o.valid):
        union = 0
        for branch in sets:
            m.d.comb += Assert((branch & union) == 0)
            union = branch | union
        m.d.comb += [Assert(union == entered), Assert(dut.o.payload.last == last)]
        for index, branch in enumerate(sets):
            m.d.comb += Assert(branch.bit_select(member, 1) == (
                entered.bit_select(member, 1) & (drawn == index)))
        m.d.comb += Cover(sum(branch.any() for branch in sets) == min(len(sets), dut.passes))


def uses_masks_once(m, dut):
    """Masks of an image are taken with its last map, all together."""
    free(m, dut)
    for mask in dut.masks:
        m.d.comb += Assert(moved(mask) == (moved(dut.i) & dut.i.payload.last))
    m.d.comb += [Cover(moved(dut.masks[0])), Cover(moved(dut.i) & ~dut.i.payload.last)]


def answers_in_time(m, dut):
    """With masks at hand and sets taken within 2 cycles, a set is taken within 2 cycles."""
    free(m, dut)
    patient(m, dut.o.ready, 2, "taken")
    known = 1
    for mask in dut.masks:
        known &= mask.valid
    answers_within(m, dut.i.valid & known & ~dut.i.ready, 2, "entering")
    m.d.comb += Cover(moved(dut.i))


KEEP, FOUR = Choice((0, 1)), Choice((0, 1, 2, 3))

PROOFS = [
    *(Proof(partial(PassSplit, passes=4, choices=choices), properties)
      for choices in ([KEEP], [FOUR], [KEEP, FOUR], [Choice((1, 2, 0, 0))],
                      [KEEP, Choice((0, 1, 2), draw=None)])
      for properties in (keeps_stream_rules, divides_each_set, uses_masks_once, answers_in_time)),
    Readiness(partial(PassSplit, passes=4, choices=[KEEP, FOUR])),
]
