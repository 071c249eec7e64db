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


def make_groups(geometry, *, bits, channel_groups, taps, groups=None):
    """As :func:`make_maps`, of layers of several groups of channels with six inputs each."""
    words, choices, whole = make_maps(geometry, 6 * channel_groups, bits=bits, positions=2, groups=groups)
    masked  = groups is not None
    layouts = [read_layout(fan_in, geometry, masked=masked) for fan_in in (6 * channel_groups, 6)]
    channels, reads = 6 // taps, []
    owns = [[tap * channel_groups * channels + group * channels + channel
             for tap in range(taps) for channel in range(channels)] for group in range(channel_groups)]
    for bits_of_read in whole:
        read = layouts[0].from_bits(bits_of_read)
        own  = owns[read.column_group // 2]
        taken = {name: pack([read[name] >> place & 1 for place in own], 1)
                 for name in ("inputs", "active")[:1 + masked]}
        if masked:
            taken["count"] = taken["active"].bit_count()
        reads.append(layouts[1].const({
            **taken, **{name: read[name] for name in ("row_group", "column_group", "choice", "way")}
        }).as_bits())
    if masked:
        layout = choice_layout(6 * channel_groups, geometry, groups)
        shape  = choice_layout(6, geometry, groups, channel_groups)
        chosen = [layout.from_bits(choice) for choice in choices]
        choices = [shape.const({"choice": one.choice, "kept": one.kept, "count": pack([
            sum(one.kept >> place % groups & 1 for place in own) for own in owns], 3)}).as_bits()
            for one in chosen]
    return words, choices, reads


@pytest.mark.parametrize("bits, channel_groups, columns, taps", [
    (1, 4, 1, 3), (2, 3, 2, 6), (1, 2, 1, 1), (3, 2, 3, 2)])
def test_groups_of_channels(bits, channel_groups, columns, taps):
    """Reads of columns are of the channels of their group, of each position of the kernel."""
    geometry = ArrayGeometry(6, 2 * columns * channel_groups, rows_per_read=4, columns_per_read=columns)
    dut = Reader(6, geometry, bits=bits, positions=2, channel_groups=channel_groups, taps=taps)
    words, choices, reads = make_groups(geometry, bits=bits, channel_groups=channel_groups, taps=taps)
    assert run(dut, words, choices, reads)["o"].words == reads


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("bits, channel_groups, columns, taps, groups", [
    (1, 4, 1, 3, 8), (1, 4, 1, 3, 24), (2, 3, 2, 6, 3), (2, 3, 2, 6, 9), (1, 2, 1, 1, 12),
    (3, 2, 3, 2, 12)])
def test_masks_of_groups_of_channels(bits, channel_groups, columns, taps, groups, duty):
    """Of the mask of all channels each read has the bits of its group, and the number of these."""
    geometry = ArrayGeometry(6, 2 * columns * channel_groups, rows_per_read=4, columns_per_read=columns)
    dut = Reader(6, geometry, bits=bits, positions=2, channel_groups=channel_groups, taps=taps,
                 groups=groups)
    words, choices, reads = make_groups(geometry, bits=bits, channel_groups=channel_groups, taps=taps,
                                        groups=groups)
    assert run(dut, words, choices, reads, duty=duty)["o"].words == reads


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


WHOLE = "Groups of channels must have whole reads of 4 columns and of"


@pytest.mark.parametrize("options, message", [
    ({"channel_groups": 2, "taps": 3}, f"{WHOLE} 3 taps, not 2"),
    ({"channel_groups": 3, "taps": 2}, f"{WHOLE} 2 taps, not 3"),
    ({"channel_groups": 4, "taps": 2}, f"{WHOLE} 2 taps, not 4"),
    ({"channel_groups": 2, "taps": 2, "groups": 2}, "Groups must be as many for each of 4 channels, not 2"),
    ({"channel_groups": 2, "taps": 2, "groups": 16}, "Groups must be equal parts of 8 inputs, not 16")])
def test_rejects_groups_of_channels(options, message):
    geometry = ArrayGeometry(4, 8, rows_per_read=4, columns_per_read=4)
    with pytest.raises(ValueError, match=f"^{message}$"):
        Reader(4, geometry, **options)
