"""Cut weight matrices into tiles that each fit one crossbar array."""

import math
from dataclasses import replace

from gen.ir import Network, Target, Tile


__all__ = ["row_tiles", "tile"]


def tile(network: Network, target: Target) -> Network:
    """Give each layer the tiles that cover its weight matrix.

    A weight takes two complementary cells of a column, so an array holds ``array_rows / 2`` inputs.
    A tile holds a whole number of column groups, so that a read concerns the same columns of each
    of the row tiles that it sums. Tiles that share columns are listed one after another, from the
    first row to the last.

    Needs: folding. Ensures: the tiles of a layer cover each of its weights exactly once, and no
    tile is larger than an array.
    """
    return replace(network, layers=tuple(
        replace(layer, tiles=tuple(
            Tile(rows, columns)
            for columns in _cut(layer.outputs, layer.folding.columns_per_read
                                * (target.array_columns // layer.folding.columns_per_read))
            for rows in row_tiles(layer.fan_in, target)))
        for layer in network.layers))


def row_tiles(fan_in: int, target: Target) -> list[range]:
    """Cut ``range(fan_in)`` into as few tiles as fit, equal but for a last that may be smaller."""
    count = math.ceil(fan_in / (target.array_rows // 2))
    return _cut(fan_in, math.ceil(fan_in / count))


def _cut(length: int, step: int) -> list[range]:
    """Cut ``range(length)`` into pieces of ``step``; only the last may be shorter."""
    return [range(start, min(start + step, length)) for start in range(0, length, step)]
