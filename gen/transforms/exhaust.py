"""Let passes go through all that choices can be, in place of drawing it."""

import itertools
import math
from dataclasses import fields, replace
from fractions import Fraction

from gen.check_target import ImpossibleTarget, refuse_words
from gen.ir import Draw, Network, Target


__all__ = ["PASSES_MOST", "exhaust", "pass_count"]


#: Passes that a target can have.
PASSES_MOST = next(field for field in fields(Target) if field.name == "passes_max").metadata["limits"][-1]

#: Random bits are 0 with a probability of so many parts.
_PARTS = 65536

_WAY_OUT = "leave --masks all out"


def exhaust(network: Network, target: Target) -> Network:
    """Where ``target.masks`` is ``"all"``, let pass t take the combination t of what the draws can give,
    each as often as its probability says. So T passes are the exact mean over the posterior that the
    method approximates, instead of T samples of it, and nothing is random.

    Passes count through the numbers of the first draw fastest. T must be a multiple of
    :func:`pass_count`.

    Needs: nothing. Ensures: with all combinations, no draw but that of the number of the pass.

    Raises
    ------
    ImpossibleTarget
        As :func:`pass_count`; if T is no multiple of it; or if there are junctions at the pins.
    """
    if target.masks != "all":
        return network
    count = pass_count(network)
    if target.passes % count:
        raise ImpossibleTarget(f"All combinations are {count} passes, so T must be a multiple of {count}, "
                               f"not {target.passes}")
    if target.rng == "mtj":
        raise ImpossibleTarget("With --masks all nothing is drawn, so there are no junctions; leave "
                               "--rng mtj out")
    numbers, below = {}, 1
    for draw, values in _values(network).items():
        numbers[draw] = [values[number // below % len(values)] for number in range(count)]
        below *= len(values)
    name = network.draws[0].name
    return replace(network, draws=(Draw(name, None),), layers=tuple(
        replace(layer, choices=tuple(
            replace(choice, draw=name, table=tuple(
                choice.table[number % len(choice.table)] for number in numbers[choice.draw]))
            for choice in layer.choices)) for layer in network.layers))


def pass_count(network: Network) -> int:
    """Return how many passes are all combinations of what the draws of ``network`` give, each as often as
    its probability says: 32 of five fair bits.

    Raises
    ------
    ImpossibleTarget
        If nothing is drawn; if a word of bits is drawn for a layer, as a mask is; if a bit is always the
        same; or if these are more than :data:`PASSES_MOST`.
    """
    refuse_words(network, "which have too many combinations", _WAY_OUT)
    if alike := next((draw.name for draw in network.draws if {0.0, 1.0} & {*(draw.drops or ())}), None):
        raise ImpossibleTarget(f"Network {network.name!r} draws bits for {alike!r} that are always alike, "
                               "with a probability of 0 or 1, so there is nothing to combine; "
                               f"{_WAY_OUT}, or choose another --p")
    count = 1
    for draw in network.draws:
        count *= _turn(network, draw) if draw.drops is None else math.prod(map(_parts, draw.drops))
        if count > PASSES_MOST:
            raise ImpossibleTarget(f"Network {network.name!r} draws what has more than {PASSES_MOST:,} "
                                   f"combinations, each as often as its probability says; {_WAY_OUT}")
    return count


def _parts(drop):
    """The least number of passes of which a bit can be 0 in as many as its probability says."""
    return Fraction(round(drop * _PARTS), _PARTS).denominator


def _turn(network, draw):
    """Passes after which choices by the number of the pass begin again."""
    return math.lcm(*(len(choice.table) for layer in network.layers for choice in layer.choices
                      if choice.draw == draw.name))


def _values(network):
    """By draw the numbers that it gives, each as often as its probability says."""
    values = {}
    for draw in network.draws:
        if draw.drops is None:
            values[draw.name] = range(_turn(network, draw))
            continue
        bits = [(0,) * round(drop * _parts(drop)) + (1,) * round((1 - drop) * _parts(drop))
                for drop in draw.drops]
        values[draw.name] = [int("".join(map(str, word)), 2) for word in itertools.product(*bits)]
    return values
