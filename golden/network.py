"""The compiled golden model: executes the integers of a compiled network on images.

A *choice* is what a pass draws in a layer, an integer: a keep bit, or the number of the array that is read.
A *chip* is one draw of imperfect devices, a :class:`golden.device.cell.Chip`; without a chip, every sum is
exact.
"""

import math
from collections.abc import Iterator

import numpy as np

from gen.ir import Layer, Logit, Network
from golden.head import Prediction, average, join, softmax


__all__ = [
    "COMBINATIONS_LIMIT", "batches", "combinations", "compare", "forward", "input_levels", "layer_sums",
    "layer_weights", "logits", "path_probabilities", "paths", "predict",
]


#: Most images of a batch: their feature maps stay in the cache of the processor.
BATCH = 100

#: Limits of a batch, so that memory is bounded: distinct passes of all its images, and probabilities.
RUNS, VALUES = 20 * BATCH, 2**20

#: Most combinations of choices that are enumerated.
COMBINATIONS_LIMIT = 1024


def input_levels(network: Network, images: np.ndarray) -> np.ndarray:
    """Compare uint8 ``images`` (N, H, W) with the thresholds of the input, to uint8 (N, H, W, C).

    Raises
    ------
    ValueError
        If the images have another size than the input of the network.
    """
    size = network.input.height, network.input.width
    if images.shape[1:] != size:
        raise ValueError(f"Images of {network.name!r} must be (N, {size[0]}, {size[1]}), "
                         f"not {images.shape}")
    reached = images[..., None] >= np.array(network.input.thresholds)
    return reached.reshape(*images.shape, network.input.channels, -1).sum(-1, dtype=np.uint8)


def forward(network: Network, images: np.ndarray, choice: np.ndarray, *, maps: bool = False,
            chip=None):
    """Run one pass over uint8 ``images`` (N, H, W) with the choices ``choice``, int (N, L).

    Returns
    -------
    logits : int64 (N, K), in units of ``2 ** -network.head.fraction``
    maps : list of uint8 (N, H, W, C), only if asked for
        The map of levels that leaves each hidden layer.
    """
    outputs = []
    x = input_levels(network, images)
    for index, layer in enumerate(network.layers):
        x = _activate(layer, x, np.arange(len(images)), _integers(choice)[:, index], chip)
        outputs.append(x)
    return (x, outputs[:-1]) if maps else x


