"""Evidence that the randomness is right, and of what happens when it is not.

Statistical tests of the generator, of the junction at the pins and of what the emitted Verilog makes of
them, with one false-alarm rate for all; the averages of the hardware against the exact predictive mean;
faulty sources of random bits against the health tests, and what they do to accuracy and uncertainty.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from gen.ir import Generator, Network
from gen.progress import Progress
from golden.compiler import compiled as compiled_network
from golden.currents import currents
from golden.data import DataError, folder_of, load_fashion_mnist, load_mnist, load_sample
from golden.random.bad_sources import Source, kept
from golden.random.generator import choices
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
)
from sim.bad_sources import FEW, PLAYED, PLAYED_IMAGES, check_faulty, sources
from sim.random_designs import (
    NETWORK,
    PASSES,
    REPEATS_JUNCTION,
    SEEDS,
    build_design,
    judge_generators,
    judge_junction,
)
from sim.verilator.simulation import compiled


__all__ = ["PREDICTIONS", "gather"]


#: Chance that good randomness fails any of the tests, all in all.
FAMILY = 0.01

SPINBAYES, PASSES_SPINBAYES, SPINBAYES_IMAGES = "lenet5_spinbayes", 10, 500

IMAGES = 8                    #: Images that the hardware predicts again and again: the least certain ones.
PREDICTIONS = 1000            #: Within these, a fault is found or not.
STREAMS = 100                 #: Of each source in the table of detection.
HEALTHY_BITS = 20_000_000
HEALTHY_PART = 10_000         #: Predictions whose bits are drawn at once.

#: Layers that drop with different probabilities, as those of the Scale-Dropout paper.
MIXED = Generator((1,), tuple(round(p * 65536) for p in (0.1, 0.2, 0.3, 0.4, 0.5)))

#: Health limits low enough for false alarms to be counted.
LOOSE = [{"repetition": repetition, "window": window, "proportion": proportion}
         for repetition, window, proportion in ((14, 64, 44), (17, 1024, 555))]


def _generators(spinbayes: Network, network: Network) -> list[Test]:
    """Test the emulated stream of every seed, for the rates of the networks and for mixed ones."""
    tests = []
    for seed in SEEDS:
        for name, generator, widths in (
                (NETWORK, network.generator, _widths(network)), ("mixed", MIXED, (1,) * len(MIXED.drop)),
                (SPINBAYES, spinbayes.generator, _widths(spinbayes))):
            generator = replace(generator, seeds=(seed,))
            bits   = choices(generator, 10_000, PASSES).reshape(-1, len(generator.drop))
            family = f"generator of {name}, seed {seed}"
            tests += bit_tests(family, bits.ravel(), kept(generator))
            tests += choice_tests(family, *_numbers(bits, kept(generator), widths))
    return tests


def _widths(network):
    """Random bits of each draw."""
    return tuple(len(draw.drops) for draw in network.draws)


def _numbers(bits, ones, widths):
    """Numbers that draws of so many ``bits`` give, int (P, D), how many each can give, and the probability
    of each, where a bit is 1 with the probability in ``ones``."""
    numbers, shares, first = [], [], 0
    for width in widths:
        share, number = np.ones(1), np.zeros(len(bits), dtype=np.int64)
        for place in range(first, first + width):
            number = 2 * number + bits[:, place]
            share  = np.outer(share, (1 - ones[place], ones[place])).ravel()
        numbers.append(number)
        shares.append(share)
        first += width
    return np.stack(numbers, axis=1), tuple(map(len, shares)), shares


def _least_certain(network, images, count):
    exact = Exact.of(network, images)
    return images[np.argsort(-exact.variance.max(-1), kind="stable")[:count]]


def _smallest(network, each):
    """The weakest fault of each kind that is found within :data:`PREDICTIONS` predictions."""
    sizes = {"bias": [step / 100 for step in range(8, 17)],
             "correlation": [step / 50 for step in range(8, 16)]}

    def grid(fault, sign=1, **more):
        return {sign * size: Source(**{fault: sign * size}, **more) for size in sizes[fault]}

    grids = {
        "bias": grid("bias"), "bias, negative": grid("bias", -1),
        "correlation from bit to bit": grid("correlation"),
        "correlation from bit to bit, negative": grid("correlation", -1),
        "correlation from pass to pass": grid("correlation", distance=len(network.drops)),
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
    combination = (drawn @ (1 << np.arange(len(network.drops))[::-1])).reshape(500, len(images), PASSES)
    means = np.take_along_axis(exact.probabilities[None], combination[..., None], 2).mean(2) / 65536
    return convergence("golden model", means, PASSES, exact)


def _false_alarms(network):
    """Test how often the health tests raise the alarm of good bits."""
    good = np.concatenate([
        choices(network.generator, HEALTHY_PART, PASSES, first).ravel()
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
    every = sources(network)
    averages = {}

    steps.step("generator: rates, correlations, choices")
    generator = _generators(spinbayes, network)
    emulated, averages["generator"], emitted = judge_generators(work, images, steps)

    steps.step("emitted design, junction at the pins: build, simulate "
               f"{2 * REPEATS_JUNCTION * len(images)} images")
    codes = work / "currents.json"
    codes.write_text(json.dumps(currents(emitted)))
    design = build_design(work / "junction", "--rng=mtj", f"--mtj-currents={codes}")
    with compiled(design, steps) as program:
        junction, averages["junction"] = judge_junction(program, design, emitted, images)
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

    few = sources(spinbayes)
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
