"""Seeds of random sources, from one seed for all of them."""

__all__ = ["seeds_of"]


def seeds_of(seed: int, sources: int) -> tuple[int, ...]:
    """Return the state that each of the sources starts at, from 1 to 2 ** 64 - 1.

    They are outputs of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
    2014), which is a permutation, so never the same for two; 0, which is no state, becomes 1.
    """
    return tuple(_split(seed, number) for number in range(1, sources + 1))


def _split(seed, number):
    word = (seed + number * 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    return word ^ word >> 31 or 1
