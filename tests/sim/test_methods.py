# amaranth: UnusedElaboratable=no
"""Designs of every method, and of choices that no method makes: all that they answer is right."""

import json
from dataclasses import replace

import pytest

from gen.build import build_network
from gen.checkpoint import read
from gen.ir import ArrayChoice, BankChoice, Draw, Input, Layer, MaskChoice, MixChoice, Network, Target
from gen.methods import METHODS, array_sets, choose, with_dropout
from tests.images import images_for


CHANNELS = 6


def of_method(write_checkpoint, folder, method, side=1, count=None):
    """A network of one layer for maps of ``side`` by ``side``, with the choices of ``method`` and the
    parameters of a checkpoint: those that it has where another layer is behind it."""
    layer   = Layer(f"layer_{method}", side, side, CHANNELS, (side, side), CHANNELS)
    pixels  = Input(side, side, tuple(range(40, 40 + 30 * CHANNELS, 30)))
    network = choose(Network("network", pixels, (
        layer, Layer("behind", 1, 1, CHANNELS, (1, 1), CHANNELS))), method, count)
    path = folder / f"{method}.npz"
    write_checkpoint(path, network, seed=len(method))
    network = read(path, network)
    return replace(network, layers=network.layers[:1],
                   draws=tuple(draw for draw in network.draws if draw.name != "behind"))


def together(networks):
    """One network of their layers, one behind the other."""
    draws = {draw.name: draw for network in networks for draw in network.draws}
    return replace(networks[0], name="network", method="", draws=tuple(draws.values()),
                   layers=tuple(layer for network in networks for layer in network.layers))


def target_of(network, schedule, **options):
    columns = max(layer.columns_per_weight for layer in network.layers)
    return Target(array_rows=16, array_columns=3 * columns, passes=6, passes_max=8, schedule=schedule,
                  **options)


def check(network, folder, check_maps, schedule, **options):
    """Build and simulate; two shards, as the second begins in the midst of the random stream."""
    build_network(network, target_of(network, schedule, **options), folder)
    check_maps(folder, 10, size=5)
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize("schedule", [
    "shared", pytest.param("sequential", marks=pytest.mark.long)])
def test_methods(write_checkpoint, tmp_path, check_maps, schedule):
    """A layer of each of them; those that take turns take them together."""
    network = together([of_method(write_checkpoint, tmp_path, method, side=1 if index else 3)
                        for index, method in enumerate(METHODS)
                        if METHODS[method].choice is not MaskChoice])
    assert [(layer.crossbars, layer.bank_count) for layer in network.layers] == [
        (1, 2), (1, 2), (1, 5), (1, 2), (8, 1), (1, 8), (1, 4), (4, 1), (1, 4), (1, 1)]
    manifest = check(network, tmp_path / "out", check_maps, schedule)
    assert manifest["random_sources"] == 1 and "mask_bank" in manifest["blocks"]
    assert "instance_norm" in manifest["modules"].values()


@pytest.mark.long
def test_all_combinations(write_checkpoint, tmp_path, check_maps):
    """Passes go through all that layers can choose, arrays and banks, and nothing is drawn."""
    network = together([of_method(write_checkpoint, tmp_path, method, side, count)
                        for method, side, count in (("spinbayes", 3, 2), ("scale-dropout", 1, None))])
    target  = replace(target_of(network, "shared"), masks="all", passes=4)
    build_network(network, target, tmp_path / "out")
    check_maps(tmp_path / "out", 10)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["random_sources"] == 0


@pytest.mark.long
def test_any_number_of_outcomes(write_checkpoint, tmp_path, check_maps):
    """Not only powers of two; of passes that go through points."""
    network = together([of_method(write_checkpoint, tmp_path, method, side, count)
                        for method, side, count in (("spinbayes", 3, 5), ("sub-set", 1, 7),
                                                    ("scale-dropout-random", 1, 3))])
    assert [(layer.crossbars, layer.bank_count) for layer in network.layers] == [(5, 1), (1, 7), (1, 4)]
    assert [len(draw.drops) for draw in network.draws] == [3, 4, 3]
    manifest = check(network, tmp_path / "out", check_maps, "shared", masks="balanced")
    assert manifest["random_sources"] == 1 and "points" in manifest["blocks"]


