"""The maps of an image as a tree: passes that have drawn the same so far share one."""

import numpy as np

from gen.ir import Network
from golden.figures.figure import Figure, Panel, Series
from golden.pass_sets import members
from golden.random.outcomes import sharing


__all__ = ["pass_sets_of", "tree_figure"]


def pass_sets_of(network: Network, bits: np.ndarray) -> list[list[int]]:
    """Return the pass sets (:mod:`golden.pass_sets`) of the maps that leave each layer for an image whose T
    passes have the random bits ``bits``, bool (T, W)."""
    return [[sum(1 << int(one) for one in np.flatnonzero(shared == each)) for each in np.unique(shared)]
            for shared, in sharing(network, bits[None])]


def tree_figure(network: Network, bits: np.ndarray) -> Figure:
    """Return the tree of an image whose passes have the random bits ``bits``, bool (T, W): a node for each
    map that leaves a layer, with an edge from the map that it was made of, in front of the layer."""
    layers = [[(1 << len(bits)) - 1], *pass_sets_of(network, bits)]
    # Passes are ordered by what they have in common, so that no lines cross.
    order = sorted(range(len(bits)), key=lambda one: [
        next(number for number, each in enumerate(layer) if each >> one & 1) for layer in layers])
    rank  = {one: place for place, one in enumerate(order)}
    edges = []
    for index, layer in enumerate(layers[1:]):
        for pass_set in layer:
            for before in layers[index]:
                if before & pass_set:
                    edges.append(Series(
                        f"to the map of {', '.join(map(str, members(pass_set)))}", [index, index + 1],
                        [np.mean([rank[one] for one in members(each)]) for each in (before, pass_set)],
                        kind="edge"))
    computed = sum(map(len, layers[1:]))
    counts   = ", ".join(str(len(maps)) for maps in layers)
    return Figure(
        f"{network.name}, an image: {computed} maps in place of {len(network.layers) * len(bits)}",
        [Panel(f"layers behind the image; maps: {counts}", "passes", edges)])
