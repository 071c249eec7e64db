"""What the hardware chooses by the random bits of passes, as the estimate follows it."""

import numpy as np

from gen.ir import Network
from gen.outcomes import outcomes_of
from golden.random.outcomes import masks, numbers


def outcomes_by(network: Network, bits: np.ndarray) -> np.ndarray:
    """Outcomes, int (images, passes, layers, 2), of bits, bool (images, passes, bits of a pass)."""
    passes = np.broadcast_to(np.arange(bits.shape[1]), bits.shape[:2])
    found  = {None: passes, **numbers(network, bits)}
    for index, mask in masks(network, bits).items():
        # A mask of many bits is no number; any will do that is the same for the same mask.
        different = np.unique(mask.reshape(-1, mask.shape[2]), axis=0, return_inverse=True)[1]
        found.setdefault(network.layers[index].mask_choice.draw, different.reshape(passes.shape))
    return outcomes_of(network, found)
