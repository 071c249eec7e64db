# amaranth: UnusedElaboratable=no

import math
from dataclasses import replace

import numpy as np
import pytest

from gen.checkpoint import SHIPPED, read
from gen.compile import compile_network
from gen.estimate import estimate_layers, estimate_network
from gen.ir import (
    ArrayChoice,
    BankChoice,
    Draw,
    Folding,
    Input,
    Layer,
    MaskChoice,
    MixChoice,
    Network,
    Normalization,
    Target,
)
from gen.lower import lower
from gen.methods import network_of
from gen.outcomes import branching, drawn
from gen.timeline import Timeline, timeline
from gen.transforms.folding import map_cycles
from golden.random.generator import choices
from sim.component import transfer
from tests.conftest import with_choices
from tests.outcomes import outcomes_by


PASSES = 6
TARGET = Target(array_rows=32, array_columns=4, passes_max=PASSES)

#: Images that are followed: where passes come one after another, these fill all that an image can fill.
IMAGES = {"shared": 4, "sequential": 3}


def made_by(network, images, passes):
    """Outcomes of the choices of the hardware, int (images, passes, layers, 2)."""
    return outcomes_by(network, choices(network.generator, images, passes))


def simulated(accelerator, network, images, passes):
    """Cycles of the first pixel and of the last result word of each image, from the first pixel."""
    pixels, each = accelerator.pixel_input.pixels, math.prod(network.answered) * network.classes
    words  = np.random.default_rng(0).integers(0, 256, images * pixels).tolist()
    passed = transfer(accelerator, {"pixels": words}, {"results": images * each},
                      pins={"passes": passes})
    begin = passed["pixels"].cycles[0]
    return (tuple(cycle - begin for cycle in passed["pixels"].cycles[::pixels]),
            tuple(cycle - begin for cycle in passed["results"].cycles[each - 1::each]))


@pytest.mark.some(3)
@pytest.mark.parametrize("seed, hidden, passes, interval, schedule", [
    (14, 1, 2, None, "shared"), # padding of the first layer
    pytest.param(14, 1, 2, None, "sequential", marks=pytest.mark.long),
    (2, 2, 1, 400, "shared"),
    (3, 3, 4, 300, "shared"), pytest.param(3, 3, 4, 300, "sequential", marks=pytest.mark.long),
    (4, 0, PASSES, None, "sequential"),
])
def test_equals_simulation(compiled, seed, hidden, passes, interval, schedule):
    target  = replace(TARGET, passes=passes, schedule=schedule, interval=interval, seed=seed)
    network, target = compiled(seed, target, hidden)
    accelerator = lower(network, target)
    images = IMAGES[schedule]
    result = timeline(accelerator, made_by(network, images, passes))
    first_pixels, results = simulated(accelerator, network, images, passes)
    assert result.first_pixels == first_pixels
    assert result.results == results
    assert (result.interval, result.latency) == (results[-1] - results[-2], results[0])


@pytest.mark.some(1)
@pytest.mark.parametrize("schedule", ["shared", "sequential"])
@pytest.mark.parametrize("seed, hidden, passes, interval", [
    (14, 1, 2, None), (3, 3, 4, 300), pytest.param(10, 2, 3, None, marks=pytest.mark.long)])
def test_equals_simulation_with_inverted_normalization(centred_network, seed, hidden, passes, interval,
                                                       schedule):
    """A layer has the whole map before the first of its bits leaves."""
    target  = replace(TARGET, passes=passes, schedule=schedule, interval=interval, seed=seed)
    network = compile_network(centred_network(seed, hidden), target)
    accelerator = lower(network, target)
    images = IMAGES[schedule]
    result = timeline(accelerator, made_by(network, images, passes))
    assert (result.first_pixels, result.results) == simulated(accelerator, network, images, passes)


@pytest.mark.some(2)
@pytest.mark.parametrize("side, passes, interval, schedule", [
    (11, 5, None, "shared"), (9, 3, 1, "shared"),
    pytest.param(13, 2, 400, "shared", marks=pytest.mark.long),
    pytest.param(9, 3, 1, "sequential", marks=pytest.mark.long)])
