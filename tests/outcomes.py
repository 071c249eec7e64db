"""The random bits of passes, and what the hardware chooses by them, as the estimate follows it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gen.ir import Generator, Network
from gen.outcomes import outcomes_of
from golden.random.generator import choices, pass_bits
from golden.random.outcomes import masks, numbers


def bits_of(generator: Generator, counts: Sequence[int], drawn: np.ndarray | None = None):
    """Random bits, bool (T, bits of a pass), of each of images of ``counts`` passes one after another:
    of those that ``drawn`` begins with, or else of the stream of ``generator``."""
    ends = np.cumsum([generator.bits(count) for count in counts])
    if drawn is None:
        width = max(1, len(generator.drop))
        drawn = choices(replace(generator, points=None), int(ends[-1]) // width, 1).ravel()
    return [pass_bits(generator, part[None], count)[0]
            for part, count in zip(np.split(drawn[:ends[-1]], ends[:-1]), counts, strict=True)]


def outcomes_by(network: Network, bits: np.ndarray) -> np.ndarray:
    """Outcomes, int (images, passes, layers, 2), of bits, bool (images, passes, bits of a pass)."""
    passes = np.broadcast_to(np.arange(bits.shape[1]), bits.shape[:2])
    found  = {None: passes, **numbers(network, bits)}
    for index, mask in masks(network, bits).items():
        # A mask of many bits is no number; any will do that is the same for the same mask.
        different = np.unique(mask.reshape(-1, mask.shape[2]), axis=0, return_inverse=True)[1]
        found.setdefault(network.layers[index].mask_choice.draw, different.reshape(passes.shape))
    return outcomes_of(network, found)
