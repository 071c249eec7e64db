"""Whether what flows between layers, every map and its pass set, is what the golden model says."""

from pathlib import Path

import numpy as np

from gen.ir import Network
from golden.network import forward
from sim.design import Design
from sim.packing import bits, integers


__all__ = ["compare_maps"]


def compare_maps(path: Path, design: Design, network: Network, images: np.ndarray,
                 chosen: np.ndarray) -> int:
    """Count maps and pass sets in ``path`` that differ from the golden model's, or do not come.

    What comes is a list of maps per layer, each with the passes it belongs to; the golden model runs
    every pass on its own. So a map must be that of all its passes, and each pass must be in one map.
    """
    lines  = np.array(path.read_bytes().split()).reshape(-1, 3)
    golden = [forward(network, images, chosen[:, number], maps=True)
              for number in range(chosen.shape[1])]
    different = 0
    for index, (name, layer) in enumerate(zip(design.layers, network.layers, strict=True)):
        own = lines[lines[:, 0] == name.encode()]
        sets, words = (own[own[:, 1] == port, 2] for port in (b"o_sets", b"o"))
        last = index + 1 == len(network.layers)
        height, width, channels = layer.output_shape
        if last:
            size = channels
            expected = [logits[..., None] for logits, _ in golden]
            values = integers(bits(words, design.manifest["logit"]["width"]), signed=True)[:, None]
        else:
            size = height * width
            expected = [_bits_of(left[index], layer.output_bits) for _, left in golden]
            values = bits(words, channels * layer.output_bits)
        arrays = 1 if last else network.layers[index + 1].crossbars
        different += _differences(
            bits(sets, design.passes_max + 1 + (arrays - 1).bit_length()), values, size, expected,
            chosen[..., index + 1] if arrays > 1 else None, design.passes_max)
    return different


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
