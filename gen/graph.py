"""Which layers a map passes: the trunk from the input to the output, and the branches beside it.

The *trunk* is the way from the input to the output on which passes choose. At the entrance of a layer of
the trunk a *branch* may leave, through layers without choices or through none, to a join farther on. So the
maps of a branch are those of the trunk at its entrance, and each meets all maps that the trunk has made of
it since then.
"""

import operator
from dataclasses import dataclass

from gen.command import UserError
from gen.ir import Join, Layer, Network


__all__ = ["Branch", "Graph", "MalformedGraph", "graph_of", "trunk_and_branch"]


class MalformedGraph(UserError):
    """Layers and joins that make no network."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A way beside the trunk."""

    join: Join               #: At which it ends.
    layers: tuple[int, ...]  #: Indices of its layers, in order.
    between: tuple[int, ...] #: Indices of the layers of the trunk beside it: it leaves at the entrance of
                             #: the first, and ends behind the last.


@dataclass(frozen=True, slots=True)
class Graph:
    """How the layers of a network are connected."""

    trunk: tuple[int, ...]                     #: Indices of the layers of the trunk, in order.
    branches: tuple[Branch, ...]               #: In the order of their joins on the trunk.
    nodes: tuple[Layer | Join, ...]            #: Layers and joins, each after its sources.
    sources: dict[str, tuple[str | None, ...]] #: Of each, by name; None is the input.
    values: dict[str | None, int | None]       #: By name, bits of the values in fixed point that leave
                                               #: each, None where levels do, as from the input.
    sent: dict[str, tuple[int, int]]           #: By name, how many rows and columns each of what a layer
                                               #: makes, or of what meets in a join, becomes until it enters
                                               #: a layer: joins that it passes may make it larger, too.

    def following(self, index: int) -> int | None:
        """Return the layer of the trunk that comes behind the layer ``index`` of it, past joins; None if
        it is the last, or on a branch."""
        later = self.trunk[self.trunk.index(index) + 1:] if index in self.trunk else ()
        return later[0] if later else None


def graph_of(network: Network) -> Graph:
    """Return how the layers and joins of ``network`` are connected.

    Raises
    ------
    MalformedGraph
        If a name is that of two, a source comes later or is none, a map is not used, or what meets in a
        join has not parted as a trunk and a branch.
    """
    index = {layer.name: number for number, layer in enumerate(network.layers)}
    joins = {join.name: join for join in network.joins}
    names = [*index, *joins]
    if len(set(names)) < len(network.layers) + len(network.joins):
        twice = next(name for name in names if [*(layer.name for layer in network.layers),
                                                *(join.name for join in network.joins)].count(name) > 1)
        raise MalformedGraph(f"Network {network.name!r} has two layers or joins named {twice!r}, but each "
                             "must have a name of its own")
    sources = {}
    for before, layer in zip([None, *(layer.name for layer in network.layers)], network.layers,
                             strict=False):
        sources[layer.name] = (layer.source or before,)
    sources |= {join.name: join.sources for join in network.joins}
    nodes = _ordered(network, sources)
    trunk, met = _trunk(network, sources, index, joins)
    branches = _branches(network, sources, index, met, trunk)
    used  = {trunk[-1], *(number for branch in branches for number in branch.layers)} | set(trunk)
    spare = [layer.name for number, layer in enumerate(network.layers) if number not in used]
    spare += [join.name for join in network.joins if join not in met]
    if spare:
        raise MalformedGraph(f"What leaves {spare[0]!r} is not used: let a layer or join have it as its "
                             "source, or leave it out")
    values = {None: None}
    for node in nodes:
        values[node.name] = (values[sources[node.name][0]] if isinstance(node, Join) else
                             None if node.fraction is None else node.output_bits)
    return Graph(tuple(trunk), tuple(branches), nodes, sources, values, _sent(network, branches, nodes))


def _sent(network, branches, nodes):
    # A map meets others before it enters a layer, if it is that of a trunk or ends a branch with layers.
    meets = {join.trunk: join for join in network.joins} | {
        branch.join.branch: branch.join for branch in branches if branch.layers}
    sent = {}
    for node in reversed(nodes):
        further = sent[meets[node.name].name] if node.name in meets else (1, 1)
        sent[node.name] = tuple(map(operator.mul, node.resize, further))
    return sent


