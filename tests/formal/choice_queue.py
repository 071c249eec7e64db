"""Proofs about arrays and masks that wait for the reads of their maps."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Cover, Signal

from hdl.layer.array import ArrayGeometry
from hdl.layer.choice_queue import ArrayQueue, MaskQueue
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


#: Maps are numbered modulo this, more than can be in flight.
MAPS = 8


def numbered(m, dut):
    """Number of an arbitrary map, and those of the next map that enters and of the next that leaves."""
    free(m, dut)
    followed, entering, leaving = AnyConst(range(MAPS)), Signal(range(MAPS)), Signal(range(MAPS))
    m.d.sync += [entering.eq(entering + moved(dut.i)), leaving.eq(leaving + moved(dut.o))]
    m.d.comb += [Assert((entering + 1)[:3] != leaving), Assert(~dut.o.valid | (entering != leaving))]
    return followed, entering, leaving


def keeps_order(m, dut):
    """Arrays or masks leave as they entered, in their order, each mask with the number of inputs that it
    keeps."""
    followed, entering, leaving = numbered(m, dut)
    choice, sent = Signal.like(dut.i.payload), dut.o.payload
    with m.If(moved(dut.i) & (entering == followed)):
        m.d.sync += choice.eq(dut.i.payload)
    with m.If(dut.o.valid & (leaving == followed)):
        if isinstance(dut, MaskQueue):
            # Bits are of the channels of all groups in turn.
            channels, each = dut.fan_in // dut.taps, len(sent.count) // dut.channel_groups
            m.d.comb += [
                Assert(sent.kept == choice),
                *(Assert(sent.count.word_select(group, each)
                         == dut.fan_in * dut.channel_groups // dut.groups * sum(
                             sent.kept[place] for place in range(dut.groups)
                             if place // channels % dut.channel_groups == group))
                  for group in range(dut.channel_groups)),
                Cover(sent.kept == 0b10),
            ]
        else:
            m.d.comb += [Assert(sent.choice == choice), Cover(choice != 0)]


SHAPE = partial(ArrayGeometry, 4, 1, rows_per_read=4, columns_per_read=1)

ARRAYS = partial(ArrayQueue, 4, SHAPE(arrays=3))
MASKS  = partial(MaskQueue, 4, SHAPE(), groups=2)
GROUPS = partial(MaskQueue, 4, SHAPE(), groups=4, channel_groups=2, taps=2)

PROOFS = [
    Proof(ARRAYS, keeps_stream_rules),
    Proof(ARRAYS, keeps_order),
    Proof(MASKS, keeps_stream_rules),
    Proof(MASKS, keeps_order),
    Proof(GROUPS, keeps_order),
    Readiness(ARRAYS),
    Readiness(MASKS),
]
