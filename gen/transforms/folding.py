"""Fold layers in time, so that no engine takes longer for an image than the interval."""

import bisect
import math
from dataclasses import replace

from gen.check_target import ImpossibleTarget
from gen.graph import graph_of
from gen.ir import Folding, Layer, Network, Target
from gen.maps import expected
from gen.outcomes import combinations
from gen.transforms.tile import columns_max, row_tiles, tile


__all__ = ["GATES_MAX", "adcs", "choose_folding", "choose_interval", "fewest_arrays", "gates", "intervals",
           "map_cycles", "runs"]


#: Cost of a network up to which it is folded for its default interval, more than that of any LeNet-5.
GATES_MAX = 16384


def choose_folding(network: Network, target: Target) -> Network:
    """Choose the folding of each layer: the cheapest that keeps the interval.

    The interval is that of :func:`choose_interval`. If the schedule is shared, a layer computes all maps
    of an image in it, as many as :func:`runs` says. If it is sequential, each layer computes one map, that
    of one pass, and an image takes T intervals.

    Cheapest is that of the fewest :func:`gates`, or where ``target.adcs`` limits these, of the fewest
    :func:`adcs` and then gates. Of equal ones the folding with fewer row groups is taken, then that with
    fewer columns. The output layer converts one column at a time, as the softmax takes its logits, and a
    layer of several groups columns of one, as these have the same word lines. Of
    multi-level cells as many rows as ``target.cells_per_read`` are read together, no more and no fewer, so
    that their cost is the number of converters; where that is too slow, inputs are spread over more row
    tiles than fit an array, and these are read at once. Where no folding keeps the interval, the fastest is
    taken; the estimate states the interval that follows.

    Needs: nothing. Ensures: folding of every layer; no more columns in a read than in an array, and
    no more multi-level cells of a bit line than can be sensed.
    """
    foldings = _Foldings(network, target)
    chosen   = foldings.within(choose_interval(network, target)["interval_cycles"])
    return replace(network, layers=tuple(
        replace(layer, folding=folding) for layer, folding in zip(network.layers, chosen, strict=True)))


def choose_interval(network: Network, target: Target) -> dict:
    """Return the ``interval_cycles`` that :func:`choose_folding` folds for, the ``gates`` and ``adcs`` of
    all layers then, and ``reason``, a sentence.

    It is ``target.interval``; or the shortest in which ``target.adcs`` suffice; or that for which a
    compiled network is folded within ``target.luts``. Unless one of these is given, it is the time in which
    the first layer reads its (padded) map one pixel a cycle for each of its runs, and no less than the
    slowest layer needs. Where this costs more than :data:`GATES_MAX`, and more than twice what the cheapest
    foldings of all layers do, it is the shortest interval that does not: a fully connected layer reads its
    whole map before its first product, and would have to be unrolled to keep pace.

    Raises
    ------
    ImpossibleTarget
        If both are given, or there are fewer ADCs than any folding takes.
    """
    foldings = _Foldings(network, target)
    if target.luts is not None:
        # It was found by trial, and the layers are folded for it (:mod:`gen.luts`).
        needed = max(count * map_cycles(layer, layer.folding) for count, layer in zip(
            foldings.runs, network.layers, strict=True))
        return foldings.chosen(math.ceil(needed), f"the shortest for {target.luts:,} LUT4, as estimated")
    if target.interval is not None:
        if target.adcs is not None:
            raise ImpossibleTarget("An interval and a number of ADCs exclude each other; leave one "
                                   "out, or take it back with --interval none or --adcs none")
        return foldings.chosen(target.interval, "as asked for")
    slowest = foldings.slowest()
    if target.adcs is not None:
        cycles = foldings.shortest(range(1, slowest + 1), adcs, target.adcs)
        chosen = foldings.chosen(cycles, f"the shortest for {target.adcs} ADCs")
        if chosen["adcs"] > target.adcs:
            raise ImpossibleTarget(f"Network {network.name!r} needs at least {chosen['adcs']} ADCs, one "
                                   f"for each row tile of its layers, not {target.adcs}; ask for so many "
                                   "with --adcs, or take more --array-rows")
        return chosen
    streamed, least = foldings.streamed(), foldings.fastest()
    interval = max(streamed, least)
    reason   = ("in which an image comes in" if interval == streamed
                else "as the slowest layer needs so many")
    default  = foldings.chosen(interval, reason)
    most     = max(GATES_MAX, 2 * foldings.total(gates, slowest))
    if default["gates"] <= most:
        return default
    return foldings.chosen(
        foldings.shortest(range(interval + 1, slowest + 1), gates, most),
        f"as {interval}, {reason}, would take {default['gates']:,} gates; for these, add --interval "
        f"{interval}")


