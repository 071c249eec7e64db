"""Proofs about the crossbar's sequencing."""

from functools import partial

from amaranth.hdl import Assert, Cat, Cover, Signal

from hdl.layer.crossbar import Crossbar
from tests.formal.proof import Proof
from tests.formal.streams import free


def answers_each_read(m, dut):
    """Codes come exactly ``latency`` cycles after each read and never otherwise, with the array of the
    read; a read enables exactly the chosen array of every row tile, with the row and column group of
    the read, and the inputs of the layer are active there and no others; or if masked those that the read
    says, and how many these are comes with the codes.
    """
    free(m, dut)
    read, asked = dut.i, Signal(dut.latency)
    m.d.sync += asked.eq(Cat(read.valid, asked))
    m.d.comb += [Assert(dut.o.valid == asked[-1]), Cover(asked.all())]
    tags = {"choice": read.payload.choice} | ({"active": read.payload.count} if dut.masked else {})
    for name, tag in tags.items():
        for step in range(dut.latency):
            later = Signal.like(tag, name=f"{name}_{step}")
            m.d.sync += later.eq(tag)
            tag = later
        with m.If(dut.o.valid):
            m.d.comb += Assert(dut.o.payload[name] == tag)
    for tile, pins in enumerate(dut.arrays):
        inputs = read.payload.inputs >> tile * dut.geometry.rows
        active = sum(1 << row for row in range(dut.geometry.rows)
                     if tile * dut.geometry.rows + row < dut.fan_in)
        if dut.masked:
            active = (read.payload.active >> tile * dut.geometry.rows)[:dut.geometry.rows]
        m.d.comb += [
            Assert(pins.read == read.valid << read.payload.choice),
            Assert(pins.row_group == read.payload.row_group),
            Assert(pins.column_group == read.payload.column_group),
            Assert(pins.inputs == inputs[:dut.geometry.rows]),
            Assert(pins.active == active),
        ]
        m.d.comb += [Assert(dut.o.payload.codes[column][tile] == pins.codes[column])
                     for column in range(dut.geometry.columns_per_read)]


PROOFS = [Proof(partial(Crossbar, weights=((1, 2),) * arrays, fan_in=6, tile_rows=4, rows_per_read=2,
                        columns_per_read=1, macro=3, masked=masked), answers_each_read)
          for arrays, masked in ((1, False), (4, False), (1, True))]
