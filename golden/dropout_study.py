"""Tolerance of a network to junctions of other probabilities: ``python -m golden.dropout_study lenet5``.

The dropout probability of each random bit of a chip differs from the one asked for, by a Gaussian error of
its junction (Scale-Dropout, V-A and eq. 24). Here the error is drawn once for a chip, and its accuracy and
likelihood are judged over many chips, with up to three times the deviation of the paper (Table IV).

There is no training with such errors: were they drawn for each bit anew, nothing would change, since a bit
that is 0 with a random probability is 0 with the mean of that.
"""

import io
from pathlib import Path

import numpy as np
from tabulate import tabulate

from gen.command import Parser, UserError, command, whole
from gen.files import refuse_unwritable, write_json
from gen.ir import Network
from gen.progress import Progress
from gen.sources import HELP, classifier_argument
from golden import metrics
from golden.compiler import compiled
from golden.data import check_for, data_set, folder_of, load_for, load_sample
from golden.device.junction import PROCESS_SIGMA
from golden.head import average, softmax
from golden.network import paths


__all__ = ["FACTORS", "chip_figures", "main", "study"]


FACTORS = (0, 1, 2, 3) #: Deviations, as multiples of that of the paper (Scale-Dropout, Table IV).


def chip_figures(network: Network, probabilities: np.ndarray, labels: np.ndarray, drop: np.ndarray,
                 passes: int, rng: np.random.Generator) -> dict:
    """Return accuracy, likelihood and rejected images of a chip.

    Parameters
    ----------
    probabilities : uint32 (N, 2**W, K)
        Of N images for each combination of the W random bits of a pass, in Q0.16.
    labels : int (N,)
    drop : float64 (W,)
        Probability of a 0 of each bit of this chip.
    """
    bits  = rng.random((len(labels), passes, len(drop))) >= drop
    drawn = bits @ (1 << np.arange(len(drop))[::-1])
    prediction = average(np.take_along_axis(probabilities, drawn[..., None], 1), network.head)
    figures = metrics.classification(prediction.mean, labels)
    return {"accuracy": figures["test/cls/Acc"], "nll": figures["test/cls/NLL"],
            "rejected": float(prediction.reject.mean())}


def study(network: Network, images: np.ndarray, labels: np.ndarray, *, passes: int, chips: int,
          seed: int = 0, steps: Progress | None = None) -> dict:
    """Return all figures of a compiled ``network`` on uint8 ``images`` (N, H, W), for its report.

    A chip has the same errors at all factors, but for their size, and draws from the same random numbers;
    so chips of factor 0 differ by what they draw alone.

    Raises
    ------
    ValueError
        If no random bits are drawn, or more than can be enumerated.
    """
    steps = steps or Progress(io.StringIO())
    if not network.drops:
        raise ValueError(f"Network {network.name!r} draws no random bits, so no probability can be another")
    steps.step(f"{len(images):,} images, all combinations of {len(network.drops)} random bits")
    probabilities = softmax(paths(network, images), network.head)
    steps.step(f"{chips} chips of each deviation, {passes} passes")
    rows = {factor: [] for factor in FACTORS}
    for chip in steps.bar(list(range(chips))):
        error = np.random.default_rng((seed, chip, 0)).standard_normal(len(network.drops))
        for factor, row in rows.items():
            drop = np.clip(np.array(network.drops) + factor * PROCESS_SIGMA * error, 0, 1)
            row.append(chip_figures(network, probabilities, labels, drop, passes,
                                    np.random.default_rng((seed, chip, 1))) | {"drop": drop.tolist()})
    return {
        "source": "simulated", "status": "run", "network": network.name, "images": len(images),
        "passes": passes, "seed": seed, "sigma": PROCESS_SIGMA,
        "factors": [{"factor": factor, "chips": row} for factor, row in rows.items()],
    }


@command("golden.dropout_study")
def main(arguments=None):
    """Study a network, and print what was found."""
    parser = Parser(prog="golden.dropout_study",
                    description="Judge a network whose junctions have other probabilities than asked for.")
    parser.add_argument("source", type=classifier_argument, metavar="NETWORK",
        help=f"network to judge: {HELP}")
    parser.add_argument("--checkpoint", type=Path,
        help="trained parameters (default: those that come with the project)")
    parser.add_argument("--data", type=Path, metavar="DIR",
        help="data folder, for all test images (default: those that come with the project)")
    parser.add_argument("--passes", type=whole(1), metavar="T", default=20,
        help="stochastic forward passes (default: %(default)s)")
    parser.add_argument("--chips", type=whole(2), metavar="N", default=100,
        help="chips of each deviation (default: %(default)s)")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N",
        help="of the chips (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    args = parser.parse_args(arguments)
    asked = args.source.network()
    if not args.data and asked.data != "mnist":
        parser.error(f"no images of {data_set(asked.data).title} come with the project; name a folder that "
                     "has it with --data")
    images, labels = load_for(asked, folder_of(args.data)) if args.data else load_sample()
    check_for(asked, images, labels)
    steps = Progress()
    if args.json:
        refuse_unwritable(args.json)
    steps.step(f"compile {asked.name}")
    network = compiled(args.source.text, args.checkpoint, args.passes, 1)
    try:
        figures = study(network, images, labels, passes=args.passes, chips=args.chips, seed=args.seed,
                        steps=steps)
    except ValueError as error:
        raise UserError(str(error)) from None
    if args.json:
        write_json(args.json, figures)
    print(_table(figures))


def _table(figures: dict) -> str:
    rows = []
    for each in figures["factors"]:
        values = {name: np.array([chip[name] for chip in each["chips"]])
                  for name in ("accuracy", "nll", "rejected")}
        percent = {name: f"{100 * values[name].mean():.2f} ± {100 * values[name].std(ddof=1):.2f}"
                   for name in ("accuracy", "rejected")}
        rows.append({
            "deviation of p": f"{each['factor']}x, {each['factor'] * figures['sigma']:.3f}",
            "accuracy %": percent["accuracy"],
            "least": f"{100 * values['accuracy'].min():.2f}",
            "NLL": f"{values['nll'].mean():.4f} ± {values['nll'].std(ddof=1):.4f}",
            "largest": f"{values['nll'].max():.4f}",
            "rejected %": percent["rejected"],
        })
    table = tabulate(rows, headers="keys", disable_numparse=True, tablefmt="github")
    return (f"{figures['network']}, {figures['images']:,} images, T = {figures['passes']}, "
            f"{len(figures['factors'][0]['chips'])} chips of each deviation\n\n{table}")


if __name__ == "__main__":
    raise SystemExit(main())
