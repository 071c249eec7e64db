"""Evidence that the randomness is right, and of what happens when it is not: ``python -m sim.randomness``.

Statistical tests of the generator, of the junction at the pins and of what the emitted Verilog makes of
them, with one false-alarm rate for all; the averages of the hardware against the exact predictive mean;
faulty sources of random bits against the health tests, and what they do to accuracy and uncertainty.
"""

import importlib
import json
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from gen.command import Parser, UserError, command
from gen.files import refuse_unwritable, write_json
from gen.ir import Generator, Network, load
from gen.progress import Progress
from gen.tools import install_hint
from golden.compiler import compiled
from golden.data import DataError, folder_of, load_fashion_mnist, load_mnist, load_sample
from golden.device.junction import Dac
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
from sim.design import DesignError
from sim.verilator import free_running


__all__ = ["main"]


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


def _generators(spinbayes: Network, network: Network) -> "list[Test]":
    """Test the emulated stream of every seed, for the rates of the networks and for mixed ones."""
    tests = []
    for seed in SEEDS:
        for name, generator in ((NETWORK, network.generator), ("mixed", MIXED),
                                (SPINBAYES, spinbayes.generator)):
            generator = replace(generator, seeds=(seed,))
            choice = choices(generator, 10_000, PASSES).reshape(-1, len(generator.bits))
            own = f"generator of {name}, seed {seed}"
            tests += bit_tests(own, _bits_of(choice, generator), kept(generator))
            tests += choice_tests(own, choice, *_sizes(generator))
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
    """Build LeNet-5, as a user does: a simulation knows a design by what is written."""
    command = [sys.executable, "-m", "gen.build", "--layers", NETWORK, "--out", str(folder), *options]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise DesignError(run.stderr.strip().splitlines()[-1])


def _simulated(folder, steps, images):
    """Run the hardware freely, and test what it makes of good random bits.

    Returns the tests of the designs with a generator, of the design with a junction, what their averages
    tend to, and the design with a junction.
    """
    emulated, junction, figures, means = [], [], {}, []
    network = None
    for seed in SEEDS:
        steps.step(f"emitted design, seed {seed}: build, simulate {2 * REPEATS * len(images)} images")
        out = folder / f"seed{seed}"
        _build(out, f"--seed={seed}")
        design = free_running.build(out)
        network = load(design.ir)
        exact = Exact.of(network, images)
        for passes in (1, PASSES):
            run = free_running.run(design, np.tile(images, (REPEATS, 1, 1)), passes)
            emulated += output_tests(f"RTL, seed {seed}, T = {passes}", run.results, exact)
            emulated.append(_no_alarm(f"RTL, seed {seed}, T = {passes}", run, network, passes, REPEATS))
        means.append(run.results["sum"].reshape(REPEATS, *exact.mean.shape) / (65536 * PASSES))
    figures["generator"], tests = convergence("RTL", np.concatenate(means), PASSES, exact)
    emulated += tests

    steps.step(f"emitted design, junction at the pins: build, simulate "
               f"{2 * REPEATS_JUNCTION * len(images)} images")
    currents = folder / "currents.json"
    currents.write_text(json.dumps({"currents": [Dac().write_code(layer.dropout)
                                                 for layer in network.layers]}))
    out = folder / "junction"
    _build(out, "--rng=mtj", f"--mtj-currents={currents}")
    design = free_running.build(out)
    # What the junction was set to do is not quite what the network asked for.
    actual = replace(network, layers=tuple(
        replace(layer, dropout=float(Dac().probability(code)))
        for layer, code in zip(network.layers, design.manifest["mtj"]["currents"], strict=True)))
    exact = replace(exact, share=path_probabilities(actual))
    p_kept = np.array([1 - layer.dropout for layer in actual.layers])
    for seed, passes in ((1, 1), (2, PASSES)):
        run = free_running.run(design, np.tile(images, (REPEATS_JUNCTION, 1, 1)), passes, seed=seed)
        name = f"RTL, junction, T = {passes}"
        junction += output_tests(name, run.results, exact)
        junction.append(_no_alarm(name, run, network, passes, REPEATS_JUNCTION))
    junction += bit_tests("junction at the pins", run.bits, p_kept)
    choice = choices_of(run.bits, network.generator, REPEATS_JUNCTION * len(images), PASSES)
    junction += choice_tests("junction at the pins", choice.reshape(-1, len(p_kept)), (2,) * len(p_kept),
                             [np.array([1 - p, p]) for p in p_kept])
    means = run.results["sum"].reshape(REPEATS_JUNCTION, *exact.mean.shape) / (65536 * PASSES)
    figures["junction"], tests = convergence("RTL, junction", means, PASSES, exact)
    return emulated, junction + tests, figures, design


