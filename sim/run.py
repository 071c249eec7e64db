"""Compare emitted Verilog with the golden model: ``python -m sim.run build/lenet5``.

All figures of the report come from what the Verilog has answered; the golden model only says whether
each bit is right. The images run in shards, several at once, and shards that are done are kept
(:mod:`sim.verilator.shards`): the same command goes on where it was stopped.

A user's own images (:mod:`golden.images`), and a table of what the Verilog answers to each
(:mod:`golden.answers`): ``python -m sim.run build/lenet5 --input digits.npz --out answers.csv``, or::

    images = read_images("digits.npz", Design("build/lenet5").network)
    report, answers = simulate_answers("build/lenet5", images.pixels, images.labels)
    write_answers("answers.csv", answers, images)
"""

import argparse
import io
import json
import os
import shlex
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from gen.command import Parser, UserError, command
from gen.files import refuse_overlap, refuse_unwritable, write_json
from gen.progress import Progress
from golden.answers import Answers, answer_passes, check_path, columns_help, join_answers, write_answers
from golden.data import load_mnist, load_sample
from golden.images import Images, read_images
from golden.network import batches
from golden.random.generator import choices, choices_of
from sim.compare.maps import compare_maps
from sim.compare.quality import OOD_SETS, load_ood, quality
from sim.compare.results import compare, read
from sim.coverage import COVERAGE, Coverage, table
from sim.design import Design
from sim.processes import Processes, cores
from sim.verilator import harness, simulator
from sim.verilator.shards import Shard, divide, shard_size
from sim.verilator.work import work_folder


__all__ = ["SimulationError", "main", "simulate", "simulate_answers"]


#: Of those that come with the project or are in a data folder, so many unless asked otherwise.
IMAGES = 100

#: Gaps are drawn with so many steps of probability from 0 to 1.
DUTY_STEPS = 256

#: Share by which the cycles between first pixels and those between results may differ in a steady state.
STEADY = 0.1

#: Shards that may run at once, for each core.
JOBS_PER_CORE = 16


class SimulationError(UserError):
    """A simulation that cannot be run or went wrong, with the way out in its message."""


def simulate(directory: Path | str, images: np.ndarray, labels=None, **options) -> dict:
    """Return the report of :func:`simulate_answers`, which takes the same arguments and raises the same
    errors."""
    report, _ = simulate_answers(directory, images, labels, **options)
    return report


