"""Proofs about AXI4-Lite."""

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Cover, Signal

from hdl.bus.axi_lite import OKAY, SLVERR, AxiLite
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, free, keeps_stream_rules, moved, patient


#: Requests are numbered modulo so many, more than can be in flight.
NUMBERS = range(4)


def _count(m, step, name):
    count = Signal(NUMBERS, name=name)
    with m.If(step):
        m.d.sync += count.eq(count + 1)
    return count


def writes_once(m, dut):
    """The k-th answer comes after address and data of the k-th write, which is made once, with this address
    and these data, and says whether it was refused.

    An arbitrary write is followed.
    """
    free(m, dut)
    followed = AnyConst(NUMBERS)
    addresses, words = _count(m, moved(dut.aw), "addresses"), _count(m, moved(dut.w), "words")
    writes, answers  = _count(m, dut.access.write, "writes"), _count(m, moved(dut.b), "answers")
    address, data, strobe, error = Signal(10), Signal(32), Signal(4), Signal()
    with m.If(moved(dut.aw) & (addresses == followed)):
        m.d.sync += address.eq(dut.aw.payload[2:])
    with m.If(moved(dut.w) & (words == followed)):
        m.d.sync += [data.eq(dut.w.payload.data), strobe.eq(dut.w.payload.strobe)]
    with m.If(dut.access.write):
        m.d.comb += [Assert(writes != addresses), Assert(writes != words)]
        with m.If(writes == followed):
            m.d.comb += [Assert(dut.access.write_address == address), Assert(dut.access.write_data == data),
                         Assert(dut.access.write_strobe == strobe)]
            m.d.sync += error.eq(dut.access.write_error)
    with m.If(dut.b.valid):
        m.d.comb += Assert(answers != writes)
        with m.If(answers == followed):
            m.d.comb += [Assert(dut.b.payload[0] == 0), Assert((dut.b.payload == SLVERR) == error),
                         Cover(error & (answers == 2)), Cover((dut.b.payload == OKAY) & (answers == 2))]


def reads_once(m, dut):
    """The k-th answer comes after the k-th address; it is what was read at this address, and says whether
    that was refused.

    An arbitrary read is followed.
    """
    free(m, dut)
    followed  = AnyConst(NUMBERS)
    addresses = _count(m, moved(dut.ar), "addresses")
    answers   = _count(m, moved(dut.r), "answers")
    address, data, error, asked = Signal(10), Signal(32), Signal(), Signal()
    with m.If(moved(dut.ar)):
        m.d.sync += asked.eq(addresses == followed)
        with m.If(addresses == followed):
            m.d.sync += address.eq(dut.ar.payload[2:])
    # What is read is loaded in the cycle before the answer.
    m.d.sync += [data.eq(dut.access.read_data), error.eq(dut.access.read_error)]
    before, loaded = Signal(), Signal()
    m.d.sync += [before.eq(dut.r.valid & ~dut.r.ready),
                 loaded.eq(asked & (dut.access.read_address == address))]
    with m.If(dut.r.valid):
        m.d.comb += Assert(answers != addresses)
        with m.If((answers == followed) & ~before):
            m.d.comb += [Assert(loaded), Assert(dut.r.payload.data == data),
                         Assert(dut.r.payload.resp[0] == 0),
                         Assert((dut.r.payload.resp == SLVERR) == error), Cover(answers == 2)]


def answers_in_time(m, dut):
    """With answers taken within 2 cycles, a request is taken within 4 cycles; a write also needs its other
    half."""
    free(m, dut)
    for name, port in (("b", dut.b), ("r", dut.r)):
        patient(m, port.ready, 2, name)
    for name, port in (("aw", dut.aw), ("w", dut.w)):
        patient(m, port.valid, 2, name)
    for name, port in (("aw", dut.aw), ("w", dut.w), ("ar", dut.ar)):
        answers_within(m, port.valid & ~port.ready, 8 if name != "ar" else 4, f"{name}_taken")
    m.d.comb += Cover(moved(dut.b))


PROOFS = [
    Proof(AxiLite, keeps_stream_rules), Proof(AxiLite, writes_once), Proof(AxiLite, reads_once),
    Proof(AxiLite, answers_in_time), Readiness(AxiLite),
]