def _no_alarm(name, run, network, passes, repeats):
    # Good bits raise it once in 2 ** 60 bits, so once is proof.
    return Test(f"{name}: no alarm", float(run.alarm), 0.0 if run.alarm else 1.0,
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


def _evidence(args, steps) -> dict:
    def bar(items):
        return steps.bar(list(items))

    steps.step("data, compile")
    sets, labels, missing = _sets(args.data)
    network = compiled(NETWORK, None, PASSES, 1)
    spinbayes = compiled(SPINBAYES, None, PASSES_SPINBAYES, 1)
    sample, _ = load_sample()
    images = _least_certain(network, sample, IMAGES)

    steps.step("generator: rates, correlations, choices")
    generator = _generators(spinbayes, network)
    emulated, junction, averages, design = _simulated(args.work, steps, images)

    steps.step("golden model: averages of many predictions of more images")
    exact = Exact.of(network, sample[:100])
    drawn = choices(network.generator, 100 * 500, PASSES)
    at = np.ravel_multi_index(tuple(np.moveaxis(drawn, -1, 0)), (2,) * len(network.layers))
    at = at.reshape(500, 100, PASSES)
    means = np.take_along_axis(exact.probabilities[None], at[..., None], 2).mean(2) / 65536
    averages["golden"], tests = convergence("golden model", means, PASSES, exact)
    generator += tests

    steps.step("faulty sources at the pins of the emitted design")
    every = sources(sum(network.generator.bits))
    pins = check_faulty(design, network, sample[:PLAYED_IMAGES], {name: every[name] for name in PLAYED},
                        PASSES, bar)
    disagreeing = [name for name, figure in pins.items()
                   if figure["alarm"] != figure["alarm_golden"]
                   or not figure["results_equal"] or not figure["bits_as_played"]]

    steps.step("health tests: false alarms")
    good = np.concatenate([
        _bits_of(choices(network.generator, HEALTHY_PART, PASSES, first).reshape(-1, 5), network.generator)
        for first in range(0, HEALTHY_BITS // 100, HEALTHY_PART)])
    health = false_alarm_tests("health", good, 0.5, LOOSE)
    alarm = alarm_bit(good, network.generator, network.health)
    health.append(Test(f"health: no alarm in {HEALTHY_BITS:,} good bits", float(alarm is not None),
                       1.0 if alarm is None else 0.0, HEALTHY_BITS))

    steps.step(f"health tests: {len(every)} sources, {STREAMS} streams each")
    found = detection(every, network, PREDICTIONS, PASSES, STREAMS, np.random.default_rng(5), bar)
    steps.step("health tests: the weakest faults they find")
    smallest = _smallest(network, bar)

    steps.step(f"{NETWORK}: what faults do to {sum(map(len, sets.values())):,} predictions")
    table = {NETWORK: {
        "images": {name: len(images) for name, images in sets.items()}, "passes": PASSES,
        "not_run": missing,
        "sources": effects(network, sets, labels, every, PASSES, 11, bar)}}
    few = {name: images[:SPINBAYES_IMAGES] for name, images in sets.items()}
    steps.step(f"{SPINBAYES}: what faults do to {sum(map(len, few.values())):,} predictions")
    own = sources(sum(spinbayes.generator.bits))
    table[SPINBAYES] = {
        "images": {name: len(images) for name, images in few.items()}, "passes": PASSES_SPINBAYES,
        "not_run": missing,
        "sources": effects(spinbayes, few, labels[:SPINBAYES_IMAGES], {name: own[name] for name in FEW},
                           PASSES_SPINBAYES, 11, bar)}

    tests = generator + emulated + junction + health
    failed = {test.name for test in failures(tests, FAMILY)}

    def block(own, **more):
        return {"statistical_tests": len(own), "smallest_p_value": min(test.p_value for test in own),
                "failed": [test.name for test in own if test.name in failed], **more}

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
        "effects": table,
        "blocks": {
            "pseudo_rng": block(generator + emulated),
            "mtj_rng": block(junction),
            "health": block(health, faulty_sources_in_rtl=len(pins),
                            disagreeing_with_golden=disagreeing),
        },
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


@command("sim.randomness")
def main(arguments=None):
    """Gather the evidence; return 0 when every test passes, 1 when not."""
    parser = Parser(prog="sim.randomness", description="Test the randomness, and what faults of it do.")
    parser.add_argument("--data", type=Path,
        help="data folder (default: SPINCIM_DATA; without it, the 1,000 images that come with the "
             "project, and no others)")
    parser.add_argument("--work", type=Path, default=Path("build/randomness"), metavar="DIR",
        help="folder for the designs (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=Path("build/verification/randomness.json"),
        metavar="FILE", help="file to write (default: %(default)s)")
    args = parser.parse_args(arguments)
    try:
        importlib.import_module("scipy")
    except ModuleNotFoundError:
        raise UserError("Package 'scipy' is not installed; install it with: "
                        f"{install_hint('golden')}") from None
    started = time.monotonic()
    args.work.mkdir(parents=True, exist_ok=True)
    refuse_unwritable(args.json)
    result = {"target": "randomness",
              "command": "make randomness" + (" DATA=DIR" if args.data else ""),
              "status": "run", **_evidence(args, Progress())}
    result["seconds"] = round(time.monotonic() - started, 1)
    write_json(args.json, result)
    print(_table(result))
    return 0 if result["passed"] else 1


def _table(result):
    """Return the verdict and the table of faults as lines of text."""
    tests = result["tests"]
    lines = [f"{tests['tests']} tests, {len(tests['failed'])} failed; all good with a chance of "
             f"{1 - tests['false_alarm_rate']:.0%} or more"]
    lines += [f"  failed: {name}" for name in tests["failed"]]
    for name, figure in result["averages"].items():
        slope = "?" if figure["slope"] is None else f"{figure['slope']:.3f}"
        lines.append(f"errors of averages, {name}: passes ** {slope}, largest after "
                     f"{figure['passes_per_image']:,} passes {figure['largest_error_standard_errors']:.1f} "
                     f"standard errors")
    for name, kind in result["detection"]["smallest"].items():
        lines.append(f"found within {PREDICTIONS:,} predictions, {name}: "
                     f"{kind['smallest_alarmed_99_percent']}")
    for network, table in result["effects"].items():
        lines += ["", f"{network + ', T = ' + str(table['passes']):44}{'alarm':>8}{'Acc':>9}{'NLL':>8}"
                      f"{'ECE':>8}{'flagged':>9}{'AUROC':>8}{'flagged out':>13}"]
        for name, row in table["sources"].items():
            out = row.get("fashion-mnist", {"status": "not_run"})
            cells = (f"{100 * out['entropy']['ood/AUROC']:7.2f}%{100 * out['quantile/rejected']:12.2f}%"
                     if out["status"] == "run" else f"{'-':>8}{'-':>13}")
            alarm = row["alarm_prediction"] or "-"
            lines.append(f"{name:44}{alarm:>8}{100 * row['test/cls/Acc']:8.2f}%{row['test/cls/NLL']:8.4f}"
                         f"{100 * row['test/cal/ECE']:7.2f}%{100 * row['quantile/rejected']:8.2f}%{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
