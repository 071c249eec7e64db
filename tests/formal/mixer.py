"""Proofs about maps that are mixed channel by channel."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cover, Mux, Signal

from hdl.pass_sets.mixer import Mix, Mixer
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


#: Maps are numbered modulo this, more than can be in flight.
MAPS = 8


def mixes_by_the_bits_of_the_map(m, dut):
    """Channel c of each word of the n-th map is that of the bank which its bit of the n-th bits says, those
    of a word behind those of the word before, and the first again behind the last; no word leaves before
    them or without a word that comes.

    Maps are numbered modulo 8, more than can be in flight.
    """
    free(m, dut)
    drawn = Array(Signal(len(dut.mix.payload), name=f"drawn_{number}") for number in range(MAPS))
    came, sent, word = Signal(range(MAPS)), Signal(range(MAPS)), Signal(range(dut.words))
    with m.If(moved(dut.mix)):
        m.d.sync += [drawn[came].eq(dut.mix.payload), came.eq(came + 1)]
        m.d.comb += Assert((came + 1)[:3] != sent)
    with m.If(moved(dut.o)):
        m.d.sync += word.eq(Mux(word == dut.words - 1, 0, word + 1))
        with m.If(word == dut.words - 1):
            m.d.sync += sent.eq(sent + 1)
    m.d.comb += Assert(moved(dut.i) == moved(dut.o))
    channel, place = AnyConst(range(dut.channels)), Signal(range(dut.round))
    m.d.comb += Assume(channel < dut.channels)
    with m.If(moved(dut.o)):
        m.d.sync += place.eq(Mux(place == dut.round - 1, 0, place + 1))
    bank = Signal()
    m.d.comb += bank.eq(drawn[sent].bit_select(place * dut.channels + channel, 1))
    with m.If(dut.o.valid):
        m.d.comb += [
            Assert(came != sent),
            Assert(dut.o.payload.bit_select(channel, 1)
                   == dut.i.payload.bit_select(bank * dut.channels + channel, 1)),
            Cover(bank & (sent == 2)), Cover(~bank & (sent == 2)),
        ]


def hands_on_each_set_once(m, dut):
    """Each pass set that enters leaves once, and its pass is asked for once, both with the number of the
    pass and whether the map is the last of its image; in order, and at most one set ahead of the other.
    """
    free(m, dut)
    entering, behind = dut.i_sets.payload, {}
    for name, port in (("o_sets", dut.o_sets), ("passes", dut.passes)):
        # 1 while this side has taken the set that waits.
        behind[name] = taken = Signal(name=f"taken_{name}")
        m.d.sync += taken.eq((taken | moved(port)) & ~moved(dut.i_sets))
        m.d.comb += [
            Assert(~port.valid | (dut.i_sets.valid & ~taken)),
            Assert(~port.valid | (port.payload.last == entering.last)),
        ]
        with m.If(moved(dut.i_sets)):
            m.d.comb += Assert(taken | moved(port))
    m.d.comb += [
        Assert(~dut.o_sets.valid | ((dut.o_sets.payload.set == entering.set)
                                    & (dut.o_sets.payload.choice == entering.choice))),
        Assert(~dut.passes.valid | (dut.passes.payload.number == entering.choice)),
        Cover(behind["o_sets"] & ~behind["passes"]), Cover(~behind["o_sets"] & behind["passes"]),
    ]


ALL    = partial(Mixer, 2, words=2, mix=Mix(2, 2), passes=2, outcomes=2)
SERIAL = partial(Mixer, 1, words=3, mix=Mix(3, 1), passes=2, outcomes=2)
AGAIN  = partial(Mixer, 1, words=4, mix=Mix(2, 1), passes=2, outcomes=2)

PROOFS = [
    *(Proof(block, properties) for block in (ALL, SERIAL, AGAIN)
      for properties in (keeps_stream_rules, mixes_by_the_bits_of_the_map)),
    Proof(ALL, hands_on_each_set_once),
    Readiness(ALL),
]
