"""Count what simulation covers of each block, over several designs and ways to use them:
``python -m sim.coverage_study build/lenet5 build/sequential``."""

import shlex
import sys
import time
from pathlib import Path

from gen.command import Parser, command
from gen.files import refuse_unwritable
from gen.progress import Progress
from golden.data import load_sample
from sim.bit_exact import simulate
from sim.coverage import KINDS, Coverage, percent, shares, table
from sim.design import Design
from sim.processes import cores
from sim.report import write_report


__all__ = ["main"]


#: Runs of each design: passes T, probability that either end is active, and images at most.
RUNS = [("T", 1.0, 200), ("T", 0.3, 60), ("T_max", 1.0, 20), ("1", 0.7, 20)]

#: Cycles that a run takes at most, about: counting makes the simulator slow.
CYCLES = 1_000_000

NOTE = ("Coverage is of whole accelerators. Bits that are constant by design count as toggles too, so "
        "100 % is not to be had.")


@command("sim.coverage_study", stopped="stopped; the same command goes on with the shards that are done")
def main(arguments=None):
    """Simulate and count; return 0, or 1 when a bit differs from the golden model."""
    parser = Parser(
        prog="sim.coverage_study", description="Count what simulation covers of each block.")
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR",
        help="output folder of a build")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    parser.add_argument("--jobs", type=int, default=cores(),
        help="shards that run at once (default: the cores, %(default)s)")
    arguments = sys.argv[1:] if arguments is None else arguments
    args = parser.parse_args(arguments)

    if args.json:
        refuse_unwritable(args.json)
    started = time.monotonic()
    images, _ = load_sample()
    coverage, runs, exact = Coverage(), [], True
    steps = Progress()
    for directory in args.directories:
        design = Design(directory)
        for passes, duty, count in RUNS:
            passes = {"T": design.passes, "T_max": design.passes_max, "1": 1}[passes]
            count  = max(2, min(count, CYCLES // design.latency))
            report = simulate(directory, images[:count], passes=passes, duty=duty, jobs=args.jobs,
                              coverage=coverage, steps=steps)
            exact &= report["bit_exact"]
            runs.append({"design": directory.name, "schedule": report["schedule"], "images": count,
                         "passes": passes, "duty": duty, "bit_exact": report["bit_exact"]})
    blocks = coverage.blocks()
    if args.json:
        write_report(
            args.json, target="coverage", seconds=time.monotonic() - started, passed=exact,
            command=shlex.join(["python", "-m", "sim.coverage_study", *map(str, arguments)]),
            summary=_summary(blocks), tables={"Runs": runs}, notes=[NOTE], blocks=shares(blocks),
            points=blocks)
    print(table(blocks))
    return 0 if exact else 1


def _summary(blocks):
    """Shares of all points of each kind."""
    total = {kind: {name: sum(block[kind][name] for block in blocks.values())
                    for name in ("covered", "total")} for kind in KINDS}
    return ", ".join(f"{percent(points)} of {kind} points" for kind, points in total.items())


if __name__ == "__main__":
    raise SystemExit(main())
