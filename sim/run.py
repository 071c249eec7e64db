"""Compare emitted Verilog with the golden model: ``python -m sim.run build/lenet5``.

Answers are cached, so the same command goes on where it was stopped (:mod:`sim.bit_exact`).

A user's images (:mod:`golden.images`), and a table of what the Verilog answers to each
(:mod:`golden.answers`): ``python -m sim.run build/lenet5 --input digits.npz --out answers.csv``, or::

    images = read_images("digits.npz", Design("build/lenet5").network)
    report, answers = simulate_answers("build/lenet5", images.pixels, images.labels)
    write_answers("answers.csv", answers, images)
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

from tabulate import tabulate

from gen.command import Parser, command
from gen.files import refuse_overlap, refuse_unwritable, write_json
from gen.progress import Progress
from golden.answers import check_path, columns_help, write_answers
from sim.bit_exact import SimulationError, simulate, simulate_answers
from sim.compare.quality import OOD_SETS, load_ood
from sim.coverage import Coverage, table
from sim.design import Design
from sim.inputs import images_of
from sim.processes import cores
from sim.report import write_report
from sim.verilator.simulation import DUTY_STEPS


__all__ = ["SimulationError", "main", "simulate", "simulate_answers"]


#: Of those that come with the project or are in a data folder, so many unless asked otherwise.
IMAGES = 100


@command("sim.run", stopped="stopped; the same command goes on with the shards that are done")
def main(arguments=None):
    """Simulate and compare; return 0 when every bit is equal, 1 when not."""
    arguments = sys.argv[1:] if arguments is None else arguments
    args = _parse(arguments)
    started = time.monotonic()
    report = _run(args)
    if args.verification:
        write_report(
            args.verification, target="testset",
            command=shlex.join(["python", "-m", "sim.run", *map(str, arguments)]),
            seconds=time.monotonic() - started, passed=report["bit_exact"], summary=_summary(report),
            tables=_tables(report), notes=_notes(report), **report)
    print(tabulate(_flat({name: value for name, value in report.items() if name != "coverage"}),
                   tablefmt="plain", disable_numparse=True))
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
        help="data folder (default: the 1,000 test images of MNIST that come with the project)")
    parser.add_argument("--input", type=Path, metavar="FILE",
        help="images of your own: .npz (arrays images, labels), .npy, IDX, PNG, or a folder of PNGs")
    parser.add_argument("--labels", type=Path, metavar="FILE",
        help="their labels, if they are not in --input: .npy, .txt with a number per line, or IDX")
    parser.add_argument("--out", type=Path, metavar="FILE",
        help="write what the Verilog answers to each image to FILE: .csv or .npz")
    parser.add_argument("--ood", "--outside", action="append", choices=("all", *OOD_SETS), default=[],
        help="simulate a set that is out of distribution too; may be repeated")
    parser.add_argument("--passes", type=int, help="passes T (default: those of the build)")
    parser.add_argument("--maps", action="store_true",
        help="compare every intermediate map and pass set too")
    parser.add_argument("--duty", type=float, default=1.0,
        help=f"probability that a pixel is offered, and a result accepted, in a cycle, in steps of "
             f"1/{DUTY_STEPS} (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=cores(),
        help="shards that run at once (default: the cores, %(default)s)")
    parser.add_argument("--waves", action="store_true", help="leave waves in sim_waves/dump.vcd")
    parser.add_argument("--coverage", action="store_true",
        help="report the lines and toggles of each block that were covered")
    parser.add_argument("--verification", type=Path, metavar="FILE",
        help="write the report to FILE as well, with the command, for sim.verification")
    return parser.parse_args(arguments)


def _run(args):
    """Do what the command asks for; return the report."""
    if args.waves and args.coverage:
        raise SimulationError("Waves and coverage take different simulators; ask for one of them")
    design = Design(args.directory)
    images = images_of(design, data=args.data, given=args.input, labels=args.labels, ood=bool(args.ood))
    count  = args.images
    if count is None:
        count = len(images) if args.input else IMAGES
    if not 1 <= count <= len(images):
        more = "" if args.input or args.data else "; the whole test set needs --data"
        raise SimulationError(f"Images must be from 1 to {len(images)}, not {count}{more}")
    images = images.first(count)
    ood = load_ood(args.ood, images.pixels, args.data)
    coverage = Coverage() if args.coverage else None
    # What cannot be written is said before the work, not after.
    path = args.directory / "report" / "rtlsim_performance.json"
    refuse_overlap([args.out, args.verification, path], [args.input, args.labels])
    for file in filter(None, (path, args.verification)):
        refuse_unwritable(file)
    if args.out:
        check_path(args.out, design.answer_shape)
    report, answers = simulate_answers(
        args.directory, images.pixels, images.labels, ood=ood, passes=args.passes, maps=args.maps,
        waves=args.waves, coverage=coverage, duty=args.duty, jobs=args.jobs, steps=Progress())
    if args.coverage:
        report["coverage"] = coverage.blocks()
    if args.input:
        report["input"] = str(args.input)
    write_json(path, report)
    if args.out:
        write_answers(args.out, answers, images)
    return report


def _flat(report, prefix=""):
    """Yield name and value of each figure, those of a dictionary with its name in front."""
    for name, value in report.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", f"{value:.6g}" if isinstance(value, float) else value


def _summary(report):
    equal = "every bit as in the golden model" if report["bit_exact"] else (
        f"{report['mismatches']:,} differ from the golden model")
    accuracy = f"; accuracy {100 * report['accuracy']:.1f} %" if "accuracy" in report else ""
    return f"{report['images']:,} images at T = {report['passes']}: {equal}{accuracy}"


def _tables(report):
    """Tables for VERIFICATION.md."""
    figures = [{"figure": name, "value": value} for name, value in report.items()
               if name not in ("source", "status", "ood", "coverage")]
    tables = {"Figures, from the results of the Verilog": figures}
    if sets := [{"set": name} | figures for name, figures in report["ood"].items()
                if figures["status"] == "run"]:
        tables["Sets that are out of distribution"] = [
            {name: value for name, value in row.items() if name != "status"} for row in sets]
    return tables


def _notes(report):
    return [f"{name} was not simulated: {figures['reason']}." for name, figures in report["ood"].items()
            if figures["status"] == "not_run"]


if __name__ == "__main__":
    raise SystemExit(main())
