"""Proofs about the order of the words of a map that becomes larger."""

from functools import partial

from amaranth.hdl import Assert, Cover, Mux, Signal

from hdl.pass_sets.resize import Resize
from tests.formal.proof import Proof
from tests.formal.streams import free


def is_nearest(m, dut):
    """Each word is that of the pixel of the stored map which is the nearest of that of the larger map, and
    the first and the last of a map are told."""
    free(m, dut)
    (down, right), width = dut.factor, dut.width
    number = Signal(range(dut.words))
    with m.If(dut.step):
        m.d.sync += number.eq(Mux(number == dut.words - 1, 0, number + 1))
    for place in range(dut.words):
        y, x = divmod(place, width * right)
        with m.If(number == place):
            m.d.comb += Assert(dut.word == y // down * width + x // right)
    m.d.comb += [
        Assert(dut.first == (number == 0)),
        Assert(dut.last == (number == dut.words - 1)),
        Cover(dut.step & dut.last),
    ]


PROOFS = [Proof(partial(Resize, *arguments), is_nearest, reach=30) for arguments in (
    (2, 3, (2, 2)), (1, 2, (3, 1)), (3, 1, (1, 2)), (1, 1, (2, 2)), (2, 2, (1, 1)))]
