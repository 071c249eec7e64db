# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.layer.array import ArrayGeometry
from hdl.layer.crossbar import read_layout
from hdl.layer.reader import Reader, choice_layout
from sim.compare.packing import pack
from sim.component import transfer


GEOMETRIES = [
    (8, 4, 8, 4),   # one read
    (7, 5, 3, 2),   # last groups short
    (6, 3, 1, 3),
    (6, 3, 6, 1),
]

#: Bits of a level, arrays, and positions of a map.
ORDERS = [(1, 1, 2), (4, 1, 2), (1, 2, 3), (1, 3, 2), (3, 8, 1), (2, 4, 2)]


def make(shape, *, bits=1, arrays=1, positions=1, tiles=1, sets=(), groups=None):
    """A reader, and the shape of its reads."""
    rows, columns, rows_per_read, columns_per_read = shape
    geometry = ArrayGeometry(rows, columns, rows_per_read=rows_per_read,
                             columns_per_read=columns_per_read, arrays=arrays, sets=sets)
    return Reader(tiles * rows, geometry, bits=bits, positions=positions, groups=groups), geometry


def make_maps(geometry, fan_in, *, bits=1, positions=1, maps=5, groups=None):
    """Positions of maps, what the reads of each map are of, and the reads."""
    rng = random.Random(0)
    layout = read_layout(fan_in, geometry, masked=groups is not None)
    choice = choice_layout(fan_in, geometry, groups)
    words, choices, reads = [], [], []
    for _ in range(maps):
        chosen, kept = rng.randrange(geometry.outcomes), rng.getrandbits(groups or 1)
        # Input i is in group i % groups.
        active = sum((kept >> index % groups & 1) << index for index in range(fan_in)) if groups else 0
        masked = {"active": active, "count": active.bit_count()} if groups else {}
        choices.append(choice.const({"choice": chosen, **(
            {"kept": kept, "count": active.bit_count()} if groups else {})}).as_bits())
        for _ in range(positions):
            levels = [rng.randrange(1 << bits) for _ in range(fan_in)]
            words.append(pack(levels, bits))
            reads += [layout.const({
                "inputs": pack([level >> plane & 1 for level in levels], 1),
                "row_group": row, "column_group": column,
                "choice": chosen, "way": way, **masked}).as_bits()
                for column in range(geometry.column_groups) for plane in reversed(range(bits))
                for way in range(geometry.ways)
                for row in range(geometry.row_groups)]
    return words, choices, reads


def run(dut, words, choices, reads, **options):
    return transfer(dut, {"i": words, "choices": choices}, {"o": len(reads)}, **options)


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("bits, arrays, positions", ORDERS)
@pytest.mark.parametrize("shape", GEOMETRIES)
def test_order(shape, bits, arrays, positions, duty):
    dut, geometry = make(shape, bits=bits, arrays=arrays, positions=positions, tiles=2)
    maps = make_maps(geometry, 2 * geometry.rows, bits=bits, positions=positions)
    assert run(dut, *maps, duty=duty)["o"].words == maps[-1]


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("bits, arrays, ways", [(1, 2, 2), (2, 4, 3), (1, 5, 2)])
@pytest.mark.parametrize("shape", GEOMETRIES)
def test_several_arrays_for_a_sum(shape, bits, arrays, ways, duty):
    """All arrays of the chosen set, before the next bit plane."""
    sets = [range(first, first + ways) for first in range(arrays + 1 - ways)]
    dut, geometry = make(shape, bits=bits, arrays=arrays, positions=2, sets=sets)
    maps = make_maps(geometry, geometry.rows, bits=bits, positions=2)
    assert run(dut, *maps, duty=duty)["o"].words == maps[-1]
    assert dut.reads == geometry.row_groups * geometry.column_groups * bits * ways


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("bits, positions, groups", [(1, 2, 2), (1, 1, 12), (2, 3, 4), (1, 2, 1)])
def test_masks_groups_of_inputs(bits, positions, groups, duty):
    """The same inputs are active in all reads of a map."""
    dut, geometry = make((6, 3, 2, 1), bits=bits, positions=positions, tiles=2, groups=groups)
    maps = make_maps(geometry, 12, bits=bits, positions=positions, groups=groups)
    assert run(dut, *maps, duty=duty)["o"].words == maps[-1]


