"""Proofs about inverted normalization."""

from functools import partial

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Const, Cover, Mux, Signal

from hdl.layer.instance_norm import InstanceNorm
from tests.formal.proof import Proof
from tests.formal.streams import free, moved


def compares_each_map(m, dut):
    """However fast maps come, each is answered by as many words in consecutive cycles, the last of them
    when the latency says: bits that are 1 where N times gain * sum + offset is no less than the total of
    the map.

    One map is followed at a time, which may be any.
    """
    free(m, dut)
    number    = Signal(range(dut.words))
    following = Signal()
    # Cycles since the last word of the map that is followed.
    since = Signal(range(dut.latency + 1))
    sums  = [Signal.like(dut.i.payload.sums[0], name=f"sum_{index}") for index in range(dut.words)]
    last  = number == dut.words - 1
    start = AnySeq(1) & (number == 0) & ~following & (since == 0)
    with m.If(moved(dut.i)):
        m.d.sync += number.eq(Mux(last, 0, number + 1))
        with m.If(start):
            m.d.sync += following.eq(1)
        with m.If(start | following):
            for index, value in enumerate(sums):
                with m.If(number == index):
                    m.d.sync += value.eq(dut.i.payload.sums[0])
            with m.If(last):
                m.d.sync += [since.eq(1), following.eq(0)]
    with m.If(since != 0):
        m.d.sync += since.eq(Mux(since == dut.latency, 0, since + 1))
    for lane, words in enumerate(dut.banks[0]):
        z = [word["gain"] * value + word["offset"] for word, value in zip(words, sums, strict=True)]
        for index, each in enumerate(z):
            with m.If(since == dut.latency - dut.words + 1 + index):
                bit = Signal(name=f"bit_{lane}_{index}")
                m.d.comb += [
                    bit.eq(dut.words * each >= sum(z, Const(0))),
                    Assert(dut.o.valid),
                    Assert(dut.o.payload[lane] == bit),
                    Cover(bit), Cover(~bit),
                ]


def sends_no_more_than_it_takes(m, dut):
    """Of each map that is complete, and of no other, all words leave, however fast maps come: no comparison
    begins before that of the map before is over."""
    free(m, dut)
    number, owed = Signal(range(dut.words)), Signal(range(2 * (dut.latency + dut.words)))
    complete = moved(dut.i) & (number == dut.words - 1)
    with m.If(moved(dut.i)):
        m.d.sync += number.eq(Mux(number == dut.words - 1, 0, number + 1))
    m.d.sync += owed.eq(owed + Mux(complete, dut.words, 0) - dut.o.valid)
    m.d.comb += [
        Assert(~dut.o.valid | (owed != 0)),
        Assert(owed < dut.latency + dut.words),
        Cover(complete & dut.o.valid & (owed > dut.words)),
    ]


def make(*, channels):
    gains = [3, 1, -1][:channels]
    return InstanceNorm([[[{"gain": gain, "offset": 2 * channel} for channel, gain in enumerate(gains)],
                          [{"gain": 2, "offset": 0}] * channels]],
                        range(4), 1, 1, size=(1, 1), columns=1)


PROOFS = [
    Proof(partial(make, channels=2), compares_each_map, engine="bmc", depth=24, reach=24),
    Proof(partial(make, channels=1), sends_no_more_than_it_takes, reach=24),
]
