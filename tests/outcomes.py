"""What the hardware chooses by the random bits of passes, as the estimate follows it."""

import numpy as np

from gen.ir import Network
from gen.outcomes import outcomes_of
from golden.random.outcomes import numbers


def outcomes_by(network: Network, bits: np.ndarray) -> np.ndarray:
    """Outcomes, int (images, passes, layers, 2), of bits, bool (images, passes, bits of a pass)."""
    passes = np.broadcast_to(np.arange(bits.shape[1]), bits.shape[:2])
    return outcomes_of(network, {None: passes, **numbers(network, bits)})
