"""Proofs about the arbiter."""

import itertools
from functools import partial

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Assume, Cover

from hdl.layer.arbiter import Arbiter
from hdl.layer.array import ArrayGeometry
from tests.formal.proof import Proof


def enables_the_chosen_array(m, dut):
    """A read enables exactly one array, that of the chosen set whose way it is, and without a read none is
    enabled.
    """
    geometry = dut.geometry
    choice, way = AnySeq(range(geometry.outcomes)), AnySeq(range(geometry.ways))
    m.d.comb += [
        Assume(choice < geometry.outcomes),
        Assume(way < geometry.ways),
        dut.choice.eq(choice),
        dut.way.eq(way),
        dut.read.eq(AnySeq(1)),
    ]
    for outcome, arrays in enumerate(geometry.sets):
        for number, array in enumerate(arrays):
            with m.If(dut.read & (choice == outcome) & (way == number)):
                m.d.comb += Assert(dut.enables == 1 << array)
    m.d.comb += [Cover(enable) for enable in dut.enables]
    one_hot = (dut.enables != 0) & ((dut.enables & (dut.enables - 1)) == 0)
    m.d.comb += Assert(one_hot == dut.read)


def make(arrays, ways):
    sets = tuple(itertools.combinations(range(arrays), ways))
    return Arbiter(ArrayGeometry(1, 1, rows_per_read=1, columns_per_read=1, arrays=arrays, sets=sets))


PROOFS = [Proof(partial(make, arrays=arrays, ways=ways), enables_the_chosen_array, "induction", depth=1,
                reach=2)
          for arrays, ways in ((2, 1), (8, 1), (3, 2), (5, 3))]
