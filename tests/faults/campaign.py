"""Flip bits of accelerators with and without protection: ``python tests/faults/campaign.py``.

For each network and build, single bits flip at random cycles of runs over some images; what becomes of
them is counted per class of what flips and per block (:mod:`sim.bit_flips`). The cells of both builds say
what the protection costs.
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

from gen.build import build, named
from gen.command import interruptible
from gen.files import write_json
from gen.ir import Target
from gen.output import OutputError
from gen.progress import Progress
from gen.synth import SynthesisError, count_blocks, synthesize
from golden.data import load_sample
from sim.bit_flips import CLASSES, OUTCOMES, InjectionError, inject
from sim.verilator.simulator import SimulatorMissing


BUILDS = {"unprotected": False, "protected": True}

#: Classes that no chip has, or that only the checks have; shares of all bits leave them out.
_APART = ("array registers", "checks")


@interruptible()
def main(arguments=None):
    """Run the campaign; return 0, or 2 after one line that names a fault."""
    parser = argparse.ArgumentParser(description="Flip bits of accelerators and count what becomes of it.")
    parser.add_argument("--networks", nargs="+", default=["lenet5"], metavar="NAME",
        help="networks to build (default: lenet5)")
    parser.add_argument("--faults", type=int, default=300,
        help="flipped bits of each class (default: %(default)s)")
    parser.add_argument("--images", type=int, default=4, help="images of a run (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="runs side by side (default: %(default)s)")
    parser.add_argument("--cost", choices=("none", "count", "place"), default="count",
        help="count cells, or place and route too (default: %(default)s)")
    parser.add_argument("--work", type=Path, default=Path("build/faults"), help="folder of the builds")
    parser.add_argument("--out", type=Path, default=Path("build/verification/faults.json"),
        help="file to write (default: %(default)s)")
    args = parser.parse_args(arguments)

    steps = Progress()
    start = time.monotonic()
    try:
        networks = {name: {build: run(name, protect, args, steps) for build, protect in BUILDS.items()}
                    for name in args.networks}
    except (InjectionError, OutputError, SynthesisError, SimulatorMissing) as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("faults: stopped, nothing was written", file=sys.stderr)
        return 130
    first = networks[args.networks[0]]
    report = {
        "target": "faults",
        "command": shlex.join(["python", "tests/faults/campaign.py", *map(str, arguments or sys.argv[1:])]),
        "seconds": time.monotonic() - start,
        "status": "run",
        "seed": args.seed,
        "networks": networks,
        "blocks": {block: {build: first[build]["blocks"].get(block) for build in BUILDS}
                   for block in first["protected"]["blocks"]},
    }
    write_json(args.out, report)
    for name, builds in networks.items():
        for build_name, result in builds.items():
            print(f"\n{name}, {build_name}: {result['flips']} flipped bits, one in each run of "
                  f"{result['images']} images")
            print(table(result))
    return 0


def run(name, protect, args, steps):
    """Build, flip, and count the cells of one design."""
    steps.step(f"{name}, {'protected' if protect else 'unprotected'}: build")
    network = named(name)
    passes  = 10 if any(layer.crossbars > 1 for layer in network.layers) else Target().passes
    folder  = args.work / f"{name}_{'protected' if protect else 'unprotected'}"
    reports = build(network, Target(passes=passes, protect=protect), folder)
    images, _ = load_sample()
    result = inject(folder, images[:args.images], flips=args.faults, seed=args.seed,
                    processes=args.processes, steps=steps)
    result["shares"] = shares(result["classes"])
    if args.cost == "count":
        steps.step("count cells")
        result["cells"] = count_blocks(folder)
    elif args.cost == "place":
        result["cells"] = synthesize(folder, Target().clock_mhz,
                                     reports["estimate_network_performance"], steps)
    return result


def shares(classes):
    """What becomes of a flip of any bit, each as likely as the others: shares of the outcomes."""
    counted = {name: row for name, row in classes.items() if name not in _APART}
    bits = sum(row["bits"] for row in counted.values())
    return {outcome: sum(row["bits"] * row[outcome] / row["flips"] for row in counted.values()) / bits
            for outcome in (*OUTCOMES, "silent_other_class")}


def table(result):
    """Lines of text: a class each, in per cent of its faults."""
    lines = [f"{'':22}{'bits':>8}" + "".join(f"{outcome:>14}" for outcome in OUTCOMES)]
    for name in CLASSES:
        if name in result["classes"]:
            row = result["classes"][name]
            lines.append(f"{name:22}{row['bits']:8}" + "".join(
                f"{row[outcome] / row['flips']:14.1%}" for outcome in OUTCOMES))
    lines.append(f"{'any bit':30}" + "".join(f"{result['shares'][outcome]:14.1%}"
                                             for outcome in OUTCOMES))
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
