"""Proofs about the order of reads."""

from functools import partial

from amaranth.hdl import Assert, Cover, Mux, Signal

from hdl.layer.array import ArrayGeometry
from hdl.layer.reader import Reader
from tests.formal.proof import Proof
from tests.formal.streams import answers_within, free, moved


def reads_in_order(m, dut):
    """Each position is read exactly ``reads`` times: each group of columns, in it each bit plane from
    the top, in it each way, in it each group of rows; it is taken with its last read, and the choice
    of a map with the last read of its last position.
    """
    free(m, dut)
    # One number that counts all reads of a map, and its digits.
    rows, columns = dut.geometry.row_groups, dut.geometry.column_groups
    total  = dut.reads * dut.positions
    number = Signal(range(total))
    with m.If(dut.o.valid):
        m.d.sync += number.eq(Mux(number == total - 1, 0, number + 1))
    sent = dut.o.payload
    m.d.comb += Assert(dut.o.valid == (dut.i.valid & dut.choices.valid))
    for at in range(total):
        digits, rest = {}, at
        for name, base in (("row", rows), ("way", dut.geometry.ways), ("plane", dut.bits),
                           ("column", columns)):
            digits[name], rest = rest % base, rest // base
        with m.If(dut.o.valid & (number == at)):
            plane = dut.bits - 1 - digits["plane"]
            m.d.comb += [
                Assert(sent.row_group == digits["row"]),
                Assert(sent.column_group == digits["column"]),
                Assert(sent.choice == dut.choices.payload.choice),
                Assert(sent.way == digits["way"]),
                Assert(moved(dut.i) == ((at + 1) % dut.reads == 0)),
                Assert(moved(dut.choices) == (at == total - 1)),
            ]
            # A tap has the channels of all groups side by side.
            channels = dut.fan_in // dut.taps
            group    = digits["column"] // (columns // dut.channel_groups)
            if dut.groups is not None:
                counts = dut.choices.payload.count
                m.d.comb += Assert(sent.count == counts.word_select(group, len(sent.count)))
            for index in range(len(sent.inputs)):
                place = (index // channels * dut.channel_groups + group) * channels + index % channels
                m.d.comb += Assert(sent.inputs[index] == dut.i.payload[place * dut.bits + plane])
                if dut.groups is not None:
                    m.d.comb += Assert(sent.active[index]
                                       == dut.choices.payload.kept[place % dut.groups])
    with m.If(~dut.o.valid):
        m.d.comb += [Assert(~moved(dut.i)), Assert(~moved(dut.choices))]
    m.d.comb += Cover(moved(dut.choices))


def answers_in_time(m, dut):
    """With its choice at hand, a position is taken ``reads`` cycles after it came."""
    free(m, dut)
    answers_within(m, dut.i.valid & dut.choices.valid & ~dut.i.ready, dut.reads - 1, "position")
    m.d.comb += Cover(moved(dut.i))


def make(*, arrays, bits, ways, rows, columns, positions, groups=None, channel_groups=1, taps=1):
    geometry = ArrayGeometry(2 * rows, columns, rows_per_read=2, columns_per_read=1, arrays=arrays,
                             sets=[range(first, first + ways) for first in range(arrays + 1 - ways)])
    return Reader(2 * rows, geometry, bits=bits, positions=positions, groups=groups,
                  channel_groups=channel_groups, taps=taps)


SMALL = partial(make, arrays=1, bits=1, ways=1, rows=2, columns=3, positions=2)
FULL  = partial(make, arrays=4, bits=2, ways=2, rows=2, columns=2, positions=2)
LEAST = partial(make, arrays=2, bits=1, ways=1, rows=1, columns=1, positions=1)
MASKED = partial(make, arrays=1, bits=2, ways=1, rows=2, columns=2, positions=2, groups=2)

GROUPED = partial(make, arrays=1, bits=2, ways=1, rows=2, columns=4, positions=1, channel_groups=2, taps=2)
GROUPED_MASKS = partial(GROUPED, groups=4)

PROOFS = [Proof(parameters, properties, reach=40)
          for parameters in (SMALL, FULL, LEAST, MASKED, GROUPED, GROUPED_MASKS)
          for properties in (reads_in_order, answers_in_time)]
