"""Compilation of a network, one pass after another.

As a command, ``python -m gen.compile lenet5`` prints the compiled network as JSON (:mod:`gen.ir`), and
with ``--digest`` its checksum, which is the same wherever it is compiled.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from gen.checkpoint import SHIPPED, CheckpointError, read
from gen.ir import Network, Target, dump
from gen.networks import NETWORKS, with_arrays
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
    default = Target()
    parser = argparse.ArgumentParser(prog="gen.compile", description="Print a compiled network.")
    parser.add_argument("network", choices=NETWORKS, nargs="?", metavar="NETWORK",
        help="network to compile: %(choices)s (with --digest, all of them unless given)")
    parser.add_argument("--digest", action="store_true",
        help="print the SHA-256 of what is printed otherwise")
    parser.add_argument("--checkpoint", type=Path,
        help="trained parameters (default: those that come with the project)")
    parser.add_argument("--passes", type=int, default=default.passes,
        help="stochastic forward passes (default: %(default)s)")
    parser.add_argument("--crossbars", type=int, metavar="N",
        help="arrays that each layer chooses from, for SpinBayes (default: those of the network)")
    parser.add_argument("--ways", type=int, default=1, metavar="n",
        help="arrays whose mean a pass takes, for SpinBayes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed,
        help="start of the pseudo-random stream (default: %(default)s)")
    args = parser.parse_args(arguments)
    if args.network is None and not args.digest:
        parser.error("name a NETWORK, or ask for the checksums of all with --digest")
    if args.network is None and (args.checkpoint or args.crossbars or args.ways != 1):
        parser.error("name the NETWORK that --checkpoint, --crossbars or --ways are for")

    target = Target(passes=args.passes, passes_max=max(args.passes, default.passes_max),
                    seed=args.seed)
    try:
        for name in [args.network] if args.network else NETWORKS:
            network = read(args.checkpoint or SHIPPED / f"{name}.npz",
                           with_arrays(NETWORKS[name], args.crossbars, args.ways))
            text = f"{dump(compile_network(network, target))}\n"
            print(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}" if args.digest else text,
                  end="\n" if args.digest else "")
    except (CheckpointError, ImpossibleTarget, MalformedNetwork, ValueError) as error:
        print(f"gen.compile: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
