"""Points that passes go through in place of drawing each bit: balanced, or rows of an orthogonal array."""

import numpy as np

from gen.check_target import ImpossibleTarget, refuse_words
from gen.ir import Network, PointSet, Target
from gen.orthogonal_array import exists, orthogonal_array


__all__ = ["POINTS", "point_set"]


#: What :attr:`gen.ir.Target.masks` calls points.
POINTS = "balanced", "orthogonal"


#: Random bits are 0 with a probability of so many parts, which are so many bits.
_PARTS, _PART_BITS = 65536, 16

#: Orders among which that of the passes of a bit is chosen, and steps that this may take.
_TRIED, _STEPS = 16, 2**28


def point_set(network: Network, target: Target) -> PointSet | None:
    """Return the points of ``target.passes`` passes that ``target.masks`` asks for; None where passes draw
    their bits, or there are none.

    ``"balanced"`` points have coordinates at equal distances, in another order for each bit of a pass: so
    of T passes p T draw a 0, or where that is no whole number as many as it is rounded down or up to, by
    chance. Of some random orders that one is taken with which the number of passes in which two bits are
    both 0 is off the least, in the mean square over all shifts. Those of ``"orthogonal"`` are the rows of
    :func:`gen.orthogonal_array.orthogonal_array`, and a shift of one bit inverts a column or does not.

    Raises
    ------
    ImpossibleTarget
        If nothing is drawn, or a word of bits for a layer, as a mask is; or if there is no orthogonal array
        of so many passes, or for other probabilities than 0.5.
    """
    if target.masks not in POINTS:
        return None
    way_out = f"leave --masks {target.masks} out"
    refuse_words(network, "whose shifts would take as many random bits as they do", way_out)
    if target.masks == "balanced":
        return _balanced(network.drops, target.passes)
    for draw in network.draws:
        for drop in draw.drops or ():
            if round(drop * _PARTS) != _PARTS // 2:
                raise ImpossibleTarget(f"Draw {draw.name!r} is 0 with a probability of {drop:g}, but in an "
                                       "orthogonal array half of a column is; take --masks balanced")
    bits = len(network.drops)
    if bits >= target.passes or not exists(target.passes):
        raise ImpossibleTarget(f"There is no orthogonal array of {target.passes} passes for {bits} random "
                               f"bits of a pass; {_nearest(bits, target.passes)}, or --masks balanced")
    points = orthogonal_array(target.passes, bits)
    return PointSet(1, tuple(map(tuple, points.tolist())), (1,) * bits)


def _nearest(bits, passes):
    """What numbers of passes to take in place of ``passes``."""
    above = next(runs for runs in range(max(passes, bits + 1), 2 * max(passes, bits) + 4) if exists(runs))
    below = next((runs for runs in range(passes, bits, -1) if exists(runs)), None)
    return f"take --passes {above}" if below is None else f"take --passes {below} or {above}"


def _balanced(drops, passes):
    parts = [round(drop * _PARTS) for drop in drops]
    # The fewest bits in units of which all probabilities are whole, and that tell all passes apart.
    bits = max(1, (passes - 1).bit_length(), *(
        _PART_BITS - (part & -part).bit_length() + 1 for part in parts if 0 < part < _PARTS))
    rng, orders = np.random.default_rng(0), []
    count = max(1, min(_TRIED, _STEPS // (passes * len(drops))**2))
    for drop in drops:
        tried = [rng.permutation(passes) for _ in range(count)]
        orders.append(min(tried, key=lambda order: sum(
            _imbalance((order, drop), known) for known in zip(orders, drops, strict=False))))
    points = [[int(rank) << bits for rank in of_pass] for of_pass in zip(*orders, strict=True)]
    return PointSet(bits, tuple(tuple(rank // passes for rank in point) for point in points),
                    tuple(part >> _PART_BITS - bits for part in parts))


def _imbalance(one, other):
    """Mean square of what the number of passes in which two bits are 0 is off, over all shifts. Each bit is
    given by the order of its passes, int (T,), and the probability of a 0."""
    (first, p), (second, q) = one, other
    passes = len(first)
    both = np.zeros((passes, passes))
    both[first, second] = 1
    for axis, drop in enumerate((p, q)):
        # Over as many places as are 0, one after another, from each place on.
        count = round(drop * passes)
        sums  = np.cumsum(np.concatenate([both, both], axis), axis)
        sums  = np.concatenate([np.zeros_like(sums.take([0], axis)), sums], axis)
        both  = (sums.take(range(count, count + passes), axis) - sums.take(range(passes), axis))
    return float(((both - both.mean())**2).mean())
