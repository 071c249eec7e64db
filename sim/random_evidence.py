"""Evidence that the randomness is right, and of what happens when it is not.

Statistical tests of the generator, of the junction at the pins and of what the emitted Verilog makes of
them, with one false-alarm rate for all; the averages of the hardware against the exact predictive mean;
faulty sources of random bits against the health tests, and what they do to accuracy and uncertainty.
"""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from gen.ir import Generator, Network, load
from gen.progress import Progress
from golden.data import DataError, folder_of, load_fashion_mnist, load_mnist, load_sample
from golden.device.junction import Dac
from golden.evaluate import compiled as compiled_network
from golden.network import path_probabilities
from golden.random.bad_sources import Source, kept
from golden.random.generator import choices, choices_of
from golden.random.health import alarm_bit
from golden.random.hypothesis_tests import Test, failures, report
from golden.random.quality import (
    Exact,
    bit_tests,
    choice_tests,
    convergence,
    detection,
    effects,
    false_alarm_tests,
    output_tests,
)
from sim.bad_sources import FEW, PLAYED, PLAYED_IMAGES, check_faulty, sources
from sim.design import Design, DesignError
from sim.verilator.simulation import Simulation, compiled


__all__ = ["PREDICTIONS", "gather"]


#: Chance that good randomness fails any of the tests, all in all.
FAMILY = 0.01

NETWORK, SPINBAYES = "lenet5", "lenet5_spinbayes"
PASSES, PASSES_SPINBAYES = 20, 10

SEEDS = 1, 0x9e3779b97f4a7c15 #: Of the generators of the emitted designs, and of the streams tested.
IMAGES = 8                    #: Images that the hardware predicts again and again: the least certain ones.
REPEATS = 384                 #: Predictions of each, per seed.
REPEATS_JUNCTION = 128        #: Likewise with a junction at the pins, which Python plays.
PREDICTIONS = 1000            #: Within these, a fault is found or not.
STREAMS = 100                 #: Of each source in the table of detection.
HEALTHY_BITS = 20_000_000
HEALTHY_PART = 10_000         #: Predictions whose bits are drawn at once.
SPINBAYES_IMAGES = 500

#: Layers that drop with different probabilities, as those of the Scale-Dropout paper.
MIXED = Generator((1,), tuple(round(p * 65536) for p in (0.1, 0.2, 0.3, 0.4, 0.5)), (1,) * 5)

#: Health limits low enough for false alarms to be counted.
LOOSE = [{"repetition": repetition, "window": window, "proportion": proportion}
         for repetition, window, proportion in ((14, 64, 44), (17, 1024, 555))]


def _generators(spinbayes: Network, network: Network) -> list[Test]:
    """Test the emulated stream of every seed, for the rates of the networks and for mixed ones."""
    tests = []
    for seed in SEEDS:
        for name, generator in ((NETWORK, network.generator), ("mixed", MIXED),
                                (SPINBAYES, spinbayes.generator)):
            generator = replace(generator, seeds=(seed,))
            choice = choices(generator, 10_000, PASSES).reshape(-1, len(generator.bits))
            family = f"generator of {name}, seed {seed}"
            tests += bit_tests(family, _bits_of(choice, generator), kept(generator))
            tests += choice_tests(family, choice, *_sizes(generator))
    return tests


def _sizes(generator):
    sizes = tuple(1 << bits for bits in generator.bits)
    return sizes, [np.array([drop / 65536, 1 - drop / 65536]) if size == 2 else np.full(size, 1 / size)
                   for size, drop in zip(sizes, generator.drop, strict=True)]


def _bits_of(choice, generator):
    """Bits of choices (P, L) in the order in which they were drawn."""
    return np.concatenate([choice[:, layer, None] >> np.arange(bits)[::-1] & 1
                           for layer, bits in enumerate(generator.bits)], axis=1).ravel() == 1


def _least_certain(network, images, count):
    exact = Exact.of(network, images)
    return images[np.argsort(-exact.variance.max(-1), kind="stable")[:count]]


def _build(folder, *options):
    """Build LeNet-5 as a user does, since a simulation knows a design by its files; return the design."""
    command = [sys.executable, "-m", "gen.build", "--layers", NETWORK, "--out", str(folder), *options]
    build = subprocess.run(command, capture_output=True, text=True)
    if build.returncode:
        raise DesignError(build.stderr.strip().splitlines()[-1])
    return Design(folder)