def choosing_sets(network, count, ways, ways_of):
    """``network`` with sets of so many arrays to choose from in each layer, and a normalization of its own
    for each set."""
    sets, made = array_sets(count, ways, ways_of), METHODS["spinbayes"]
    layers = []
    for layer in network.layers:
        [[known], *_], columns = layer.normalizations, layer.arrays[0]
        layers.append(replace(
            layer, choices=(ArrayChoice(layer.name, made.table(len(sets)), sets),),
            arrays=tuple((*columns[number:], *columns[:number]) for number in range(count)),
            normalizations=tuple((replace(known, mean=tuple(mean + number for mean in known.mean)),)
                                 for number in range(len(sets)))))
    return replace(network, layers=tuple(layers), draws=tuple(
        replace(draw, drops=made.drops(0.5, len(sets))) for draw in network.draws))


@pytest.mark.long
@pytest.mark.parametrize("schedule, count, ways, ways_of, options", [
    ("shared", 5, 2, "any", {"sources": "layer", "protect": True}),
    ("sequential", 3, 2, "ring", {"view": "macro"})])
def test_sets_of_arrays(random_spinbayes, tmp_path, simulate, check_maps, check_cycles, schedule, count,
                        ways, ways_of, options):
    """Any n of N, or a ring of any N, in the cycles of the estimate."""
    network = choosing_sets(random_spinbayes(16, 1), count, ways, ways_of)
    check(network, tmp_path / "out", check_maps, schedule, **options)
    target = target_of(network, schedule, **options)
    simulate(tmp_path / "out", images_for(network, 8))
    check_cycles(tmp_path / "out", target, 8, 6)


@pytest.mark.parametrize("method, schedule", [
    ("deterministic", "sequential"), pytest.param("ensemble", "shared", marks=pytest.mark.long)])
def test_nothing_random(write_checkpoint, tmp_path, check_maps, method, schedule):
    """Without a random bit there is no source, no mask and no health test; all passes are alike, or take
    the members of the ensemble in turn."""
    first, last = (of_method(write_checkpoint, tmp_path, method, side) for side in (3, 1))
    last = replace(last, layers=(replace(last.layers[0], name="last"),))
    manifest = check(together([first, last]), tmp_path / "out", check_maps, schedule)
    assert manifest["random_sources"] == 0
    assert not [block for block in manifest["blocks"] if block.startswith(("rng", "mask_bank", "health"))]
    assert not [port for port in manifest["ports"] if port["name"].startswith("mtj")]


@pytest.mark.parametrize("method, groups, schedule, options", [
    pytest.param("spatial-spindrop", [0, 2, 3, 0], "shared",
                 {"sources": "layer", "view": "macro", "protect": True}, marks=pytest.mark.long),
    ("spindrop", [0, 0, 12, 7], "sequential", {})])
def test_masks(write_checkpoint, tmp_path, check_maps, method, groups, schedule, options):
    """By channel, behind padding and in front of pools; by input. Arrays have several row tiles."""
    network = choose(Network("masks", Input(8, 9, (90, 180)), (
        Layer("first", 8, 9, 2, (3, 3), 2, pool=2), Layer("second", 3, 3, 2, (2, 2), 3, padding=1, pool=2),
        Layer("third", 2, 2, 3, (2, 2), 7), Layer("last", 1, 1, 7, (1, 1), 4))), method)
    assert [layer.mask_choice.groups if layer.choices else 0 for layer in network.layers] == groups
    write_checkpoint(tmp_path / "masks.npz", network, seed=5)
    network = with_dropout(read(tmp_path / "masks.npz", network),
                           {"second": 0.3, "third": 0.2, "last": 0.4})
    manifest = check(network, tmp_path / "out", check_maps, schedule, **options)
    assert manifest["random_sources"] == (sum(groups) if options else 1)


#: What masks the inputs of a depthwise layer, and what of one of two groups: channels; a sixth, or half, of
#: the kernel of each; channels that are so few that passes with equal masks run as one.
OF_GROUPS = {
    "channels": (MaskChoice("one", 4), MaskChoice("two", 8)),
    "inputs":   (MaskChoice("one", 24), MaskChoice("two", 16)),
    "merged":   (MaskChoice("one", 4), BankChoice("bank", (0, 1))),
}


