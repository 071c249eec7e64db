# amaranth: UnusedElaboratable=no
"""What is counted of an image, for the bits that it has drawn, is what the blocks of the Verilog do."""

import io
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gen.build import build_network
from gen.checkpoint import read
from gen.energy.operations import HEAD, INPUT, RANDOM, operations
from gen.ir import ArrayChoice, Centred, Draw, Input, Layer, MaskChoice, MixChoice, Network, Target
from gen.lower import lower
from gen.maps import given, one_by_one
from gen.progress import Progress
from golden.random.generator import choices
from golden.random.outcomes import masks
from sim.design import Design
from sim.verilator.counters import COUNTS, read_counts
from sim.verilator.simulation import Simulation, compiled
from tests.images import images_for
from tests.outcomes import outcomes_by


IMAGES, PASSES = 4, 6


def counted(folder):
    """Simulate some images; return the design, and its counts of all of them."""
    design  = Design(folder)
    with compiled(design, Progress(io.StringIO()), counting=True) as program:
        run = Simulation(design, images_for(design.network, IMAGES), PASSES)
        at  = program.folder / "counted"
        run.run(program, at)
        assert not run.results(at).alarm
        return design, read_counts(at / COUNTS)


def expected(network, accelerator, target):
    """The same by the model, by layer, part and operation."""
    bits = choices(network.generator, IMAGES, PASSES)
    total = {}
    for index, outcomes in enumerate(outcomes_by(network, bits)):
        # Inputs that each run keeps, of a pass or of all with an equal mask: of each group as many as the
        # kernel has.
        kept = {}
        for number, words in masks(network, bits).items():
            layer = network.layers[number]
            each  = np.hstack([outcomes[:, :number].reshape(PASSES, -1), outcomes[:, number, :1]])
            runs  = (np.unique(each, axis=0, return_index=True)[1] if target.schedule == "shared"
                     else slice(None))
            kept[number] = Fraction(int(words[index][runs].sum()) * layer.fan_in, layer.mask_choice.groups)
        maps = (given(network, outcomes, kept) if target.schedule == "shared"
                else one_by_one(network, PASSES, kept))
        for place, parts in operations(accelerator, network, maps, PASSES).items():
            for part, found in parts.items():
                for name, count in found.items():
                    if name == "memory_bits":
                        continue # accesses times the bits of a word: tests/gen/energy/test_operations.py
                    key = place, part, name
                    total[key] = total.get(key, 0) + count
    assert all(count.denominator == 1 for count in total.values())
    return {key: int(count) for key, count in total.items()}