@pytest.mark.parametrize("chosen, draws", [
    ((MaskChoice("first", 4), None), {"first": 4}),
    ((MixChoice("first"), MixChoice("last")), {"first": 5, "last": 3}),
    ((MixChoice("first"), ArrayChoice("last", (0, 1, 1, 2))), {"first": 5, "last": 2}),
])
def test_equals_simulation_with_words_for_each_pass(chosen, draws, side, passes, interval, schedule):
    """Masks of inputs; banks of channels, also of classes, and in front of arrays."""
    target = replace(TARGET, passes=passes, schedule=schedule, interval=interval)
    follow(made_of(side, ((), *((choice,) if choice else () for choice in chosen)), tuple(
        Draw(name, (0.5,) * bits) for name, bits in draws.items())), target)


@pytest.mark.some(1)
@pytest.mark.parametrize("side, passes, interval", [
    (11, PASSES, None), pytest.param(9, 4, 1, marks=pytest.mark.long)])
@pytest.mark.parametrize("chosen, draws, merged", [
    (((), (MaskChoice("first", 4),), ()), {"first": (0.2,) * 4}, ["first"]),
    # Of two lanes, and in front of the first layer; masks that are shared, and others.
    (((BankChoice("bank", (0, 1)),), (MaskChoice("first", 4),), (MaskChoice("last", 5),)),
     {"bank": (0.5,), "first": (0.3, 0.1, 0.0, 0.0), "last": (0.1,) * 5}, ["first", "last"]),
    (((MaskChoice("one", 1), BankChoice("one", (1, 0))), (), (MaskChoice("last", 5),)),
     {"one": (0.5,), "last": (0.5,) * 5}, ["front"]),
    (((MaskChoice("one", 1),), (MaskChoice("same", 4), BankChoice("bank", (0, 1))),
      (MaskChoice("same", 4),)),
     {"one": (0.2,), "same": (0.4, 0.1, 0.0, 0.1), "bank": (0.3,)}, ["front", "first", "last"]),
])
def test_equals_simulation_with_merged_masks(chosen, draws, merged, side, passes, interval):
    """Passes with equal masks run as one, whose number of others each image draws anew."""
    outputs = (4, 4 if chosen[2] == chosen[1][:1] else 5, 3)
    network = follow(made_of(side, chosen, tuple(Draw(*each) for each in draws.items()), outputs),
                     replace(TARGET, passes=passes, interval=interval))
    if passes == PASSES:
        assert [layer.name for layer in network.layers if layer.merged] == merged


def made_of(side, chosen, draws, outputs=(4, 5, 3)):
    """A network of three layers with these choices, for ``side`` by ``side`` pixels."""
    front = Layer("front", side, side, 1, (min(3, side - 1),) * 2, outputs[0], pool=2)
    first = Layer("first", *front.output_shape, (min(2, front.output_shape[0]),) * 2, outputs[1])
    last  = Layer("last", *first.output_shape, first.output_shape[:2], outputs[2])
    rng, layers = np.random.default_rng(0), []
    for layer, of_layer in zip((front, first, last), chosen, strict=True):
        layer = replace(layer, choices=of_layer)
        layers.append(replace(layer, arrays=tuple(
            tuple(int.from_bytes(rng.bytes(99), "little") % 2**layer.fan_in for _ in range(layer.outputs))
            for _ in range(layer.crossbars)), normalizations=tuple(tuple(Normalization(
                *map(tuple, rng.uniform(0.5, 2, (6, layer.outputs)).tolist()))
                for _ in range(layer.bank_count)) for _ in range(layer.crossbars))))
    return Network("made", Input(side, side, (128,)), tuple(layers), draws=draws)


def follow(network, target):
    """Compile ``network``; its cycles are those of the simulation. It is returned."""
    network = compile_network(network, target)
    accelerator = lower(network, target)
    images = IMAGES[target.schedule]
    result = timeline(accelerator, made_by(network, images, target.passes))
    assert (result.first_pixels, result.results) == simulated(accelerator, network, images, target.passes)
    return network