def simulate_answers(directory: Path | str, images: np.ndarray, labels=None, *, outside=None, passes=None,
                     maps=False, waves=False, coverage=None, duty=1.0, jobs=1, size=None,
                     steps=None) -> tuple[dict, Answers]:
    """Run ``images`` through the design in ``directory`` and compare each bit of each result.

    Choices and passes of the golden model are in memory for a batch of each job only.

    Parameters
    ----------
    directory : Path or str
        Output of a build.
    images : uint8 array (N, H, W)
        Images, sent back to back.
    labels : int array (N,), optional
        Their classes, for accuracy and calibration.
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
        Probability that either end is active in a cycle, rounded to 1/256. Below 1 no cycles are measured.
    jobs : int
        Shards that run at once.
    size : int, optional
        Images of a shard; those of some seconds unless given.
    steps : gen.progress.Progress, optional
        Where to say how far it is; two steps.

    Returns
    -------
    report : dict
        The report ``rtlsim_performance.json``. Images of outside sets count in its ``mismatches``, and
        have entries of their own in ``outside``.
    answers : :class:`golden.answers.Answers`
        What the Verilog has answered to each of ``images``. Mutual information, which no result has, is
        that of the golden model where the result equals it in every bit, and NaN elsewhere.

    Raises
    ------
    SimulationError
        If the design hangs, or what is asked of it cannot be.
    DesignError
        If the folder is no output of a build of this version, or cannot be written.
    SimulatorMissing
        If a program that simulation needs is not installed.
    SimulatorFailed
        If the simulator cannot be compiled, or fails.
    """
    design = Design(directory)
    network = design.network
    passes = design.passes if passes is None else passes
    missing = {name: own for name, own in (outside or {}).items() if isinstance(own, str)}
    images = np.asarray(images)
    labels = None if labels is None else np.asarray(labels)
    sets = {"": images, **{name: own for name, own in (outside or {}).items() if name not in missing}}
    _check(design, sets, labels, passes, duty, jobs)
    half_ps = harness.half_period_ps(design)
    steps = steps or Progress(io.StringIO())

    def waiting():
        steps.step(f"wait for another simulation in {directory} to end")

    # A simulator that writes waves is another one, down to its run-time library.
    kind = "sim_waves" if waves else "sim_coverage" if coverage is not None else "sim_build"
    with work_folder(design, kind, waiting) as work:
        steps.step("build simulator")
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
                design, network, number, part, passes, maps, duty, cycle_limit, half_ps))
            for number, part in enumerate(parts)]
        processes = Processes()

        def finish(shard, part):
            """Simulate, unless that is done, and compare; return what came, and what differs."""
            folder = shard.folder(work)
            fresh = waves or not folder.exists()
            if fresh:
                shard.run(work, waves=waves, processes=processes)
            results = read(folder / harness.RESULTS, design)
            if isinstance(results, int):
                shutil.rmtree(folder)
                raise SimulationError(f"Design in {directory} gave no result for {cycle_limit} cycles (at "
                                      f"cycle {results}); look at the waves with --waves")
            os.utime(folder)
            chosen = _chosen(design, network, folder, part, passes)
            golden = join_answers([
                answer_passes(network, shard.images[one], chosen(one.start, one.stop))
                for one in batches(network, len(part), passes)])
            different = compare(golden.prediction, results)
            answers = Answers(results.prediction, np.where(different, np.nan, golden.information),
                              ~different)
            return results, answers, len(part) * fresh, compare_maps(
                folder / harness.TRACE, design, network, shard.images, chosen, passes) if maps else 0

        kept = sum(shard.folder(work).exists() for shard in shards)
        steps.step(f"simulate {len(every)} images and compare: {len(shards)} shards, {kept} done before")
        started = time.monotonic()
        with ThreadPoolExecutor(min(jobs, len(shards))) as pool:
            futures = [pool.submit(finish, *one) for one in zip(shards, parts, strict=True)]
            try:
                for future in steps.bar(as_completed(futures), len(futures)):
                    future.result()
            except BaseException:
                processes.stop()
                pool.shutdown(cancel_futures=True)
                raise
        seconds = time.monotonic() - started
        results, answers, fresh, different = zip(*(future.result() for future in futures), strict=True)
        if waves:
            (shards[0].folder(work) / "dump.vcd").replace(work / "dump.vcd")
            shutil.rmtree(shards[0].folder(work))
        if coverage is not None:
            for shard in shards:
                coverage.add(shard.folder(work) / COVERAGE, design)

    mismatches = sum(int((~own.exact).sum()) for own in answers)
    report = {
        "source": "simulated",
        "build": design.manifest.get("build", "")[:8], # names the design, as gen.build has it
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
    answers = _by_set(answers, parts, sets)
    own = answers.pop("")
    report |= quality(own.prediction, labels, {
        name: missing.get(name) or answers[name].prediction for name in outside or {}})
    return report, own


def _check(design, sets, labels, passes, duty, jobs):
    """Refuse what cannot be simulated."""
    network = design.network
    size, classes = (network.input.height, network.input.width), network.layers[-1].outputs
    if not 1 <= passes <= design.passes_max:
        raise SimulationError(f"Passes must be from 1 to {design.passes_max} (T_max of this build), "
                              f"not {passes}")
    if not 1 / DUTY_STEPS <= duty <= 1:
        raise SimulationError(f"Duty must be from 1/{DUTY_STEPS} ({1 / DUTY_STEPS:g}), the smallest step "
                              f"between gaps, to 1, not {duty}")
    most = JOBS_PER_CORE * cores()
    if not 1 <= jobs <= most:
        raise SimulationError(f"Jobs must be from 1 to {most} ({JOBS_PER_CORE} for each core), not {jobs}")
    for own in sets.values():
        if own.dtype != np.uint8 or own.ndim != 3 or not len(own):
            raise SimulationError(f"Images must be uint8 (N, {size[0]}, {size[1]}), one at least, not "
                                  f"{own.dtype} {own.shape}")
        if own.shape[1:] != size:
            raise SimulationError(f"Images must be {size[0]} x {size[1]}, not "
                                  f"{own.shape[1]} x {own.shape[2]}")
    if labels is not None and len(labels) != len(sets[""]):
        raise SimulationError(f"There are {len(sets[''])} images, but {len(labels)} labels")
    if labels is not None and not ((labels >= 0) & (labels < classes)).all():
        raise SimulationError(f"Labels must be from 0 to {classes - 1}, the classes of the network, not "
                              f"from {labels.min()} to {labels.max()}")


def _chosen(design, network, folder, part, passes):
    """A function that returns the choices of some images of those that are ``part`` of all: of the first
    up to the last, exclusive."""
    if design.manifest["rng"] == "emulated":
        return lambda first, last: choices(network.generator, last - first, passes, part.start + first)
    drawn = _bits(folder, network, len(part), passes)
    return lambda first, last: drawn[first:last]


def _cycle_limit(design, passes):
    """Cycles without a result that say that the design hangs: a multiple of the latest image of those that
    the estimate has drawn, for so many passes."""
    return 4 * design.latency * (1 + passes // design.passes)


def _arguments(design, network, number, part, passes, maps, duty, idle_limit, half_ps):
    """What bench and harness are told of shard ``number``, with the images ``part`` of all."""
    variables = {}
    plusargs = [f"+half_ps={half_ps}", f"+images={len(part)}",
                f"+passes={passes}", f"+duty={round(DUTY_STEPS * duty)}",
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


def _by_set(answers, parts, sets):
    """The answers to each set, by name, of shards that hold the images ``parts`` of all."""
    found, first = {}, 0
    for name, images in sets.items():
        found[name] = join_answers([one for one, part in zip(answers, parts, strict=True)
                                    if first <= part.start < first + len(images)])
        first += len(images)
    return found


def _cycles(results):
    """Latency of the first image, and the mean cycles from image to image: between first pixels, over the
    later half of each shard. While buffers still fill, images enter faster than results leave; then it is
    none."""
    report = {"latency_cycles": int(results[0].ends[0] - results[0].begins[0])}
    entered, left = (_mean_step([getattr(own, kind) for own in results]) for kind in ("begins", "ends"))
    if entered and abs(left - entered) <= STEADY * entered:
        report["interval_cycles"] = entered
    elif entered:
        report["interval_reason"] = "none yet, as buffers were still filling; simulate more images"
    return report


def _mean_step(shards):
    later = [cycles[len(cycles) // 2 - 1:] for cycles in shards if len(cycles) > 1]
    steps = sum(len(own) - 1 for own in later)
    return float(sum(own[-1] - own[0] for own in later) / steps) if steps else 0.0


@command("sim.run", stopped="stopped; the same command goes on with the shards that are done")
def main(arguments=None):
    """Simulate and compare; return 0 when every bit is equal, 1 when not."""
    arguments = sys.argv[1:] if arguments is None else arguments
    args = _parse(arguments)
    started = time.monotonic()
    report = _run(args)
    if args.verification:
        write_json(args.verification, {
            "target": "testset",
            "command": shlex.join(["python", "-m", "sim.run", *map(str, arguments)]),
            "seconds": time.monotonic() - started,
            **report,
        })
    print("\n".join(_lines({name: value for name, value in report.items() if name != "coverage"})))
    if args.coverage:
        print(table(report["coverage"]))
    return 0 if report["bit_exact"] else 1


def _parse(arguments):
    parser = Parser(
        prog="sim.run", description="Compare emitted Verilog with the golden model.",
        epilog=columns_help(simulated=True), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="output folder of a build")
    parser.add_argument("--images", type=int,
        help=f"number of images, of each set (default: {IMAGES}; of --input, all)")
    parser.add_argument("--data", type=Path,
        help="folder with MNIST (default: the 1,000 test images that come with the project)")
    parser.add_argument("--input", type=Path, metavar="FILE",
        help="images of your own: .npz (arrays images, labels), .npy, IDX, PNG, or a folder of PNGs")
    parser.add_argument("--labels", type=Path, metavar="FILE",
        help="their labels, if they are not in --input: .npy, .txt with a number per line, or IDX")
    parser.add_argument("--out", type=Path, metavar="FILE",
        help="write what the Verilog answers to each image to FILE: .csv or .npz")
    parser.add_argument("--outside", action="append", choices=("all", *OOD_SETS), default=[],
        help="simulate a set that is out of distribution too; may be repeated")
    parser.add_argument("--passes", type=int, help="passes T (default: those of the build)")
    parser.add_argument("--maps", action="store_true",
        help="compare every intermediate map and pass set too")
    parser.add_argument("--duty", type=float, default=1.0,
        help=f"probability that either end is active in a cycle, in steps of 1/{DUTY_STEPS} "
             "(default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=cores(),
        help="shards that run at once (default: the cores, %(default)s)")
    parser.add_argument("--waves", action="store_true", help="leave waves in sim_waves/dump.vcd")
    parser.add_argument("--coverage", action="store_true",
        help="report the lines and toggles of each block that were covered")
    parser.add_argument("--verification", type=Path, metavar="FILE",
        help="write the report to FILE as well, with the command")
    return parser.parse_args(arguments)


def _run(args):
    """Do what the command asks for; return the report."""
    if args.waves and args.coverage:
        raise SimulationError("Waves and coverage take different simulators; ask for one of them")
    design = Design(args.directory)
    images = _images(args, design)
    count  = args.images if args.images is not None else len(images) if args.input else IMAGES
    if not 1 <= count <= len(images):
        raise SimulationError(f"Images must be from 1 to {len(images)}, not {count}" + (
            "" if args.input or args.data else "; the whole test set needs --data"))
    images = images.first(count)
    outside = load_ood(args.outside, images.pixels, args.data)
    coverage = Coverage() if args.coverage else None
    # What cannot be written is said before the work, not after.
    path = args.directory / "report" / "rtlsim_performance.json"
    refuse_overlap([args.out, args.verification, path], [args.input, args.labels])
    for file in filter(None, (path, args.verification)):
        refuse_unwritable(file)
    if args.out:
        check_path(args.out)
    report, answers = simulate_answers(
        args.directory, images.pixels, images.labels, outside=outside, passes=args.passes, maps=args.maps,
        waves=args.waves, coverage=coverage, duty=args.duty, jobs=args.jobs, steps=Progress())
    if args.coverage:
        report["coverage"] = coverage.blocks()
    if args.input:
        report["input"] = str(args.input)
    write_json(path, report)
    if args.out:
        write_answers(args.out, answers, images)
    return report


def _images(args, design):
    """The images that are asked for: a user's own, or those of MNIST."""
    if args.input:
        if args.data or args.outside:
            raise SimulationError("Sets of --data and --outside go with MNIST; leave them out, or --input")
        return read_images(args.input, design.network, args.labels)
    if args.labels:
        raise SimulationError("Labels belong to images of your own; name these with --input FILE")
    images = Images(*(load_sample() if args.data is None else load_mnist(args.data, "test")))
    own, classes = design.network.input, design.network.layers[-1].outputs
    if images.pixels.shape[1:] != (own.height, own.width) or images.labels.max() >= classes:
        raise SimulationError(f"Network of {args.directory} takes images of {own.height} x {own.width} in "
                              f"{classes} classes, and those of MNIST are 28 x 28 in 10; name images of "
                              f"your own with --input FILE")
    return images


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
