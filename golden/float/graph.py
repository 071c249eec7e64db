"""How a map goes through a float network whose ways part and meet again (:mod:`gen.graph`)."""

from collections import Counter
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gen.graph import Graph
from gen.ir import Join, Layer
from golden.float.layers import resized
from golden.float.levels import values_of


__all__ = ["follow", "joined", "numbered"]


def follow(graph: Graph, layers: list[Layer], x: Tensor | None, run: Callable[[int, Tensor], Tensor],
           level: Callable[[Tensor, int, int], Tensor]) -> Iterator[tuple[Layer | Join, Tensor]]:
    """Yield each layer and join, in order, with what leaves it, ``(N, C, H, W)``.

    Of values in fixed point those leave, in units of one, and the layers behind take the level of one bit
    that ``level`` makes of them: their sign. What leaves the last layer is not rounded.

    Parameters
    ----------
    x : Tensor or None
        Map that enters the first layer.
    run : callable
        Given the number of a layer and the map that enters it, returns what leaves it before rounding.
    level : callable
        Given that, the bits of a level and what the lowest one stands for, rounds it to levels.
    """
    numbers = {layer.name: number for number, layer in enumerate(layers)}
    uses = Counter(source for sources in graph.sources.values() for source in sources)
    left = {None: x} # what leaves each node, while another one needs it

    def take(name):
        uses[name] -= 1
        return left[name] if uses[name] else left.pop(name)

    for node in graph.nodes:
        sources = graph.sources[node.name]
        maps = [take(name) for name in sources]
        if isinstance(node, Join):
            layer = _of_values(graph, layers, node)
            y = resized(node, joined(node, *maps, layer))
        else:
            (x,) = maps
            y = run(numbers[node.name], x if graph.values[sources[0]] is None else level(x, 1, -1))
            if node.fraction is not None:
                y = values_of(y, node.output_bits, node.fraction)
            elif node is not layers[-1]:
                y = level(y, node.output_bits, node.output_low)
            y = resized(node, y)
        left[node.name] = y
        yield node, y


def joined(join: Join, first: Tensor, second: Tensor, layer: Layer | None) -> Tensor:
    """Return what ``join`` makes of the maps ``(N, C, H, W)`` of its sources, before it is resized;
    ``layer`` is one that has such values, None where these are levels."""
    if join.operation == "concat":
        return torch.cat([first, second], 1)
    return (first + second).clamp(*_range(layer))


def numbered(layer: Layer, values: Tensor) -> Tensor:
    """Return the numbers of ``values`` in fixed point that leave ``layer``, from 0 on."""
    return values * 2**layer.fraction + 2**(layer.output_bits - 1)


def _of_values(graph, layers, join):
    """The layer whose values reach ``join``, or None where levels do."""
    if graph.values[join.name] is None:
        return None
    name = join.name
    while len(graph.sources[name]) > 1:
        name = graph.sources[name][0]
    return next(layer for layer in layers if layer.name == name)


def _range(layer):
    most = 2**(layer.output_bits - 1)
    return -most / 2**layer.fraction, (most - 1) / 2**layer.fraction
