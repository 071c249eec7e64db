# amaranth: UnusedElaboratable=no

import random
import re

import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator

from hdl.layer.array import ArrayGeometry, EmulatedArray
from sim.compare.packing import pack


#: Rows, columns, rows and columns per read.
SHAPES = [
    (8, 3, 8, 3),     # one word
    (1, 1, 1, 1),
    (7, 5, 3, 2),     # last groups short, words decoded by logic
    (4, 16, 4, 1),    # the most words that are
    (13, 9, 2, 2),    # words in a memory, last groups short
    (20, 17, 20, 1),
]


def make_weights(shape, seed=0):
    """Weights of each array, column and row: all of the largest, all of the least, then random ones."""
    rng  = random.Random(seed)
    most = shape.weight_max
    values = [-1, 1] if shape.weight_bits == 1 else range(-most, most + 1)
    return [[[rng.choice(values) if column > 1 else (most, -most)[column] for _ in range(shape.rows)]
             for column in range(shape.columns)] for _ in range(shape.arrays)]


def packed(shape, weights):
    """The same in the form that an array takes."""
    return [[pack([weight > 0 for weight in column] if shape.weight_bits == 1 else column,
                  shape.weight_bits) for column in columns] for columns in weights]


def code_of(shape, weights, bits, active):
    """ADC code of the rows of a group, of which some are active."""
    rows = [(weight, bit) for weight, bit, on in zip(weights, bits, active, strict=True) if on]
    if shape.weight_bits == 1:
        return sum((weight > 0) == bit for weight, bit in rows)
    return sum(weight * bit for weight, bit in rows)


def run_reads(array, reads):
    """Begin each of ``reads``, one per cycle; return the codes of each."""
    answers = []

    async def drive(ctx):
        for number, inputs, active, row, column in reads + [(0, 0, 0, 0, 0)] * array.latency:
            answers.append([ctx.get(code) for code in array.pins.codes])
            ctx.set(array.pins.read, 1 << number)
            ctx.set(array.pins.inputs, inputs)
            ctx.set(array.pins.active, active)
            ctx.set(array.pins.row_group, row)
            ctx.set(array.pins.column_group, column)
            await ctx.tick()

    sim = Simulator(array)
    sim.add_clock(1e-6)
    sim.add_testbench(drive)
    sim.run()
    return answers[array.latency:]


@pytest.mark.parametrize("weight_bits, arrays", [(1, 1), (4, 1), (2, 1), (1, 2), (4, 8), (3, 3)])
@pytest.mark.parametrize("rows, columns, rows_per_read, columns_per_read", SHAPES)
def test_codes(rows, columns, rows_per_read, columns_per_read, weight_bits, arrays):
    """Reads of all groups of all arrays in random order. All inputs of 1 meet the extreme weights; all rows
    are active, none, or any."""
    shape = ArrayGeometry(rows, columns, rows_per_read=rows_per_read,
                          columns_per_read=columns_per_read, weight_bits=weight_bits, arrays=arrays)
    rng, weights = random.Random(0), make_weights(shape)
    ones  = (1 << rows) - 1
    reads = [(number, inputs, active, row, column)
             for inputs, active in [(0, ones), (ones, ones), (0, 0), (ones, 0), *(
                 (rng.getrandbits(rows), active) for active in (ones, *(rng.getrandbits(rows),) * 3))]
             for number in range(arrays)
             for row in range(shape.row_groups) for column in range(shape.column_groups)]
    rng.shuffle(reads)
    answers = run_reads(EmulatedArray(shape, packed(shape, weights)), reads)
    for (number, inputs, active, row, column), codes in zip(reads, answers, strict=True):
        group = slice(row * rows_per_read, (row + 1) * rows_per_read)
        bits, on = ([word >> index & 1 for index in range(rows)][group] for word in (inputs, active))
        held   = weights[number][column * columns_per_read:(column + 1) * columns_per_read]
        assert codes[:len(held)] == [code_of(shape, weight[group], bits, on) for weight in held]


