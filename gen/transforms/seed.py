"""Start the pseudo-random stream of choices."""

from dataclasses import replace

from gen.ir import Generator, Network, Target
from gen.point_sets import point_set
from gen.split_mix import seeds_of


__all__ = ["seed"]


def seed(network: Network, target: Target) -> Network:
    """Give the network its generator: the seeds of its sources, and the random bits of a pass; or the
    points that passes go through, if ``target.masks`` asks for some, and the bits of their shifts.

    A bit is 0 with the probability that its draw has, as the nearest multiple of ``2 ** -16``. The seeds
    are what SplitMix64 makes of that of the target (:func:`gen.split_mix.seeds_of`), since a xorshift
    generator is linear: unmixed, the stream of seed 3 would be those of seeds 1 and 2, added modulo 2, and
    a small seed would take many steps to reach the upper bits.

    Needs: nothing. Ensures: a generator with one ``drop`` per bit of a pass or of the shifts of points,
    each from 0 to 65536, and one source or as many as there are of these; none where there are none.

    Raises
    ------
    ImpossibleTarget
        As :func:`gen.point_sets.point_set`.
    """
    points = point_set(network, target)
    drop = (tuple(round(p * 65536) for p in network.drops) if points is None else
            (32768,) * (points.bits * len(network.drops)))
    count = len(drop) if target.sources == "layer" else min(1, len(drop))
    return replace(network, generator=Generator(
        seeds_of(target.seed, count), drop, points))
