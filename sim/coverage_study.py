"""Count what simulation covers of each block, over several designs and ways to use them:
``python -m sim.coverage_study build/lenet5 build/sequential``."""

import time
from pathlib import Path

from gen.command import Parser, command
from gen.files import write_json
from gen.progress import Progress
from golden.data import load_sample
from sim.coverage import Coverage, table
from sim.design import Design
from sim.processes import cores
from sim.run import simulate


__all__ = ["main"]


#: Runs of each design: passes T, probability that either end is active, and images at most.
RUNS = [("own", 1.0, 200), ("own", 0.3, 60), ("most", 1.0, 20), ("one", 0.7, 20)]

#: Cycles that a run takes at most, about: counting makes the simulator slow.
CYCLES = 1_000_000


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
    args = parser.parse_args(arguments)

    started = time.monotonic()
    images, _ = load_sample()
    coverage, runs, exact = Coverage(), [], True
    steps = Progress()
    for directory in args.directories:
        design = Design(directory)
        for passes, duty, count in RUNS:
            passes = {"own": design.manifest["passes"], "most": design.passes_max, "one": 1}[passes]
            count  = max(2, min(count, CYCLES // design.latency))
            report = simulate(directory, images[:count], passes=passes, duty=duty, jobs=args.jobs,
                              coverage=coverage, steps=steps)
            exact &= report["bit_exact"]
            runs.append({"design": directory.name, "schedule": report["schedule"], "images": count,
                         "passes": passes, "duty": duty, "bit_exact": report["bit_exact"]})
    blocks = coverage.blocks()
    if args.json:
        command = " ".join(["python -m sim.coverage_study", *map(str, args.directories)])
        write_json(args.json, {
            "target": "coverage", "command": command, "seconds": time.monotonic() - started,
            "status": "run", "runs": runs, "blocks": blocks})
    print(table(blocks))
    return 0 if exact else 1


if __name__ == "__main__":
    raise SystemExit(main())