def batches(network: Network, images: int, passes: int) -> Iterator[slice]:
    """Yield the batches that ``images`` images are divided into, as slices.

    The more ``passes`` and classes there are, the fewer images a batch has: a caller that goes through
    images, choices and results batch by batch needs the memory of one batch.
    """
    runs = min(passes, math.prod(layer.choices for layer in network.layers))
    size = max(1, min(BATCH, RUNS // runs, VALUES // (passes * network.layers[-1].outputs)))
    return (slice(start, min(start + size, images)) for start in range(0, images, size))


def predict(network: Network, images: np.ndarray, choice: np.ndarray, *,
            chip=None) -> tuple[Prediction, np.ndarray]:
    """Average T passes over uint8 ``images`` (N, H, W) with the choices ``choice``, int (N, T, L).

    Passes of an image that have the same feature map share its computation. The result holds the
    probabilities of all passes; :func:`batches` divides many images into calls that fit into memory.

    Returns
    -------
    prediction : :class:`golden.head.Prediction`
    probabilities : uint32 (N, T, K), of each pass, in Q0.16
    """
    images_count, passes, _ = choice.shape
    probabilities = np.empty((images_count, passes, network.layers[-1].outputs), dtype=np.uint32)
    averages = [average(probabilities[:0], network.head)]
    for part in batches(network, images_count, passes):
        probabilities[part] = softmax(
            _passes(network, images[part], _integers(choice[part]), chip), network.head)
        averages.append(average(probabilities[part], network.head))
    return join(averages), probabilities


def combinations(network: Network) -> np.ndarray:
    """Return every combination of choices, int64 (C, L), that of the last layer running fastest.

    Raises
    ------
    ValueError
        If there are more than :data:`COMBINATIONS_LIMIT`.
    """
    sizes = [layer.choices for layer in network.layers]
    count = math.prod(sizes)
    if count > COMBINATIONS_LIMIT:
        raise ValueError(f"Network {network.name!r} must have at most {COMBINATIONS_LIMIT} "
                         f"combinations of choices to enumerate them, not {count}")
    return np.stack(np.unravel_index(np.arange(count), sizes), axis=-1)


def paths(network: Network, images: np.ndarray) -> np.ndarray:
    """Return the logits of every combination of choices, int64 (N, C, K), in the order of
    :func:`combinations`. Errors are those of :func:`combinations`."""
    choice = combinations(network)
    result = np.empty((len(images), len(choice), network.layers[-1].outputs), dtype=np.int64)
    for part in batches(network, len(images), len(choice)):
        batch = images[part]
        result[part] = _passes(network, batch, np.broadcast_to(choice, (len(batch), *choice.shape)))
    return result


def path_probabilities(network: Network) -> np.ndarray:
    """Return the probability of each of :func:`combinations`, float64 (C,). Errors are those of that
    function."""
    shares = [np.array([layer.dropout, 1 - layer.dropout]) if layer.crossbars == 1
              else np.full(layer.crossbars, 1 / layer.crossbars) for layer in network.layers]
    choice = combinations(network)
    return math.prod(share[choice[:, index]] for index, share in enumerate(shares))


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


def layer_sums(layer: Layer, x: np.ndarray, choice: int = 0, chip=None) -> np.ndarray:
    """Return the sums of the crossbars after max pooling: levels (M, H, W, C) to integers (M, h, w, O).

    ``choice`` is the array that is read, of a layer that has several. The type is float32, or float64
    where a sum may be beyond ``2 ** 24``, so every sum is exact.
    """
    border = layer.padding
    x = np.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, layer.kernel, axis=(1, 2))
    windows = windows[:, ::layer.stride, ::layer.stride].transpose(0, 1, 2, 4, 5, 3)
    windows = windows.reshape(-1, layer.fan_in)
    if chip is None:
        exact = windows.astype(_exact_float(layer))
        parts = [_products(layer, exact, array) for array in layer.arrays_of(choice)]
    else:
        parts = [chip.sums(layer, array, windows).astype(_exact_float(layer))
                 for array in layer.arrays_of(choice)]
    sums = sum(parts).reshape(len(x), *layer.positions, layer.outputs)
    height, width, outputs = layer.output_shape
    if layer.pool > 1:
        sums = sums[:, :height * layer.pool, :width * layer.pool]
        sums = sums.reshape(-1, height, layer.pool, width, layer.pool, outputs).max((2, 4))
    return sums


def compare(layer: Layer, sums: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Compare pooled ``sums`` (M, h, w, O) with the bank ``choice`` (M,) of each map, to uint8 levels."""
    levels = 2**layer.output_bits - 1
    threshold = np.array([bank.threshold for bank in layer.banks], dtype=sums.dtype)
    threshold = threshold.reshape(len(layer.banks), 1, 1, layer.outputs, levels)[choice]
    invert = np.array([bank.invert for bank in layer.banks], dtype=np.uint8)[choice]
    reached = np.zeros(sums.shape, dtype=np.uint8)
    for number in range(levels):
        reached += sums >= threshold[..., number]
    return reached ^ invert[:, None, None] * np.uint8(levels)


def logits(layer: Layer, sums: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Return the logits int64 (M, K) of ``sums`` (M, 1, 1, K) with the bank ``choice`` (M,)."""
    assert all(isinstance(bank, Logit) for bank in layer.banks)
    gain = np.array([bank.gain for bank in layer.banks], dtype=np.int64)[choice]
    offset = np.array([bank.offset for bank in layer.banks], dtype=np.int64)[choice]
    return gain * sums[:, 0, 0].astype(np.int64) + offset >> layer.banks[0].dropped


def _passes(network: Network, images: np.ndarray, choice: np.ndarray, chip=None) -> np.ndarray:
    """Return the logits int64 (N, T, K) of the passes with the choices ``choice``, int (N, T, L)."""
    x = input_levels(network, images)
    # The index in `x` of the feature map of each pass. Passes with the same map and the same choice have
    # the same map in the next layer, so each such branch is computed once.
    place = np.repeat(np.arange(len(images)), choice.shape[1])
    for index, layer in enumerate(network.layers):
        branches, place = np.unique(place * layer.choices + choice[..., index].ravel(),
                                    return_inverse=True)
        x = _activate(layer, x, *np.divmod(branches, layer.choices), chip)
    return x[place].reshape(*choice.shape[:2], -1)


def _activate(layer, x, source, choice, chip):
    """Return the levels or logits that ``layer`` makes of the maps ``x[source]`` under the choices
    ``choice`` (M,)."""
    if layer.crossbars == 1:
        sums = layer_sums(layer, x, 0, chip)[source]
    else:
        sums = np.empty((len(source), *layer.output_shape), dtype=_exact_float(layer))
        for array in np.unique(choice):
            chosen = choice == array
            sums[chosen] = layer_sums(layer, x[source[chosen]], array, chip)
    return (logits if isinstance(layer.banks[0], Logit) else compare)(layer, sums, choice)


def _products(layer: Layer, windows: np.ndarray, array: int) -> np.ndarray:
    """Return per position and output what the crossbar ``array`` of ``layer`` counts: with weights of one
    bit the popcount of XNOR, with others the sum of the products."""
    weights = layer_weights(layer, array)
    sums = windows @ weights.T.astype(windows.dtype)
    if layer.weight_bits > 1:
        return sums
    # The crossbar counts the bits that equal their weight. Where a weight is -1 these are the zeros of a
    # level q, which is at most L: L - q of them, and not -q.
    largest = 2**layer.input_bits - 1
    return sums + (largest * (weights < 0).sum(1)).astype(windows.dtype)


def _exact_float(layer: Layer) -> type:
    """Return the faster of the types in which every partial sum of ``layer`` is exact."""
    most = layer.sums.stop
    assert most < 2**53
    return np.float32 if most <= 2**24 else np.float64


def _integers(choice: np.ndarray) -> np.ndarray:
    return np.asarray(choice).astype(np.int64)
