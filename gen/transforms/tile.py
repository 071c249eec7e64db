"""Cut weight matrices into tiles that each fit one crossbar array."""

import math
from dataclasses import replace

from gen.ir import Folding, Layer, Network, Target, Tile


__all__ = ["columns_max", "row_tiles", "tile"]


def tile(network: Network, target: Target) -> Network:
    """Give each layer the tiles that cover its weight matrix.

    A tile is as large as the weights that fit an array (:class:`gen.ir.Layer`). It holds a whole
    number of column groups, so that a read concerns the same columns of each of the row tiles that it
    sums. Tiles that share columns are listed one after another, from the first row to the last. Where
    a layer chooses among several arrays, each choice has tiles of its own, cut the same way.

    Needs: folding. Ensures: the tiles of a layer cover each of its weights exactly once, and no
    tile is larger than an array.
    """
    return replace(network, layers=tuple(
        replace(layer, tiles=tuple(
            Tile(rows, columns)
            for columns in _cut(layer.outputs, layer.folding.columns_per_read
                                * (columns_max(layer, target) // layer.folding.columns_per_read))
            for rows in row_tiles(layer, target, layer.folding)))
        for layer in network.layers))


def row_tiles(layer: Layer, target: Target, folding: Folding | None = None) -> list[range]:
    """Cut the inputs of ``layer`` into as few tiles as fit, equal but for a last that may be smaller.

    With a ``folding``, a tile has no more inputs than its row groups: where fewer rows are read together
    than an array has, inputs that are spread over more arrays are read in fewer groups.

    With ``target.mapping`` of ``"position"``, the kernel of a layer of several positions is cut into the
    channels of each of its positions: K * K arrays of input by output channels (NeuSpin, III-A2), of
    several groups those of one. If these have too few rows, each holds an equal part of the channels.
    """
    most = target.array_rows // layer.rows_per_weight
    if target.mapping == "position" and layer.positions != (1, 1):
        return _cut(layer.fan_in, next(size for size in range(min(most, layer.group_channels), 0, -1)
                                       if layer.group_channels % size == 0))
    if folding is not None:
        most = min(most, folding.row_groups * folding.rows_per_read)
    count = math.ceil(layer.fan_in / most)
    return _cut(layer.fan_in, math.ceil(layer.fan_in / count))


def columns_max(layer: Layer, target: Target) -> int:
    """Return how many output channels of ``layer`` an array has columns for."""
    return target.array_columns // layer.columns_per_weight


def _cut(length: int, step: int) -> list[range]:
    """Cut ``range(length)`` into pieces of ``step``; only the last may be shorter."""
    return [range(start, min(start + step, length)) for start in range(0, length, step)]