def _ordered(network, sources):
    """Layers and joins, each after its sources; of those that could come next, joins first."""
    nodes, known = [], {None}
    waiting = [*network.joins]

    def place(node):
        nodes.append(node)
        known.add(node.name)
        for join in tuple(waiting):
            if join in waiting and known.issuperset(join.sources):
                waiting.remove(join)
                place(join)

    for layer in network.layers:
        (source,) = sources[layer.name]
        if source is None and layer is not network.layers[0]:
            raise MalformedGraph(f"Layer {layer.name!r} must have a layer or join as its source")
        if source not in known:
            _refuse_source(layer, source, sources)
        place(layer)
    for join in waiting:
        _refuse_source(join, next(source for source in join.sources if source not in known), sources)
    return tuple(nodes)


def _refuse_source(node, source, sources):
    what = "Join" if isinstance(node, Join) else "Layer"
    why  = ("which comes no earlier" if source in sources else "which is none of its layers and joins")
    raise MalformedGraph(f"{what} {node.name!r} has the source {source!r}, {why}")


def _trunk(network, sources, index, joins):
    """Layers of the trunk, and the joins on it, each in order, with the layer that it comes behind."""
    trunk, met = [], []
    name = network.layers[-1].name
    while name is not None:
        if name in joins:
            met.append(joins[name])
        else:
            trunk.append(index[name])
        name = sources[name][0]
    return trunk[::-1], met[::-1]


def _branches(network, sources, index, met, trunk):
    on_trunk = {network.layers[number].name for number in trunk} | {join.name for join in met}

    def layers_before(name):
        """Layers of the trunk up to ``name``."""
        while name in (join.name for join in met):
            name = sources[name][0]
        return trunk[:trunk.index(index[name]) + 1]

    branches, taken = [], set()
    for join in met:
        layers, name = [], join.sources[1]
        while name not in on_trunk:
            if name is None or name not in index:
                raise MalformedGraph(f"Join {join.name!r} must have as its second source a layer without "
                                     f"choices or what enters a layer before it, not the join {name!r}")
            layers.insert(0, index[name])
            (name,) = sources[name]
        for number in layers:
            if network.layers[number].choices:
                raise MalformedGraph(f"Layer {network.layers[number].name!r} is beside the others, on the "
                                     f"way to join {join.name!r}, and must choose nothing")
            if number in taken:
                raise MalformedGraph(f"Layer {network.layers[number].name!r} must have one layer or join "
                                     "that takes its map")
            taken.add(number)
        before, start = layers_before(join.sources[0]), layers_before(name)
        between = before[len(start):]
        # Whether the trunk has the source of the branch before the join, and not only its layer.
        if not between or name == join.sources[0]:
            raise MalformedGraph(f"Join {join.name!r} must have a layer between where its sources part and "
                                 "where they meet")
        if _entering(network, sources, between[0]) != name:
            raise MalformedGraph(f"Join {join.name!r} must have as a source what enters a layer, and not "
                                 f"{name!r}, to which something is joined first")
        branches.append(Branch(join, tuple(layers), tuple(between)))
    return branches


def _entering(network, sources, number):
    return sources[network.layers[number].name][0]


def trunk_and_branch(sources: dict[str, tuple[str | None, ...]], one: str, other: str,
                     quiet: set[str]) -> tuple[str, str] | None:
    """Return which of two layers or joins, that are to meet, can end the trunk and which the branch, or
    None if neither can; of both ways that with fewer layers on the branch.

    ``sources`` are those of all layers and joins so far, by name, None for the input; ``quiet`` the names
    of layers that choose nothing, which alone can be on a branch.
    """
    ways = []
    for trunk, branch in (one, other), (other, one):
        known, waiting = set(), [trunk]
        while waiting:
            name = waiting.pop()
            if name not in known:
                known.add(name)
                waiting += sources.get(name, ())
        count, name = 0, branch
        while name not in known and name in quiet:
            (name,), count = sources[name], count + 1
        if name in known and name not in (None, trunk):
            ways.append((count, trunk, branch))
    return min(ways, key=lambda way: way[0])[1:] if ways else None
