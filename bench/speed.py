"""Measure how long a build and a simulation take: ``python -m bench.speed``."""

import tempfile
import time
from pathlib import Path

from gen.build import build
from gen.command import Parser, command
from gen.ir import Target
from golden.data import load_sample
from sim.run import simulate


#: Images with the schedule that shares runs; a twentieth of them with the one that runs each of 20 passes.
IMAGES = 1000


@command("bench.speed")
def main(arguments=None):
    """Build LeNet-5 and simulate it at T = 20, with both schedules; print seconds and ratios."""
    Parser(
        prog="bench.speed",
        description="Build LeNet-5 and simulate it with each schedule, and print how long it took.",
    ).parse_args(arguments)
    images, labels = load_sample()
    with tempfile.TemporaryDirectory() as folder:
        rates = {}
        for schedule, count in (("shared", IMAGES), ("sequential", IMAGES // 20)):
            out = Path(folder, schedule)
            started = time.monotonic()
            build("lenet5", Target(schedule=schedule), out)
            print(f"{schedule}: build {time.monotonic() - started:.1f} s")
            report = simulate(out, images[:count], labels[:count])
            rates[schedule] = report["simulated_images_per_second"]
            print(f"{schedule}: {rates[schedule]:.1f} images/s, bit exact: {report['bit_exact']}")
        print(f"shared / sequential: {rates['shared'] / rates['sequential']:.1f}")


if __name__ == "__main__":
    raise SystemExit(main())