def intervals(network: Network, target: Target) -> range:
    """Return the intervals from that of the fastest foldings to that of the cheapest."""
    foldings = _Foldings(network, target)
    return range(foldings.fastest(), foldings.slowest() + 1)


def fewest_arrays(network: Network, target: Target) -> dict:
    """Return how many ``arrays`` suffice for a network if no inputs are spread over more of them to be read
    in time, and the ``interval_cycles`` that it can keep then."""
    foldings = _Foldings(network, target, spread=False)
    interval = max(foldings.streamed(), foldings.fastest())
    chosen   = tile(replace(network, layers=tuple(
        replace(layer, folding=folding) for layer, folding in zip(
            network.layers, foldings.within(interval), strict=True))), target)
    return {"arrays": sum(len(layer.tiles) * layer.crossbars for layer in chosen.layers),
            "interval_cycles": interval}


class _Foldings:
    """What a network can be folded to; without ``spread`` in as few row tiles as its inputs fit."""

    def __init__(self, network, target, spread=True):
        self.layers, self.target = network.layers, target
        self.runs   = runs(network, target)
        self.fronts = [_front(layer, target, layer is network.layers[-1], spread)
                       for layer in network.layers]

    def within(self, interval):
        """Folding of each layer for ``interval``, or the fastest."""
        return [next((folding for cycles, folding in front if cycles <= interval / count), front[-1][1])
                for front, count in zip(self.fronts, self.runs, strict=True)]

    def total(self, cost, interval):
        """Sum of the ``cost`` of all layers, folded for ``interval``."""
        return sum(cost(layer, folding, self.target) for layer, folding in zip(
            self.layers, self.within(interval), strict=True))

    def chosen(self, interval, reason):
        return {"interval_cycles": interval, "gates": self.total(gates, interval),
                "adcs": self.total(adcs, interval), "reason": reason}

    def shortest(self, intervals, cost, most):
        """The first of ``intervals`` whose ``cost`` is at most ``most``, or the last: the cost falls as the
        interval grows."""
        return intervals[min(len(intervals) - 1, bisect.bisect_left(
            intervals, True, key=lambda cycles: self.total(cost, cycles) <= most))]

    def streamed(self):
        """Interval in which the first layer reads its map one pixel a cycle, for each of its runs."""
        return math.ceil(self.runs[0] * _words(self.layers[0]))

    def fastest(self):
        """Interval that the slowest layer needs, each of them folded for speed."""
        return self._needed(-1)

    def slowest(self):
        """Interval beyond which no folding is any cheaper."""
        return self._needed(0)

    def _needed(self, place):
        return math.ceil(max(count * front[place][0]
                             for front, count in zip(self.fronts, self.runs, strict=True)))


def runs(network: Network, target: Target) -> list[float]:
    """Return how often the crossbars of each layer run for an image, at most.

    Passes that agree in all choices so far run once, and those that differ only in a bank do so in their
    own layer. A sequential schedule counts each pass for itself: 1. Of the first layer, where N arrays or
    sets of them are chosen from at random, it is the mean, ``N (1 - (1 - 1 / N) ** T)``: all layers behind
    it can rest when it runs more often. Of passes that go through points the mean is another
    (:func:`gen.maps.expected`). From the first layer on in which passes with equal masks run as one, it is
    the mean too: hardly any image has as many as it could.
    """
    graph = graph_of(network)
    counts, choices, apart, merged = {}, [], False, False
    means = (expected(network, target.passes).entering if any(layer.merged for layer in network.layers)
             else ())
    for index in graph.trunk:
        layer = network.layers[index]
        if layer.array_choice is not None:
            choices.append(layer.array_choice)
        # Each pass has a mask or a mix of banks of its own, and from there on a map of its own.
        merged = merged or layer.merged
        apart  = apart or layer.mask_choice is not None and not layer.merged
        most  = target.passes if apart else min(target.passes, combinations(network, choices))
        if not apart and choices == [layer.array_choice] and network.places(choices[0].draw):
            sets = len(layer.array_sets)
            most = sets * (1 - (1 - 1 / sets)**target.passes)
            if network.generator is not None and network.generator.points is not None:
                most = expected(network, target.passes).entering[index]
        if merged and not apart:
            most = means[index]
        counts[index] = most if target.schedule == "shared" else 1
        if layer.bank_choice is not None:
            choices.append(layer.bank_choice)
        apart = apart or layer.mix_choice is not None
    # A branch has the maps of the layer at whose entrance it leaves.
    counts |= {index: counts[branch.between[0]] for branch in graph.branches for index in branch.layers}
    return [counts[index] for index in range(len(network.layers))]


