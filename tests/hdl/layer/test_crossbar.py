# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from hdl.layer.array import EmulatedArray
from hdl.layer.crossbar import Crossbar, read_layout
from sim.compare.packing import pack, unpack
from sim.component import transfer


#: Fan-in, columns, rows of a tile, rows and columns per read; weight bits, arrays.
SHAPES = [
    (8, 3, 8, 8, 3),     # one tile, one read
    (1, 1, 1, 1, 1),
    (11, 5, 4, 3, 2),    # three tiles, all last groups short
    (20, 7, 10, 2, 2),   # words in memories
    (11, 5, 4, 3, 2, 4),
    (8, 3, 8, 8, 3, 4, 8),
    (11, 5, 4, 3, 2, 4, 2),
    (11, 5, 4, 3, 2, 1, 4),
    (11, 5, 4, 3, 2, 1, 3),
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
            for name in ("read", "inputs", "active", "row_group", "column_group"):
                m.d.comb += getattr(array.pins, name).eq(getattr(pins, name))
            codes = array.pins.codes
            for _ in range(self.late):
                early, codes = codes, Signal(self.crossbar.geometry.codes)
                m.d.sync += codes.eq(early)
            m.d.comb += pins.codes.eq(codes)
        return m


def make(fan_in, columns, tile_rows, rows_per_read, columns_per_read, weight_bits=1, arrays=1,
         sets=(), late=None):
    rng = random.Random(0)
    if weight_bits == 1:
        weights = [[rng.getrandbits(fan_in) for _ in range(columns)] for _ in range(arrays)]
    else:
        most = 2**(weight_bits - 1) - 1
        weights = [[pack([rng.randint(-most, most) for _ in range(fan_in)], weight_bits)
                    for _ in range(columns)] for _ in range(arrays)]
    options = {"tile_rows": tile_rows, "rows_per_read": rows_per_read,
               "columns_per_read": columns_per_read, "weight_bits": weight_bits, "sets": sets}
    crossbar = Crossbar(weights, fan_in, **options)
    if late is None:
        return crossbar, crossbar
    macro = Crossbar(weights, fan_in, macro=crossbar.latency + late, **options)
    return macro, Outside(macro, late)


def product(weight, bit, weight_bits):
    """What a row adds to a code: of binary weights 1 where they are equal."""
    return weight * bit if weight_bits > 1 else int(weight == bit)


def make_reads(crossbar):
    """Every read of a few inputs, of arrays at random: each as a word, and what it returns, as a choice and
    the codes of each column and tile."""
    shape, rng = crossbar.geometry, random.Random(1)
    layout = read_layout(crossbar.fan_in, shape)
    bits   = shape.weight_bits
    held   = [[unpack(column, bits, crossbar.fan_in, signed=bits > 1) for column in columns]
              for columns in crossbar.weights]
    words, answers = [], []
    for inputs in (0, (1 << crossbar.fan_in) - 1, *(rng.getrandbits(crossbar.fan_in)
                                                    for _ in range(3))):
        for column in range(shape.column_groups):
            for row in range(shape.row_groups):
                choice, way = rng.randrange(shape.outcomes), rng.randrange(shape.ways)
                words.append(layout.const({"inputs": inputs, "row_group": row, "column_group": column,
                                           "choice": choice, "way": way}).as_bits())
                read = held[shape.sets[choice][way]]
                read = read[column * shape.columns_per_read:][:shape.columns_per_read]
                answers.append((choice, [[
                    sum(product(weights[at], inputs >> at & 1, bits) for at in range(
                        tile * shape.rows + row * shape.rows_per_read,
                        min(tile * shape.rows + min((row + 1) * shape.rows_per_read, shape.rows),
                            crossbar.fan_in)))
                    for tile in range(crossbar.tiles)] for weights in read]))
    return words, answers


def codes_of(crossbar, words, answers):
    """Choice and codes of each read, those of columns beyond the last left out."""
    shape  = Shape.cast(crossbar.geometry.codes.elem_shape)
    column = crossbar.tiles * shape.width
    for word, (_, answer) in zip(words, answers, strict=True):
        codes = unpack(word, column, crossbar.geometry.columns_per_read)
        yield word >> column * crossbar.geometry.columns_per_read, [
            unpack(code, shape.width, crossbar.tiles, signed=shape.signed)
            for code in codes[:len(answer)]]


@pytest.mark.some(18)
@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("late", [None, 0, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_returns_codes(shape, late, duty):
    """Emulated, as a macro that is as fast, and as one that is slower."""
    crossbar, dut = make(*shape, late=late)
    words, answers = make_reads(crossbar)
    passed = transfer(dut, {"i": words}, {"o": len(words)}, duty=duty)
    assert list(codes_of(crossbar, passed["o"].words, answers)) == answers


@pytest.mark.parametrize("late", [None, 5])
@pytest.mark.parametrize("arrays, sets", [
    (3, [(0, 1), (0, 2), (1, 2)]), (4, [(1, 3), (0, 2)]), (1, [(0,), (0,)]), (2, [(0, 1)])])
def test_sets_of_arrays(arrays, sets, late):
    """The array that choice and way name; the choice comes with the codes."""
    crossbar, dut = make(7, 5, 4, 2, 2, arrays=arrays, sets=sets, late=late)
    words, answers = make_reads(crossbar)
    passed = transfer(dut, {"i": words}, {"o": len(words)})
    assert list(codes_of(crossbar, passed["o"].words, answers)) == answers


@pytest.mark.parametrize("sets", [[(0, 1), (1,)], [(0, 2)], [()], [(0,), (-1,)]])
def test_sets_that_cannot_be(sets):
    with pytest.raises(ValueError, match="^Sets of 2 arrays must each have as many of them, not "):
        make(7, 5, 4, 2, 2, arrays=2, sets=sets)


@pytest.mark.parametrize("late", [None, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_timing(shape, late):
    crossbar, dut = make(*shape, late=late)
    words, _ = make_reads(crossbar)
    words *= 4
    passed = transfer(dut, {"i": words}, {"o": len(words)})
    assert passed["i"].cycles == list(range(len(words)))
    assert passed["o"].cycles == [cycle + crossbar.latency for cycle in range(len(words))]


def test_last_tile_holds_zeros_beyond_the_fan_in():
    crossbar = Crossbar([[0b101_0110, 0]], 7, tile_rows=4, rows_per_read=4, columns_per_read=1)
    assert [crossbar.tile_weights(tile) for tile in range(2)] == [[[0b0110, 0]], [[0b101, 0]]]
    crossbar = Crossbar([[0x7f3], [0x19f]], 3, tile_rows=2, rows_per_read=2, columns_per_read=1,
                        weight_bits=4)
    assert [crossbar.tile_weights(tile) for tile in range(2)] == [[[0xf3], [0x9f]], [[0x07], [0x01]]]


@pytest.mark.parametrize("weights, message", [
    ([[0, 0], [0]], "Array 0 has 2 columns, but another has 1"),
])
def test_rejects(weights, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Crossbar(weights, 4, tile_rows=4, rows_per_read=4, columns_per_read=1)
