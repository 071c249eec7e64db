"""Reference of pass sets: which feature maps the hardware must send, and for which passes.

The T forward passes of an image differ only in what they draw at random in each layer. Passes that have
drawn the same outcomes so far have the same feature map, so the hardware computes that map once, and tags
it with its *pass set*: a T-bit number of which bit t is 1 if pass t has produced exactly this map. An image
enters with the set of all passes. Each layer divides the set of a map by the outcomes that its passes draw
(:func:`part`), so that every pass is always in the set of the map that it would have computed alone.

With T = 4, and keep bits 1, 0, 0, 1 drawn by passes 0 to 3 in the first layer, the image becomes two maps::

    part(0b1111, [1, 0, 0, 1]) == {0: 0b0110, 1: 0b1001}

In the second layer, where the passes draw 0, 1, 1, 1, the map of passes 1 and 2 stays one map, and that of
passes 0 and 3 becomes two. Three maps are computed instead of four.

A keep bit acts on the sums of a layer, so a layer makes the maps of both outcomes at once. An array is
chosen before it is read, so a map is sent to a layer of several arrays once for each array that a pass of
its set has drawn. The map buffer behind a layer does so; :func:`replay` says what it sends.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence


__all__ = ["members", "part", "replay"]


def members(pass_set: int) -> list[int]:
    """Return the passes of ``pass_set``, in ascending order."""
    return [number for number in range(pass_set.bit_length()) if pass_set >> number & 1]


def part(pass_set: int, outcomes: Sequence[Hashable]) -> dict[Hashable, int]:
    """Divide ``pass_set`` by the ``outcomes`` that all T passes drew, by number of the pass.

    An outcome is an integer, or a tuple of integers where several choices are made at once. The result
    has, for each outcome that a pass of the set drew, the set of these passes. Outcomes are in the order in
    which the hardware sends the maps: ascending, that of the last choice of a tuple varying fastest. The
    sets are disjoint and not empty, and their union is ``pass_set``.
    """
    parts = {}
    for number in members(pass_set):
        parts[outcomes[number]] = parts.get(outcomes[number], 0) | 1 << number
    return dict(sorted(parts.items()))


def replay(branches: Mapping[Hashable, int], last: bool) -> Iterator[tuple[Hashable, int, bool]]:
    """Yield outcome, pass set and ``last`` of each map that a map buffer sends for one map of its layer.

    ``branches`` are the pass sets by outcome, in the order in which they are sent. An outcome that no pass
    drew has an empty set, and is not sent. If the map was the ``last`` of its image, so is the last of the
    maps that it becomes, and no other.
    """
    sent = [(outcome, pass_set) for outcome, pass_set in branches.items() if pass_set]
    for number, (outcome, pass_set) in enumerate(sent, 1):
        yield outcome, pass_set, last and number == len(sent)
