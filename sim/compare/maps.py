"""Whether what flows between layers, every map and its pass set, is what the golden model says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gen.ir import Network
from golden.network import batches, forward
from sim.compare.packing import bits, integers
from sim.design import Design


__all__ = ["compare_maps"]


def compare_maps(path: Path, design: Design, network: Network, images: np.ndarray,
                 chosen: Callable, passes: int) -> int:
    """Count maps and pass sets in ``path`` that differ from the golden model's, or do not come.

    What comes is a list of maps per layer, each with the passes it belongs to; the golden model runs
    every pass on its own. So a map must be that of all its passes, and each pass must be in one map.
    ``chosen`` returns the choices, int (n, T, L), of the images from a first up to a last, exclusive.
    """
    lines  = np.array(path.read_bytes().split()).reshape(-1, 3)
    layers = [_read(lines[lines[:, 0] == name.encode()], index, design, network)
              for index, name in enumerate(design.layers)]
    different = 0
    for number, sets, values, size in layers:
        # What comes behind the last image.
        different += int((number >= len(images)).sum()) + (len(values) > len(sets) * size)
    for part in batches(network, len(images), passes):
        choice = chosen(part.start, part.stop)
        golden = [forward(network, images[part], choice[:, one], maps=True) for one in range(passes)]
        for index, (number, sets, values, size) in enumerate(layers):
            layer = network.layers[index]
            last  = index + 1 == len(layers)
            begin, end = np.searchsorted(number, (part.start, part.stop))
            different += _differences(
                sets[begin:end], values[begin * size:end * size], size,
                [logits[..., None] if last else _bits_of(left[index], layer.output_bits)
                 for logits, left in golden],
                choice[..., index + 1] if not last and network.layers[index + 1].crossbars > 1 else None,
                design.passes_max)
    return different


def _read(own, index, design, network):
    """What has left a layer, by its lines: the image of each map, pass sets, words, and words of a map."""
    layer = network.layers[index]
    sets, words = (own[own[:, 1] == port, 2] for port in (b"o_sets", b"o"))
    height, width, channels = layer.output_shape
    if index + 1 == len(network.layers):
        size, arrays = channels, 1
        values = integers(bits(words, design.manifest["logit"]["width"]), signed=True)[:, None]
    else:
        size, arrays = height * width, network.layers[index + 1].crossbars
        values = bits(words, channels * layer.output_bits)
    sets = bits(sets, design.passes_max + 1 + (arrays - 1).bit_length())
    last = sets[:, design.passes_max].astype(np.int64)
    return np.cumsum(last) - last, sets, values, size


def _bits_of(levels, width):
    """Bits of levels (N, H, W, C), as the words of their places have them: (N, H * W, C * width)."""
    split = levels[..., None] >> np.arange(width, dtype=levels.dtype) & 1
    return split.reshape(len(levels), levels.shape[1] * levels.shape[2], -1)


def _differences(sets, values, size, expected, choice, passes_max):
    """Count what is wrong with the maps of one layer.

    ``sets`` are their pass sets, ``values`` (M, ...) their words, ``size`` of them each; ``expected`` is
    what each pass has for each image, and ``choice`` (N, T) the array that it chooses behind.
    """
    images, passes = len(expected[0]), len(expected)
    inside, last, array = np.split(sets, [passes_max, passes_max + 1], axis=1)
    number = np.cumsum(last) - last[:, 0] # image of each map
    wrong  = int(last.sum() != images or len(values) != len(sets) * size)
    whole  = min(len(sets), len(values) // size, np.searchsorted(number, images))
    maps   = values[:whole * size].reshape(whole, size, values.shape[1])
    seen   = np.zeros((images, passes), dtype=np.int64)
    for one in range(passes):
        of = np.flatnonzero(inside[:whole, one])
        wrong += (maps[of] != expected[one][number[of]]).any((1, 2)).sum()
        if choice is not None:
            # A map for a layer that chooses arrays names the array of all its passes.
            wrong += (integers(array)[of] != choice[number[of], one]).sum()
        np.add.at(seen[:, one], number[of], 1)
    return int(wrong + (seen != 1).sum() + inside[:, passes:].any(1).sum() + (~inside.any(1)).sum())