def _simulate_generators(folder, steps, images):
    """Test what designs with a generator make of its bits; return the tests, the report of the averages,
    and the network."""
    tests, means = [], []
    for seed in SEEDS:
        steps.step(f"emitted design, seed {seed}: build, simulate {2 * REPEATS * len(images)} images")
        design  = _build(folder / f"seed{seed}", f"--seed={seed}")
        network = load(design.ir)
        exact   = Exact.of(network, images)
        with compiled(design, steps) as program:
            for passes in (1, PASSES):
                results, _ = Simulation(design, np.tile(images, (REPEATS, 1, 1)), passes).answer(program)
                name = f"RTL, seed {seed}, T = {passes}"
                tests += output_tests(name, results.record, exact)
                tests.append(_no_alarm(name, results.alarm, network, passes, REPEATS))
        means.append(results.prediction.sums.reshape(REPEATS, *exact.mean.shape) / (65536 * PASSES))
    averages, others = convergence("RTL", np.concatenate(means), PASSES, exact)
    return tests + others, averages, network


def _simulate_junction(program, design, images, network):
    """Test what a design makes of the bits of a junction at its pins, with the simulator ``program``;
    return the tests and the report of the averages."""
    # What the junction was set to do is not quite what the network asked for.
    actual = replace(network, layers=tuple(
        replace(layer, dropout=float(Dac().probability(code)))
        for layer, code in zip(network.layers, design.manifest["mtj"]["currents"], strict=True)))
    exact  = replace(Exact.of(network, images), share=path_probabilities(actual))
    p_kept = np.array([1 - layer.dropout for layer in actual.layers])
    tests  = []
    for seed, passes in ((1, 1), (2, PASSES)):
        results, drawn = Simulation(design, np.tile(images, (REPEATS_JUNCTION, 1, 1)), passes,
                                    seed=seed).answer(program)
        name = f"RTL, junction, T = {passes}"
        tests += output_tests(name, results.record, exact)
        tests.append(_no_alarm(name, results.alarm, network, passes, REPEATS_JUNCTION))
    tests += bit_tests("junction at the pins", drawn, p_kept)
    choice = choices_of(drawn, network.generator, REPEATS_JUNCTION * len(images), PASSES)
    tests += choice_tests("junction at the pins", choice.reshape(-1, len(p_kept)), (2,) * len(p_kept),
                          [np.array([1 - p, p]) for p in p_kept])
    means = results.prediction.sums.reshape(REPEATS_JUNCTION, *exact.mean.shape) / (65536 * PASSES)
    averages, others = convergence("RTL, junction", means, PASSES, exact)
    return tests + others, averages


def _no_alarm(name, alarm, network, passes, repeats):
    # Good bits raise it once in 2 ** 60 bits, so once is proof.
    return Test(f"{name}: no alarm", float(alarm), 0.0 if alarm else 1.0,
                repeats * IMAGES * passes * sum(network.generator.bits))


def _smallest(network, each):
    """The weakest fault of each kind that is found within :data:`PREDICTIONS` predictions."""
    width = sum(network.generator.bits)
    grids = {
        "bias": {step / 100: Source(bias=step / 100) for step in range(8, 17)},
        "bias, negative": {-step / 100: Source(bias=-step / 100) for step in range(8, 17)},
        "correlation from bit to bit": {
            step / 50: Source(correlation=step / 50) for step in range(8, 16)},
        "correlation from bit to bit, negative": {
            -step / 50: Source(correlation=-step / 50) for step in range(8, 16)},
        "correlation from pass to pass": {
            step / 50: Source(correlation=step / 50, distance=width) for step in range(8, 16)},
    }
    figures = {}
    for name, grid in each(grids.items()):
        found = detection(grid, network, PREDICTIONS, PASSES, STREAMS, np.random.default_rng(7))
        figures[name] = {
            "alarmed": {f"{size:+.2f}": found[size]["alarmed"] for size in grid},
            **{f"smallest_alarmed_{share}_percent": next(
                (size for size in grid if found[size]["alarmed"] >= share / 100), None)
               for share in (50, 99)},
        }
    return figures


def _average_golden(network, images):
    """Test averages of the golden model: 500 predictions of each image."""
    exact = Exact.of(network, images)
    drawn = choices(network.generator, 500 * len(images), PASSES)
    combination = np.ravel_multi_index(tuple(np.moveaxis(drawn, -1, 0)), (2,) * len(network.layers))
    combination = combination.reshape(500, len(images), PASSES)
    means = np.take_along_axis(exact.probabilities[None], combination[..., None], 2).mean(2) / 65536
    return convergence("golden model", means, PASSES, exact)


