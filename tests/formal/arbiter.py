"""Proofs about the arbiter."""

from functools import partial

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Assert, Cover

from hdl.layer.arbiter import Arbiter
from tests.formal.proof import Proof


def enables_the_chosen_array(m, dut):
    """A read enables exactly one array, each array for exactly one value of the random bits (so fair
    bits choose fairly), and without a read none is enabled.
    """
    array = AnyConst(range(dut.arrays))
    m.d.comb += [
        dut.choice.eq(AnySeq(range(dut.arrays))),
        dut.read.eq(AnySeq(1)),
    ]
    m.d.comb += Assert(dut.enables.bit_select(array, 1) == (dut.read & (dut.choice == array)))
    m.d.comb += [Cover(enable) for enable in dut.enables]
    one_hot = (dut.enables != 0) & ((dut.enables & (dut.enables - 1)) == 0)
    m.d.comb += Assert(one_hot == dut.read)


PROOFS = [Proof(partial(Arbiter, arrays=arrays), enables_the_chosen_array, "induction", depth=1, reach=2)
          for arrays in (2, 4, 8)]
