"""Compilation of a network, one transform after another.

As a command, ``python -m gen.compile lenet5`` prints the compiled network as JSON (:mod:`gen.ir`).
"""

from gen.check_target import ImpossibleTarget, check_target
from gen.command import Parser, command
from gen.ir import Network, Target, dump
from gen.luts import within_luts
from gen.options import add_options, chosen_target, read_options, trained
from gen.sources import HELP
from gen.transforms.banks import make_banks
from gen.transforms.exhaust import exhaust
from gen.transforms.folding import choose_folding
from gen.transforms.merge import merge
from gen.transforms.quantize import quantize
from gen.transforms.seed import seed
from gen.transforms.tile import tile
from gen.transforms.watch import watch
from gen.verify import MalformedNetwork, verify


__all__ = ["TRANSFORMS", "compile_network"]


#: Every transform in the order in which it runs: a function ``(network, target) -> network``
#: of :mod:`gen.transforms`.
TRANSFORMS = (
    exhaust,
    seed,
    make_banks,
    quantize,
    merge,
    choose_folding,
    tile,
    watch,
)


def compile_network(network: Network, target: Target) -> Network:
    """Run every transform on ``network``, verifying it first and then what each one returns.

    Raises
    ------
    ImpossibleTarget
        If ``target`` asks for what cannot be built, or not for this network.
    MalformedNetwork
        If ``network``, with weights and normalization from a checkpoint, breaks the rules of
        :mod:`gen.ir`; or, with a note, if a transform broke them.
    """
    check_target(target)
    if target.fps is not None:
        raise ImpossibleTarget("A rate is for gen.build, which chooses instances and an interval for it; "
                               "give --interval instead of --fps")
    if target.luts is not None:
        return within_luts(network, target, compile_network)
    if target.rng == "mtj" and not network.drops:
        raise ImpossibleTarget(f"Network {network.name!r} draws no random bits, so there are no junctions; "
                               "leave --rng mtj out")
    if target.sources == "layer" and (not network.drops or target.masks == "all"):
        none = ("With --masks all nothing is drawn" if network.drops else
                f"Network {network.name!r} draws no random bits")
        raise ImpossibleTarget(f"{none}, so there are no random sources; leave --sources layer out")
    if target.rng == "mtj":
        seeded = seed(network, target)
        bits, who = len(seeded.drawn), "a shift" if seeded.generator.points else "a pass"
        if len(target.mtj_currents) != bits:
            raise ImpossibleTarget(f"The target has {len(target.mtj_currents)} SET current codes, but "
                                   f"{who} of network {network.name!r} draws {bits} random bits")
    if target.rng == "mtj" and target.mtj_reset_current is None:
        raise ImpossibleTarget("The target has no RESET current code, which pins of an MTJ need")
    verify(network, target)
    for layer in network.layers:
        if target.array_columns < layer.columns_per_weight:
            raise ImpossibleTarget(f"An array has {target.array_columns} columns, but a weight of "
                                   f"layer {layer.name!r} takes {layer.columns_per_weight}")
        if not layer.arrays or not layer.normalizations and not layer.banks:
            raise MalformedNetwork(f"Layer {layer.name!r} has no parameters; read a checkpoint first")
    for run in TRANSFORMS:
        network = run(network, target)
        try:
            verify(network, target)
        except MalformedNetwork as error:
            error.add_note(f"after transform {run.__name__!r}")
            raise
    return network


@command("gen.compile", stopped="stopped")
def main(arguments=None):
    """Print a compiled network."""
    parser = Parser(prog="gen.compile", description="Print a compiled network.")
    parser.add_argument("network", nargs="?", metavar="NETWORK",
        help=f"network to compile: {HELP}")
    add_options(parser)
    args = parser.parse_args(arguments)
    asked   = read_options(args, args.network)
    network = trained(asked)
    print(dump(compile_network(network, chosen_target(asked, network))))


if __name__ == "__main__":
    raise SystemExit(main())
