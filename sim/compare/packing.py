"""Lists of fields as the bits of a payload, and back."""

import numpy as np


__all__ = ["bits", "integers", "pack", "unpack"]


def pack(values, width):
    """Join ``values``, unsigned or two's complement, of ``width`` bits each, the first lowest."""
    mask = (1 << width) - 1
    return sum((int(value) & mask) << index * width for index, value in enumerate(values))


def unpack(word, width, count, *, signed=False):
    """Take ``word`` apart into ``count`` values of ``width`` bits each."""
    values = [word >> index * width & (1 << width) - 1 for index in range(count)]
    return [value - (value >> width - 1 << width) for value in values] if signed else values


def bits(words: np.ndarray, width: int) -> np.ndarray:
    """Return the bits, lowest first, of words in hexadecimal: uint8 (N, ``width``).

    ``words`` is an array (N,) of bytes, as Verilog writes them: with all leading zeros.
    """
    count  = -(-width // 4)
    digits = words.astype(f"S{count}").view(np.uint8).reshape(-1, count)
    digits = (digits & 15) + 9 * (digits >> 6) # "0" is 0x30, "a" is 0x61
    return np.unpackbits(digits[:, ::-1, None], axis=2, bitorder="little", count=4).reshape(
        -1, 4 * count)[:, :width]


def integers(bits: np.ndarray, *, signed=False) -> np.ndarray:
    """Return the numbers whose ``bits`` (..., W), lowest first, are given: int64 (...)."""
    weights = 1 << np.arange(bits.shape[-1])
    if signed:
        weights[-1:] *= -1
    return bits @ weights
