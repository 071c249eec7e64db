# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.sim import Simulator

from hdl.array import ArrayGeometry, EmulatedArray


#: Rows, columns, rows and columns per read.
SHAPES = [
    (8, 3, 8, 3),     # one word
    (1, 1, 1, 1),
    (7, 5, 3, 2),     # last groups short, words decoded by logic
    (4, 16, 4, 1),    # the most words that are
    (13, 9, 2, 2),    # words in a memory, last groups short
    (20, 17, 20, 1),
]


def run_reads(array, reads):
    """Begin each of ``reads``, one per cycle; return the codes of each."""
    answers = []

    async def drive(ctx):
        for inputs, row, column in reads + [(0, 0, 0)] * array.latency:
            answers.append([ctx.get(code) for code in array.pins.codes])
            ctx.set(array.pins.read, 1)
            ctx.set(array.pins.inputs, inputs)
            ctx.set(array.pins.row_group, row)
            ctx.set(array.pins.column_group, column)
            await ctx.tick()

    sim = Simulator(array)
    sim.add_clock(1e-6)
    sim.add_testbench(drive)
    sim.run()
    return answers[array.latency:]


@pytest.mark.parametrize("rows, columns, rows_per_read, columns_per_read", SHAPES)
def test_counts_equal_rows(rows, columns, rows_per_read, columns_per_read):
    shape = ArrayGeometry(rows, columns, rows_per_read=rows_per_read,
                          columns_per_read=columns_per_read)
    rng = random.Random(0)
    ones = (1 << rows) - 1
    weights = [ones, 0][:columns] + [rng.getrandbits(rows) for _ in range(columns - 2)]
    reads = [(inputs, row, column) for inputs in [0, ones, *(rng.getrandbits(rows) for _ in range(4))]
             for row in range(shape.row_groups) for column in range(shape.column_groups)]
    rng.shuffle(reads)
    for (inputs, row, column), codes in zip(
            reads, run_reads(EmulatedArray(shape, weights), reads), strict=True):
        active = range(row * rows_per_read, min((row + 1) * rows_per_read, rows))
        held   = weights[column * columns_per_read:(column + 1) * columns_per_read]
        assert codes[:len(held)] == [
            sum(inputs >> index & 1 == weight >> index & 1 for index in active) for weight in held]


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


@pytest.mark.parametrize("words, latency", [(1, 1 + 2), (2, 2 + 2), (16, 2 + 2), (17, 2 + 2)])
def test_choice_of_words_takes_a_cycle(words, latency):
    """Twelve rows are counted in two cycles; one word needs no choice."""
    shape = ArrayGeometry(12, words, rows_per_read=12, columns_per_read=1)
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


def test_rejects_weights():
    shape = ArrayGeometry(8, 4, rows_per_read=8, columns_per_read=4)
    with pytest.raises(ValueError, match="^Array has 4 columns, but 3 are given$"):
        EmulatedArray(shape, [0, 0, 0])