@pytest.mark.long
@pytest.mark.parametrize("kind, schedule, options", [
    ("channels", "shared", {}),
    pytest.param("channels", "sequential", {"view": "macro"}, marks=pytest.mark.long),
    ("inputs", "sequential", {"view": "macro", "protect": True}),
    pytest.param("inputs", "shared", {"mapping": "position"}, marks=pytest.mark.long),
    ("merged", "shared", {"protect": True, "sources": "layer"}),
])
def test_masks_of_groups_of_channels(write_checkpoint, tmp_path, simulate, check_maps, check_cycles, kind,
                                     schedule, options):
    """In the cycles of the estimate; the second layer takes levels of two bits."""
    chosen = OF_GROUPS[kind]
    drops  = {"one": 0.1 if kind == "merged" else 0.3}
    network = Network("groups", Input(7, 6, (90, 180)), (
        Layer("first", 7, 6, 2, (2, 3), 4),
        Layer("depthwise", 6, 4, 4, (3, 2), 8, padding=1, stride=(2, 1), groups=4, output_bits=2,
              choices=chosen[:1]),
        Layer("halves", 3, 5, 8, (2, 2), 6, groups=2, input_bits=2, choices=chosen[1:]),
        Layer("last", 2, 4, 6, (2, 4), 3)),
        draws=tuple(Draw(choice.draw, (drops.get(choice.draw, 0.2),) * getattr(choice, "groups", 1))
                    for choice in chosen))
    write_checkpoint(tmp_path / "groups.npz", network, seed=5)
    network = with_dropout(read(tmp_path / "groups.npz", network), {})
    manifest = check(network, tmp_path / "out", check_maps, schedule, **options)
    assert "equal_depthwise" in manifest["blocks"] or kind != "merged"
    simulate(tmp_path / "out", images_for(network, 8))
    check_cycles(tmp_path / "out", target_of(network, schedule, **options), 8, 6)


@pytest.mark.long
def test_equal_masks(write_checkpoint, tmp_path, simulate, check_maps, check_cycles):
    """Passes with equal masks run as one: in front of the first layer, behind two banks, and where two
    layers have the same mask; in the cycles of the estimate."""
    chosen = ((MaskChoice("one", 2), BankChoice("bank", (0, 1))), (MaskChoice("two", 2),),
              (MaskChoice("three", 3),), (MaskChoice("three", 3),))
    layers = (
        Layer("first", 8, 9, 2, (3, 3), 2, pool=2), Layer("second", 3, 3, 2, (2, 2), 3, padding=1, pool=2),
        Layer("third", 2, 2, 3, (2, 2), 3), Layer("last", 1, 1, 3, (1, 1), 4))
    network = Network("masks", Input(8, 9, (90, 180)), tuple(
        replace(layer, choices=choices) for layer, choices in zip(layers, chosen, strict=True)),
        draws=(Draw("one", (0.2, 0.1)), Draw("two", (0.1, 0.2)), Draw("bank", (0.3,)),
               Draw("three", (0.1, 0.0, 0.2))))
    write_checkpoint(tmp_path / "masks.npz", network, seed=5)
    network = with_dropout(read(tmp_path / "masks.npz", network), {})
    folder, options = tmp_path / "out", {"view": "macro", "protect": True}
    manifest = check(network, folder, check_maps, "shared", **options)
    merged = [layer.name for layer in layers]
    assert [name for name in manifest["blocks"] if name.startswith("equal_")] == [
        f"equal_{name}" for name in merged]
    costs = json.loads((folder / "report" / "method_costs.json").read_text())
    assert costs["methods"][0]["masks_merged"] == merged
    simulate(folder, images_for(network, 8))
    check_cycles(folder, target_of(network, "shared", **options), 8, 6)