def check(network, folder, **options):
    """Build, simulate, and compare every count."""
    columns = max(layer.columns_per_weight for layer in network.layers)
    target  = Target(array_rows=16, array_columns=2 * columns, passes=PASSES, passes_max=8, view="macro",
                     **options)
    build_network(network, target, folder)
    design, seen = counted(folder)
    network  = design.network
    hardware = lower(network, target)
    model    = expected(network, hardware, target)

    def fetched(blocks):
        return sum(seen.pop(f"{block}.map_buffer.{what}") for block in blocks
                   for what in ("stored", "fetched"))

    image_edges = [edge for edge in ("first_edge", "sequential_edge")
                   if f"{edge}.map_buffer.stored" in seen]
    assert model.pop((INPUT, "map buffer", "memory_accesses"), 0) == fetched(image_edges)
    pixels = network.input.height * network.input.width
    assert model.pop((INPUT, "binarizer", "comparisons")) == IMAGES * pixels * len(network.input.thresholds)
    assert model.pop((RANDOM, "random source", "random_bits")) == seen.pop("random_bits", 0)
    for layer, engine, block, name in zip(network.layers, hardware.engines, design.layers, hardware.names,
                                          strict=True):
        part = {}
        for key in [key for key in model if key[0] == layer.name]:
            part[key[1:]] = model.pop(key)
        # At the pins of each row tile.
        tiles = range(engine.crossbar.tiles)
        pins  = {what: [seen.pop(f"{block}__{tile}.{what}") for tile in tiles]
                 for what in ("reads", "columns", "rows")}
        assert set(pins["reads"]) == {seen.pop(f"{block}.reader.reads")}
        assert part.pop(("arrays", "array_reads")) == sum(pins["reads"])
        assert part.pop(("arrays", "columns_converted")) == sum(pins["columns"])
        assert part.pop(("adder", "accumulations")) == sum(pins["columns"])
        assert part.pop(("arrays", "rows_activated")) == sum(pins["rows"])
        # Behind the last map the border above the next one has come, which needs no word.
        words = seen.pop(f"{block}.line_buffer.words") - (
            layer.padding[0] * engine.line_buffer.padded[1] + layer.padding[1])
        assert part.pop(("line buffer", "memory_accesses"), 0) == (2 * words if layer.kernel[0] > 1 else 0)
        sums  = seen.pop(f"{block}.adder_accumulator.sums")
        lanes, groups = engine.lanes, engine.crossbar.geometry.column_groups
        # Groups of sums that thresholds or gains are read for; one word of them is no memory.
        reads = {mux: seen.pop(f"{block}.{mux}.groups") for mux in (
            "scale_mux", "instance_norm.gains", "instance_norm.offsets") if f"{block}.{mux}.groups" in seen}
        stored = [mux for mux in engine.muxes if len(list(mux.rows())) > 1]
        if len(stored) < len(reads): # of inverted normalization all have as many words, or of one mux none
            assert not stored and part.pop(("scales", "memory_accesses"), 0) == 0
        else:
            assert part.pop(("scales", "memory_accesses")) == sum(reads.values())
        if isinstance(layer.banks[0][0], Centred):
            compared = reads["instance_norm.offsets"]
            assert part.pop(("sums", "memory_accesses")) == 2 * compared
            pooled = compared // groups * layer.outputs
            assert part.pop(("activation", "comparisons")) == pooled * lanes
            assert part.pop(("activation", "multiplications")) == pooled * len(
                engine.stages["instance_norm"]._products)
        elif layer is network.layers[-1]:
            assert seen.pop(f"{block}.logit_scaler.groups") == sums
            assert part.pop(("activation", "multiplications")) == sums * lanes
        else:
            assert seen.pop(f"{block}.comparator.groups") == reads["scale_mux"]
            assert part.pop(("activation", "comparisons")) == sums * lanes * (2**layer.output_bits - 1)
        sent = seen.pop(f"{block}.maps.words")
        if layer is network.layers[-1]:
            leaves = sent
        edges = [f"edge_{name}", *([f"array_edge_{name}"] if name in hardware.array_edges else [])]
        assert part.pop(("map buffer", "memory_accesses")) == fetched(edges)
        of_masks = [f"{kind}_{name}.{what}" for kind in ("masks", "mix") for what in ("stored", "fetched")]
        assert part.pop(("mask memory", "memory_accesses"), 0) == sum(seen.pop(one, 0) for one in of_masks)
        # A max-pool of 2 by 2 compares three times for each level that leaves.
        assert part.pop(("pool", "pool_comparisons"), 0) == 0 or layer.pool == (2, 2)
        assert not part
    classes = network.layers[-1].outputs
    assert {name: count for (_, _, name), count in model.items()} == {
        "exponentials": leaves, "divisions": leaves // classes, "multiplications": leaves,
        "probabilities_averaged": leaves}
    assert {place for place, *_ in model} == {HEAD}
    assert not seen


@pytest.mark.long
def test_arrays_and_banks(mixed_network, tmp_path):
    """Sets of arrays, banks, draws that layers share, levels of several bits, inverted normalization."""
    check(mixed_network(), tmp_path / "out")


@pytest.mark.long
def test_masks_and_mixed_banks(write_checkpoint, tmp_path):
    """Masks behind padding, of a depthwise layer; banks by channel, of logits too; arrays behind these."""
    chosen = (MixChoice("one"),), (MaskChoice("one", 2), MixChoice("two")), (ArrayChoice("array", (0, 1)),
                                                                             MixChoice("last"))
    layers = (Layer("first", 8, 9, 2, (3, 3), 2, pool=2),
              Layer("second", 3, 3, 2, (2, 2), 4, padding=1, groups=2), Layer("last", 4, 4, 4, (4, 4), 4))
    network = Network("mixes", Input(8, 9, (90, 180)), tuple(
        replace(layer, choices=choices) for layer, choices in zip(layers, chosen, strict=True)),
        draws=(Draw("one", (0.3, 0.5)), Draw("two", (0.5,) * 4), Draw("array", (0.5,)),
               Draw("last", (0.5,) * 4)))
    write_checkpoint(tmp_path / "mixes.npz", network, seed=5)
    check(read(tmp_path / "mixes.npz", network), tmp_path / "out", mapping="position")


def test_one_pass_after_another(random_spinbayes, tmp_path):
    """With an edge that sends passes apart, and one that sends them to their arrays."""
    check(random_spinbayes(16, 1), tmp_path / "out", schedule="sequential")