@pytest.mark.parametrize("protect", [False, True])
@pytest.mark.parametrize("columns, filed", [(8, False), (9, True)])
def test_weights_in_a_file(columns, filed, protect):
    """What would be a memory is an instance without contents; what is logic stays so."""
    shape   = ArrayGeometry(12, columns, rows_per_read=6, columns_per_read=1)
    weights = packed(shape, make_weights(shape))
    inside, outside = (
        rtlil.convert(EmulatedArray(shape, weights, protect=protect, file=file), emit_src=False)
        for file in (None, "layer_weights_3.hex"))
    assert ("cell $meminit_v2" in inside) == filed and "cell $meminit_v2" not in outside
    instance = re.findall(r"cell \\spincim_weight_memory .*\n((?:    parameter .*\n)*)", outside)
    assert [re.findall(r"parameter (?:signed )?\\(\w+) (\S+)", text) for text in instance] == ([[
        ("FILE", '"layer_weights_3.hex"'), ("WIDTH", str(6 + protect)), ("DEPTH", "18")]] if filed else [])


@pytest.mark.parametrize("rows, columns, rows_per_read, columns_per_read, groups", [
    (8, 4, 8, 4, (1, 1)),
    (7, 5, 3, 2, (3, 3)),
    (6, 6, 1, 5, (6, 2)),
])
def test_geometry(rows, columns, rows_per_read, columns_per_read, groups):
    shape = ArrayGeometry(rows, columns, rows_per_read=rows_per_read,
                          columns_per_read=columns_per_read)
    assert (shape.row_groups, shape.column_groups) == groups
    assert shape.codes.length == columns_per_read


@pytest.mark.parametrize("rows_per_read, weight_bits, codes", [
    (6, 1, range(7)),
    (4, 2, range(-4, 5)),
    (4, 4, range(-28, 29)),
])
def test_codes_are_just_wide_enough(rows_per_read, weight_bits, codes):
    shape = ArrayGeometry(8, 1, rows_per_read=rows_per_read, columns_per_read=1,
                          weight_bits=weight_bits)
    assert shape.codes.elem_shape == codes


@pytest.mark.parametrize("words, latency", [(1, 1 + 2), (2, 2 + 2), (16, 2 + 2), (17, 2 + 2)])
def test_choice_of_words_takes_a_cycle(words, latency):
    """Twelve rows are counted in two cycles; one word needs no choice."""
    shape = ArrayGeometry(12, words, rows_per_read=12, columns_per_read=1)
    assert EmulatedArray.latency_of(shape) == latency


@pytest.mark.parametrize("rows, columns, arrays, latency", [
    (1, 1, 1, 1 + 1), (4, 1, 1, 1 + 2), (5, 1, 1, 1 + 3),
    (4, 2, 1, 2 + 2), (4, 17, 1, 2 + 2),
    (4, 1, 2, 1 + 2 + 2), (4, 17, 8, 1 + 2 + 2),
])
def test_latency_of_more_bits(rows, columns, arrays, latency):
    """Values are added in pairs, a cycle each; a choice of arrays takes one cycle more."""
    shape = ArrayGeometry(rows, columns, rows_per_read=rows, columns_per_read=1, weight_bits=4,
                          arrays=arrays)
    assert EmulatedArray.latency_of(shape) == latency


@pytest.mark.parametrize("rows_per_read, columns_per_read, message", [
    (0, 1, "Rows per read must be from 1 to 8, not 0"),
    (9, 1, "Rows per read must be from 1 to 8, not 9"),
    (1, 0, "Columns per read must be from 1 to 4, not 0"),
    (1, 5, "Columns per read must be from 1 to 4, not 5"),
])
def test_rejects_reads(rows_per_read, columns_per_read, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        ArrayGeometry(8, 4, rows_per_read=rows_per_read, columns_per_read=columns_per_read)


@pytest.mark.parametrize("options, message", [
    ({"weight_bits": 0}, "Weight bits must be at least 1, not 0"),
    ({"arrays": 0}, "Number of arrays must be at least 1, not 0"),
])
def test_rejects_arrays(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        ArrayGeometry(8, 4, rows_per_read=8, columns_per_read=4, **options)


@pytest.mark.parametrize("weights, message", [
    ([[0, 0, 0]] * 2, "Array has 4 columns, but 3 are given"),
    ([[0, 0, 0, 0]], "Tile has 2 arrays, but 1 are given"),
    ([[0, 0, 0, 0], [0, 0, 0, 0x7980]], "Weight must be from -7 to 7, not -8"),
])
def test_rejects_weights(weights, message):
    shape = ArrayGeometry(4, 4, rows_per_read=4, columns_per_read=4, weight_bits=4, arrays=2)
    with pytest.raises(ValueError, match=f"^{message}$"):
        EmulatedArray(shape, weights)