def _false_alarms(network):
    """Test how often the health tests raise the alarm of good bits."""
    good = np.concatenate([
        _bits_of(choices(network.generator, HEALTHY_PART, PASSES, first).reshape(-1, 5), network.generator)
        for first in range(0, HEALTHY_BITS // 100, HEALTHY_PART)])
    tests = false_alarm_tests("health", good, 0.5, LOOSE)
    alarm = alarm_bit(good, network.generator, network.health)
    return [*tests, Test(f"health: no alarm in {HEALTHY_BITS:,} good bits", float(alarm is not None),
                         1.0 if alarm is None else 0.0, HEALTHY_BITS)]


def gather(data: Path | None, work: Path, steps: Progress) -> dict:
    """Gather the evidence, with designs in the folder ``work`` and images of the folder ``data``.

    Returns
    -------
    dict
        ``passed``; ``tests``, the statistical ones; ``averages``; ``detection`` by the health tests;
        ``effects`` of faulty sources on predictions; and the tests of each block.

    Raises
    ------
    DataError
        If images are missing or damaged.
    DesignError, SimulatorFailed, SimulatorMissing
        If a design cannot be built or simulated.
    """
    def bar(items):
        return steps.bar(list(items))

    steps.step("data, compile")
    sets, labels, missing = _sets(data)
    network = compiled_network(NETWORK, None, PASSES, 1)
    spinbayes = compiled_network(SPINBAYES, None, PASSES_SPINBAYES, 1)
    sample, _ = load_sample()
    images = _least_certain(network, sample, IMAGES)
    every = sources(sum(network.generator.bits))
    averages = {}

    steps.step("generator: rates, correlations, choices")
    generator = _generators(spinbayes, network)
    emulated, averages["generator"], emitted = _simulate_generators(work, steps, images)

    steps.step(f"emitted design, junction at the pins: build, simulate "
               f"{2 * REPEATS_JUNCTION * len(images)} images")
    currents = work / "currents.json"
    currents.write_text(json.dumps({"currents": [Dac().write_code(layer.dropout)
                                                 for layer in emitted.layers]}))
    design = _build(work / "junction", "--rng=mtj", f"--mtj-currents={currents}")
    with compiled(design, steps) as program:
        junction, averages["junction"] = _simulate_junction(program, design, images, emitted)
        steps.step("faulty sources at the pins of the emitted design")
        pins = check_faulty(program, design, network, sample[:PLAYED_IMAGES],
                            {name: every[name] for name in PLAYED}, PASSES, bar)
    disagreeing = [name for name, figure in pins.items()
                   if figure["alarm"] != figure["alarm_golden"]
                   or not figure["results_equal"] or not figure["bits_as_played"]]

    steps.step("golden model: averages of many predictions of more images")
    averages["golden"], tests = _average_golden(network, sample[:100])
    generator += tests

    steps.step("health tests: false alarms")
    health = _false_alarms(network)
    steps.step(f"health tests: {len(every)} sources, {STREAMS} streams each")
    found = detection(every, network, PREDICTIONS, PASSES, STREAMS, np.random.default_rng(5), bar)
    steps.step("health tests: the weakest faults they find")
    smallest = _smallest(network, bar)

    def effects_on(name, network, sets, named, passes):
        steps.step(f"{name}: what faults do to {sum(map(len, sets.values())):,} predictions")
        return {"images": {name: len(images) for name, images in sets.items()}, "passes": passes,
                "not_run": missing,
                "sources": effects(network, sets, labels[:len(sets["mnist"])], named, passes, 11, bar)}

    few = sources(sum(spinbayes.generator.bits))
    few = {name: few[name] for name in FEW}
    by_network = {
        NETWORK: effects_on(NETWORK, network, sets, every, PASSES),
        SPINBAYES: effects_on(SPINBAYES, spinbayes, {
            name: images[:SPINBAYES_IMAGES] for name, images in sets.items()}, few, PASSES_SPINBAYES)}

    tests = generator + emulated + junction + health
    failed = {test.name for test in failures(tests, FAMILY)}

    def count(family):
        return f"{sum(test.name not in failed for test in family):,} of {len(family):,} passed"

    return {
        "passed": not failed and not disagreeing,
        "tests": report(tests, FAMILY),
        "averages": averages,
        "detection": {
            "limits": [asdict(test) for test in network.health], "predictions": PREDICTIONS,
            "bits_per_prediction": PASSES * 5,
            "stated_false_alarm_rate": "at most 2 ** -60 per bit or window of each test",
            "sources": found, "smallest": smallest,
            "at_the_pins": pins, "at_the_pins_disagreeing": disagreeing,
        },
        "effects": by_network,
        "blocks": {"pseudo_rng": {"statistical tests": count(generator + emulated)},
                   "mtj_rng": {"statistical tests": count(junction)},
                   "health": {"statistical tests": count(health)}},
    }


def _sets(folder):
    """Images by name with the labels of MNIST, and why a set is missing."""
    try:
        folder = folder_of(folder)
    except DataError as error:
        if folder is not None:
            raise
        images, labels = load_sample()
        return {"mnist": images}, labels, {"fashion-mnist": str(error)}
    images, labels = load_mnist(folder)
    if not (folder / "fashion-mnist").is_dir():
        return {"mnist": images}, labels, {
            "fashion-mnist": f"Data folder {folder / 'fashion-mnist'} does not exist"}
    return {"mnist": images, "fashion-mnist": load_fashion_mnist(folder)[0]}, labels, {}
