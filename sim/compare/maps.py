"""Compare every feature map that leaves a layer, and its pass set, with the golden model."""

import math
import operator
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gen.graph import graph_of
from gen.ir import Network
from golden.network import batches, forward
from golden.random.outcomes import outcomes, sharing
from sim.compare.packing import bits, integers
from sim.design import Design


__all__ = ["compare_maps"]


def compare_maps(path: Path, design: Design, network: Network, images: np.ndarray,
                 chosen: Callable, passes: int) -> int:
    """Count maps and pass sets in ``path`` that differ from the golden model's, or are missing.

    The trace has a list of maps per layer, each with its pass set; the golden model runs every pass alone.
    So a map must equal that of all passes in its set, each pass must be in the set of exactly one map, and
    a set must have all passes that are to share it.
    ``chosen`` returns the random bits, bool (n, T, W), of the images from a first up to a last, exclusive.
    """
    lines  = np.array(path.read_bytes().split()).reshape(-1, 3)
    graph  = graph_of(network)
    behind = list(map(graph.following, range(len(network.layers))))
    layers = [_in_order([_read(lines[lines[:, 0] == names[index].encode()], index, behind[index], design,
                               network) for names in design.traced]) for index in range(len(design.layers))]
    different = 0
    for image, sets, words, size in layers:
        # Maps behind the last image.
        different += int((image >= len(images)).sum()) + (len(words) > len(sets) * size)
    for part in batches(network, len(images), passes):
        drawn  = chosen(part.start, part.stop)
        arrays, _ = outcomes(network, drawn)
        shared = sharing(network, drawn, sequential=design.schedule == "sequential")
        golden = [forward(network, images[part], drawn[:, number], number=number, maps=True)
                  for number in range(passes)]
        for index, (image, sets, words, size) in enumerate(layers):
            layer = network.layers[index]
            begin, end = np.searchsorted(image, (part.start, part.stop))
            if index + 1 == len(layers):
                expected = [logits.reshape(len(logits), -1, 1) for logits, _ in golden]
            else:
                # As it is sent, which may be larger than the layer alone makes it.
                rows, columns = map(operator.floordiv, graph.sent[layer.name], layer.resize)
                expected = [_bits_of(maps[index].repeat(rows, 1).repeat(columns, 2), layer.output_bits)
                            for _, maps in golden]
            different += _differences(sets[begin:end], words[begin * size:end * size], size, expected,
                                      shared[index],
                                      _next_choice(network, behind[index], arrays, shared[index]),
                                      design.passes_max)
    return different


def _next_choice(network, behind, arrays, shared):
    """What goes with the maps to layer ``behind``, for each pass: the array that it chooses there, or a
    pass with its mask. None where nothing does, as on a branch, of which the trunk has the choices."""
    if behind is None:
        return None
    if network.layers[behind].mask_choice is not None:
        return shared
    return None if network.layers[behind].array_choice is None else arrays[..., behind]


def _read(lines, index, behind, design, network):
    """Return the maps that have left layer ``index``, by its ``lines`` of the trace: the image of each map,
    pass sets, words, and the words of a map."""
    layer = network.layers[index]
    sets, words = (lines[lines[:, 1] == port, 2] for port in (b"o_sets", b"o"))
    height, width, channels = layer.output_shape
    if index + 1 == len(network.layers):
        size, next_arrays = height * width * channels, 1
        words = integers(bits(words, design.manifest["logit"]["width"]), signed=True)[:, None]
    else:
        size = math.prod(layer.pooled_shape[:2]) * math.prod(graph_of(network).sent[layer.name])
        after = None if behind is None else network.layers[behind]
        next_arrays = (1 if after is None else len(after.array_sets) if after.mask_choice is None else
                       design.passes_max)
        words = bits(words, channels * layer.output_bits)
    sets = bits(sets, design.passes_max + 1 + (next_arrays - 1).bit_length())
    last = sets[:, design.passes_max].astype(np.int64)
    return np.cumsum(last) - last, sets, words, size


def _in_order(parts):
    """Join what several instances have computed of a layer, each of which has had every so manieth
    image."""
    if len(parts) == 1:
        return parts[0]
    size  = parts[0][3]
    image = np.concatenate([len(parts) * part[0] + number for number, part in enumerate(parts)])
    order = np.argsort(image, kind="stable")
    words = [words[:len(sets) * size].reshape(len(sets), size, -1) for _, sets, words, _ in parts]
    return (image[order], np.concatenate([sets for _, sets, _, _ in parts])[order],
            np.concatenate(words)[order].reshape(-1, words[0].shape[-1]), size)


def _bits_of(levels, width):
    """Bits of levels (N, H, W, C) in words of a position each: (N, H * W, C * width)."""
    split = levels[..., None] >> np.arange(width, dtype=levels.dtype) & 1
    return split.reshape(len(levels), levels.shape[1] * levels.shape[2], -1)


def _differences(sets, words, size, expected, shared, next_choice, passes_max):
    """Count what is wrong with the maps of a layer.

    ``sets`` are their pass sets, and ``words`` (M, ...) their words, ``size`` in a map; ``expected`` are
    the words of each pass for each image, ``shared`` (N, T) what passes have in common that share a map,
    and no others, and ``next_choice`` (N, T) the array that a pass chooses in the next layer, or the pass
    whose mask it has there.
    """
    images, passes = len(expected[0]), len(expected)
    members, last, array = np.split(sets, [passes_max, passes_max + 1], axis=1)
    image = np.cumsum(last) - last[:, 0] # of each map
    wrong = int(last.sum() != images or len(words) != len(sets) * size)
    whole = min(len(sets), len(words) // size, np.searchsorted(image, images))
    maps  = words[:whole * size].reshape(whole, size, words.shape[1])
    seen  = np.zeros((images, passes), dtype=np.int64)
    for number in range(passes):
        chosen = np.flatnonzero(members[:whole, number]) # maps of this pass
        wrong += (maps[chosen] != expected[number][image[chosen]]).any((1, 2)).sum()
        of_pass = shared[image[chosen]] == shared[image[chosen], number, None]
        wrong += (members[chosen, :passes] != of_pass).any(1).sum()
        if next_choice is not None:
            # A map for a layer that chooses arrays names the array of all its passes.
            wrong += (integers(array)[chosen] != next_choice[image[chosen], number]).sum()
        np.add.at(seen[:, number], image[chosen], 1)
    empty, beyond = ~members.any(1), members[:, passes:].any(1)
    return int(wrong + (seen != 1).sum() + beyond.sum() + empty.sum())
