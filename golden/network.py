"""The compiled golden model: executes the integers of a compiled network on images.

What a pass draws are random bits, ``bits``, bool (..., W) with W bits a pass; which arrays and which bank
of a layer it takes by them is for :mod:`golden.random.outcomes` to say. A *chip* is one draw of imperfect
devices, a :class:`golden.device.cell.Chip`; without a chip, every sum is exact.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gen.graph import graph_of
from gen.ir import Centred, Join, Layer, Logit, Network, Value
from golden.head import Prediction, answers_of, average, join
from golden.random.outcomes import masks, mixes, outcomes


__all__ = [
    "COMBINATIONS_LIMIT", "Evaluated", "activate", "batches", "combination_count", "combinations",
    "compare", "compare_with_mean", "entering", "evaluated", "forward", "input_levels", "joined",
    "layer_sums", "layer_weights", "logits", "path_probabilities", "paths", "predict", "reached", "resized",
    "turns", "values",
]


#: Most images of a batch: their feature maps stay in the cache of the processor.
BATCH = 100

#: Limits of a batch, so that memory is bounded: distinct passes of all its images, probabilities, and
#: inputs of a layer at all positions, as float32.
RUNS, VALUES, INPUTS = 20 * BATCH, 2**20, 2**28

#: Most combinations of random bits that are enumerated.
COMBINATIONS_LIMIT = 1024


def input_levels(network: Network, images: np.ndarray) -> np.ndarray:
    """Compare uint8 ``images`` (N, H, W), of several components (N, H, W, colours), with the thresholds of
    the input, to uint8 levels (N, H, W, C). Without thresholds the components are the levels.

    Raises
    ------
    ValueError
        If the images have another size than the input of the network.
    """
    part = network.input
    if images.shape[1:] != part.shape:
        raise ValueError(f"Images of {network.name!r} must be (N, {', '.join(map(str, part.shape))}), "
                         f"not {images.shape}")
    levels = images.reshape(len(images), part.height, part.width, part.colours)
    if not part.thresholds:
        return levels
    reached = (levels[..., None] >= np.array(part.thresholds)).reshape(
        len(images), part.height, part.width, part.channels, -1)
    return reached.sum(-1, dtype=np.uint8)


def forward(network: Network, images: np.ndarray, bits: np.ndarray, *, number: int = 0, maps: bool = False,
            chip=None):
    """Run pass ``number`` over uint8 ``images`` (N, H, W) with the random bits ``bits``, bool (N, W).

    Returns
    -------
    logits : int64 (N, K), or (N, H, W, K) of positions, in units of ``2 ** -network.head.fraction``
    maps : list of uint8 (N, H, W, C), only if asked for
        The map of levels that leaves each hidden layer.
    """
    bits = np.asarray(bits)[:, None]
    arrays, banks = (taken[:, 0] for taken in outcomes(network, bits, number))
    kept, mixed = ({index: word[:, 0] for index, word in words(network, bits).items()}
                   for words in (masks, mixes))
    graph = graph_of(network)
    left  = {None: input_levels(network, images)} # what leaves each node
    numbers = {layer.name: index for index, layer in enumerate(network.layers)}
    for node in graph.nodes:
        sources = [left[name] for name in graph.sources[node.name]]
        if isinstance(node, Join):
            left[node.name] = joined(node, *sources, graph.values[node.name])
            continue
        index = numbers[node.name]
        x = entering(node, *sources, graph.values[graph.sources[node.name][0]])
        place, x = _sums(node, x, np.arange(len(images)), arrays[:, index],
                         kept.get(index), chip)
        left[node.name] = activate(node, x[place], arrays[:, index], mixed.get(index, banks[:, index]))
    *hidden, last = (left[layer.name] for layer in network.layers)
    return (last, hidden) if maps else last


def entering(layer: Layer, x: np.ndarray, value_bits: int | None) -> np.ndarray:
    """Return the levels that ``layer`` takes of a map ``x`` of levels or of values of ``value_bits`` bits
    in fixed point: of these how many of the thresholds of their channel they have reached, inverted where
    it says so, or 1 for those of 0 and above."""
    if value_bits is None:
        return x
    every, levels = np.arange(2**value_bits), 2**layer.input_bits - 1
    tables = np.stack([reached(every, thresholds, value_bits) ^ np.uint8(invert * levels)
                       for thresholds, invert in layer.entrance])
    return tables[np.arange(layer.channels), x]


def reached(x: np.ndarray, thresholds: tuple[int, ...], value_bits: int) -> np.ndarray:
    """Return how many of ``thresholds`` each value of ``value_bits`` bits has reached, of levels ``x``."""
    # Level q stands for q - 2 ** (value_bits - 1).
    values = np.arange(2**value_bits) - 2**(value_bits - 1)
    return np.searchsorted(thresholds, values, "right").astype(np.uint8)[x]


def joined(join: Join, first: np.ndarray, second: np.ndarray, value_bits: int | None) -> np.ndarray:
    """Return what leaves ``join`` (:class:`gen.ir.Join`), of the maps uint8 (M, H, W, C) of its sources, of
    levels or of values of ``value_bits`` bits."""
    first, second = (reached(x, thresholds, value_bits) if thresholds else x
                     for x, thresholds in zip((first, second), join.thresholds, strict=True))
    if join.operation == "concat":
        return resized(join, np.concatenate([first, second], axis=-1))
    # Level q stands for q - 2 ** (value_bits - 1).
    total = first.astype(np.int16) + second - 2**(value_bits - 1)
    return resized(join, total.clip(0, 2**value_bits - 1).astype(np.uint8))


def batches(network: Network, images: int, passes: int) -> Iterator[slice]:
    """Yield the batches that ``images`` images are divided into, as slices.

    The more ``passes`` and classes there are, the fewer images a batch has: a caller that goes through
    images, bits and results batch by batch needs the memory of one batch.
    """
    runs = min(passes, math.prod(
        passes if layer.mask_choice or layer.mix_choice else len(layer.array_sets) * layer.bank_count
        for layer in network.layers))
    # A layer reads a copy of its map for each input of its kernel.
    inputs = max(math.prod(layer.positions) * layer.inputs for layer in network.layers)
    answers = math.prod(network.answered) * network.classes
    size = max(1, min(BATCH, RUNS // runs, VALUES // (passes * answers), INPUTS // (runs * inputs)))
    return (slice(start, min(start + size, images)) for start in range(0, images, size))


def predict(network: Network, images: np.ndarray, bits: np.ndarray, *,
            chip=None) -> tuple[Prediction, np.ndarray]:
    """Average T passes over uint8 ``images`` (N, H, W) with the random bits ``bits``, bool (N, T, W).

    Passes of an image that have the same feature map share its computation. The result holds the
    probabilities of all passes; :func:`batches` divides many images into calls that fit into memory.

    Returns
    -------
    prediction : :class:`golden.head.Prediction`
    probabilities : uint32 (N, T, K), or (N, T, H, W, K) of positions, of each pass, in Q0.16
    """
    images_count, passes, _ = bits.shape
    probabilities = np.empty((images_count, passes, *network.answer_shape, network.classes), np.uint32)
    averages = [average(probabilities[:0], network.head)]
    for part in batches(network, images_count, passes):
        probabilities[part] = answers_of(_passes(network, images[part], bits[part], chip), network.head)
        averages.append(average(probabilities[part], network.head))
    return join(averages), probabilities


def combination_count(network: Network) -> int:
    """Return how many combinations there are of random bits and of numbers of a pass that matter."""
    return 2**len(network.drops) * turns(network)


def combinations(network: Network) -> np.ndarray:
    """Return every combination of random bits of a pass, bool (C, W), the last bit running fastest.

    Where choices are made by the number of the pass, each combination comes once for each number that
    matters, one after another: so passes with these bits, in this order, are all that there are.

    Raises
    ------
    ValueError
        If there are more than :data:`COMBINATIONS_LIMIT`.
    """
    count, width = combination_count(network), len(network.drops)
    if count > COMBINATIONS_LIMIT:
        raise ValueError(f"Network {network.name!r} must have at most {COMBINATIONS_LIMIT} "
                         f"combinations of random bits to enumerate them, not {count}")
    number = np.repeat(np.arange(2**width), turns(network))
    return (number[:, None] >> np.arange(width)[::-1] & 1).astype(bool)


def turns(network: Network) -> int:
    """Return after how many passes choices by the number of the pass begin again; 1 if there are none."""
    return math.lcm(*(len(choice.table) for layer in network.layers for choice in layer.choices
                      if not network.places(choice.draw)))


def paths(network: Network, images: np.ndarray) -> np.ndarray:
    """Return the logits of every combination of random bits, int64 (N, C, K), or (N, C, H, W, K) of
    positions, in the order of :func:`combinations`. Errors are those of :func:`combinations`."""
    bits   = combinations(network)
    result = np.empty((len(images), len(bits), *network.answer_shape, network.classes), dtype=np.int64)
    for part in batches(network, len(images), len(bits)):
        batch = images[part]
        result[part] = _passes(network, batch, np.broadcast_to(bits, (len(batch), *bits.shape)))
    return result


def path_probabilities(network: Network) -> np.ndarray:
    """Return the probability of each of :func:`combinations`, float64 (C,). Errors are those of that
    function."""
    bits = combinations(network)
    drop = np.array(network.drops)
    share = np.where(bits, 1 - drop, drop).prod(-1)
    return share * 2**len(drop) / len(bits) # of each number of a pass the same


def layer_weights(layer: Layer, array: int = 0) -> np.ndarray:
    """Return the weights of the array number ``array`` of ``layer``, int64 (outputs, fan-in)."""
    bits = layer.weight_bits
    size = (layer.fan_in * bits + 7) // 8
    columns = np.array([list(column.to_bytes(size, "little")) for column in layer.arrays[array]],
                       np.uint8)
    fields = np.unpackbits(columns, axis=1, count=layer.fan_in * bits, bitorder="little")
    if bits == 1:
        return 2 * fields.astype(np.int64) - 1
    values = (fields.reshape(layer.outputs, layer.fan_in, bits) << np.arange(bits)).sum(-1)
    return np.where(values < 1 << bits - 1, values, values - (1 << bits))


def layer_sums(layer: Layer, x: np.ndarray, outcome: int = 0, chip=None, *,
               kept: np.ndarray | None = None) -> np.ndarray:
    """Return the sums of the crossbars after max pooling: levels (M, H, W, C) to integers (M, h, w, O).

    ``outcome`` is that of the choice of an array; ``kept``, bool (M, groups), has the groups of inputs that
    are not masked, all unless given. The type is float32, or float64 where a sum may be beyond ``2 ** 24``,
    so every sum is exact.
    """
    x = np.pad(x, ((0, 0), *((border, border) for border in layer.padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, layer.kernel, axis=(1, 2))
    windows = windows[:, ::layer.stride[0], ::layer.stride[1]].transpose(0, 1, 2, 4, 5, 3)
    windows = windows.reshape(-1, math.prod(layer.kernel), layer.groups, layer.group_channels)
    active  = None
    if kept is not None:
        # A dropped input adds nothing, at any position.
        active = np.repeat(kept[:, np.arange(layer.inputs) % kept.shape[1]], math.prod(layer.positions),
                           axis=0).reshape(windows.shape)
    # Outputs of a group see its channels alone.
    sums = np.concatenate([
        _group_sums(layer, np.ascontiguousarray(windows[:, :, group]).reshape(-1, layer.fan_in),
                    slice(group * layer.group_outputs, (group + 1) * layer.group_outputs), outcome, chip,
                    None if active is None else active[:, :, group].reshape(-1, layer.fan_in))
        for group in range(layer.groups)], axis=1)
    sums = sums.reshape(len(x), *layer.positions, layer.outputs)
    height, width, outputs = layer.pooled_shape
    if layer.pool != (1, 1):
        rows, columns = layer.pool
        sums = sums[:, :height * rows, :width * columns]
        sums = sums.reshape(-1, height, rows, width, columns, outputs).max((2, 4))
    return sums


def _group_sums(layer, windows, outputs, outcome, chip, active):
    """Return the sums (M, P) of the ``outputs`` P of one group, of the levels ``windows`` (M, fan-in)."""
    if chip is not None:
        return sum(chip.sums(layer, array, windows, active)[:, outputs].astype(_exact_float(layer))
                   for array in layer.array_sets[outcome])
    inputs = windows.astype(_exact_float(layer))
    if layer.weight_bits == 1:
        # A level from 0 to L meets a binary weight as a number from -L to L.
        inputs *= 2
        inputs -= 2**layer.input_bits - 1
        if active is not None:
            inputs *= active
    return sum(inputs @ layer_weights(layer, array)[outputs].T.astype(inputs.dtype)
               for array in layer.array_sets[outcome])


def activate(layer: Layer, sums: np.ndarray, array: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Return what ``layer`` makes of pooled ``sums`` (M, h, w, O): levels (M, H, W, O), resized, or logits
    (M, K), of several positions (M, H, W, K), with the bank ``bank`` (M,) of array ``array`` (M,) of each
    map, or the banks (M, O) of its channels."""
    kinds = {Logit: logits, Centred: compare_with_mean, Value: values}
    return resized(layer, kinds.get(type(layer.banks[0][0]), compare)(layer, sums, array, bank))


