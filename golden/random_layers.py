"""Choose which layers are random after a training: ``python -m golden.random_layers lenet5 --data DIR``.

Few random layers can be worth almost as much as all of them, and all combinations of what they choose are
few passes, whose mean is exact. Layers are added one after another: to those chosen so far, that with which
the exact mean of all combinations has the smallest NLL on training images. Nothing is trained again. What
comes out is another network than the one that was trained, and is judged as such
(``golden.evaluate --random-layers``); test images take no part in the choice.

Logits are those of the network with all its banks. Of fewer banks a build may round them otherwise, by less
than :mod:`gen.precision` allows.
"""

from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, UserError, command, whole
from gen.files import refuse_unwritable, write_json
from gen.ir import Network
from gen.methods import METHODS, with_random_layers
from gen.progress import Progress
from gen.sources import HELP, classifier_argument
from golden import metrics, tables
from golden.compiler import compiled
from golden.data import folder_of, load_for
from golden.network import COMBINATIONS_LIMIT, combination_count
from golden.scores import over_combinations


__all__ = ["choose_layers", "main"]


#: Of so many training images one is judged: of some recipes those that were held back
#: (:mod:`golden.training.base`).
EACH = 12

#: Most layers that are chosen: all combinations of more are no longer few.
MOST = 6


@command("golden.random_layers")
def main(arguments=None):
    """Choose layers, and print the option that names them."""
    parser = Parser(prog="golden.random_layers", description="Choose the layers that are random.")
    parser.add_argument("source", type=classifier_argument, metavar="NETWORK", help=f"network: {HELP}")
    parser.add_argument("--method", choices=METHODS,
        help="what is random in it (default: what its name ends with)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (default: SPINCIM_DATA)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE",
        help="trained parameters (default: those that come with the project, or with the file of the "
             "network)")
    parser.add_argument("--most", type=whole(1, MOST), default=2, metavar="N",
        help="layers to choose (default: %(default)s)")
    parser.add_argument("--images", type=whole(1), metavar="N",
        help=f"training images to judge by (default: one of {EACH})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    args = parser.parse_args(arguments)
    if args.json:
        refuse_unwritable(args.json)
    folder, steps = folder_of(args.data), Progress()
    steps.step(f"compile {args.source.text}")
    network = compiled(args.source.text, args.checkpoint, method=args.method)
    images, labels = (each[::EACH][:args.images] for each in load_for(network, folder, "train"))
    rows = choose_layers(network, images, labels, args.most, steps)
    chosen = ",".join(min((row for row in rows if row["layers"]), key=lambda row: row["nll"])["layers"])
    if args.json:
        write_json(args.json, {"network": network.name, "status": "run", "images": len(images),
                               "steps": rows, "chosen": chosen})
    print(f"{network.name}, {len(images):,} training images")
    print(tabulate([{"random layers": ", ".join(row["layers"]) or "none", "passes": row["passes"],
                     "NLL": f"{row['nll']:.4f}", "accuracy %": f"{100 * row['accuracy']:.2f}"}
                    for row in rows], headers="keys", disable_numparse=True))
    print(f"chosen: --random-layers {chosen} --masks all")


def choose_layers(network: Network, images: np.ndarray, labels: np.ndarray, most: int,
                  steps: Progress) -> list[dict]:
    """Return what was judged of a compiled ``network``: no layer random, then each with one more of those
    with the smallest NLL. Figures are those of the exact mean over ``passes`` combinations.

    Raises
    ------
    UserError
        If it drops nothing that could be kept, or layers have too many combinations.
    """
    layers = [layer.name for layer in network.layers if layer.choices]
    chosen, rows = [], []
    while not rows or len(chosen) < min(most, len(layers)):
        tried = [[*chosen, name] for name in layers if name not in chosen] if rows else [[]]
        steps.step(f"random layers: {len(tried[0])}, sets of them: {len(tried)}")
        judged = [_judged(network, [name for name in layers if name in names], images, labels)
                  for names in steps.bar(tried)]
        rows += judged
        chosen = min(judged, key=lambda row: row["nll"])["layers"]
    return rows


def _judged(network, names, images, labels):
    try:
        random = with_random_layers(network, names)
    except ValueError as error:
        raise UserError(str(error)) from None
    if (count := combination_count(random)) > COMBINATIONS_LIMIT:
        raise UserError(f"Layers {', '.join(names)} of {network.name!r} have more combinations than "
                        f"{COMBINATIONS_LIMIT:,}, too many for an exact mean; judge layers of your own by: "
                        "python -m golden.evaluate NETWORK --random-layers LAYERS --data DIR")
    figures = metrics.classification(over_combinations(random, images, golden=tables).mean, labels)
    return {"layers": names, "passes": count, "nll": figures["test/cls/NLL"],
            "accuracy": figures["test/cls/Acc"]}


if __name__ == "__main__":
    raise SystemExit(main())
