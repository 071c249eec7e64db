# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from hdl.array import EmulatedArray
from hdl.crossbar import Crossbar, read_layout
from sim.component import transfer
from sim.packing import unpack


#: Fan-in, columns, rows of a tile, rows and columns per read.
SHAPES = [
    (8, 3, 8, 8, 3),     # one tile, one read
    (1, 1, 1, 1, 1),
    (11, 5, 4, 3, 2),    # three tiles, all last groups short
    (20, 7, 10, 2, 2),   # words in memories
]


class Outside(wiring.Component):
    """A crossbar with macros, and emulated arrays at its pins that answer ``late`` cycles later."""

    def __init__(self, crossbar, late):
        self.crossbar = crossbar
        self.late     = late
        super().__init__({name: crossbar.signature.members[name] for name in ("i", "o")})

    def elaborate(self, platform):
        m = Module()
        m.submodules.crossbar = self.crossbar
        connect(m, flipped(self.i), self.crossbar.i)
        connect(m, self.crossbar.o, flipped(self.o))
        for tile, pins in enumerate(self.crossbar.arrays):
            array = EmulatedArray(self.crossbar.geometry, self.crossbar.tile_weights(tile))
            m.submodules[f"array_{tile}"] = array
            for name in ("read", "inputs", "row_group", "column_group"):
                m.d.comb += getattr(array.pins, name).eq(getattr(pins, name))
            codes = array.pins.codes
            for _ in range(self.late):
                early, codes = codes, Signal(self.crossbar.geometry.codes)
                m.d.sync += codes.eq(early)
            m.d.comb += pins.codes.eq(codes)
        return m


def make(fan_in, columns, tile_rows, rows_per_read, columns_per_read, late=None):
    rng = random.Random(0)
    weights = [rng.getrandbits(fan_in) for _ in range(columns)]
    options = {"tile_rows": tile_rows, "rows_per_read": rows_per_read,
               "columns_per_read": columns_per_read}
    crossbar = Crossbar(weights, fan_in, **options)
    if late is None:
        return crossbar, crossbar
    macro = Crossbar(weights, fan_in, macro=crossbar.latency - 1 + late, **options)
    return macro, Outside(macro, late)


def make_reads(crossbar):
    """Every read of a few inputs: each as a word, and the codes of each column and tile."""
    shape, rng = crossbar.geometry, random.Random(1)
    layout = read_layout(crossbar.fan_in, shape)
    words, answers = [], []
    for inputs in (0, (1 << crossbar.fan_in) - 1, *(rng.getrandbits(crossbar.fan_in)
                                                    for _ in range(3))):
        for column in range(shape.column_groups):
            for row in range(shape.row_groups):
                words.append(layout.const({"inputs": inputs, "row_group": row,
                                           "column_group": column}).as_bits())
                held = crossbar.weights[column * shape.columns_per_read:][:shape.columns_per_read]
                answers.append([[
                    sum(inputs >> at & 1 == weight >> at & 1 for at in range(
                        tile * shape.rows + row * shape.rows_per_read,
                        min(tile * shape.rows + min((row + 1) * shape.rows_per_read, shape.rows),
                            crossbar.fan_in)))
                    for tile in range(crossbar.tiles)] for weight in held])
    return words, answers


def codes_of(crossbar, words, answers):
    """Codes of each read, those of columns beyond the last left out."""
    width = crossbar.geometry.rows_per_read.bit_length()
    for word, answer in zip(words, answers, strict=True):
        columns = unpack(word, crossbar.tiles * width, crossbar.geometry.columns_per_read)
        yield [unpack(column, width, crossbar.tiles) for column in columns[:len(answer)]]


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("late", [None, 0, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_counts_equal_inputs(shape, late, duty):
    """Emulated, as a macro that is as fast, and as one that is slower."""
    crossbar, dut = make(*shape, late)
    words, answers = make_reads(crossbar)
    passed = transfer(dut, {"i": words}, {"o": len(words)}, duty=duty)
    assert list(codes_of(crossbar, passed["o"].words, answers)) == answers


@pytest.mark.parametrize("late", [None, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_timing(shape, late):
    crossbar, dut = make(*shape, late)
    words, _ = make_reads(crossbar)
    words *= 4
    passed = transfer(dut, {"i": words}, {"o": len(words)})
    assert passed["i"].cycles == list(range(len(words)))
    assert passed["o"].cycles == [cycle + crossbar.latency for cycle in range(len(words))]


def test_waits_until_codes_are_taken():
    """What has begun is kept, and no more is begun than there is room for."""
    crossbar, dut = make(*SHAPES[2])
    words, answers = make_reads(crossbar)
    passed = transfer(dut, {"i": words}, {"o": len(words)}, starts={"o": 100})
    assert list(codes_of(crossbar, passed["o"].words, answers)) == answers
    early = sum(cycle < 100 for cycle in passed["i"].cycles)
    assert crossbar.latency < early < len(words)


def test_last_tile_holds_ones_beyond_the_fan_in():
    crossbar = Crossbar([0b101_0110, 0], 7, tile_rows=4, rows_per_read=4, columns_per_read=1)
    assert [crossbar.tile_weights(tile) for tile in range(2)] == [[0b0110, 0], [0b1101, 0b1000]]
