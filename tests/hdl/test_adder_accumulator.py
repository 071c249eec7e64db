# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Shape, signed, unsigned

from hdl.adder_accumulator import AdderAccumulator
from sim.component import transfer
from sim.packing import pack, unpack


#: Bits of a code, tiles, columns, groups.
SHAPES = [(3, 1, 1, 1), (3, 2, 2, 1), (2, 5, 1, 3), (4, 3, 2, 2), (1, 1, 3, 5)]


def make_reads(width, tiles, columns, groups, count):
    """Reads with random codes, but the largest in the first sum and zeros in the second; and sums."""
    rng, most = random.Random(0), (1 << width) - 1
    reads, sums = [], []
    for number in range(count):
        codes = [[[(most, 0)[number] if number < 2 else rng.randint(0, most) for _ in range(tiles)]
                  for _ in range(columns)] for _ in range(groups)]
        reads += [pack([pack(column, width) for column in read], tiles * width) for read in codes]
        sums.append([sum(sum(read[column]) for read in codes) for column in range(columns)])
    return reads, sums


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("width, tiles, columns, groups", SHAPES)
def test_adds(width, tiles, columns, groups, duty):
    dut = AdderAccumulator(width, tiles=tiles, columns=columns, groups=groups)
    reads, sums = make_reads(width, tiles, columns, groups, 12)
    passed = transfer(dut, {"i": reads}, {"o": 12}, duty=duty)
    sum_width = Shape.cast(dut.o.payload.shape()).width // columns
    assert [unpack(word, sum_width, columns) for word in passed["o"].words] == sums


@pytest.mark.parametrize("width, tiles, columns, groups", SHAPES)
def test_timing(width, tiles, columns, groups):
    dut = AdderAccumulator(width, tiles=tiles, columns=columns, groups=groups)
    reads, _ = make_reads(width, tiles, columns, groups, 8)
    passed = transfer(dut, {"i": reads}, {"o": 8})
    assert passed["i"].cycles == list(range(len(reads)))
    assert passed["o"].cycles == [cycle + dut.latency
                                  for cycle in passed["i"].cycles[groups - 1::groups]]


@pytest.mark.parametrize("tiles, latency", [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4)])
def test_latency(tiles, latency):
    assert AdderAccumulator(1, tiles=tiles, columns=1, groups=1).latency == latency


@pytest.mark.parametrize("code, tiles, groups, bits", [
    (unsigned(2), 1, 1, 2),
    (unsigned(2), 5, 3, 6),     # 45
    (range(8), 3, 3, 6),        # 63: not a bit more than needed
    (unsigned(1), 4, 1, 3),
])
def test_sum_is_just_wide_enough(code, tiles, groups, bits):
    dut = AdderAccumulator(code, tiles=tiles, columns=1, groups=groups)
    assert Shape.cast(dut.o.payload.shape()) == unsigned(bits)


@pytest.mark.parametrize("code, tiles, columns, groups, message", [
    (3, 0, 1, 1, "Number of tiles must be at least 1, not 0"),
    (3, 1, 0, 1, "Number of columns must be at least 1, not 0"),
    (3, 1, 1, -1, "Number of groups must be at least 1, not -1"),
    (signed(3), 1, 1, 1, r"Code must be unsigned, not signed\(3\)"),
])
def test_rejects(code, tiles, columns, groups, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        AdderAccumulator(code, tiles=tiles, columns=columns, groups=groups)