@pytest.mark.parametrize("bits, channel_groups, columns, taps", [
    (1, 4, 1, 3), (2, 3, 2, 6), (1, 2, 1, 1), (3, 2, 3, 2)])
def test_groups_of_channels(bits, channel_groups, columns, taps):
    """Reads of columns are of the channels of their group, of each position of the kernel."""
    geometry = ArrayGeometry(6, 2 * columns * channel_groups, rows_per_read=4, columns_per_read=columns)
    dut = Reader(6, geometry, bits=bits, positions=2, channel_groups=channel_groups, taps=taps)
    words, choices, whole = make_maps(geometry, 6 * channel_groups, bits=bits, positions=2)
    layouts = [read_layout(fan_in, geometry) for fan_in in (6 * channel_groups, 6)]
    reads, channels = [], 6 // taps
    for bits_of_read in whole:
        read  = layouts[0].from_bits(bits_of_read)
        group = read.column_group // 2
        own   = [tap * channel_groups * channels + group * channels + channel
                 for tap in range(taps) for channel in range(channels)]
        reads.append(layouts[1].const({
            "inputs": pack([read.inputs >> place & 1 for place in own], 1),
            **{name: read[name] for name in ("row_group", "column_group", "choice", "way")}}).as_bits())
    assert run(dut, words, choices, reads)["o"].words == reads


@pytest.mark.parametrize("bits, arrays, positions", [(1, 1, 1), (4, 1, 1), (1, 2, 1), (2, 8, 3)])
@pytest.mark.parametrize("shape", GEOMETRIES)
def test_timing(shape, bits, arrays, positions):
    """No gap between positions, nor between maps; a choice is taken with the last read of its map."""
    dut, geometry = make(shape, bits=bits, arrays=arrays, positions=positions)
    maps = make_maps(geometry, geometry.rows, bits=bits, positions=positions)
    passed = run(dut, *maps)
    reads  = geometry.row_groups * geometry.column_groups * bits
    assert dut.reads == reads
    assert passed["o"].cycles == [Reader.latency + cycle for cycle in range(len(maps[-1]))]
    assert passed["i"].cycles == passed["o"].cycles[reads - 1::reads]
    assert passed["choices"].cycles == passed["i"].cycles[positions - 1::positions]


@pytest.mark.parametrize("bits, arrays, positions", ORDERS)
@pytest.mark.parametrize("shape", GEOMETRIES)
def test_waits_for_the_choice(shape, bits, arrays, positions):
    """Also where there is one array, as there must be room for what becomes of a map."""
    dut, geometry = make(shape, bits=bits, arrays=arrays, positions=positions, tiles=2)
    maps = make_maps(geometry, 2 * geometry.rows, bits=bits, positions=positions)
    passed = run(dut, *maps, starts={"choices": 20})
    assert passed["o"].words == maps[-1]
    assert passed["o"].cycles[0] == 20
    assert passed["i"].cycles[0] == 20 + dut.reads - 1


@pytest.mark.parametrize("options, message", [
    ({"bits": 0}, "Number of bits must be at least 1, not 0"),
    ({"positions": 0}, "Number of positions must be at least 1, not 0"),
    *(({"groups": groups}, f"Groups must be equal parts of 8 inputs, not {groups}")
      for groups in (0, 3, 16)),
])
def test_rejects(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make(GEOMETRIES[0], **options)


@pytest.mark.parametrize("options", [
    {"channel_groups": 2, "taps": 3}, {"channel_groups": 3, "taps": 2}, {"channel_groups": 4, "taps": 2},
    {"channel_groups": 2, "taps": 2, "groups": 2}])
def test_rejects_groups_of_channels(options):
    geometry = ArrayGeometry(4, 8, rows_per_read=4, columns_per_read=4)
    message  = (f"Groups of channels must have whole reads of 4 columns and of {options['taps']} taps, and "
                f"no masks, not {options['channel_groups']}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        Reader(4, geometry, **options)
