"""Run images through an emitted design and compare each bit of what it answers with the golden model.

All figures come from what the Verilog has answered; the golden model only says whether each bit is right.
The images run in shards, several at once, and the answers of shards that are done are cached
(:mod:`sim.verilator.cache`).
"""

import io
import shutil
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.command import UserError
from gen.progress import Progress
from golden.answers import Answers, answer_passes, join_answers
from golden.network import batches
from golden.random.generator import choices, pass_bits
from sim.compare.cycles import report_cycles
from sim.compare.maps import compare_maps
from sim.compare.quality import quality
from sim.compare.results import Results, compare
from sim.coverage import COVERAGE
from sim.design import Design
from sim.processes import Processes, cores
from sim.verilator import harness
from sim.verilator.cache import cached, divide, place, shard_size
from sim.verilator.simulation import DUTY_STEPS, Simulation, compiled


__all__ = ["SimulationError", "simulate", "simulate_answers"]


#: Shards that may run at once, for each core.
JOBS_PER_CORE = 16


class SimulationError(UserError):
    """A simulation that cannot be run, with the way out in its message."""


def simulate(directory: Path | str, images: np.ndarray, labels=None, **options) -> dict:
    """Return the report of :func:`simulate_answers`, which takes the same arguments and raises the same
    errors."""
    report, _ = simulate_answers(directory, images, labels, **options)
    return report


def simulate_answers(directory: Path | str, images: np.ndarray, labels=None, *, ood=None, passes=None,
                     maps=False, waves=False, coverage=None, duty=1.0, jobs=1, size=None,
                     steps=None) -> tuple[dict, Answers]:
    """Run ``images`` through the design in ``directory`` and compare each bit of each result.

    Choices and passes of the golden model are in memory for a batch of each job only.

    Parameters
    ----------
    directory : Path or str
        Output of a build.
    images : uint8 array (N, H, W), of several components (N, H, W, colours)
        Images, sent back to back.
    labels : int array (N,), or of positions (N, H, W), optional
        Their classes, for accuracy and calibration.
    ood : dict of name to uint8 array (M, H, W) or str, optional
        Images out of distribution, which follow in the order given; or why there are none.
    passes : int, optional
        T; that of the build unless given.
    maps : bool
        Compare every intermediate map and pass set too.
    waves : bool
        Leave the waves of ``images`` in ``sim_waves/dump.vcd``. They are one shard then, and nothing is
        cached.
    coverage : sim.coverage.Coverage, optional
        Where to add what was covered.
    duty : float
        Probability that a pixel is offered, and that a result is accepted, in a cycle; rounded to 1/256.
        Below 1 no cycles are measured.
    jobs : int
        Shards that run at once.
    size : int, optional
        Images of a shard; unless given, as many as are simulated in some seconds.
    steps : gen.progress.Progress, optional
        Where to report progress: two steps.

    Returns
    -------
    report : dict
        The report ``rtlsim_performance.json``. Images of OOD sets count in its ``mismatches``, and have
        entries of their own in ``ood``.
    answers : :class:`golden.answers.Answers`
        What the Verilog has answered to each of ``images``. The accelerator does not compute mutual
        information: where a result equals the golden model in every bit it is that of the golden model,
        and elsewhere NaN.

    Raises
    ------
    SimulationError
        If what is asked of the design cannot be.
    DesignError
        If the folder is no output of a build of this version, or was changed since.
    FolderError
        If the folder cannot be written.
    SimulatorMissing
        If a program that simulation needs is not installed.
    SimulatorFailed
        If the simulator cannot be compiled, or fails, or the design hangs.
    """
    design, steps = Design(directory), steps or Progress(io.StringIO())
    passes = design.passes if passes is None else passes
    labels = None if labels is None else np.asarray(labels)
    sets   = {"": np.asarray(images)} | {
        name: ood_images for name, ood_images in (ood or {}).items() if not isinstance(ood_images, str)}
    _check(design, sets, labels, passes, duty, jobs)
    if waves:
        size = max(map(len, sets.values()))
    parts  = list(divide(map(len, sets.values()), size or shard_size(design)))
    stream = np.concatenate(list(sets.values()))
    simulations = [Simulation(design, stream[part.start:part.stop], passes, first=part.start, maps=maps,
                              duty=duty, seed=1 + number) for number, part in enumerate(parts)]

    with compiled(design, steps, waves=waves, coverage=coverage is not None) as program:
        folders = [place(program, simulation) for simulation in simulations]
        done    = sum(folder.exists() for folder in folders)
        steps.step(f"simulate {len(stream)} images and compare: {len(parts)} shards, {done} done before")
        started = time.monotonic()
        shards  = _run_all(program, simulations, jobs, steps)
        seconds = time.monotonic() - started
        if waves:
            (folders[0] / "dump.vcd").replace(program.folder / "dump.vcd")
            for folder in folders:
                shutil.rmtree(folder)
        if coverage is not None:
            for folder in folders:
                coverage.add(folder / COVERAGE, design)

    mismatches = sum(int((~shard.answers.exact).sum()) for shard in shards)
    map_mismatches = sum(shard.map_mismatches for shard in shards)
    simulated  = sum(len(shard.answers.exact) for shard in shards if not shard.was_cached)
    report = {
        "source": "simulated",
        "build": design.manifest.get("build", "")[:8], # names the design, as gen.build has it
        "status": "run",
        "images": len(images),
        "bit_exact": not mismatches and not map_mismatches,
        "mismatches": mismatches,
    }
    if maps:
        report["map_mismatches"] = map_mismatches
    report |= {
        "passes": passes,
        "schedule": design.schedule,
        "alarm": any(shard.results.alarm for shard in shards),
        "shards": len(shards),
        "jobs": jobs,
        "images_simulated_now": simulated,
    }
    if simulated:
        report["simulated_images_per_second"] = simulated / seconds
    if duty == 1:
        report |= report_cycles([shard.results for shard in shards])
    answers = _by_set(shards, parts, sets)
    if answers[""].prediction.regression:
        return report | {"ood": {}}, answers[""]
    report |= quality(answers[""].prediction, labels, {
        name: ood_images if isinstance(ood_images, str) else answers[name].prediction
        for name, ood_images in (ood or {}).items()})
    return report, answers[""]


