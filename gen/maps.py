"""How many maps enter and leave each layer for an image: exactly, for given choices or on average."""

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gen.graph import graph_of
from gen.ir import Layer, MaskChoice, Network
from gen.outcomes import drawn


__all__ = ["Maps", "expected", "given", "one_by_one"]


#: Probabilities of bits come in so many steps (:class:`gen.ir.Generator`).
_STEPS = 65536

#: Most probabilities that are told apart, of all choices up to a layer: those of ten layers with four
#: outcomes each may be more.
_SHARES_MAX = 16384

#: Images over which the maps of passes that go through points are averaged.
_SHIFTS = 500


@dataclass(frozen=True, slots=True)
class Maps:
    """Maps of one image by layer: numbers of them, or their means."""

    entering: tuple[float, ...] #: Runs of a layer: each map that enters it is read once.
    leaving: tuple[float, ...]  #: Maps that a layer has made, of the different choices behind its sums, of
                                #: which no pass set is empty.
    active: tuple[float, ...]   #: Inputs of the kernel of a layer that no mask drops, added up over its
                                #: runs.


def one_by_one(network: Network, passes: int, kept: dict[int, float] | None = None) -> Maps:
    """Return the maps of ``passes`` passes that follow one another; ``kept`` as :func:`given`, the mean
    unless given."""
    runs = (passes,) * len(network.layers)
    return Maps(runs, runs, _active(network, runs, passes, kept))


def given(network: Network, outcomes: np.ndarray, kept: dict[int, float] | None = None) -> Maps:
    """Return the maps of passes that share what they have in common, by the ``outcomes`` of their choices,
    int (T, L, 2) (:func:`gen.outcomes.outcomes_of`).

    ``kept`` has, by the index of each layer with a mask, the inputs of its kernel that are not dropped,
    added up over all its runs; their mean unless given.
    """
    entering, leaving = _with_branches(network, *_counted(network, outcomes[None]))
    entering, leaving = (tuple(int(count[0]) for count in counts) for counts in (entering, leaving))
    return Maps(entering, leaving, _active(network, entering, len(outcomes), kept))


def expected(network: Network, passes: int) -> Maps:
    """Return the mean maps of passes that share what they have in common.

    No choice is drawn: it is exact. Passes that have chosen the same so far have one map. Those of them
    whose choices depend on the number of the pass in the same way, T' passes, choose independently: so of
    choices that each of them makes with probability q there are ``1 - (1 - q) ** T'`` maps on average, and
    that is added up over all choices. Each pass has a mask, and a mix of banks, of its own, unless passes
    with equal masks run as one.

    Passes that go through points do not choose independently: of these it is the mean over
    :data:`_SHIFTS` images, whose shifts are drawn.
    """
    if network.generator is not None and network.generator.points is not None:
        outcomes = drawn(network, _SHIFTS, passes)
        entering, leaving = _with_branches(network, *_counted(network, outcomes))
        return Maps(*map(_mean, (entering, leaving, _active(network, entering, passes, None))))
    entering, leaving, kept = {}, {}, {}
    choices, apart = [], False
    for index in graph_of(network).trunk:
        layer = network.layers[index]
        for kinds, count in (((layer.array_choice, layer.mask_choice), entering),
                             ((layer.bank_choice, layer.mix_choice), leaving)):
            table, own = kinds
            if own is not None and layer.merged and count is entering:
                table, own = own, None
            apart = apart or own is not None
            if table is not None:
                choices.append(table)
            count[index] = float(passes) if apart else _distinct(network, choices, passes)
        if layer.merged and not apart:
            kept[index] = _kept_of_merged(network, layer, choices, passes)
    entering, leaving = _with_branches(network, entering, leaving)
    return Maps(entering, leaving, _active(network, entering, passes, kept))


def _counted(network, outcomes):
    """Maps that enter, and that leave, the layers of the trunk for each image, by the index of the layer:
    the different choices that its passes have made so far, by their ``outcomes``, int (N, T, L, 2)."""
    entering, leaving = {}, {}
    so_far, many = np.zeros(outcomes.shape[:2], dtype=np.int64), 1 # a number for each choice so far
    count = np.ones(len(outcomes), dtype=np.int64)
    for index in graph_of(network).trunk:
        for kind, counts in enumerate((entering, leaving)):
            chosen = outcomes[..., index, kind]
            if (most := int(chosen.max()) + 1) > 1:
                if many * most >= 2**63:
                    so_far = np.unique(so_far, return_inverse=True)[1].reshape(so_far.shape)
                    many   = int(so_far.max()) + 1
                so_far, many = so_far * most + chosen, many * most
                count = 1 + np.count_nonzero(np.diff(np.sort(so_far, axis=1), axis=1), axis=1)
            counts[index] = count
    return entering, leaving


def _mean(values):
    """Means over images of what each layer has, where it is one number that of all images."""
    return tuple(np.mean(np.stack(np.broadcast_arrays(*values), axis=1), 0).tolist())


def _with_branches(network, entering, leaving):
    """Maps by layer, of those of the trunk: layers on a branch choose nothing, so they have the maps of the
    layer at whose entrance it leaves."""
    beside = {index: entering[branch.between[0]] for branch in graph_of(network).branches
              for index in branch.layers}
    return tuple(tuple((maps | beside)[index] for index in range(len(network.layers)))
                 for maps in (entering, leaving))


