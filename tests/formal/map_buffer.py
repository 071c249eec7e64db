"""Proofs about the buffer between engines."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cover, Mux, Signal, unsigned

from hdl.pass_sets.map_buffer import MapBuffer
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, check_stream_rules, free, moved, patient


def environment(m, dut):
    """Some pass set of each branch set is not empty; words are sent only with a credit."""
    free(m, dut)
    with m.If(dut.i_sets.valid):
        m.d.comb += Assume(dut.i_sets.payload.sets.as_value() != 0)
    if dut.by_credit:
        credit = Signal(range((dut.depth + 1) * dut.words + 1))
        m.d.sync += credit.eq(credit + Mux(moved(dut.credit), dut.words, 0) - moved(dut.i))
        m.d.comb += Assume(~dut.i.valid | (credit != 0))


def keeps_stream_rules(m, dut):
    """While words are sent only with a credit, once valid is up on an output, it and the
    payload stay until the word is taken.
    """
    environment(m, dut)
    check_stream_rules(m, dut)


def sends_every_map(m, dut):
    """The maps of the k-th branch set leave after those of the one before and before those of the next,
    lanes in order, each once for each of its non-empty pass sets, with the words that entered, in
    order; pass sets leave in the same order, none empty; and no word is lost or repeated, however
    early, late or slowly the streams run.

    Branch sets are numbered modulo more than can be in flight. An arbitrary word of an arbitrary branch of
    an arbitrary branch set is followed.
    """
    environment(m, dut)
    numbers  = range(1 << (dut.depth + 2 + dut.FETCHED // dut.words).bit_length())
    branches = dut.lanes * dut.next_arrays
    followed, branch = AnyConst(numbers), AnyConst(range(branches))
    lane, word       = AnyConst(range(dut.lanes)), AnyConst(range(dut.words))
    choice           = AnyConst(range(dut.next_arrays))
    m.d.comb += [
        Assume(branch == lane * dut.next_arrays + choice),
        Assume(word < dut.words),
        Assume(lane < dut.lanes),
        Assume(choice < dut.next_arrays),
    ]

    # What enters.
    value = Signal(len(dut.o.payload))
    filling, at, stored = Signal(numbers), Signal(range(dut.words)), Signal()
    with m.If(moved(dut.i)):
        m.d.sync += at.eq(Mux(at == dut.words - 1, 0, at + 1))
        with m.If(at == dut.words - 1):
            m.d.sync += filling.eq(filling + 1)
        with m.If((filling == followed) & (at == word)):
            m.d.sync += stored.eq(1)
            m.d.sync += value.eq(dut.i.payload[lane])
    number, sets = Signal(numbers), dut.i_sets.payload.sets
    chosen       = [part.any() for part in sets]
    members, last = Signal(dut.passes), Signal()
    with m.If(moved(dut.i_sets)):
        m.d.sync += number.eq(number + 1)

    # What leaves: maps before the followed one, and maps in all.
    ends = Signal(range(dut.words))
    with m.If(moved(dut.o)):
        m.d.sync += ends.eq(Mux(ends == dut.words - 1, 0, ends + 1))
    map_ends = moved(dut.o) & (ends == dut.words - 1)
    tagged   = moved(dut.i_sets) & (number == followed)
    entering = Mux(moved(dut.i_sets), sum(chosen), 0)
    # Of the followed branch: whether it has passes, and how many others of its branch set have, in front of
    # it and behind.
    present = Array(chosen)[branch]
    before  = Array(sum(chosen[:index]) for index in range(branches))[branch]
    behind  = Array(sum(chosen[index + 1:]) for index in range(branches))[branch]
    with m.If(tagged):
        m.d.sync += [members.eq(sets[branch]), last.eq(dut.i_sets.payload.last & (behind == 0))]
    most = (dut.depth + 3) * branches + dut.FETCHED
    for name, port, leaves in (("maps", dut.o, map_ends), ("sets", dut.o_sets, moved(dut.o_sets))):
        owed  = Signal(range(most + 1), name=f"{name}_owed")
        ahead = Signal(range(most + 1), name=f"{name}_ahead")
        due   = Signal(name=f"{name}_due")
        m.d.sync += owed.eq(owed + entering - leaves)
        m.d.comb += [Assert(owed <= most - branches), Assert((owed != 0) | ~port.valid)]
        with m.If(due & leaves):
            m.d.sync += [ahead.eq(ahead - 1), due.eq(ahead != 0)]
        with m.If(tagged & present):
            m.d.comb += Assert(~due)
            m.d.sync += [due.eq(1), ahead.eq(owed + before - leaves)]
        with m.If(due & (ahead == 0) & port.valid):
            if port is dut.o:
                m.d.comb += [
                    Assert(stored),
                    Assert((ends != word) | (dut.o.payload == value)),
                    Cover((ends == word) & moved(port) & (followed == 1)),
                ]
            else:
                m.d.comb += [
                    Assert(port.payload.set == members),
                    Assert(members != 0),
                    Assert(port.payload.last == last),
                    Assert(port.payload.choice == choice),
                    Cover(moved(port) & (followed == 1)),
                ]


def answers_in_time(m, dut):
    """With words at hand, and maps and sets taken within 1 cycle, pass sets leave within
    ``latency + 3 * (FETCHED + 2 * words)`` cycles of each other and of those that entered.
    """
    environment(m, dut)
    for name, port in (("o", dut.o), ("o_sets", dut.o_sets)):
        patient(m, port.ready, 1, name)
    m.d.comb += Assume(dut.i.valid)
    branches = dut.lanes * dut.next_arrays
    owed = Signal(range((dut.depth + 4) * branches))
    entering = Mux(moved(dut.i_sets), sum(part.any() for part in dut.i_sets.payload.sets), 0)
    m.d.sync += owed.eq(owed + entering - moved(dut.o_sets))
    limit = dut.latency + 3 * (dut.FETCHED + 2 * dut.words)
    answers_within(m, (owed != 0) & ~dut.o_sets.valid, limit, "set")
    m.d.comb += Cover(moved(dut.o_sets) & (owed == 1))


make   = partial(MapBuffer, shape=unsigned(1), passes=2)
LEAST  = partial(make, words=2, lanes=1, depth=1)
NARROW = partial(make, words=1, lanes=2, depth=1)
SMALL  = partial(make, words=2, lanes=2, depth=2)
ARRAYS = partial(make, words=1, lanes=1, depth=2, next_arrays=2)
CREDIT = partial(make, words=2, lanes=2, depth=2, by_credit=True)

PROOFS = [
    Proof(SMALL, keeps_stream_rules),
    Proof(partial(LEAST, by_credit=True), keeps_stream_rules),
    Proof(partial(NARROW, by_credit=True), keeps_stream_rules),
    Proof(LEAST, sends_every_map, "bmc", depth=22, seconds=600),
    Proof(SMALL, sends_every_map, "bmc", depth=16, seconds=600),
    Proof(ARRAYS, sends_every_map, "bmc", depth=16, seconds=600),
    Proof(CREDIT, sends_every_map, "bmc", depth=16, seconds=600),
    Proof(LEAST, answers_in_time),
    Proof(NARROW, answers_in_time),
    Readiness(ARRAYS),
    Readiness(CREDIT),
]
