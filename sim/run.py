"""Compare emitted Verilog with the golden model: ``python -m sim.run build/lenet5``.

All figures of the report come from what the Verilog has answered; the golden model only says whether
each bit is right. The images run in shards, several at once, and shards that are done are kept
(:mod:`sim.shards`): the same command goes on where it was stopped.
"""

import argparse
import io
import json
import math
import os
import shlex
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import fields
from pathlib import Path

import numpy as np

from gen.ir import load
from gen.progress import Steps
from golden.data import DataError, load_mnist, load_sample
from golden.head import Prediction
from golden.network import predict
from golden.random import choices, choices_of
from sim import harness, simulator
from sim.coverage import COVERAGE, Coverage, table
from sim.design import Design, DesignError
from sim.maps import compare_maps
from sim.output import write_json
from sim.quality import OUTSIDE_SETS, load_outside, quality
from sim.results import compare, read
from sim.shards import Shard, divide, shard_size


__all__ = ["SimulationError", "main", "simulate"]


class SimulationError(Exception):
    """A simulation that cannot be run or went wrong, with the way out in its message."""


def simulate(directory: Path, images: np.ndarray, labels=None, *, outside=None, passes=None, maps=False,
             waves=False, coverage=None, duty=1.0, jobs=1, size=None, steps=None) -> dict:
    """Run ``images`` through the design in ``directory`` and compare each bit of each result.

    Parameters
    ----------
    directory : Path
        Output of a build.
    images : uint8 array (N, H, W)
        Images, sent back to back.
    labels : int array (N,), optional
        Their classes, for accuracy, calibration, and detection of the sets ``outside``.
    outside : dict of name to uint8 array (M, H, W) or str, optional
        Images out of distribution, which follow in the order given; or why there are none.
    passes : int, optional
        T; that of the build unless given.
    maps : bool
        Compare every intermediate map and pass set too.
    waves : bool
        Leave waves in ``sim_waves/dump.vcd``. All images are one shard then, which is not kept.
    coverage : sim.coverage.Coverage, optional
        Where to add what was covered.
    duty : float
        Probability that either end is active in a cycle. Below 1 no cycles are measured.
    jobs : int
        Shards that run at once.
    size : int, optional
        Images of a shard; those of some seconds unless given.
    steps : gen.progress.Steps, optional
        Where to say how far it is; two steps.

    Returns
    -------
    dict
        The report ``rtlsim_performance.json``. Images of outside sets count in its ``mismatches``, and
        have entries of their own in ``outside``.

    Raises
    ------
    SimulationError
        If the design hangs, or what is asked of it cannot be.
    RuntimeError
        If the simulator cannot be compiled, or fails.
    """
    design = Design(directory)
    network = load(design.ir)
    passes = design.manifest["passes"] if passes is None else passes
    missing = {name: own for name, own in (outside or {}).items() if isinstance(own, str)}
    sets = {"": images, **{name: own for name, own in (outside or {}).items() if name not in missing}}
    if not 1 <= passes <= design.passes_max:
        raise SimulationError(f"Passes must be from 1 to {design.passes_max} (T_max of this build), "
                              f"not {passes}")
    for own in sets.values():
        if own.shape[1:] != (network.input.height, network.input.width):
            raise SimulationError(f"Images must be {network.input.height} x {network.input.width}, not "
                                  f"{own.shape[1]} x {own.shape[2]}")
    steps = steps or Steps(2, stream=io.StringIO())

    steps.step("build simulator")
    # A simulator that writes waves is another one, down to its run-time library.
    # The simulator runs in this folder, so its files are not named from here.
    kind = "sim_waves" if waves else "sim_coverage" if coverage is not None else "sim_build"
    work = directory.resolve() / kind
    work.mkdir(exist_ok=True)
    verilog = work / "harness.sv"
    harness.write(design, verilog)
    models = [harness.MODEL] if design.arrays else []
    simulated = simulator.build([*design.sources, *models, verilog], harness.TOP, work, waves=waves,
                                coverage=coverage is not None, log=work / "build.log")

    every = np.concatenate(list(sets.values()))
    parts = list(divide(map(len, sets.values()), len(every) if waves else size or shard_size(design)))
    cycle_limit = _cycle_limit(design, passes)
    shards = [
        Shard(every[part.start:part.stop], simulated, *_arguments(
            design, network, number, part, passes, maps, duty, cycle_limit))
        for number, part in enumerate(parts)]
    drawn = None
    if design.manifest["rng"] == "emulated":
        drawn = choices(network.generator, len(every), passes)

    def finish(shard, part):
        """Simulate, unless that is done, and compare; return what came, and what differs."""
        folder = shard.folder(work)
        fresh = waves or not folder.exists()
        if fresh:
            shard.run(work, waves=waves)
        results = read(folder / harness.RESULTS, design)
        if isinstance(results, int):
            shutil.rmtree(folder)
            raise SimulationError(f"Design in {directory} gave no result for {cycle_limit} cycles (at "
                                  f"cycle {results}); look at the waves with --waves")
        os.utime(folder)
        chosen = _bits(folder, network, len(part), passes) if drawn is None else (
            drawn[part.start:part.stop])
        golden, _ = predict(network, shard.images, chosen)
        different = compare_maps(folder / harness.TRACE, design, network, shard.images,
                                 chosen) if maps else 0
        return results, compare(golden, results), different, len(part) * fresh

    kept = sum(shard.folder(work).exists() for shard in shards)
    steps.step(f"simulate {len(every)} images and compare: {len(shards)} shards, {kept} done before")
    started = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(finish, *one) for one in zip(shards, parts, strict=True)]
        try:
            for future in steps.bar(as_completed(futures), len(futures)):
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True) # those that run are waited for
            raise
    seconds = time.monotonic() - started
    results, mismatches, different, fresh = zip(*(future.result() for future in futures), strict=True)
    if waves:
        (shards[0].folder(work) / "dump.vcd").replace(work / "dump.vcd")
        shutil.rmtree(shards[0].folder(work))

    mismatches = sum(int(own.sum()) for own in mismatches)
    report = {
        "source": "simulated",
        "status": "run",
        "images": len(images),
        "bit_exact": not mismatches and not any(different),
        "mismatches": mismatches,
        **({"map_mismatches": sum(different)} if maps else {}),
        "passes": passes,
        "schedule": design.schedule,
        "alarm": any(own.alarm for own in results),
        "shards": len(shards),
        "jobs": jobs,
        "images_simulated_now": sum(fresh),
    }
    if any(fresh):
        report["simulated_images_per_second"] = sum(fresh) / seconds
    if duty == 1:
        report |= _cycles(results)
    if labels is not None:
        predictions = _by_set(results, parts, sets, passes)
        report |= quality(predictions.pop(""), labels, {
            name: missing.get(name) or predictions[name] for name in outside or {}})
    if coverage is not None:
        for shard in shards:
            coverage.add(shard.folder(work) / COVERAGE, design)
    return report


