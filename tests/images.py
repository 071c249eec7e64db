"""Random images for a network."""

import numpy as np

from gen.ir import Network


def images_for(network: Network, count: int) -> np.ndarray:
    """So many images, uint8 (N, H, W), or (N, H, W, colours)."""
    return np.random.default_rng(0).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)
