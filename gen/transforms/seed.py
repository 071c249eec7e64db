"""Start the pseudo-random stream of choices."""

from dataclasses import replace

from gen.ir import Generator, Network, Target


__all__ = ["seed"]


def seed(network: Network, target: Target) -> Network:
    """Give the network its generator: the seeds of its sources, and the random bits of a pass.

    A bit is 0 with the probability that its draw has, as the nearest multiple of ``2 ** -16``. The seeds
    are what SplitMix64 makes of that of the target (Steele, Lea, Flood, "Fast splittable pseudorandom
    number generators", 2014), since a xorshift generator is linear: unmixed, the stream of seed 3 would be
    those of seeds 1 and 2, added modulo 2, and a small seed would take many steps to reach the upper bits.

    Needs: nothing. Ensures: a generator with one ``drop`` per bit of a pass, each from 0 to 65536, and one
    source or as many as a pass has bits; none where it has none.
    """
    drop  = tuple(round(p * 65536) for p in network.drops)
    count = len(drop) if target.sources == "layer" else min(1, len(drop))
    return replace(network, generator=Generator(
        tuple(_split(target.seed, number) for number in range(1, count + 1)), drop))


def _split(seed: int, number: int) -> int:
    """Return output ``number`` of SplitMix64, which is a permutation, so never the same for two; 0,
    which is no state, becomes 1."""
    word = (seed + number * 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    return word ^ word >> 31 or 1
