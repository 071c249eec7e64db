"""Proofs about the softmax."""

from functools import partial

from amaranth.hdl import Assert, Cover, Mux, Signal, signed

from hdl.head.softmax import Normalizer, PowerOfTwo, Relative, Softmax
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import free, keeps_stream_rules, moved


def subtracts_the_largest(m, dut):
    """Each difference is that of its logit from the largest logit of its leaf, in order.

    Leaves are numbered modulo 8, more than can be in flight.
    """
    free(m, dut)
    classes = dut.classes
    width = len(dut.i.payload)
    logits = [[Signal(signed(width), name=f"logit_{leaf}_{index}") for index in range(classes)]
              for leaf in range(8)]
    leaf, index, left, sent = Signal(3), Signal(range(classes)), Signal(3), Signal(range(classes))
    for port, number, at in ((dut.i, leaf, index), (dut.o, left, sent)):
        with m.If(moved(port)):
            m.d.sync += at.eq(Mux(at == classes - 1, 0, at + 1))
            with m.If(at == classes - 1):
                m.d.sync += number.eq(number + 1)
    with m.If(dut.o.valid):
        m.d.comb += [Assert(leaf != left), Cover(dut.o.payload > 1)]
    for number, values in enumerate(logits):
        largest = values[0]
        for value in values[1:]:
            largest = Mux(value > largest, value, largest)
        for at, value in enumerate(values):
            with m.If(moved(dut.i) & (leaf == number) & (index == at)):
                m.d.sync += value.eq(dut.i.payload)
            with m.If(dut.o.valid & (left == number) & (sent == at)):
                m.d.comb += Assert(dut.o.payload == largest - value)


PROOFS = [
    Proof(partial(Relative, logit=signed(2), classes=2), keeps_stream_rules),
    Proof(partial(Relative, logit=signed(2), classes=2), subtracts_the_largest, "bmc", depth=16),
    Proof(partial(PowerOfTwo, width=4, fraction=1, guard=1), keeps_stream_rules),
    Proof(partial(Normalizer, classes=2, guard=1), keeps_stream_rules, "bmc", depth=35, reach=40),
    Readiness(partial(Softmax, logit=signed(4), classes=2, fraction=2, guard=1)),
]