def made(layer, p=(0.5, 0.5), answered=(1, 1), classes=10):
    """A network for 6 x 6 pixels of ``layer`` and one of ten classes, with dropout probabilities ``p``."""
    rng = np.random.default_rng(0)
    kernel = tuple(side - each + 1 for side, each in zip(layer.output_shape[:2], answered, strict=True))
    layers = layer, Layer("last", *layer.output_shape, kernel, classes)
    network = Network("made", Input(6, 6, (128,)), tuple(replace(
        part, arrays=(tuple(int.from_bytes(rng.bytes(16), "little") % 2**part.fan_in
                            for _ in range(part.outputs)),),
        normalizations=((Normalization(
            *map(tuple, rng.uniform(0.5, 2, (6, part.outputs)).tolist())),) * 2,))
        for part in layers))
    return with_choices(network, list(p))


def check(accelerator, network, images, passes):
    """The cycles are those of the simulation, although something waits."""
    result = timeline(accelerator, made_by(network, images, passes))
    first_pixels, results = simulated(accelerator, network, images, passes)
    assert result.waits
    assert result.first_pixels == first_pixels
    assert result.results == results
    return result


@pytest.mark.parametrize("kernel, classes, answered, images", [
    (6, 10, (1, 1), 24), (1, 3, (4, 5), 2), (1, 25, (2, 3), 2)])
def test_softmax_that_is_full(kernel, classes, answered, images):
    """The head is slower than the pixels of a tiny image, or has many positions to answer, so everything
    waits for it."""
    target  = replace(TARGET, passes=2)
    network = compile_network(made(Layer("layer", 6, 6, 1, (kernel,) * 2, 3), answered=answered,
                                   classes=classes), target)
    assert network.answered == answered
    check(lower(network, target), network, images, 2)


@pytest.mark.some(1)
@pytest.mark.parametrize("passes", [1, 2, 5])
def test_layer_that_is_too_slow(passes):
    """The second layer takes longer than the first, which its edge hides for a while only."""
    target  = replace(TARGET, passes=passes)
    network = compile_network(made(Layer("layer", 6, 6, 1, (1, 1), 3)), target)
    slow = replace(network.layers[-1], folding=Folding(1, 1, 14, 10), tiles=())
    network = replace(network, layers=(network.layers[0], slow))
    accelerator = lower(network, target)
    assert not timeline(accelerator, made_by(network, 2, 1)).waits
    check(accelerator, network, 12, passes)


@pytest.mark.some(2)
@pytest.mark.parametrize("images", [1, 16])
@pytest.mark.parametrize("passes, waits", [(5, False), (40, True)])
def test_random_bits_that_are_late(images, passes, waits):
    """Images wait for their bits, and then the pixels for the images."""
    target  = replace(TARGET, passes_max=40)
    network = compile_network(made(Layer("layer", 6, 6, 1, (6, 6), 3), p=[0.0, 0.0]), target)
    accelerator = lower(network, target)
    result = timeline(accelerator, made_by(network, images, passes))
    assert result.waits == waits
    assert (result.first_pixels, result.results) == simulated(accelerator, network, images, passes)


@pytest.mark.some(1)
@pytest.mark.parametrize("masks, p, passes, schedule", [
    ("balanced", (0.5, 0.25), 7, "sequential"), ("orthogonal", (0.5, 0.5), 40, "shared")])
def test_points(masks, p, passes, schedule):
    """Shifts are drawn again each time that passes go through all four; of 40 images wait for them."""
    target  = replace(TARGET, passes_max=40, passes=4, masks=masks, schedule=schedule)
    network = compile_network(made(Layer("layer", 6, 6, 1, (6, 6), 3), p), target)
    accelerator = lower(network, target)
    result = timeline(accelerator, made_by(network, 9, passes))
    assert result.waits or passes != 40
    assert (result.first_pixels, result.results) == simulated(accelerator, network, 9, passes)


@pytest.mark.parametrize("waits, results, interval", [
    (True, (160, 250, 355, 455), 100.0),
    (True, (160, 250, 365, 455), 100.0), # the last latency is 10 cycles shorter than the one before
    (True, (160, 250, 365, 485), 120.0),
    (False, (160, 250, 365, 455), 105.0),
])
def test_mean_interval(waits, results, interval):
    """No shorter than any image takes to come in, as images would come faster than their pixels."""
    assert Timeline((0, 100, 200, 305), results, (), 1, waits).mean_interval == interval