def _active(network, runs, passes, kept):
    """Inputs that no mask drops, over all runs of each layer; ``kept`` has those of some layers."""
    drops = {draw.name: draw.drops for draw in network.draws}
    return tuple(
        count * layer.fan_in if layer.mask_choice is None
        else kept[index] if kept is not None and index in kept
        else (count if layer.merged else passes) * _mean_kept(layer, drops)
        for index, (layer, count) in enumerate(zip(network.layers, runs, strict=True)))


def _kept_of_merged(network, layer, choices, passes):
    """Mean of the inputs that are kept in all runs of a layer whose equal masks are merged: of each group
    in as many runs as there are different choices with it."""
    drops = next(draw.drops for draw in network.draws if draw.name == layer.mask_choice.draw)
    runs  = {}
    for place, drop in enumerate(drops):
        if drop not in runs: # groups with the same probability are alike
            runs[drop] = _distinct(network, choices, passes, (layer.mask_choice.draw, place))
    return sum(runs[drop] for drop in drops) * layer.fan_in / layer.mask_choice.groups


def _mean_kept(layer: Layer, drops: dict) -> float:
    """Mean of the inputs that a pass keeps; group g has every ``groups``-th input from g on."""
    choice = layer.mask_choice
    kept   = sum(_STEPS - round(drop * _STEPS) for drop in drops[choice.draw]) / _STEPS
    return kept * layer.fan_in / choice.groups


def _distinct(network, choices, passes, only=None):
    """Mean of the different outcomes that ``passes`` passes have of all ``choices`` together, of masks each
    bit; with ``only``, the name of a draw and the place of a bit of it, of those in which this bit is 1."""
    tables, turns, masks = {}, [], set()
    draws = {draw.name: draw for draw in network.draws}
    for choice in choices:
        if isinstance(choice, MaskChoice):
            masks.add(choice.draw)
        else:
            tables.setdefault(choice.draw, []).append(choice.table)
    factors = []
    for name in sorted(masks):
        # Bits are drawn one by one, which is much shorter than all that they can be together.
        together = tables.pop(name, None)
        bits     = draws[name].drops
        asked    = only[1] if only and only[0] == name else None
        if together is None:
            factors += [((drop,), ((0, 1),), place == asked) for place, drop in enumerate(bits)]
        else:
            factors.append((bits, (*together, tuple(range(2**len(bits)))),
                            0 if asked is None else 1 << len(bits) - 1 - asked))
    for name, of_draw in tables.items():
        if draws[name].drops is None:
            turns += of_draw
        else:
            factors.append((draws[name].drops, tuple(of_draw), 0))
    together = Counter(tuple(table[number % len(table)] for table in turns) for number in range(passes))
    shares, many = _product(tuple(factors))
    with np.errstate(divide="ignore"): # of what is certain
        logs = np.log1p(-shares)
    # 1 - (1 - q) ** T without the loss of digits where q is small.
    return float(sum(times * (many @ -np.expm1(alike * logs))
                     for alike, times in Counter(together.values()).items()))


@lru_cache(maxsize=256) # as they are asked for once for each number of passes
def _product(factors):
    """Probabilities of the outcomes of independent draws together, and how many have each: two arrays."""
    found = _together(factors)
    unit  = _STEPS**sum(len(drops) for drops, *_ in factors)
    return np.array([share / unit for share in found]), np.array([float(many) for many in found.values()])


@lru_cache(maxsize=256)
def _together(factors):
    """The same as a counter of integers, in units of ``2 ** -16`` for each bit."""
    both = Counter({1: 1})
    for factor, alike in itertools.groupby(factors):
        count = len(list(alike))
        below, both = both, Counter()
        for (first, many), (second, few) in itertools.product(
                below.items(), _powers(Counter(_shares(*factor)), count).items()):
            both[first * second] += many * few
        both = both if len(both) <= _SHARES_MAX else _rounded(both)
    return both


def _powers(shares, count):
    """The same of so many draws with these probabilities."""
    both = Counter({1: 1})
    if len(shares) == 2 and set(shares.values()) == {1}:
        one, other = shares
        return Counter({one**ones * other**(count - ones): math.comb(count, ones)
                        for ones in range(count + 1)})
    for _ in range(count):
        below, both = both, Counter()
        for (first, many), (second, few) in itertools.product(below.items(), shares.items()):
            both[first * second] += many * few
    return both


def _shares(drops, tables, ones) -> list[int]:
    """Probability of each different outcome of ``tables`` by the number that bits with these probabilities
    of a 0 are, of numbers in which all bits of ``ones`` are 1: integers, so that equal ones are found in
    whatever order factors come."""
    shares = Counter()
    for bits in itertools.product((0, 1), repeat=len(drops)):
        share, number = 1, 0
        for bit, drop in zip(bits, drops, strict=True):
            zero   = round(drop * _STEPS)
            share *= _STEPS - zero if bit else zero
            number = 2 * number + bit
        if number & ones == ones:
            shares[tuple(table[number % len(table)] for table in tables)] += share
    return [share for share in shares.values() if share]


def _rounded(shares):
    """Take together probabilities that differ by less than 0.4 %, by their mean: the sums that are made of
    them change by the square of that."""
    totals, counts = Counter(), Counter()
    for share, many in shares.items():
        below = max(0, share.bit_length() - 9)
        totals[share >> below, below] += share * many
        counts[share >> below, below] += many
    merged = Counter()
    for key, many in counts.items():
        merged[totals[key] // many] += many
    return merged
