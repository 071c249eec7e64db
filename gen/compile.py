"""Compilation of a network, one pass after another.

As a command, ``python -m gen.compile lenet5`` prints the compiled network as JSON (:mod:`gen.ir`).
"""

import argparse
import sys
from pathlib import Path

from gen.checkpoint import SHIPPED, CheckpointError, read
from gen.ir import Network, Target, dump
from gen.networks import NETWORKS
from gen.options import BuildError, add_options, chosen_target, named, read_options
from gen.passes.fold import fold
from gen.passes.quantize import quantize
from gen.passes.rates import rates
from gen.passes.seed import seed
from gen.passes.tile import tile
from gen.passes.watch import watch
from gen.verify import ImpossibleTarget, MalformedNetwork, check_target, verify


__all__ = ["PASSES", "compile_network"]


#: Every pass in the order in which it runs: a function ``(network, target) -> network``
#: from the module of :mod:`gen.passes` that has its name.
PASSES = (
    fold,
    quantize,
    rates,
    tile,
    seed,
    watch,
)


def compile_network(network: Network, target: Target) -> Network:
    """Run every pass on ``network``, verifying it first and then what each one returns.

    Raises
    ------
    ImpossibleTarget
        If ``target`` asks for what cannot be built, or not for this network.
    MalformedNetwork
        If ``network``, with weights and normalization from a checkpoint, breaks the rules of
        :mod:`gen.ir`; or, with a note, if a pass broke them.
    """
    check_target(target)
    if target.rng == "mtj" and len(target.mtj_currents) != len(network.layers):
        raise ImpossibleTarget(f"The target has {len(target.mtj_currents)} SET current codes, but "
                               f"network {network.name!r} has {len(network.layers)} layers")
    verify(network, target)
    for layer in network.layers:
        if target.array_columns < layer.columns_per_weight:
            raise ImpossibleTarget(f"An array has {target.array_columns} columns, but a weight of "
                                   f"layer {layer.name!r} takes {layer.columns_per_weight}")
        if not layer.arrays or layer.normalization is None:
            raise MalformedNetwork(f"Layer {layer.name!r} has no parameters; read a checkpoint first")
    for run in PASSES:
        network = run(network, target)
        try:
            verify(network, target)
        except MalformedNetwork as error:
            error.add_note(f"after pass {run.__name__!r}")
            raise
    return network


def main(arguments: list[str] | None = None):
    """Print a compiled network; a wrong argument or checkpoint ends in one line and status 2."""
    parser = argparse.ArgumentParser(prog="gen.compile", description="Print a compiled network.")
    parser.add_argument("network", nargs="?", metavar="NETWORK",
        help=f"network to compile: {', '.join(NETWORKS)}")
    add_options(parser)
    args = parser.parse_args(arguments)
    try:
        asked   = read_options(args, args.network)
        network = named(asked["network"], crossbars=asked.get("crossbars"), ways=asked.get("ways", 1))
        path    = Path(asked.get("checkpoint") or SHIPPED / f"{network.name}.npz")
        print(dump(compile_network(read(path, network), chosen_target(asked, network))))
    except (BuildError, CheckpointError, ImpossibleTarget, MalformedNetwork) as error:
        print(f"gen.compile: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