def _check(design, sets, labels, passes, duty, jobs):
    """Refuse what cannot be simulated."""
    network = design.network
    shape, classes = network.input.shape, network.classes
    if not 1 <= passes <= design.passes_max:
        raise SimulationError(f"Passes must be from 1 to {design.passes_max} (T_max of this build), "
                              f"not {passes}")
    if not 1 / DUTY_STEPS <= duty <= 1:
        raise SimulationError(f"Duty must be from 1/{DUTY_STEPS} ({1 / DUTY_STEPS:g}), the smallest step "
                              f"between gaps, to 1, not {duty}")
    most = JOBS_PER_CORE * cores()
    if not 1 <= jobs <= most:
        raise SimulationError(f"Jobs must be from 1 to {most} ({JOBS_PER_CORE} for each core), not {jobs}")
    for images in sets.values():
        if images.dtype != np.uint8 or images.ndim != 1 + len(shape) or not len(images):
            raise SimulationError(f"Images must be uint8 (N, {', '.join(map(str, shape))}), one at least, "
                                  f"not {images.dtype} {images.shape}")
        if images.shape[1:] != shape:
            raise SimulationError(f"Images must be {' x '.join(map(str, shape))}, not "
                                  f"{' x '.join(map(str, images.shape[1:]))}")
    if labels is not None and network.head.regression:
        raise SimulationError(f"Labels are classes, and network {network.name!r} answers with numbers; "
                              "leave them out")
    if labels is not None and len(labels) != len(sets[""]):
        raise SimulationError(f"There are {len(sets[''])} images, but {len(labels)} labels")
    if labels is not None and labels.shape[1:] != network.answer_shape:
        wanted = ", ".join(map(str, ("N", *network.answer_shape)))
        raise SimulationError(f"Labels must be of shape ({wanted}), as answers are, not {labels.shape}")
    if labels is not None and not ((labels >= 0) & (labels < classes)).all():
        raise SimulationError(f"Labels must be from 0 to {classes - 1}, the classes of the network, not "
                              f"from {labels.min()} to {labels.max()}")


@dataclass(frozen=True, slots=True)
class _Shard:
    """A shard that was simulated and compared."""

    results: Results
    answers: Answers
    map_mismatches: int
    was_cached: bool


def _run_all(program, simulations, jobs, steps):
    """Simulate and compare each of ``simulations``, ``jobs`` at once; return their shards in order."""
    processes = Processes()
    with ThreadPoolExecutor(min(jobs, len(simulations))) as pool:
        futures = [pool.submit(_run, program, simulation, processes) for simulation in simulations]
        try:
            for future in steps.bar(as_completed(futures), len(futures)):
                future.result()
        except BaseException:
            processes.stop()
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _run(program, simulation, processes):
    """Simulate, unless the answers are cached, and compare."""
    folder, was_cached = cached(program, simulation, processes)
    design, images, passes = simulation.design, simulation.images, simulation.passes
    results = simulation.results(folder)
    chosen  = _bits(simulation, folder)
    golden  = join_answers([answer_passes(design.network, images[part], chosen(part.start, part.stop))
                            for part in batches(design.network, len(images), passes)])
    different = compare(golden.prediction, results)
    map_mismatches = 0
    if simulation.maps:
        map_mismatches = compare_maps(
            folder / harness.TRACE, design, design.network, images, chosen, passes)
    information = golden.information.copy()
    information[different] = np.nan
    answers = Answers(results.prediction, information, ~different)
    return _Shard(results, answers, map_mismatches, was_cached)


def _bits(simulation, folder):
    """A function that returns the random bits of the images from a first up to a last, exclusive."""
    generator, passes = simulation.design.network.generator, simulation.passes
    if simulation.design.manifest["rng"] == "emulated":
        return lambda first, last: choices(generator, last - first, passes, simulation.first + first)
    images = len(simulation.images)
    drawn  = simulation.drawn(folder)[:images * generator.bits(passes)].reshape(images, -1)
    bits   = pass_bits(generator, drawn, passes)
    return lambda first, last: bits[first:last]


def _by_set(shards, parts, sets):
    """The answers to each set, by name, of shards that hold the images ``parts`` of all."""
    answers, first = {}, 0
    for name, images in sets.items():
        answers[name] = join_answers([shard.answers for shard, part in zip(shards, parts, strict=True)
                                      if first <= part.start < first + len(images)])
        first += len(images)
    return answers
