"""The compiled golden model: executes the integers of a compiled network on images."""

from collections.abc import Iterator

import numpy as np

from gen.ir import Layer, Logit, Network
from golden.head import Prediction, average, softmax


__all__ = ["exact", "forward", "input_bits", "path_probabilities", "paths", "predict"]


#: Images worked on at once: their maps stay in the cache, and memory is bounded.
BATCH = 100

#: Layers whose 2 ** L combinations of keep bits can be enumerated.
LAYERS_LIMIT = 10


def input_bits(network: Network, images: np.ndarray) -> np.ndarray:
    """Compare uint8 ``images`` (N, H, W) with the thresholds of the input, to bool (N, H, W, C).

    Raises
    ------
    ValueError
        If the images have another size than the input of the network.
    """
    size = network.input.height, network.input.width
    if images.shape[1:] != size:
        raise ValueError(f"Images of {network.name!r} must be (N, {size[0]}, {size[1]}), "
                         f"not {images.shape}")
    return images[..., None] >= np.array(network.input.thresholds)


def forward(network: Network, images: np.ndarray, keep: np.ndarray, *, maps: bool = False):
    """Run one pass over uint8 ``images`` (N, H, W) with the keep bits ``keep``, bool (N, L).

    Returns
    -------
    logits : int64 (N, K), in units of ``2 ** -network.head.fraction``
    maps : list of bool (N, H, W, C), only if asked for
        The map that leaves each hidden layer.
    """
    left = []
    x = input_bits(network, images)
    for index, layer in enumerate(network.layers):
        n = _count(layer, x)
        choice = keep[:, index].astype(int)
        if layer is not network.layers[-1]:
            x = _compare(layer, n, choice)
            left.append(x)
    logits = _logits(layer, n, choice)
    return (logits, left) if maps else logits


def paths(network: Network, images: np.ndarray) -> np.ndarray:
    """Return the logits of every combination of keep bits, int64 (N, 2 ** L, K).

    The bits of a combination's index are the keep bits, those of the first layer highest. What
    combinations have in common is computed once.

    Raises
    ------
    ValueError
        If there are more than :data:`LAYERS_LIMIT` layers.
    """
    _check_enumerable(network)
    classes = network.layers[-1].outputs
    logits = np.empty((len(images), 1 << len(network.layers), classes), dtype=np.int64)
    for part in _batches(len(images)):
        logits[part] = _paths(network, images[part])
    return logits


def path_probabilities(network: Network) -> np.ndarray:
    """Return the probability of each combination of keep bits, float64 (2 ** L,).

    Their order is that of :func:`paths`, which raises the same errors.
    """
    _check_enumerable(network)
    share = np.ones(1)
    for layer in network.layers:
        share = np.outer(share, (layer.dropout, 1 - layer.dropout)).ravel()
    return share


def exact(network: Network, images: np.ndarray) -> np.ndarray:
    """Return the predictive mean that T passes tend to, float64 (N, K).

    The probabilities of every combination of keep bits, as the head rounds them, are weighted by
    how often that combination occurs. Raises as :func:`paths`.
    """
    share = path_probabilities(network)
    mean = np.empty((len(images), network.layers[-1].outputs))
    for part in _batches(len(images)):
        mean[part] = share @ (softmax(_paths(network, images[part]), network.head) / 65536)
    return mean


def predict(network: Network, images: np.ndarray,
            keep: np.ndarray) -> tuple[Prediction, np.ndarray]:
    """Average T passes over uint8 ``images`` (N, H, W) with the keep bits ``keep``, bool (N, T, L).

    Where it is less work, the combinations of keep bits are evaluated instead of the passes, and
    looked up. The result is the same.

    Returns
    -------
    prediction : :class:`golden.head.Prediction`
    probabilities : uint32 (N, T, K), of each pass, in Q0.16
    """
    images_count, passes, layers = keep.shape
    probabilities = np.empty((images_count, passes, network.layers[-1].outputs), dtype=np.uint32)
    # A pass has one path through the tree of combinations; a layer of the tree has 2 ** index.
    work = [layer.positions[0] * layer.positions[1] * layer.fan_in * layer.outputs
            for layer in network.layers]
    enumerate_all = layers <= LAYERS_LIMIT and (
        sum(part << index for index, part in enumerate(work)) < passes * sum(work))
    for part in _batches(images_count):
        if enumerate_all:
            index = keep[part] @ (1 << np.arange(layers)[::-1])
            logits = np.take_along_axis(_paths(network, images[part]), index[..., None], axis=1)
            probabilities[part] = softmax(logits, network.head)
        else:
            for number in range(passes):
                probabilities[part, number] = softmax(
                    forward(network, images[part], keep[part, number]), network.head)
    return average(probabilities, network.head), probabilities