@pytest.mark.some(2)
@pytest.mark.parametrize("seed, hidden, passes", [(2, 0, 6), (8, 0, 6), (11, 1, 2)])
def test_interval_is_what_it_is_called(compiled, seed, hidden, passes):
    """Whatever it is called, no simulation takes longer than with the most maps."""
    network, target = compiled(seed, replace(TARGET, passes=passes), hidden)
    accelerator = lower(network, target)
    report = estimate_network(accelerator, network, passes, 125.0)
    first_pixels, _ = simulated(accelerator, network, 16, passes)
    interval = (first_pixels[-1] - first_pixels[7]) / 8
    called = {("random2", "exact"), ("random8", "exact"), ("spinbayes8", "exact"),
              ("random11", "at most"), ("spinbayes2", "at most"), ("spinbayes11", "at most"),
              ("random19", "about"), ("spinbayes19", "about")}
    assert (network.name, report["interval"]) in called
    assert interval <= report["interval_cycles"]
    if report["interval"] == "exact":
        assert interval == report["interval_cycles"] == report["interval_cycles_mean"]
    assert report["exact"] == (report["interval"] != "about")
    figure = "interval_cycles_mean" if report["interval"] == "about" else "interval_cycles"
    assert report["estimated_throughput_fps"] == 125e6 / report[figure]


def test_latency_is_not_that_of_the_most_maps(lenet5_network):
    """Five passes in as many states as there can be are not the slowest."""
    accelerator = lower(lenet5_network, LENET5)
    report = estimate_network(accelerator, lenet5_network, 5, 125.0)
    most = timeline(accelerator, branching(lenet5_network, 5)[None])
    alone = [timeline(accelerator, each[None]).latency
             for each in drawn(lenet5_network, 200, 5)]
    assert report["images_drawn"] == 200 and report["latency_exact"]
    assert report["latency_cycles_largest"] == max(alone) > most.latency
    assert report["latency_cycles_mean"] == sum(alone) / 200


LENET5 = Target()


@pytest.fixture(scope="module")
def lenet5_network():
    return compile_network(read(SHIPPED / "lenet5.npz", network_of("lenet5")), LENET5)


def test_layers_agree_with_the_folding(lenet5_network):
    """What the engines follow word by word is what the compiler has folded for."""
    layers = estimate_layers(lower(lenet5_network, LENET5), lenet5_network, 20)
    for index, layer in enumerate(lenet5_network.layers):
        cycles, maps = map_cycles(layer, layer.folding), min(20, 2**index)
        assert layers[layer.name] == {"cycles_per_map": cycles, "maps_per_image": maps,
                                      "max_cycles": cycles * maps}


@pytest.mark.parametrize("passes, interval, leaves", [(1, 784, 1), (20, 784, 20), (32, 784, 32)])
def test_lenet5(lenet5_network, passes, interval, leaves):
    report = estimate_network(lower(lenet5_network, LENET5), lenet5_network, passes, 125.0)
    assert (report["interval_cycles"], report["leaves_per_image"]) == (interval, leaves)
    assert report["interval_cycles_one_pass"] == 784
    assert report["exact"] and report["interval"] == "exact"
    assert report["estimated_throughput_fps"] == 125e6 / interval
    assert report["estimated_latency_ns"] == report["latency_cycles_largest"] * 8
    assert report["latency_cycles_mean"] <= report["latency_cycles_largest"]
    assert (report["latency_cycles_largest"] == report["latency_cycles_one_pass"]) == (passes == 1)


def test_sequential_takes_an_interval_per_pass(lenet5_network):
    target  = replace(LENET5, schedule="sequential")
    network = compile_network(read(SHIPPED / "lenet5.npz", network_of("lenet5")), target)
    report = estimate_network(lower(network, target), network, 20, 125.0)
    assert (report["interval_cycles"], report["interval_cycles_one_pass"]) == (20 * 784, 784)
    assert report["exact"]


def test_random_bits_can_be_the_slowest(lenet5_network):
    """One junction draws 1,000 bits of 5 cycles each, and an image waits for them."""
    target = replace(LENET5, rng="mtj", mtj_currents=(1,) * 5, mtj_reset_current=255, passes_max=200)
    report = estimate_network(lower(lenet5_network, target), lenet5_network, 200, 125.0)
    assert report["random_cycles_per_image"] == report["interval_cycles"] == 5 * 1000 + 3
    assert report["interval_cycles_mean"] == 5 * 1000 + 3
    assert not report["exact"] and report["interval"] == "about"
