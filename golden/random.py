"""Golden model of the pseudo-random stream of keep bits."""

import numpy as np

from gen.ir import Generator


__all__ = ["keep_bits"]


def keep_bits(generator: Generator, images: int, passes: int) -> np.ndarray:
    """Return the keep bits of the first ``images`` images, bool of shape (images, passes, layers).

    :class:`gen.ir.Generator` defines them. A step is linear over the field of two elements, so k
    steps are one 64 x 64 matrix, and k states double to 2 k at once.
    """
    count = images * passes * len(generator.drop)
    #: Row i is the state 1 << i after as many steps as there are states.
    jump = np.array([_step(1 << bit) for bit in range(64)], dtype=np.uint64)
    states = np.array([_step(generator.seed)], dtype=np.uint64)
    while len(states) < count:
        states = np.concatenate([states, _apply(jump, states[:count - len(states)])])
        jump = _apply(jump, jump)
    bits = (states[:count] >> np.uint64(48)).reshape(images, passes, len(generator.drop))
    return bits >= np.array(generator.drop, dtype=np.uint64)


def _step(state: int) -> int:
    state ^= state << 13 & 2**64 - 1
    state ^= state >> 7
    return state ^ state << 17 & 2**64 - 1


def _apply(matrix: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Return the product of each of ``states`` with ``matrix``, 64 rows of 64 bits."""
    product = np.zeros_like(states)
    for bit in range(64):
        product ^= (states >> np.uint64(bit) & np.uint64(1)) * matrix[bit]
    return product