def _check_enumerable(network: Network):
    if len(network.layers) > LAYERS_LIMIT:
        raise ValueError(f"Network {network.name!r} must have at most {LAYERS_LIMIT} layers to "
                         f"enumerate its keep bits, not {len(network.layers)}")


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BATCH, count)) for start in range(0, count, BATCH))


def _paths(network: Network, images: np.ndarray) -> np.ndarray:
    x = input_bits(network, images)[:, None] # (N, paths so far, H, W, C)
    for layer in network.layers:
        count = len(images), x.shape[1]
        n = _count(layer, x.reshape(-1, *x.shape[2:]))
        choose = _logits if layer is network.layers[-1] else _compare
        both = [choose(layer, n, np.full(len(n), choice)) for choice in (0, 1)]
        x = np.stack([part.reshape(*count, *part.shape[1:]) for part in both], axis=2)
        x = x.reshape(len(images), 2 * count[1], *x.shape[3:])
    return x


def _count(layer: Layer, x: np.ndarray) -> np.ndarray:
    """Count the products of +1 at each position, pooled: bool (M, H, W, C) to float32 (M, h, w, O).

    ``popcount(xnor(x, w)) = sum(x * (2 w - 1)) + sum(1 - w)``, exact in float32 below ``2 ** 24``.
    """
    assert layer.fan_in < 2**24
    weights = _weights(layer)
    signs = (2 * weights - 1).T.astype(np.float32)
    zeros = (1 - weights).sum(1).astype(np.float32)
    border = layer.padding
    x = np.pad(x.astype(np.float32), ((0, 0), (border, border), (border, border), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, layer.kernel, axis=(1, 2))
    windows = windows[:, ::layer.stride, ::layer.stride].transpose(0, 1, 2, 4, 5, 3)
    n = windows.reshape(-1, layer.fan_in) @ signs + zeros
    n = n.reshape(len(x), *layer.positions, layer.outputs)
    height, width, outputs = layer.output_shape
    if layer.pool > 1:
        n = n[:, :height * layer.pool, :width * layer.pool]
        n = n.reshape(-1, height, layer.pool, width, layer.pool, outputs).max((2, 4))
    return n


def _weights(layer: Layer) -> np.ndarray:
    """Return the weight bits of ``layer``, int64 (outputs, fan-in)."""
    size = (layer.fan_in + 7) // 8
    columns = np.array([list(column.to_bytes(size, "little")) for column in layer.weights], np.uint8)
    return np.unpackbits(columns, axis=1, count=layer.fan_in, bitorder="little").astype(np.int64)


def _compare(layer: Layer, n: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Compare pooled ``n`` (M, h, w, O) with the bank ``choice`` (M,) of each map, to bits."""
    threshold = np.array([bank.threshold for bank in layer.banks], dtype=np.float32)[choice]
    invert = np.array([bank.invert for bank in layer.banks], dtype=bool)[choice]
    return (n >= threshold[:, None, None]) ^ invert[:, None, None]


def _logits(layer: Layer, n: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Return the logits int64 (M, K) of ``n`` (M, 1, 1, K) with the bank ``choice`` (M,)."""
    assert all(isinstance(bank, Logit) for bank in layer.banks)
    gain = np.array([bank.gain for bank in layer.banks], dtype=np.int64)[choice]
    offset = np.array([bank.offset for bank in layer.banks], dtype=np.int64)[choice]
    return gain * n[:, 0, 0].astype(np.int64) + offset
