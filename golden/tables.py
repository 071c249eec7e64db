"""The golden model by tables: the same predictions as those of :mod:`golden.network`, sooner.

It is a second implementation, for whoever judges a network by many images, and tests hold it equal to the
reference bit for bit; hardware is compared with the reference. Every network is taken, as
:class:`golden.layer_tables.LayerTables` leaves to the reference what tables do not cover, but no chip of
imperfect devices.
"""

import functools
import math
import operator
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gen.graph import graph_of
from gen.ir import Join, Network
from golden.head import Prediction, answers_of, average
from golden.layer_tables import LayerTables, parts
from golden.network import combinations, input_levels, joined
from golden.random.outcomes import masks, mixes, outcomes


__all__ = ["batches", "paths", "predict"]


#: Most levels of a batch: of all maps that leave a layer.
LEVELS = 2**22


def batches(network: Network, images: int, passes: int) -> Iterator[slice]:
    """Yield the batches that ``images`` images are divided into, as slices: as
    :func:`golden.network.batches`, with more images where they are small."""
    maps, levels = 1, passes * math.prod(network.answered) * network.classes
    for layer in network.layers:
        each = passes if layer.mask_choice or layer.mix_choice else len(layer.array_sets) * layer.bank_count
        maps = min(passes, maps * each)
        levels = max(levels, maps * math.prod(layer.output_shape))
    size = max(1, LEVELS // levels)
    return (slice(start, min(start + size, images)) for start in range(0, images, size))


def predict(network: Network, images: np.ndarray, bits: np.ndarray) -> tuple[Prediction, np.ndarray]:
    """Return what :func:`golden.network.predict` does."""
    probabilities = answers_of(_logits(network, images, bits), network.head)
    return average(probabilities, network.head), probabilities


def paths(network: Network, images: np.ndarray) -> np.ndarray:
    """Return what :func:`golden.network.paths` does."""
    bits = combinations(network)
    return _logits(network, images, np.broadcast_to(bits, (len(images), *bits.shape)))


def _logits(network, images, bits):
    """Return the logits int64 (N, T, K), or (N, T, H, W, K) of positions, of the passes with the random
    bits ``bits``, bool (N, T, W)."""
    logits = np.empty((*bits.shape[:2], *network.answer_shape, network.classes), dtype=np.int64)
    for part in batches(network, *bits.shape[:2]):
        different, place = _different_logits(network, images[part], bits[part])
        logits[part] = different[place].reshape(logits[part].shape)
    return logits


def _different_logits(network, images, bits):
    """Return the logits that differ, int64 (M, K) or (M, H, W, K), and the number of each pass among them,
    (N * T,)."""
    arrays, banks = (taken.reshape(-1, len(network.layers)) for taken in outcomes(network, bits))
    # Of masks, and of the banks of channels, those that differ, and the number of each pass among them.
    kept, mixed = ({index: np.unique(word.reshape(-1, word.shape[2]), axis=0, return_inverse=True)
                    for index, word in words(network, bits).items()} for words in (masks, mixes))
    graph, tables = graph_of(network), _tables(network)
    left = {None: (_levels(network, images), np.repeat(np.arange(len(images)), bits.shape[1]))}
    for node in graph.nodes:
        (x, place), *others = (left[name] for name in graph.sources[node.name])
        if isinstance(node, Join):
            ((y, beside),) = others
            pairs, place = _different(place * len(y) + beside, len(x) * len(y))
            left[node.name] = _joined(node, x, y, *np.divmod(pairs, len(y)), graph.values), place
            continue
        index, layer = tables[node.name]
        mask, read = kept.get(index, (None, arrays[:, index]))
        mix,  bank = mixed.get(index, (None, banks[:, index]))
        reads = len(node.array_sets) if mask is None else len(mask)
        takes = node.bank_count      if mix  is None else len(mix)
        runs, place  = _different(place * reads + read.ravel(), len(x) * reads)
        source, read = np.divmod(runs, reads)
        left_by, place = _different(place * takes + bank.ravel(), len(runs) * takes)
        run, bank = np.divmod(left_by, takes)
        left[node.name] = layer.maps(x, source, read if mask is None else mask[read],
                                     run, bank if mix is None else mix[bank]), place
    return left[network.layers[-1].name]


def _joined(node, x, y, first, second, values):
    """Return what leaves a join of the maps ``x[first]`` and ``y[second]``."""
    channels = x.shape[3] + (y.shape[3] if node.operation == "concat" else 0)
    size = map(operator.mul, x.shape[1:3], node.resize)
    left = np.empty((len(first), *size, channels), np.uint8)
    for part in parts(len(first), 4 * math.prod(left.shape[1:])):
        left[part] = joined(node, x[first[part]], y[second[part]], values[node.name])
    return left


def _different(codes, count):
    """Return the different ones of ``codes``, each below ``count``, ascending; and of each code its number
    among them."""
    if count > 64 * len(codes):
        return np.unique(codes, return_inverse=True)
    there = np.zeros(count, dtype=bool)
    there[codes] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[codes]


def _levels(network, images):
    """Return what :func:`golden.network.input_levels` does, by a table of the values of a component."""
    part = network.input
    if not part.thresholds or images.shape[1:] != part.shape:
        return input_levels(network, images)
    every = replace(network, input=replace(part, height=16, width=16, colours=1))
    table = input_levels(every, np.arange(256, dtype=np.uint8).reshape(1, 16, 16)).reshape(256, -1)
    return table.take(images, axis=0).reshape(len(images), part.height, part.width, part.channels)


@functools.lru_cache(maxsize=2)
def _tables(network):
    """The number of each layer, and its tables, by name."""
    graph = graph_of(network)
    return {layer.name: (index, LayerTables(layer, graph.values[graph.sources[layer.name][0]]))
            for index, layer in enumerate(network.layers)}
