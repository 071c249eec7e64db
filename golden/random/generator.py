"""Golden model of the pseudo-random stream of bits."""

import functools
import math

import numpy as np

from gen.ir import Generator


__all__ = ["choices", "pass_bits"]


#: States that are stepped together; each runs through another section of the stream.
LANES = 1024


def choices(generator: Generator, images: int, passes: int, first: int = 0) -> np.ndarray:
    """Return the random bits of ``images`` images, bool (images, passes, bits of a pass), from image
    ``first`` on.

    :class:`gen.ir.Generator` defines them and their order. A step of the generator is linear over GF(2),
    so any number of steps is one 64 x 64 matrix: images before ``first`` take neither time nor memory, and
    a long stream can be drawn batch by batch.
    """
    drop = np.array(generator.drop, dtype=np.uint64)
    if not len(drop):
        return np.zeros((images, passes, 0), dtype=bool)
    turns = passes if generator.points is None else math.ceil(passes / len(generator.points.points))
    before, count = (number * turns * len(drop) // len(generator.seeds) for number in (first, images))
    steps = max(1, -(-count // LANES)) # of each lane
    lanes = _advance(np.array([[_step(seed) for seed in generator.seeds]], dtype=np.uint64), before)
    while len(lanes) * steps < count:
        lanes = np.concatenate([lanes, _advance(lanes, len(lanes) * steps)])
    # Only the upper 16 bits of a state are used.
    upper = np.empty((len(lanes), steps, len(generator.seeds)), dtype=np.uint16)
    for number in range(steps):
        upper[:, number] = lanes >> np.uint64(48)
        lanes = lanes ^ lanes << np.uint64(13)
        lanes = lanes ^ lanes >> np.uint64(7)
        lanes = lanes ^ lanes << np.uint64(17)
    drawn = upper.reshape(-1, len(generator.seeds))[:count].reshape(images, turns, len(drop)) >= drop
    return pass_bits(generator, drawn, passes)


def pass_bits(generator: Generator, drawn: np.ndarray, passes: int) -> np.ndarray:
    """Return the random bits of passes, bool (N, T, W), of the bits that the source has given for N images
    of ``passes`` passes, bool (N, ...) in their order: these, or where there are points
    (:class:`gen.ir.PointSet`) those that their shifts make of them."""
    points = generator.points
    drawn  = np.asarray(drawn, dtype=bool)
    if points is None:
        return drawn.reshape(len(drawn), passes, len(generator.drop))
    words = drawn.reshape(len(drawn), -1, 1, len(points.drop), points.bits)
    shift = words @ 2**np.arange(points.bits)[::-1]            # (N, turns, 1, W)
    moved = (np.array(points.points) + shift) % 2**points.bits # (N, turns, points, W)
    return (moved >= np.array(points.drop)).reshape(len(drawn), -1, len(points.drop))[:, :passes]


def _step(state: int) -> int:
    state ^= state << 13 & 2**64 - 1
    state ^= state >> 7
    return state ^ state << 17 & 2**64 - 1


def _advance(states: np.ndarray, steps: int) -> np.ndarray:
    """Return ``states`` after ``steps`` steps."""
    for exponent in range(steps.bit_length()):
        if steps >> exponent & 1:
            states = _apply(_matrix(exponent), states)
    return states


@functools.cache
def _matrix(exponent: int) -> np.ndarray:
    """Return the matrix of ``2 ** exponent`` steps: row i is the state ``1 << i`` after them."""
    if exponent == 0:
        return np.array([_step(1 << bit) for bit in range(64)], dtype=np.uint64)
    half = _matrix(exponent - 1)
    return _apply(half, half)


def _apply(matrix: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Return the product of each of ``states`` with ``matrix``, 64 rows of 64 bits."""
    product = np.zeros_like(states)
    for bit in range(64):
        product ^= (states >> np.uint64(bit) & np.uint64(1)) * matrix[bit]
    return product
