# amaranth: UnusedElaboratable=no

import random

import pytest
from amaranth.hdl import Shape, signed, unsigned

from hdl.layer.adder_accumulator import AdderAccumulator
from hdl.layer.crossbar import codes_layout
from sim.compare.packing import unpack
from sim.component import transfer


#: Code, tiles, columns, groups, planes, arrays, and whether inputs are masked.
SHAPES = [
    (range(8), 1, 1, 1, 1, 1),
    (range(8), 2, 2, 1, 1, 1),
    (range(4), 5, 1, 3, 1, 1),
    (range(14), 3, 2, 2, 1, 1),
    (range(2), 1, 3, 5, 1, 1),
    (range(4), 2, 2, 1, 3, 2),
    (range(-28, 29), 1, 2, 1, 1, 8),
    (range(-28, 29), 2, 1, 3, 4, 1),
    (range(-28, 29), 3, 2, 1, 4, 8),
    (range(-3, 4), 1, 2, 3, 2, 2),
    (range(8), 1, 1, 1, 1, 1, True),
    (range(8), 3, 2, 1, 1, 2, True),
    (range(4), 2, 2, 3, 1, 4, True),
    (range(14), 2, 1, 1, 3, 1, True),
    (range(4), 3, 2, 3, 4, 2, True),
]


def make(code, tiles, columns, groups, planes, arrays, masked=False):
    return AdderAccumulator(code, tiles=tiles, columns=columns, groups=groups, planes=planes,
                            arrays=arrays, masked=masked)


def make_reads(code, tiles, columns, groups, planes, arrays, masked=False, *, count):
    """Reads with random codes, but the largest in the first sum and the least in the second; arrays
    and sums. Any number of inputs is active that is no less than the codes of a plane, but all in these
    two."""
    rng    = random.Random(0)
    most   = code[-1] * tiles * groups
    layout = codes_layout(code, tiles=tiles, columns=columns, arrays=arrays,
                          active=range(most + 1) if masked else None)
    reads, sums = [], []
    for number in range(count):
        choice = rng.randrange(arrays)
        codes = [[[[(code[-1], code[0])[number] if number < 2 else rng.choice(code)
                    for _ in range(tiles)] for _ in range(columns)] for _ in range(groups)]
                 for _ in range(planes)]
        totals = [[sum(sum(read[column]) for read in plane) for plane in codes]
                  for column in range(columns)]
        active = most if number < 2 else rng.randint(max(map(max, totals)), most) if masked else 0
        fields = {"choice": choice, **({"active": active} if masked else {})}
        reads += [layout.const({"codes": read, **fields}).as_bits() for plane in codes for read in plane]
        sums.append((choice, [
            sum(2**(planes - 1 - number) * (2 * total - active if masked else total)
                for number, total in enumerate(column)) for column in totals]))
    return reads, sums


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_adds(shape, duty):
    dut = make(*shape)
    reads, sums = make_reads(*shape, count=12)
    passed = transfer(dut, {"i": reads}, {"o": 12}, duty=duty)
    columns = dut.columns
    code = Shape.cast(dut.o.payload.shape()["sums"].shape.elem_shape)
    assert [(word >> columns * code.width, unpack(word, code.width, columns, signed=code.signed))
            for word in passed["o"].words] == sums


@pytest.mark.parametrize("shape", SHAPES)
def test_timing(shape):
    dut = make(*shape)
    reads, _ = make_reads(*shape, count=8)
    passed = transfer(dut, {"i": reads}, {"o": 8})
    assert passed["i"].cycles == list(range(len(reads)))
    each = len(reads) // 8
    assert passed["o"].cycles == [cycle + dut.latency for cycle in passed["i"].cycles[each - 1::each]]


@pytest.mark.parametrize("shape", SHAPES)
def test_fills_while_sums_wait(shape):
    """Reads are taken until the first sum has come, although it is not taken; then all move together."""
    dut = make(*shape)
    reads, _ = make_reads(*shape, count=8)
    passed = transfer(dut, {"i": reads}, {"o": 8}, starts={"o": 60})
    filled = len(reads) // 8 + dut.latency - 1
    assert passed["i"].cycles == [*range(filled), *range(60, 60 + len(reads) - filled)]


@pytest.mark.parametrize("tiles, latency", [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4)])
def test_latency(tiles, latency):
    assert AdderAccumulator(1, tiles=tiles, columns=1, groups=1).latency == latency


@pytest.mark.parametrize("code, tiles, groups, planes, sums", [
    (unsigned(2), 1, 1, 1, range(4)),
    (unsigned(2), 5, 3, 1, range(46)),
    (range(8), 3, 3, 1, range(64)),             # not a bit more than needed
    (range(5), 3, 1, 1, range(13)),
    (unsigned(1), 4, 1, 2, range(13)),
    (signed(3), 2, 1, 1, range(-8, 7)),
    (range(-28, 29), 1, 38, 4, range(-15960, 15961)), # a fan-in of 152 with 7 and 15
])
def test_sum_is_just_wide_enough(code, tiles, groups, planes, sums):
    dut = AdderAccumulator(code, tiles=tiles, columns=1, groups=groups, planes=planes)
    assert dut.o.payload.shape()["sums"].shape.elem_shape == sums


@pytest.mark.parametrize("code, tiles, groups, planes, active, sums", [
    (unsigned(2), 1, 1, 1, range(4), range(-3, 4)),
    (range(8), 3, 3, 1, range(64), range(-63, 64)),
    (range(5), 3, 1, 2, range(13), range(-36, 37)),
])
def test_masked_sum_is_just_wide_enough(code, tiles, groups, planes, active, sums):
    dut = AdderAccumulator(code, tiles=tiles, columns=1, groups=groups, planes=planes, masked=True)
    assert dut.i.payload.shape()["active"].shape == active
    assert dut.o.payload.shape()["sums"].shape.elem_shape == sums


@pytest.mark.parametrize("options, message", [
    ({"tiles": 0}, "Number of tiles must be at least 1, not 0"),
    ({"columns": 0}, "Number of columns must be at least 1, not 0"),
    ({"groups": -1}, "Number of groups must be at least 1, not -1"),
    ({"planes": 0}, "Number of planes must be at least 1, not 0"),
    ({"code": range(-1, 2), "masked": True},
     "Codes must be counts for inputs to be masked, not as low as -1"),
])
def test_rejects(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        AdderAccumulator(**{"code": 3, "tiles": 1, "columns": 1, "groups": 1, **options})
