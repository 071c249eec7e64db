"""Outcomes of the random choices of a network, as the estimates of the compiler need them."""

import math
from collections.abc import Sequence

import numpy as np

from gen.ir import ArrayChoice, BankChoice, MaskChoice, MixChoice, Network


__all__ = ["branching", "combinations", "drawn", "outcomes_of"]


#: Random bits that are drawn at a time, which bounds the memory that this takes.
_BITS = 2**22


def outcomes_of(network: Network, numbers: dict[str, np.ndarray]) -> np.ndarray:
    """Return the outcomes of all choices, int (..., layers, 2). On the last axis are the outcome before the
    sum, of an array or a mask, and the one behind it, of a bank; 0 where a layer has none. That of a mask,
    or of a bank for each channel, is the number of the pass, as passes hardly ever have the same; where
    equal masks are merged, it is the number of the last pass with this mask.

    ``numbers`` has what each draw has drawn, int (..., passes), by its name; under None the number of the
    pass, which choices of many bits need."""
    shape  = next(iter(numbers.values())).shape
    result = np.zeros((*shape, len(network.layers), 2), dtype=np.int64)
    for index, layer in enumerate(network.layers):
        if layer.mask_choice is not None:
            result[..., index, 0] = (_last_equal(numbers[layer.mask_choice.draw]) if layer.merged
                                     else numbers[None])
        if layer.mix_choice is not None:
            result[..., index, 1] = numbers[None]
        for kind, choice in enumerate((layer.array_choice, layer.bank_choice)):
            if choice is not None:
                table = np.array(choice.table)
                result[..., index, kind] = table[numbers[choice.draw] % len(table)]
    return result


def drawn(network: Network, images: int, passes: int) -> np.ndarray:
    """Return the outcomes of ``images`` images, int (images, passes, layers, 2), drawn from a fixed seed
    with the probabilities of the network."""
    rng, number = np.random.default_rng(0), np.arange(passes)
    numbers = {None: np.broadcast_to(number, (images, passes))} # for a network that draws nothing
    points  = network.generator and network.generator.points
    shifted = _shifted(points, images, passes, rng) if points else None
    for draw in network.draws:
        if draw.drops is None or not (_tables(network, draw.name) or _merges(network, draw.name)):
            numbers[draw.name] = numbers[None]
            continue
        if points:
            numbers[draw.name] = _numbers(shifted[..., network.places(draw.name)])
            continue
        drop = [round(p * 65536) for p in draw.drops]
        size = max(1, _BITS // (passes * len(drop)))
        numbers[draw.name] = np.concatenate([
            _numbers(rng.integers(0, 1 << 16, (min(size, images - first), passes, len(drop))) >= drop)
            for first in range(0, images, size)])
    return outcomes_of(network, numbers)


def branching(network: Network, passes: int) -> np.ndarray:
    """Return outcomes, int (passes, layers, 2), that give every layer the most maps it can have: pass t
    takes combination t of the outcomes of all draws, those of the first draw running fastest."""
    number  = np.arange(passes, dtype=object)
    numbers = {None: np.arange(passes)}
    below   = 1
    for draw in network.draws:
        if draw.drops is not None and _merges(network, draw.name):
            numbers[draw.name] = (number // below % 2**len(draw.drops)).astype(int)
            below *= 2**len(draw.drops)
            continue
        if draw.drops is None or not _tables(network, draw.name):
            numbers[draw.name] = numbers[None]
            continue
        different = _different(network, draw.name)
        numbers[draw.name] = np.array(different)[(number // below % len(different)).astype(int)]
        below *= len(different)
    return outcomes_of(network, numbers)


def combinations(network: Network, choices: Sequence[ArrayChoice | BankChoice]) -> int:
    """Return how many different outcomes ``choices`` have together."""
    tables = {}
    for choice in choices:
        tables.setdefault(choice.draw, []).append(choice.table)
    return math.prod(len(_together(of_draw)) for of_draw in tables.values())


def _shifted(points, images, passes, rng):
    """Bits (images, passes, W) of passes that go through ``points``, with shifts by ``rng``."""
    table = np.array(points.points)
    shift = rng.integers(0, 1 << points.bits, (images, -(-passes // len(table)), 1, table.shape[1]))
    moved = table + shift & (1 << points.bits) - 1
    return (moved.reshape(images, -1, table.shape[1]) >= points.drop)[:, :passes]


def _numbers(bits):
    """The numbers (images, passes) that ``bits`` (images, passes, W) are, the first one the most
    significant; of more bits than a number can have, as those of masks, the same for the same bits."""
    if bits.shape[-1] < 63:
        return bits @ (1 << np.arange(bits.shape[-1])[::-1])
    words = bits.reshape(-1, bits.shape[-1])
    return np.unique(words, axis=0, return_inverse=True)[1].reshape(bits.shape[:-1])


def _last_equal(numbers):
    """For each of ``numbers`` (..., passes) the place of the last one that equals it."""
    order = np.argsort(numbers, axis=-1, kind="stable")
    found = np.take_along_axis(numbers, order, -1)
    # Equal ones stand together, in the order of their places.
    ends  = np.concatenate([found[..., 1:] != found[..., :-1], np.ones_like(found[..., :1], bool)], -1)
    count = numbers.shape[-1]
    end   = np.minimum.accumulate(np.where(ends, np.arange(count), count)[..., ::-1], -1)[..., ::-1]
    result = np.empty(numbers.shape, dtype=np.int64)
    np.put_along_axis(result, order, np.take_along_axis(order, end, -1), -1)
    return result


def _merges(network, name):
    """Whether equal masks by a draw are merged."""
    return any(layer.merged and layer.mask_choice.draw == name for layer in network.layers)


def _different(network, name):
    """Numbers of a draw, one for each set of outcomes that its choices have together."""
    return sorted(_together(_tables(network, name)).values())


def _tables(network, name):
    """Tables of the choices by a draw; those of many bits have none."""
    return [choice.table for layer in network.layers for choice in layer.choices
            if choice.draw == name and not isinstance(choice, MaskChoice | MixChoice)]


def _together(tables):
    """The first number for each set of outcomes that ``tables`` have for the same number."""
    first = {}
    for number in range(math.lcm(*map(len, tables))):
        first.setdefault(tuple(table[number % len(table)] for table in tables), number)
    return first
