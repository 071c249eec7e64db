from dataclasses import replace

import pytest

from gen.graph import MalformedGraph, graph_of
from gen.ir import Input, Join, Layer, Network


def network(sources, *joins):
    """Layers a, b, ... with these sources, the last of which is the output."""
    return Network("graph", Input(1, 1, (100,)), tuple(
        Layer(name, 1, 1, 1, (1, 1), 1, source=source) for name, source in zip("abcdefgh", sources,
                                                                              strict=False)), joins=joins)


def test_chain():
    graph = graph_of(network(["", "", ""]))
    assert (graph.trunk, graph.branches) == ((0, 1, 2), ())
    assert [graph.following(index) for index in range(3)] == [1, 2, None]
    assert graph.sources == {"a": (None,), "b": ("a",), "c": ("b",)}


def test_branches():
    """A branch without layers, and inside of it one with two."""
    made  = network(["", "", "", "b", "", "outer"], Join("inner", "c", "e"), Join("outer", "inner", "a"))
    graph = graph_of(made)
    assert graph.trunk == (0, 1, 2, 5)
    assert [(branch.join.name, branch.layers, branch.between) for branch in graph.branches] == [
        ("inner", (3, 4), (2,)), ("outer", (), (1, 2))]
    assert [node.name for node in graph.nodes] == ["a", "b", "c", "d", "e", "inner", "outer", "f"]
    assert [graph.following(index) for index in range(6)] == [1, 2, 5, None, None, None]


def test_larger_maps():
    """What meets in joins becomes larger by those that it passes until it enters a layer."""
    made = network(["", "", "", "b", "", "outer"], Join("inner", "c", "e", resize=(1, 2)),
                   Join("outer", "inner", "a", resize=3))
    made = replace(made, layers=tuple(replace(layer, resize=5) if layer.name in "be" else layer
                                      for layer in made.layers))
    assert graph_of(made).sent == {"a": (1, 1), "b": (5, 5), "c": (3, 6), "d": (1, 1), "e": (15, 30),
                                   "inner": (3, 6), "outer": (3, 3), "f": (1, 1)}


@pytest.mark.parametrize("made, message", [
    (network(["", "", "x"]), "Layer 'c' has the source 'x', which is none of its layers and joins"),
    (network(["", "c", ""]), "Layer 'b' has the source 'c', which comes no earlier"),
    (network(["", "", "j"], Join("j", "b", "x")),
     "Layer 'c' has the source 'j', which comes no earlier"),
    (network(["", "", ""], Join("j", "b", "x")),
     "Join 'j' has the source 'x', which is none of its layers and joins"),
    (network(["", "", "a"]), "What leaves 'b' is not used: let a layer or join have it as its source, or "
                             "leave it out"),
    (network(["", "", ""], Join("j", "b", "a")),
     "What leaves 'j' is not used: let a layer or join have it as its source, or leave it out"),
    (network(["", "", "j"], Join("j", "b", "b")),
     "Join 'j' must have a layer between where its sources part and where they meet"),
    (network(["", "", "j"], Join("j", "a", "b")),
     "Join 'j' must have a layer between where its sources part and where they meet"),
    (network(["", ""], Join("a", "a", "b")),
     "Network 'graph' has two layers or joins named 'a', but each must have a name of its own"),
])
def test_no_network(made, message):
    with pytest.raises(MalformedGraph) as raised:
        graph_of(made)
    assert str(raised.value) == message


def test_choices_on_a_branch():
    made = network(["", "", "a", "j"], Join("j", "b", "c"))
    chosen = replace(made, layers=tuple(replace(layer, choices=("any",)) for layer in made.layers))
    graph_of(made)
    with pytest.raises(MalformedGraph, match="^Layer 'c' is beside the others, on the way to join 'j', and "
                                             "must choose nothing$"):
        graph_of(chosen)
