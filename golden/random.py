"""Golden model of the pseudo-random stream of choices."""

import numpy as np

from gen.ir import Generator


__all__ = ["choices", "choices_of"]


def choices(generator: Generator, images: int, passes: int) -> np.ndarray:
    """Return the choices of the first ``images`` images, int64 of shape (images, passes, layers).

    :class:`gen.ir.Generator` defines them: a keep bit, or the number of an array. A step is linear over
    the field of two elements, so k steps are one 64 x 64 matrix, and k states double to 2 k at once.
    """
    drop = np.repeat(np.array(generator.drop, dtype=np.uint64), generator.bits)
    count = images * passes * len(drop) // len(generator.seeds) # of each source
    #: Row i is the state 1 << i after as many steps as there are states.
    jump = np.array([_step(1 << bit) for bit in range(64)], dtype=np.uint64)
    states = np.array([[_step(seed) for seed in generator.seeds]], dtype=np.uint64)
    while len(states) < count:
        states = np.concatenate([states, _apply(jump, states[:count - len(states)])])
        jump = _apply(jump, jump)
    bits = (states[:count] >> np.uint64(48)).reshape(-1, len(drop)) >= drop
    return choices_of(bits.ravel(), generator, images, passes)


def choices_of(bits: np.ndarray, generator: Generator, images: int, passes: int) -> np.ndarray:
    """Return what :func:`choices` does for ``bits``, bool (N,), of which the first are taken."""
    width = sum(generator.bits)
    bits  = bits[:images * passes * width].reshape(images, passes, width)
    result = np.zeros((images, passes, len(generator.bits)), dtype=np.int64)
    first = 0
    for layer, width in enumerate(generator.bits):
        for bit in range(first, first + width):
            result[..., layer] = 2 * result[..., layer] + bits[..., bit]
        first += width
    return result


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
