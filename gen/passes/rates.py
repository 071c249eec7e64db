"""Fold layers in time, so that no engine takes longer for an image than the interval."""

import math
from dataclasses import replace

from gen.ir import Folding, Layer, Network, Target
from gen.passes.tile import row_tiles


__all__ = ["map_cycles", "rates"]


def rates(network: Network, target: Target) -> Network:
    """Choose the folding of each layer: the cheapest that keeps the interval.

    The interval is ``target.interval`` cycles, or those in which the first layer reads its (padded)
    map one pixel a cycle. In that time layer ``l``, counted from 0, works on the maps of one image,
    at most ``min(T, 2 ** l)`` with ``T = target.passes``, when the schedule is shared. When it is
    sequential, each layer works on one map of one pass, and an image takes T intervals.

    The cost is the number of XNOR gates, ``row tiles * rows_per_read * columns_per_read``, and
    that of the word-line multiplexers, ``row tiles * rows_per_read * (row_groups - 1)``. Of equal
    costs the folding with fewer row groups is taken, then that with fewer columns. The output layer
    converts one column at a time, as the softmax takes its logits. Where no folding keeps the
    interval, the fastest is taken; the estimate states the interval that follows.

    Needs: nothing. Ensures: folding of every layer; no more columns in a read than in an array.
    """
    interval = target.interval or _words(network.layers[0])
    return replace(network, layers=tuple(
        replace(layer, folding=_cheapest(
            layer, row_tiles(layer.fan_in, target),
            1 if layer is network.layers[-1] else min(layer.outputs, target.array_columns),
            interval // (min(target.passes, 2**index) if target.schedule == "shared" else 1)))
        for index, layer in enumerate(network.layers)))


def map_cycles(layer: Layer, folding: Folding) -> int:
    """Return the cycles in which an engine works on one map.

    It takes one word of the padded map a cycle, and stops for the reads of a position beyond
    the first.
    """
    height, width = layer.positions
    return _words(layer) + height * width * (folding.row_groups * folding.column_groups - 1)


def _words(layer: Layer) -> int:
    return (layer.height + 2 * layer.padding) * (layer.width + 2 * layer.padding)


def _cheapest(layer: Layer, tiles: list[range], columns_max: int, cycles_max: int) -> Folding:
    """Return the folding of least cost within ``cycles_max`` per map, else the fastest."""
    rows = len(tiles[0])
    # The least number for each number of groups; more would cost more and gain nothing.
    foldings = [Folding(rows_per_read, columns_per_read, math.ceil(rows / rows_per_read),
                        math.ceil(layer.outputs / columns_per_read))
                for rows_per_read in _shares(rows)
                for columns_per_read in _shares(layer.outputs) | {columns_max}
                if columns_per_read <= columns_max]
    fitting = [folding for folding in foldings if map_cycles(layer, folding) <= cycles_max]
    if not fitting:
        return Folding(rows, columns_max, 1, math.ceil(layer.outputs / columns_max))
    return min(fitting, key=lambda folding: (
        len(tiles) * folding.rows_per_read * (folding.columns_per_read + folding.row_groups - 1),
        folding.row_groups, folding.columns_per_read))


def _shares(length: int) -> set[int]:
    """Return the least share of ``length`` for each number of groups."""
    return {math.ceil(length / groups) for groups in range(1, length + 1)}
