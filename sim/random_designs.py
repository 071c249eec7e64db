"""Statistical tests of what emitted designs make of good random bits, of a generator or of a junction."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from gen.ir import Network, Target
from gen.progress import Progress
from golden.device.junction import Dac
from golden.network import path_probabilities
from golden.random.hypothesis_tests import Test
from golden.random.quality import Exact, bit_tests, choice_tests, convergence, output_tests
from sim.design import Design, DesignError
from sim.verilator.simulation import Program, Simulation, compiled


__all__ = [
    "NETWORK", "PASSES", "REPEATS_JUNCTION", "SEEDS", "build_design", "judge_generators", "judge_junction",
]


NETWORK, PASSES = "lenet5", 20

SEEDS = 1, 0x9e3779b97f4a7c15 #: Of the generators.

REPEATS = 384                 #: Predictions of each image, per seed.
REPEATS_JUNCTION = 128        #: Likewise with a junction at the pins, which Python plays.


def build_design(folder: Path, *options: str) -> Design:
    """Build LeNet-5 as a user does, since a simulation knows a design by its files; return the design."""
    command = [sys.executable, "-m", "gen.build", "--layers", NETWORK, "--out", str(folder), *options]
    build = subprocess.run(command, capture_output=True, text=True)
    if build.returncode:
        raise DesignError(build.stderr.strip().splitlines()[-1])
    return Design(folder)


def judge_generators(folder: Path, images: np.ndarray,
                     steps: Progress) -> tuple[list[Test], dict, Network]:
    """Test what designs with a generator make of its bits; return the tests, the report of the averages,
    and the network."""
    tests, means = [], []
    for seed in SEEDS:
        steps.step(f"emitted design, seed {seed}: build, simulate {2 * REPEATS * len(images)} images")
        design  = build_design(folder / f"seed{seed}", f"--seed={seed}")
        network = design.network
        exact   = Exact.of(network, images)
        with compiled(design, steps) as program:
            for passes in (1, PASSES):
                results, _ = Simulation(design, np.tile(images, (REPEATS, 1, 1)), passes).answer(program)
                name = f"RTL, seed {seed}, T = {passes}"
                tests += output_tests(name, results.record, exact)
                tests.append(_no_alarm(name, results.alarm, network, passes, REPEATS * len(images)))
        means.append(results.prediction.sums.reshape(REPEATS, *exact.mean.shape) / (65536 * PASSES))
    averages, others = convergence("RTL", np.concatenate(means), PASSES, exact)
    return tests + others, averages, network


def judge_junction(program: Program, design: Design, network: Network,
                  images: np.ndarray) -> tuple[list[Test], dict]:
    """Test what a design makes of the bits of a junction at its pins, with the simulator ``program``;
    return the tests and the report of the averages."""
    # What the junction was set to do is not quite what the network asked for.
    junction = design.manifest["mtj"]
    pulse_ns = Target(clock_mhz=design.clock_mhz).lasts_ns(junction["set_ns"])
    actual = replace(network, draws=tuple(
        replace(draw, drops=(float(Dac().probability(code, pulse_ns=pulse_ns)),))
        for draw, code in zip(network.draws, junction["currents"], strict=True)))
    exact  = replace(Exact.of(network, images), share=path_probabilities(actual))
    p_kept = 1 - np.array(actual.drops)
    tests  = []
    for seed, passes in ((1, 1), (2, PASSES)):
        results, drawn = Simulation(design, np.tile(images, (REPEATS_JUNCTION, 1, 1)), passes,
                                    seed=seed).answer(program)
        name = f"RTL, junction, T = {passes}"
        tests += output_tests(name, results.record, exact)
        tests.append(_no_alarm(name, results.alarm, network, passes, REPEATS_JUNCTION * len(images)))
    tests += bit_tests("junction at the pins", drawn, p_kept)
    bits = drawn[:REPEATS_JUNCTION * len(images) * PASSES * len(p_kept)].reshape(-1, len(p_kept))
    tests += choice_tests("junction at the pins", bits.astype(int), (2,) * len(p_kept),
                          [np.array([1 - p, p]) for p in p_kept])
    means = results.prediction.sums.reshape(REPEATS_JUNCTION, *exact.mean.shape) / (65536 * PASSES)
    averages, others = convergence("RTL, junction", means, PASSES, exact)
    return tests + others, averages


def _no_alarm(name, alarm, network, passes, images):
    # Good bits raise it once in 2 ** 60 bits, so once is proof.
    return Test(f"{name}: no alarm", float(alarm), 0.0 if alarm else 1.0,
                images * network.generator.bits(passes))