@pytest.mark.long
def test_mapping_and_place_of_masks(write_checkpoint, tmp_path, check_maps, written):
    """A kernel in a column, or an array for each of its positions: the same bits, of other arrays; channels
    of some layers are masked, those of 1 by 1 too."""
    masked  = ["second", "last"]
    network = choose(Network("masks", Input(6, 6, (128,)), (
        Layer("first", 6, 6, 1, (3, 3), 6), Layer("second", 4, 4, 6, (3, 3), 4, pool=2),
        Layer("third", 1, 1, 4, (1, 1), 7), Layer("last", 1, 1, 7, (1, 1), 4))),
        "spatial-spindrop", masked=masked)
    assert [layer.name for layer in network.layers if layer.mask_choice] == masked
    write_checkpoint(tmp_path / "masks.npz", network, seed=5)
    network = with_dropout(read(tmp_path / "masks.npz", network), dict.fromkeys(masked, 0.3))
    arrays, answers = [], []
    for mapping in ("column", "position"):
        folder = tmp_path / mapping
        check(network, folder, check_maps, "shared", mapping=mapping, view="macro")
        costs = json.loads((folder / "report" / "method_costs.json").read_text())
        costs = costs["methods"][0]["layers"]["second"]
        arrays.append((costs["arrays"], costs["word_lines"]))
        answers.append([word for _, word in written(folder, "r")])
    assert answers[0] == answers[1]
    # Of 54 inputs with two word lines each, 8 fit in an array of 16 rows, or 6 are those of a position; of
    # 4 outputs 2 are read together, and of such reads one fits in 3 columns.
    assert arrays == [(7 * 2, 54 * 2 * 2), (9 * 2, 54 * 2 * 2)]


@pytest.mark.long
def test_banks_of_channels(write_checkpoint, tmp_path, check_maps):
    """Of levels of several bits behind a pool, in front of a mask of the same bits, with arrays in front
    and behind, and of logits."""
    chosen = ((MixChoice("one"),), (MaskChoice("one", 2), MixChoice("two")),
              (ArrayChoice("array", (0, 2, 1, 0)), MixChoice("three")),
              (ArrayChoice("array", (1, 0, 1, 1)),), (MixChoice("last"),))
    layers = (
        Layer("first", 8, 9, 2, (3, 3), 2, pool=2, output_bits=2), Layer("second", 3, 3, 2, (2, 2), 3,
                                                                         padding=1, input_bits=2),
        Layer("third", 4, 4, 3, (4, 4), 5), Layer("fourth", 1, 1, 5, (1, 1), 7),
        Layer("last", 1, 1, 7, (1, 1), 4))
    network = Network("mixes", Input(8, 9, (90, 180)), tuple(
        replace(layer, choices=choices) for layer, choices in zip(layers, chosen, strict=True)),
        draws=(Draw("one", (0.3, 0.5)), Draw("two", (0.5,) * 3), Draw("array", (0.5, 0.5)),
               Draw("three", (0.2,) * 5), Draw("last", (0.5,) * 4)))
    write_checkpoint(tmp_path / "mixes.npz", network, seed=5)
    manifest = check(read(tmp_path / "mixes.npz", network), tmp_path / "out", check_maps, "shared",
                     view="macro", sources="layer")
    assert list(manifest["modules"].values()).count("mixer") >= 3
    assert {name for name in manifest["blocks"] if name.startswith(("mix_", "masks_", "array_edge_"))} == {
        "mix_first", "mix_second", "mix_third", "mix_last", "masks_second", "array_edge_second",
        "array_edge_third"}


@pytest.mark.long
def test_inverted_normalization(write_checkpoint, tmp_path, check_maps):
    """Of maps with pools and padding, which leave rows and columns out, and of fully connected layers, all
    of whose columns are read at once."""
    network = choose(Network("affine", Input(8, 9, (90, 180)), (
        Layer("first", 8, 9, 2, (3, 3), 3, pool=2), Layer("second", 3, 3, 3, (2, 2), 5, padding=1),
        Layer("third", 4, 4, 5, (4, 4), 7), Layer("last", 1, 1, 7, (1, 1), 4))), "affine")
    write_checkpoint(tmp_path / "affine.npz", network, seed=5)
    network = with_dropout(read(tmp_path / "affine.npz", network),
                           {"first": 0.3, "second": 0.3, "third": 0.5})
    manifest = check(network, tmp_path / "out", check_maps, "shared", view="macro", protect=True,
                     interval=1)
    assert list(manifest["modules"].values()).count("instance_norm") >= 3


@pytest.mark.some(1)
@pytest.mark.parametrize("schedule, sources", [("shared", "layer"), ("sequential", "model")])
def test_every_kind_of_choice(mixed_network, tmp_path, check_maps, schedule, sources):
    """Arrays and banks in one layer, choices by one draw, and tables in any order."""
    network = mixed_network()
    assert {(type(choice), draw.drops is None) for layer in network.layers for choice in layer.choices
            for draw in network.draws if draw.name == choice.draw} >= {
                (ArrayChoice, True), (ArrayChoice, False), (BankChoice, False)}
    check(network, tmp_path / "out", check_maps, schedule, sources=sources)
