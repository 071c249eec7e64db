"""What a method costs, without a build: ``python -m gen.method_costs lenet5 --method sub-set``.

Prints, as JSON, the costs of ``report/method_costs.json`` (:mod:`gen.costs`), with the energy of an image
(:mod:`gen.energy.report`), and the estimate of ``report/estimate_network_performance.json``
(:mod:`gen.estimate`).
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from gen.command import Parser, command
from gen.compile import compile_network
from gen.costs import costs
from gen.emit import emit
from gen.energy.report import energy_of
from gen.energy.table import read_table
from gen.estimate import estimate_network
from gen.ir import Network, Target
from gen.lower import lower
from gen.options import add_options, chosen_target, read_options, trained
from gen.rate import for_rate
from gen.resources import estimate_resources
from gen.sources import HELP
from gen.synth import SynthesisError, count_cells


__all__ = ["periphery"]


def periphery(network: Network, target: Target, directory: Path) -> dict:
    """Return the cells of an ECP5 for all that is around the arrays of a compiled network, which are pins
    here, before anything is placed; files are made in a folder below ``directory`` and removed."""
    accelerator = lower(network, replace(target, view="macro"))
    with tempfile.TemporaryDirectory(dir=directory) as work:
        emit(accelerator, "accelerator", Path(work), blocks=list(accelerator.blocks))
        try:
            return {"source": "synthesized", "status": "run", **count_cells(Path(work))}
        except SynthesisError as error:
            return {"source": "synthesized", "status": "not_run", "reason": str(error)}


@command("gen.method_costs", stopped="stopped")
def main(arguments=None):
    """Print costs and estimate."""
    parser = Parser(prog="gen.method_costs",
                    description="Print what a method costs, and its estimate, as JSON.")
    parser.add_argument("network", nargs="?", metavar="NETWORK",
        help=f"network: {HELP}")
    parser.add_argument("--cells", action="store_true",
        help="count the cells of the periphery for an ECP5, too, which takes minutes")
    parser.add_argument("--resources", action="store_true",
        help="estimate the cells of an ECP5 for all of the accelerator, too (gen.resources)")
    add_options(parser)
    args    = parser.parse_args(arguments)
    asked   = read_options(args, args.network)
    network = trained(asked)
    target  = for_rate(network, chosen_target(asked, network))
    network = compile_network(network, target)
    table   = read_table(asked["energy"]) if "energy" in asked else None
    accelerator = lower(network, target)
    report  = costs(network, target) | {
        "energy": energy_of(network, target, table),
        "estimate": estimate_network(accelerator, network, target.passes, target.clock_mhz)}
    if args.resources:
        report["resources"] = estimate_resources(accelerator)
    if args.cells:
        report["periphery"] = periphery(network, target, Path(tempfile.gettempdir()))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    raise SystemExit(main())
