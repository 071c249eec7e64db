"""Train a network: ``python -m golden.train lenet5 --data DIR``.

Binary networks are trained by the recipes of :mod:`golden.training.scale_dropout`, networks with several
crossbars per layer by the recipe of :mod:`golden.training.bayes`. A training that was stopped goes on with
the same command (:mod:`golden.training.journal`).

No training selects anything by the test images: it is tested once, when the checkpoint is written. The
recipes themselves, and which level is the lowest, were developed with test errors in sight.
"""

import argparse
import time
from pathlib import Path

from tabulate import tabulate

import gen.checkpoint_file
from gen.command import Parser, UserError, command, whole
from gen.files import refuse_unwritable
from gen.networks import NETWORKS
from gen.progress import Progress
from gen.tools import install_hint


__all__ = ["main"]


RECIPES = "spread", "paper", "bayes"


def _crossbars(text):
    value = int(text) if text.isdecimal() else 0
    if value < 2 or value & (value - 1):
        raise argparse.ArgumentTypeError(f"must be a power of two of at least 2, not {text!r}")
    return value


def _parse(arguments):
    parser = Parser(prog="golden.train", description="Train a network and write its checkpoint. A training "
                    "that was stopped goes on with the same command, from FILE.training.")
    parser.add_argument("network", choices=NETWORKS, help="network to train: %(choices)s",
        metavar="NETWORK")
    parser.add_argument("--data", type=Path, metavar="DIR",
        help="data folder (default: the variable SPINCIM_DATA); see golden.data")
    parser.add_argument("--out", type=Path, metavar="FILE",
        help="checkpoint to write (default: the one that comes with the project)")
    parser.add_argument("--epochs", type=whole(1), metavar="N",
        help="epochs of the first stage of the network itself (default: by network)")
    parser.add_argument("--teacher-epochs", type=whole(0), metavar="N",
        help="epochs of its teacher, a float network; 0 for no teacher (default: 8; recipe paper has none)")
    parser.add_argument("--seed", type=whole(1), default=1, metavar="N",
        help="start of all random numbers (default: %(default)s)")
    parser.add_argument("--recipe", choices=RECIPES,
        help="how to train (default: spread; bayes for networks of several crossbars)")
    parser.add_argument("--crossbars", type=_crossbars, metavar="N",
        help="crossbars of each layer, for networks of several (default: by network)")
    parser.add_argument("--weight-bits", type=whole(2, 8), metavar="Q",
        help="bits of a weight, for the same networks (default: by network)")
    parser.add_argument("--ways", type=whole(1), metavar="n",
        help="crossbars whose mean a pass takes, for the same networks (default: 1)")
    parser.add_argument("--arrays", type=Path, metavar="FILE",
        help="take the crossbars of this checkpoint, and only measure the batch normalization anew, for "
             "the same networks")
    parser.add_argument("--threads", type=whole(1), default=1, metavar="N",
        help="processor cores; the rounding depends on it (default: %(default)s)")
    parser.add_argument("--device", default="cpu", metavar="NAME",
        help="where to train, as torch calls it: cpu, cuda, cuda:1, ... (default: %(default)s)")
    options = parser.parse_args(arguments)
    spinbayes = NETWORKS[options.network].layers[0].crossbars > 1
    recipes = ("bayes",) if spinbayes else ("spread", "paper")
    if options.recipe not in (None, *recipes):
        parser.error(f"recipe {options.recipe!r} is not for network {options.network!r}, but "
                     + " or ".join(map(repr, recipes)))
    if options.teacher_epochs is not None and (options.recipe == "paper" or options.arrays):
        parser.error("--teacher-epochs is not for recipe 'paper' or --arrays, which have no teacher")
    spinbayes_options = options.crossbars, options.weight_bits, options.ways, options.arrays
    if not spinbayes and any(spinbayes_options):
        parser.error(f"--crossbars, --weight-bits, --ways and --arrays are for networks of several "
                     f"crossbars, not for {options.network!r}")
    if options.ways and options.ways > (most := options.crossbars or
                                        NETWORKS[options.network].layers[0].crossbars):
        parser.error(f"--ways must be at most {most}, the crossbars of a layer, not {options.ways}")
    if options.out is None:
        if (options.seed != 1 or options.recipe == "paper" or options.epochs or any(spinbayes_options)
                or options.teacher_epochs is not None or options.device != "cpu"):
            parser.error("with --epochs, --teacher-epochs, --seed, --recipe, --crossbars, --weight-bits, "
                         "--ways, --arrays or --device, the checkpoint that comes with the project is not "
                         "replaced; name another with --out FILE")
        options.out = (Path(gen.checkpoint_file.__file__).parent / "checkpoints"
                       / f"{options.network}.npz")
    options.recipe = options.recipe or recipes[0]
    return options


def _table(results):
    return tabulate([{
        "": name,
        "accuracy": f"{100 * result['test/cls/Acc']:.2f} %",
        "NLL": f"{result['test/cls/NLL']:.4f}",
        "Brier": f"{result['test/cls/Brier']:.4f}",
        "ECE": f"{100 * result['test/cal/ECE']:.2f} %",
    } for name, result in results.items()], headers="keys", disable_numparse=True,
        colalign=("left", *["right"] * 4))


@command("golden.train")
def main(arguments=None):
    """Train a network, and print its accuracy and calibration."""
    options = _parse(arguments)
    try:
        # Not above, so that --help and a wrong argument are answered where there is no torch.
        from golden.training.session import train
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UserError(f"Training needs the package torch; install it with: "
                        f"{install_hint('golden')}") from None
    state = options.out.with_name(f"{options.out.name}.training")
    start = time.monotonic()
    refuse_unwritable(options.out)
    try:
        results = train(options, state, Progress())
    except KeyboardInterrupt:
        if state.exists() and not options.arrays:
            raise KeyboardInterrupt(f"stopped; the same command goes on from {state}") from None
        raise
    print(_table(results))
    print(f"{options.out}, seed {options.seed}, {(time.monotonic() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    raise SystemExit(main())
