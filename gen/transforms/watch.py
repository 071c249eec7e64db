"""Choose the health tests of the random bits, and their limits."""

import math
from collections.abc import Sequence
from dataclasses import replace

from gen.ir import HealthTest, Network, Target


__all__ = ["FALSE_ALARM_BITS", "WINDOW", "cutoffs", "watch"]


#: A test raises the alarm on good bits with at most this probability, as a power of two, for each bit
#: (repetition) or window (proportion): at ten million bits a second, less than once in a thousand years.
FALSE_ALARM_BITS = 60

#: Bits of a window (NIST SP 800-90B, 4.4.2), unless so many of them say too little.
WINDOW = 1024


def watch(network: Network, target: Target) -> Network:
    """Give the network the tests of its random bits.

    The bits of each draw that have the same probability are watched by themselves, with its limits: a
    source may be wrong for one draw only, as each has its own write current. The bits of each source are
    compared with the one before, and with that of the same place a pass before. A bit that is certain (p is
    0 or 1) has nothing random to test. Where passes go through points, the bits are those of shifts.

    Needs: a generator. Ensures: health tests of all bits that are random.
    """
    drop   = network.generator.drop
    random = [place for place, value in enumerate(drop) if 0 < value < 65536]
    each   = len(drop) // max(1, len(network.drops)) # of a bit of a pass, of which its shift has several
    one_by_one = [(place,) for place in random]
    if len(network.generator.seeds) == 1:
        alike = {}
        for draw in network.draws:
            places = network.places(draw.name)
            for place in range(each * places.start, each * places.stop):
                if place in random:
                    alike.setdefault((draw.name, drop[place]), []).append(place)
        by_draw, by_source = list(map(tuple, alike.values())), [tuple(random)]
    else:
        by_draw = by_source = one_by_one
    watched = [*((places, 0) for places in by_draw),
               *((places, distance) for places in by_source for distance in sorted({1, len(places)}))]
    return replace(network, health=tuple(
        HealthTest(places, distance, **cutoffs([drop[place] for place in places]))
        for places, distance in watched if places))


def cutoffs(drop: Sequence[int]) -> dict:
    """Return the limits of both tests for bits that are 0 with the probabilities ``drop / 65536`` in
    turn, each above 0 and below 1.

    A bit is foreseen with ``likely = max(p, 1 - p)`` at most, so it has ``-log2(likely)`` bits of entropy
    (NIST SP 800-90B, 4.4). As many equal bits as have an entropy of :data:`FALSE_ALARM_BITS`, from the
    least random one on, and one more, are a repetition. A window holds each of ``drop`` as often as the
    others; how many bits equal the first is, beyond the mean, no more often as many as where all have the
    mean probability (Hoeffding, "On the distribution of the number of successes in independent trials",
    1956, Theorem 4).
    """
    likely = [max(p, 65536 - p) / 65536 for p in drop]
    window = len(drop) * math.ceil(WINDOW / len(drop))
    while (proportion := _proportion(_mean_of_others(likely, window), window)) > window:
        window *= 2
    return {"repetition": _repetition(likely), "window": window, "proportion": proportion}


def _repetition(likely: list[float]) -> int:
    """Least number of equal bits in a row that good bits reach with a chance of at most
    ``2 ** -FALSE_ALARM_BITS``, wherever the first of them is; it may be either value."""
    entropy = [-math.log2(one) for one in likely]
    rounds, rest = divmod(FALSE_ALARM_BITS, sum(entropy))
    most = 0
    for first in range(len(entropy)):
        left, more = rest, 0
        while left > 0:
            left -= entropy[(first + more) % len(entropy)]
            more += 1
        most = max(most, more)
    return 1 + round(rounds) * len(entropy) + most


def _mean_of_others(likely: list[float], window: int) -> float:
    """Mean of ``likely`` over a window but for its first bit, which is the reference."""
    return (window // len(likely) * sum(likely) - likely[0]) / (window - 1)


def _proportion(likely: float, window: int) -> int:
    """Least count that good bits of a window reach with a chance of at most ``2 ** -FALSE_ALARM_BITS``.

    The first is the reference, and counts; so it is one less among the others.
    """
    tail, others = 0.0, window - 1
    logs = math.log(likely), math.log1p(-likely)
    for equal in range(others, -1, -1):
        tail += math.exp(math.lgamma(others + 1) - math.lgamma(equal + 1)
                         - math.lgamma(others - equal + 1)
                         + equal * logs[0] + (others - equal) * logs[1])
        if tail > 2.0 ** -FALSE_ALARM_BITS:
            return equal + 2
    return 1