def resized(node: Layer | Join, x: np.ndarray) -> np.ndarray:
    """Return the map (M, H, W, O) that leaves a layer or join, of ``x`` (M, h, w, O) behind its pool, or
    joined."""
    for axis, times in enumerate(node.resize, 1):
        x = x if times == 1 else x.repeat(times, axis)
    return x


def compare(layer: Layer, sums: np.ndarray, array: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Compare pooled ``sums`` with thresholds, to uint8 levels; see :func:`activate`."""
    levels = 2**layer.output_bits - 1
    threshold = _of_banks(layer, "threshold", array, bank, sums.dtype, levels)[:, None, None]
    invert = _of_banks(layer, "invert", array, bank, np.uint8)[:, None, None, :, 0]
    reached = np.zeros(sums.shape, dtype=np.uint8)
    for number in range(levels):
        reached += sums >= threshold[..., number]
    return reached ^ invert * np.uint8(levels)


def compare_with_mean(layer: Layer, sums: np.ndarray, array: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Compare ``gain * sum + offset`` of pooled ``sums`` with its mean over each map, to uint8 levels; see
    :func:`activate`."""
    gain, offset = (_of_banks(layer, name, array, bank)[:, None, None, :, 0] for name in ("gain", "offset"))
    # Exact, as z has 32 bits (gen.verify) and a map fewer than 2 ** 31 sums.
    z = gain * sums.astype(np.int64) + offset
    return (z * math.prod(layer.pooled_shape) >= z.sum((1, 2, 3), keepdims=True)).astype(np.uint8)


def values(layer: Layer, sums: np.ndarray, array: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Return the levels uint8 of values ``(gain * sum + offset) >> dropped`` in fixed point; see
    :func:`activate`."""
    gain, offset = (_of_banks(layer, name, array, bank)[:, None, None, :, 0] for name in ("gain", "offset"))
    value = gain * sums.astype(np.int64) + offset >> layer.banks[0][0].dropped
    zero  = 2**(layer.output_bits - 1)
    return (value.clip(-zero, zero - 1) + zero).astype(np.uint8)


def logits(layer: Layer, sums: np.ndarray, array: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Return the logits int64 (M, K) of ``sums`` (M, 1, 1, K), or (M, H, W, K) of those of several
    positions; see :func:`activate`."""
    assert all(isinstance(bank, Logit) for of_array in layer.banks for bank in of_array)
    gain, offset = (_of_banks(layer, name, array, bank)[:, None, None, :, 0] for name in ("gain", "offset"))
    found = gain * sums.astype(np.int64) + offset >> layer.banks[0][0].dropped
    return found[:, 0, 0] if layer.positions == (1, 1) else found


def _of_banks(layer, name, array, bank, kind=np.int64, each=1):
    """Return the field ``name`` of the banks that :func:`activate` takes, (M, O, each)."""
    values = np.array([[getattr(part, name) for part in of_array] for of_array in layer.banks], kind)
    values = values.reshape(*values.shape[:2], layer.outputs, each)
    return values[array[:, None], bank.reshape(len(bank), -1).astype(np.int64), np.arange(layer.outputs)]


def _passes(network: Network, images: np.ndarray, bits: np.ndarray, chip=None) -> np.ndarray:
    """Return the logits int64 (N, T, K), or (N, T, H, W, K) of positions, of the passes with the random
    bits ``bits``, bool (N, T, W)."""
    for node in evaluated(network, images, bits, chip):
        last = node
    return last.maps[last.place].reshape(*bits.shape[:2], *last.maps.shape[1:])


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a node has computed for all passes of some images: each different run once, and each different
    map once. Maps, and runs, of an image stand together, in the order of the images."""

    node: Layer | Join
    entering: np.ndarray     #: uint8 (M, H, W, C), the levels that a layer takes, of each different map;
                             #: of a join those of its trunk.
    runs: np.ndarray         #: int (R, 2), the map that enters in each run, and the array that is read; of
                             #: a join the maps of trunk and branch.
    masks: np.ndarray | None #: bool (R, groups), the groups of inputs that each run keeps.
    run: np.ndarray          #: int (L,), the run that each map comes from which leaves.
    banks: np.ndarray        #: int (L,), its bank, or bool (L, O) those of its channels.
    maps: np.ndarray         #: (L, ...), what leaves, as :func:`activate` makes it.
    place: np.ndarray        #: int (N * T,), which of them is that of each pass.


def evaluated(network: Network, images: np.ndarray, bits: np.ndarray, chip=None) -> Iterator[Evaluated]:
    """Evaluate the passes with the random bits ``bits``, bool (N, T, W), over uint8 ``images`` (N, H, W),
    and yield what each node has computed, in the order of :attr:`gen.graph.Graph.nodes`.

    Passes with the same map that read the same array, or have the same mask, have the same sums, and those
    of them with the same bank the same map behind the layer; so each is computed once.
    """
    arrays, banks = (taken.reshape(-1, len(network.layers)) for taken in outcomes(network, bits))
    kept, mixed = ({index: word.reshape(-1, word.shape[2]) for index, word in words(network, bits).items()}
                   for words in (masks, mixes))
    graph, numbers = graph_of(network), {layer.name: index for index, layer in enumerate(network.layers)}
    # What leaves each node: different maps, and the index among them of that of each pass.
    left = {None: (input_levels(network, images), np.repeat(np.arange(len(images)), bits.shape[1]))}
    for node in graph.nodes:
        sources = [left[name] for name in graph.sources[node.name]]
        x, place = sources[0]
        mask = None
        if isinstance(node, Join):
            runs, place = _different([place for _, place in sources])
            run   = np.arange(len(runs))
            taken = np.zeros_like(run)
            first, second = (x[runs[:, number]] for number, (x, _) in enumerate(sources))
            maps = joined(node, first, second, graph.values[node.name])
        else:
            index = numbers[node.name]
            x = entering(node, x, graph.values[graph.sources[node.name][0]])
            runs, place = _different([place, arrays[:, index], kept[index]] if index in kept else
                                     [place, arrays[:, index]])
            if index in kept:
                mask = runs[:, 2:].astype(bool)
            number, sums = _sums(node, x, *runs[:, :2].T, mask, chip)
            branches, place = _different([place, mixed.get(index, banks[:, index])])
            run, taken = branches[:, 0], branches[:, 1:] if index in mixed else branches[:, 1]
            maps = activate(node, sums[number[run]], runs[run, 1], taken)
        left[node.name] = maps, place
        yield Evaluated(node, x, runs[:, :2], mask, run, taken, maps, place)


def _different(columns):
    """Return the different rows of ``columns``, which are side by side, in order, and which of them is each
    row."""
    rows, place = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    return rows, place.ravel()


def _sums(layer, x, source, array, mask, chip):
    """Return the sums of the maps ``x[source]`` in the arrays ``array`` (M,), or with the groups kept that
    ``mask`` (M, groups) has, as indices (M,) of an array of those that differ."""
    if mask is not None:
        return np.arange(len(source)), layer_sums(layer, x[source], 0, chip, kept=mask)
    if len(layer.array_sets) == 1:
        return source, layer_sums(layer, x, 0, chip)
    sums = np.empty((len(source), *layer.pooled_shape), dtype=_exact_float(layer))
    for outcome in np.unique(array):
        chosen = array == outcome
        sums[chosen] = layer_sums(layer, x[source[chosen]], outcome, chip)
    return np.arange(len(source)), sums


def _exact_float(layer: Layer) -> type:
    """Return the faster of the types in which every partial sum of ``layer`` is exact."""
    most = layer.sums.stop
    assert most < 2**53
    return np.float32 if most <= 2**24 else np.float64
