"""Proofs about the masks of an image."""

from functools import partial

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Mux, Signal

from hdl.random.mask_bank import MaskBank
from tests.formal.proof import Proof
from tests.formal.readiness import Readiness
from tests.formal.streams import answers_within, check_stream_rules, free, moved, patient


def environment(m, dut):
    """Images have 1 to T_max passes; the random source gives one bit for each request, in order."""
    free(m, dut)
    with m.If(dut.images.valid):
        m.d.comb += [Assume(dut.images.payload != 0), Assume(dut.images.payload <= dut.passes)]
    owed = Signal(range(dut.passes * sum(dut.draws) + 1))
    m.d.sync += owed.eq(owed + moved(dut.draw) - moved(dut.bits))
    m.d.comb += Assume(~dut.bits.valid | (owed != 0))
    return owed


def keeps_stream_rules(m, dut):
    """While the random source answers each request, once valid is up on an output, it and the
    payload stay until the word is taken.
    """
    environment(m, dut)
    check_stream_rules(m, dut)


def collects_each_bit(m, dut):
    """Bit ``t`` of a mask is the random bit of its draw in pass ``t``, in pass-major order, for every
    image; bits of passes that an image does not have are zero. ``taken`` says which bit is received.

    Images are numbered modulo 8, more than can be in flight. An arbitrary bit of one image is followed.
    """
    environment(m, dut)
    bits    = [(draw, bit) for draw, count in enumerate(dut.draws) for bit in reversed(range(count))]
    numbers = range(8)
    followed, member, place = (
        AnyConst(numbers), AnyConst(range(dut.passes)), AnyConst(range(len(bits))))
    m.d.comb += [Assume(member < dut.passes), Assume(place < len(bits))]
    at, received = Signal(range(len(bits))), Signal(range(dut.passes + 1))
    requested, passes, value = Signal(range(len(bits))), Signal(range(dut.passes + 1)), Signal()
    begun = Signal(numbers) # images taken
    with m.If(moved(dut.images)):
        m.d.sync += [passes.eq(dut.images.payload), received.eq(0), begun.eq(begun + 1)]
        with m.If(begun == followed):
            m.d.sync += value.eq(0)
    with m.If(moved(dut.draw)):
        m.d.sync += requested.eq(Mux(requested == len(bits) - 1, 0, requested + 1))
    for index in range(len(bits)):
        with m.If(dut.draw.valid & (requested == index)):
            m.d.comb += Assert(dut.draw.payload == index)
        m.d.comb += Assert(dut.taken[index] == (moved(dut.bits) & (at == index)))
    with m.If(moved(dut.bits)):
        m.d.comb += Assert(received < passes)
        m.d.sync += at.eq(Mux(at == len(bits) - 1, 0, at + 1))
        with m.If(at == len(bits) - 1):
            m.d.sync += received.eq(received + 1)
        with m.If((begun - 1)[:3] == followed):
            with m.If((at == place) & (received == member)):
                m.d.sync += value.eq(dut.bits.payload)
    for output, port in enumerate(dut.masks):
        number = Signal(numbers, name=f"number_{output}")
        with m.If(moved(port)):
            m.d.sync += number.eq(number + 1)
        with m.If(port.valid):
            m.d.comb += Assert(number != begun)
            for index, (of, bit) in enumerate(bits):
                if of == dut.outputs[output]:
                    with m.If((number == followed) & (place == index)):
                        m.d.comb += Assert(
                            port.payload.bit_select(bit * dut.passes + member, 1) == value)
                        m.d.comb += Cover(value & (number == 1))


def answers_in_time(m, dut):
    """With masks taken within 2 cycles, requests at once and bits given in the next cycle, an image is
    taken within ``passes * bits + overhead + 4`` cycles.
    """
    owed = environment(m, dut)
    for index, port in enumerate(dut.masks):
        patient(m, port.ready, 2, f"mask_{index}")
    m.d.comb += [Assume(dut.draw.ready), Assume((owed == 0) | dut.bits.valid)]
    limit = dut.passes * sum(dut.draws) + dut.overhead + 4
    answers_within(m, dut.images.valid & ~dut.images.ready, limit, "image")
    m.d.comb += Cover(moved(dut.masks[0]))


PROOFS = [
    Proof(partial(MaskBank, draws=(1, 1), outputs=(0, 1), passes=2), keeps_stream_rules, reach=30),
    Proof(partial(MaskBank, draws=(1, 1), outputs=(0, 1), passes=2), collects_each_bit, reach=30),
    Proof(partial(MaskBank, draws=(1, 2), outputs=(0, 1), passes=2), collects_each_bit, "bmc", depth=30,
          reach=30),
    Proof(partial(MaskBank, draws=(1, 2), outputs=(1, 0, 1), passes=2), collects_each_bit, "bmc", depth=30,
          reach=30),
    Proof(partial(MaskBank, draws=(1, 2), outputs=(0, 1), passes=3), answers_in_time, reach=20),
    Readiness(partial(MaskBank, draws=(1, 2), outputs=(0, 1), passes=2)),
]