def _cycle_limit(design, passes):
    """Cycles without a result that say that the design hangs: those of the most maps that so many passes
    can make, and more."""
    return 4 * design.latency * (1 + passes // design.manifest["passes"])


def _arguments(design, network, number, part, passes, maps, duty, idle_limit):
    """What bench and harness are told of shard ``number``, with the images ``part`` of all."""
    variables = {}
    # Rounded up, so that no pulse is shorter than its cycles are.
    plusargs = [f"+half_ps={math.ceil(5e5 / design.manifest['clock_mhz'])}", f"+images={len(part)}",
                f"+passes={passes}", f"+duty={round(256 * duty)}",
                f"+idle_limit={round(idle_limit / duty**2)}"]
    if design.manifest["rng"] == "mtj":
        variables["MTJ"] = json.dumps({
            "sources": design.manifest["random_sources"], "bits_file": harness.BITS, "seed": 1 + number,
            **{name: design.manifest["mtj"][name] for name in ("set_ns", "read_ns", "reset_ns")}})
    else:
        plusargs.append(f"+skip={part.start * passes * sum(network.generator.bits)}")
    if maps:
        plusargs.append("+trace")
    if design.arrays:
        # The models read them as they start; to the harness this says nothing.
        plusargs.append(f"+cells={design.cells}")
    return variables, tuple(plusargs)


def _bits(folder, network, images, passes):
    """Choices of ``images`` images by the bits that junctions drew."""
    # They are asked in turn; each has drawn as many bits as the others, or one more.
    drawn = [np.frombuffer((folder / harness.BITS.format(source)).read_bytes(), np.uint8) == ord("1")
             for source in range(len(network.generator.seeds))]
    bits = np.stack([own[:min(map(len, drawn))] for own in drawn], axis=1)
    return choices_of(bits.ravel(), network.generator, images, passes)


def _by_set(results, parts, sets, passes):
    """The predictions of each set, by name, of shards that hold the images ``parts`` of all."""
    predictions, first = {}, 0
    for name, images in sets.items():
        own = [one.prediction for one, part in zip(results, parts, strict=True)
               if first <= part.start < first + len(images)]
        first += len(images)
        joined = {field.name: np.concatenate([getattr(one, field.name) for one in own])
                  for field in fields(Prediction)}
        predictions[name] = Prediction(**joined | {"passes": passes})
    return predictions


def _cycles(results):
    """Latency of the first image, and the mean cycles from image to image."""
    report = {"latency_cycles": int(results[0].ends[0] - results[0].begins[0])}
    # Between first pixels, over the later half of each shard: the start-up is over.
    later = [own.begins[len(own.begins) // 2 - 1:] for own in results if len(own.begins) > 1]
    if later:
        report["interval_cycles"] = float(
            sum(own[-1] - own[0] for own in later) / sum(len(own) - 1 for own in later))
    return report


def main(arguments=None):
    """Simulate and compare; return 0 when every bit is equal, 1 when not, 2 when it cannot be run."""
    parser = argparse.ArgumentParser(
        prog="sim.run", description="Compare emitted Verilog with the golden model.")
    parser.add_argument("directory", type=Path, help="output folder of a build")
    parser.add_argument("--images", type=int, default=100,
        help="number of images, of each set (default: %(default)s)")
    parser.add_argument("--data", type=Path,
        help="folder with MNIST (default: the 1,000 test images that come with the project)")
    parser.add_argument("--outside", action="append", choices=("all", *OUTSIDE_SETS), default=[],
        help="simulate a set that is out of distribution too; may be repeated")
    parser.add_argument("--passes", type=int, help="passes T (default: those of the build)")
    parser.add_argument("--maps", action="store_true",
        help="compare every intermediate map and pass set too")
    parser.add_argument("--duty", type=float, default=1.0,
        help="probability that either end is active in a cycle (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)),
        help="shards that run at once (default: the cores, %(default)s)")
    parser.add_argument("--waves", action="store_true", help="leave waves in sim_waves/dump.vcd")
    parser.add_argument("--coverage", action="store_true",
        help="report the lines and toggles of each block that were covered")
    parser.add_argument("--verification", type=Path, metavar="FILE",
        help="write the report to FILE as well, with the command")
    args = parser.parse_args(arguments)

    started = time.monotonic()
    try:
        if not 0 < args.duty <= 1:
            raise SimulationError(f"Duty must be above 0 and at most 1, not {args.duty}")
        if args.jobs < 1:
            raise SimulationError(f"Jobs must be at least 1, not {args.jobs}")
        if args.waves and args.coverage:
            raise SimulationError("Waves and coverage take different simulators; ask for one of them")
        images, labels = load_sample() if args.data is None else load_mnist(args.data, "test")
        if not 1 <= args.images <= len(images):
            raise SimulationError(f"Images must be from 1 to {len(images)}, not {args.images}; the "
                                  f"whole test set needs --data")
        images, labels = images[:args.images], labels[:args.images]
        coverage = Coverage() if args.coverage else None
        report = simulate(
            args.directory, images, labels, outside=load_outside(args.outside, images, args.data),
            passes=args.passes, maps=args.maps, waves=args.waves, coverage=coverage, duty=args.duty,
            jobs=args.jobs, steps=Steps(2))
        if args.coverage:
            report["coverage"] = coverage.blocks()
        write_json(args.directory / "report" / "rtlsim_performance.json", report)
        if args.verification:
            write_json(args.verification, {
                "target": "testset",
                "command": shlex.join(["python", "-m", "sim.run", *map(str, arguments or sys.argv[1:])]),
                "seconds": time.monotonic() - started,
                **report,
            })
    except (SimulationError, DesignError, DataError, simulator.SimulatorMissing,
            RuntimeError, OSError) as error:
        print(f"sim.run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sim.run: stopped; the same command goes on with the shards that are done",
              file=sys.stderr)
        return 130
    print("\n".join(_lines({name: value for name, value in report.items() if name != "coverage"})))
    if args.coverage:
        print(table(report["coverage"]))
    return 0 if report["bit_exact"] else 1


def _lines(report, before=""):
    """Yield a line for each figure, those of a dictionary with its name in front."""
    for name, value in report.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{before}{name} ")
        else:
            yield f"{before + name:28} {value:.6g}" if isinstance(value, float) else (
                f"{before + name:28} {value}")


if __name__ == "__main__":
    raise SystemExit(main())
