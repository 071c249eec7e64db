# amaranth: UnusedElaboratable=no

import random

import pytest

from hdl.array import ArrayGeometry
from hdl.crossbar import read_layout
from hdl.reader import Reader
from sim.component import transfer


GEOMETRIES = [
    (8, 4, 8, 4),   # one read
    (7, 5, 3, 2),   # last groups short
    (6, 3, 1, 3),
    (6, 3, 6, 1),
]


def positions_and_reads(geometry, fan_in, count):
    positions = [random.Random(number).getrandbits(fan_in) for number in range(count)]
    layout = read_layout(fan_in, geometry)
    reads = [layout.const({"inputs": position, "row_group": row, "column_group": column}).as_bits()
             for position in positions
             for column in range(geometry.column_groups) for row in range(geometry.row_groups)]
    return positions, reads


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("rows, columns, rows_per_read, columns_per_read", GEOMETRIES)
def test_order(rows, columns, rows_per_read, columns_per_read, duty):
    geometry = ArrayGeometry(rows, columns, rows_per_read=rows_per_read,
                             columns_per_read=columns_per_read)
    positions, reads = positions_and_reads(geometry, 2 * rows, 10)
    passed = transfer(Reader(2 * rows, geometry), {"i": positions}, {"o": len(reads)}, duty=duty)
    assert passed["o"].words == reads


@pytest.mark.parametrize("rows, columns, rows_per_read, columns_per_read", GEOMETRIES)
def test_timing(rows, columns, rows_per_read, columns_per_read):
    geometry = ArrayGeometry(rows, columns, rows_per_read=rows_per_read,
                             columns_per_read=columns_per_read)
    positions, reads = positions_and_reads(geometry, rows, 5)
    passed = transfer(Reader(rows, geometry), {"i": positions}, {"o": len(reads)})
    assert passed["o"].cycles == [Reader.latency + cycle for cycle in range(len(reads))]
    groups = geometry.row_groups * geometry.column_groups
    assert passed["i"].cycles == passed["o"].cycles[groups - 1::groups]