def map_cycles(layer: Layer, folding: Folding) -> int:
    """Return the cycles in which an engine works on one map.

    It takes one word of the padded map a cycle, and stops for the reads of a position beyond the
    first: one per row group, column group, bit of a level and array of a sum.
    """
    height, width = layer.positions
    reads = folding.row_groups * folding.column_groups * layer.input_bits * layer.ways
    return _words(layer) + height * width * (reads - 1)


def gates(layer: Layer, folding: Folding, target: Target) -> int:
    """Return the gates of ``layer``: those for products, ``row tiles * rows_per_read * columns_per_read``,
    and of the word-line multiplexers, ``row tiles * rows_per_read * (row_groups * groups - 1)``. Where
    inputs are spread over more arrays than they need, each of these counts as much as an ADC."""
    return _gates(layer, folding, *_row_tiles(layer, folding, target))


def _gates(layer, folding, tiles, fewest):
    return folding.rows_per_read * (
        tiles * (folding.columns_per_read + folding.row_groups * layer.groups - 1)
        + layer.crossbars * (tiles - fewest))


def adcs(layer: Layer, folding: Folding, target: Target) -> int:
    """Return the ADCs of ``layer``: ``columns_per_read`` for each row tile. The arrays of a tile that are
    read one at a time share them."""
    return _row_tiles(layer, folding, target)[0] * folding.columns_per_read


def _row_tiles(layer, folding, target):
    """How many row tiles ``layer`` has, and how few its inputs fit in."""
    return len(row_tiles(layer, target, folding)), len(row_tiles(layer, target))


def _words(layer: Layer) -> int:
    return math.prod(layer.padded)


def _front(layer: Layer, target: Target, last: bool, spread: bool) -> list[tuple[int, Folding]]:
    """Return the Pareto front of gates and cycles, foldings with their :func:`map_cycles`: the cheapest
    first, and each other one takes fewer cycles than all that are cheaper."""
    most    = 1 if last else min(layer.group_outputs, columns_max(layer, target))
    columns = [each for each in (_shares(layer.outputs) if layer.groups == 1 else
                                 _divisors(layer.group_outputs)) if each <= most]
    priced  = []
    for rows_per_read, row_groups in _reads_of_rows(layer, target, spread):
        tiles, fewest = _row_tiles(layer, Folding(rows_per_read, 1, row_groups, layer.outputs), target)
        for columns_per_read in columns:
            folding = Folding(rows_per_read, columns_per_read, row_groups,
                              math.ceil(layer.outputs / columns_per_read))
            price = (tiles * columns_per_read if target.adcs else 0,
                     _gates(layer, folding, tiles, fewest), row_groups, columns_per_read)
            priced.append((price, map_cycles(layer, folding), folding))
    front = []
    for _, cycles, folding in sorted(priced, key=lambda each: each[0]):
        if not front or cycles < front[-1][0]:
            front.append((cycles, folding))
    return front


def _reads_of_rows(layer, target, spread):
    """Yield rows of a tile that are read together, and how many groups of them a tile has: the least
    number for each number of groups, as more would cost more and gain nothing."""
    rows = len(row_tiles(layer, target)[0])
    if layer.weight_bits == 1:
        for share in _shares(rows):
            yield share, math.ceil(rows / share)
        return
    most   = min(target.cells_per_read, rows)
    groups = math.ceil(rows / most)
    for each in range(groups, 0 if spread else groups - 1, -1):
        rows = len(row_tiles(layer, target, Folding(most, 1, each, layer.outputs))[0])
        if math.ceil(rows / most) == each:
            yield min(most, rows), each


def _divisors(number: int) -> set[int]:
    return {share for share in _shares(number) if number % share == 0}


def _shares(length: int) -> set[int]:
    """Return the least share of ``length`` for each number of groups."""
    return {math.ceil(length / groups) for groups in range(1, length + 1)}
