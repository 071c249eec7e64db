"""Fold layers in time, so that no engine takes longer for an image than the interval."""

import bisect
import math
from dataclasses import replace

from gen.ir import Folding, Layer, Network, Target
from gen.transforms.tile import columns_max, row_tiles


__all__ = ["GATES_MAX", "choose_interval", "cost", "map_cycles", "rates", "runs"]


#: Cost of a network up to which it is folded for its default interval, more than that of any that comes
#: with the project.
GATES_MAX = 16384


def rates(network: Network, target: Target) -> Network:
    """Choose the folding of each layer: the cheapest that keeps the interval.

    The interval is that of :func:`choose_interval`. In that time a layer has :func:`runs`, at most, when
    the schedule is shared. When it is sequential, each layer works on one map of one pass, and an image
    takes T intervals.

    Of equal :func:`cost` the folding with fewer row groups is taken, then that with fewer columns. The
    output layer converts one column at a time, as the softmax takes its logits. Of multi-level cells as
    many rows as ``target.cells_per_read`` are read together, no more and no fewer, so that their cost is
    the number of converters. Where no folding keeps the interval, the fastest is taken; the estimate
    states the interval that follows.

    Needs: nothing. Ensures: folding of every layer; no more columns in a read than in an array, and
    no more multi-level cells of a bit line than can be sensed.
    """
    foldings = _foldings_for(network, target, choose_interval(network, target)["interval_cycles"])
    return replace(network, layers=tuple(
        replace(layer, folding=folding) for layer, folding in zip(network.layers, foldings, strict=True)))


def choose_interval(network: Network, target: Target) -> dict:
    """Return the ``interval_cycles`` that :func:`rates` folds for, the cost ``gates`` of the layers
    then, and ``reason``, a sentence.

    It is ``target.interval``. Unless that is given, it is the time in which the first layer reads its
    (padded) map one pixel a cycle for each of its runs; and where there are multi-level cells, of which
    few are read at once, no less than the slowest layer needs. Where this costs more than
    :data:`GATES_MAX`, and more than twice what the cheapest foldings of all layers do, it is the
    shortest interval that does not: a fully connected layer reads its whole map before its first
    product, and would have to be unrolled to keep pace.
    """
    if target.interval is not None:
        return _chosen(network, target, target.interval, "as asked for")
    counts   = runs(network, target)
    foldings = [_foldings(layer, target, last=layer is network.layers[-1])
                for layer in network.layers]
    interval = _default_interval(network, counts, foldings)
    reason   = ("in which an image comes in" if interval == math.ceil(counts[0] * _words(network.layers[0]))
                else "as the slowest layer needs so many")
    default  = _chosen(network, target, interval, reason)
    cheapest = math.ceil(max(
        count * max(map_cycles(layer, folding) for folding in choices)
        for layer, count, choices in zip(network.layers, counts, foldings, strict=True)))
    most = max(GATES_MAX, 2 * _gates(network, target, cheapest))
    if default["gates"] <= most:
        return default
    # The cost falls as the interval grows, from one that costs too much to one that does not.
    cycles = bisect.bisect_left(range(cheapest), True, interval + 1,
                                key=lambda cycles: _gates(network, target, cycles) <= most)
    return _chosen(network, target, cycles, f"as {interval}, {reason}, would take {default['gates']:,} "
                                            f"gates; for these, add --interval {interval}")


def _chosen(network, target, interval, reason):
    return {"interval_cycles": interval, "gates": _gates(network, target, interval), "reason": reason}


def _gates(network, target, interval):
    """Cost of all layers, folded for ``interval``."""
    return sum(cost(layer, folding, target) for layer, folding in zip(
        network.layers, _foldings_for(network, target, interval), strict=True))


def _foldings_for(network, target, interval):
    """Folding of each layer for ``interval``."""
    return [_cheapest(layer, target, _foldings(layer, target, last=layer is network.layers[-1]),
                      math.floor(interval / count))
            for layer, count in zip(network.layers, runs(network, target), strict=True)]


def runs(network: Network, target: Target) -> list[float]:
    """Return how often the crossbars of each layer run for an image, at most.

    Passes that agree in all choices so far run once, and those that differ in a keep bit still do in
    its own layer. A sequential schedule counts each pass for itself: 1. Of the first layer, where N
    arrays are chosen from, it is the mean, ``N (1 - (1 - 1 / N) ** T)``: all layers behind it can rest
    when it runs more often.
    """
    counts, paths = [], 1
    for layer in network.layers:
        most = min(target.passes, paths * layer.crossbars)
        mean = layer.crossbars * (1 - (1 - 1 / layer.crossbars)**target.passes)
        counts.append((mean if paths == 1 else most) if target.schedule == "shared" else 1)
        paths *= layer.choices
    return counts


def map_cycles(layer: Layer, folding: Folding) -> int:
    """Return the cycles in which an engine works on one map.

    It takes one word of the padded map a cycle, and stops for the reads of a position beyond the
    first: one per row group, column group, bit of a level and array of a choice.
    """
    height, width = layer.positions
    reads = folding.row_groups * folding.column_groups * layer.input_bits * layer.ways
    return _words(layer) + height * width * (reads - 1)


def cost(layer: Layer, folding: Folding, target: Target) -> int:
    """Return the gates of ``layer``: those for products, ``row tiles * rows_per_read * columns_per_read``,
    and those of the word-line multiplexers, ``row tiles * rows_per_read * (row_groups - 1)``."""
    return (len(row_tiles(layer, target)) * folding.rows_per_read
            * (folding.columns_per_read + folding.row_groups - 1))


def _words(layer: Layer) -> int:
    return (layer.height + 2 * layer.padding) * (layer.width + 2 * layer.padding)


def _default_interval(network, counts, foldings):
    interval = counts[0] * _words(network.layers[0])
    if any(layer.weight_bits > 1 for layer in network.layers):
        interval = max(interval, *(
            count * min(map_cycles(layer, folding) for folding in choices)
            for layer, count, choices in zip(network.layers, counts, foldings, strict=True)))
    return math.ceil(interval)


def _foldings(layer: Layer, target: Target, last: bool) -> list[Folding]:
    """Return every folding of use: the least number for each number of groups, as more would cost
    more and gain nothing."""
    rows = len(row_tiles(layer, target)[0])
    most = 1 if last else min(layer.outputs, columns_max(layer, target))
    rows_choices = _shares(rows) if layer.weight_bits == 1 else {min(target.cells_per_read, rows)}
    return [Folding(rows_per_read, columns_per_read, math.ceil(rows / rows_per_read),
                    math.ceil(layer.outputs / columns_per_read))
            for rows_per_read in rows_choices
            for columns_per_read in _shares(layer.outputs) | {most}
            if columns_per_read <= most]


def _cheapest(layer: Layer, target: Target, foldings: list[Folding], cycles_max: int) -> Folding:
    """Return the folding of least cost within ``cycles_max`` per map, else the fastest."""
    fitting = [folding for folding in foldings if map_cycles(layer, folding) <= cycles_max]
    if not fitting:
        return max(foldings, key=lambda folding: (folding.rows_per_read, folding.columns_per_read))
    return min(fitting, key=lambda folding: (
        cost(layer, folding, target), folding.row_groups, folding.columns_per_read))


def _shares(length: int) -> set[int]:
    """Return the least share of ``length`` for each number of groups."""
    return {math.ceil(length / groups) for groups in range(1, length + 1)}
