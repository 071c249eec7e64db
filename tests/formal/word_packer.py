"""Proofs about the collection of channels into words."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.layer.word_packer import WordPacker
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def joins_groups(m, dut):
    """Bit ``c`` of the k-th word of a lane is that of channel ``c`` in the groups of the k-th word; no
    group is lost, repeated or moved to another word.

    Words are numbered modulo 4, more than can be in flight. One channel of one lane is followed.
    """
    free(m, dut)
    numbers, groups, columns = range(4), dut.groups, dut.columns
    lane, channel = AnyConst(range(dut.lanes)), AnyConst(range(dut.channels))
    m.d.comb += [Assume(channel < dut.channels), Assume(lane < dut.lanes)]
    group, filling, sent = Signal(range(groups)), Signal(numbers), Signal(numbers)
    values = Signal(len(numbers))
    with m.If(moved(dut.i)):
        m.d.sync += group.eq(Mux(group == groups - 1, 0, group + 1))
        with m.If(group == groups - 1):
            m.d.sync += filling.eq(filling + 1)
        for index in range(dut.lanes):
            for at in range(dut.channels):
                with m.If((lane == index) & (channel == at) & (group == at // columns)):
                    m.d.sync += values.bit_select(filling, 1).eq(dut.i.payload[index][at % columns])
    with m.If(moved(dut.o)):
        m.d.sync += sent.eq(sent + 1)
    with m.If(dut.o.valid):
        m.d.comb += Assert(sent != filling)
        for index in range(dut.lanes):
            with m.If(lane == index):
                m.d.comb += Assert(
                    dut.o.payload[index].bit_select(channel, 1) == values.bit_select(sent, 1))
        m.d.comb += Cover((sent == 2) & values[:3].all())


SMALL = partial(WordPacker, channels=5, columns=2, lanes=2)
PROOFS = [Proof(SMALL, keeps_stream_rules), Proof(SMALL, joins_groups), Readiness(SMALL)]
