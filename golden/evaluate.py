"""Judge the compiled golden model: ``python -m golden.evaluate lenet5 --data DIR``.

For Scale-Dropout three predictions are compared: the mean of T passes with the keep bits of the
generator, one pass with all scales kept (a point estimate), and the exact mean over all combinations of
keep bits, which more and more passes tend to. SpinBayes has too many combinations, and no array that
stands for all: there it is the mean of T passes, and the first pass alone.

Images are those of MNIST, or a user's own (:mod:`golden.images`):
``python -m golden.evaluate lenet5 --input digits.npz --out answers.csv`` writes what is answered to each
(:mod:`golden.answers`).
"""

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from gen.command import Parser, UserError, command
from gen.files import refuse_overlap, refuse_unwritable, write_json
from gen.ir import Network, load
from gen.networks import NETWORKS
from gen.progress import Progress
from golden import metrics
from golden.answers import (
    Answers,
    answer_passes,
    check_path,
    columns_help,
    join_answers,
    write_answers,
)
from golden.data import (
    DataError,
    add_noise,
    folder_of,
    gaussian_noise,
    load_fashion_mnist,
    load_mnist,
    load_notmnist,
)
from golden.head import softmax
from golden.images import Images, read_images
from golden.network import COMBINATIONS_LIMIT, batches, path_probabilities, paths
from golden.random.generator import choices


__all__ = ["Scores", "main", "over_combinations", "over_passes", "report"]


#: Out of distribution for a network trained on MNIST: folder and loader.
OUTSIDE = {"fashion-mnist": load_fashion_mnist, "notmnist": load_notmnist}

#: Likewise, made of the test images: those of SpinBayes, Table 3.
NOISE = {"gaussian": lambda images: gaussian_noise(len(images)), "noisy-mnist": add_noise}

#: What SpinBayes states of LeNet-5 on MNIST.
QUOTED = {
    "source": "quoted: SpinBayes, Tables 1 and 3",
    "test/cls/Acc": 1 - 0.0077,
    "gaussian quantile/flagged": 1.0,
    "noisy-mnist quantile/flagged": 0.9921,
    "fashion-mnist quantile/flagged": 1.0,
}

#: Passes T unless given: those of the papers.
PASSES, PASSES_SPINBAYES = 20, 10


@dataclass(frozen=True, slots=True)
class Scores:
    """What is known of N images after a prediction."""

    mean: np.ndarray        #: float64 (N, K), predictive mean.
    entropy: np.ndarray     #: float64 (N,), of the mean, in nats.
    information: np.ndarray #: float64 (N,), mutual information, in nats.
    flagged: np.ndarray     #: bool (N,), out of distribution by the rule of the head
                            #: (Scale-Dropout, eq. 26; SpinBayes, 4.1).


class CompileError(UserError):
    """The compiler refused the network, with its own words."""


def over_passes(network: Network, images: np.ndarray, choice: np.ndarray) -> Scores:
    """Score uint8 ``images`` (N, H, W) by the passes with the choices ``choice``, int (N, T, L)."""
    return _scores(answer_passes(network, images, choice))


def _scores(answers: Answers) -> Scores:
    prediction = answers.prediction
    return Scores(prediction.mean, metrics.predictive_entropy(prediction.mean), answers.information,
                  prediction.reject)


def over_combinations(network: Network, images: np.ndarray) -> Scores:
    """Score uint8 ``images`` (N, H, W) by all combinations of choices, weighted by how often they
    occur. Raises as :func:`golden.network.combinations`."""
    share, parts = path_probabilities(network), []
    for part in batches(network, len(images), len(share)):
        probabilities = softmax(paths(network, images[part]), network.head)
        mean = share @ (probabilities / 65536)
        entropy = metrics.predictive_entropy(mean)
        information = entropy - metrics.predictive_entropy(probabilities / 65536) @ share
        confident = share @ (probabilities >= network.head.confidence)
        parts.append(Scores(mean, entropy, information,
                            confident.max(-1) < network.head.agreement / 100))
    return _joined(parts)


def report(inside: Scores, labels: np.ndarray | None, outside: dict[str, Scores | str]) -> dict:
    """Return every figure of one kind of prediction, by name.

    ``inside`` are the scores of images of the training distribution with their ``labels`` (N,), without
    which there are figures of uncertainty alone; ``outside`` those of each other data set, or why there
    are none.
    """
    figures = {
        **({} if labels is None else metrics.classification(inside.mean, labels)),
        "entropy_nats": float(inside.entropy.mean()),
        "mutual_information_nats": float(inside.information.mean()),
        "quantile/flagged": float(inside.flagged.mean()),
    }
    for name, scores in outside.items():
        if isinstance(scores, str):
            figures[name] = {"status": "not_run", "reason": scores}
        else:
            figures[name] = {
                "status": "run",
                "entropy": metrics.detection(inside.entropy, scores.entropy),
                "mutual_information": metrics.detection(inside.information, scores.information),
                "quantile/flagged": float(scores.flagged.mean()),
            }
    return figures


def compiled(name: str, checkpoint: Path | None = None, passes: int = PASSES, seed: int = 1, *,
             crossbars: int | None = None, ways: int = 1) -> Network:
    """Return the network ``name`` as the compiler, run as a command, prints it.

    The golden model shares the parameters of the hardware, not its code, so it imports no pass.

    Raises
    ------
    CompileError
        If the compiler refuses its arguments or the checkpoint. What it says otherwise is passed on.
    """
    command = [sys.executable, "-m", "gen.compile", name, f"--passes={passes}", f"--seed={seed}"]
    for option, value in (("checkpoint", checkpoint), ("crossbars", crossbars), ("ways", ways)):
        if value is not None:
            command.append(f"--{option}={value}")
    root = str(Path(__file__).parent.parent)
    known = os.environ.get("PYTHONPATH")
    run = subprocess.run(command, capture_output=True, text=True, env={
        **os.environ, "PYTHONPATH": os.pathsep.join([root, known] if known else [root])})
    if run.returncode:
        lines = run.stderr.strip().splitlines() or ["the compiler failed without a word"]
        raise CompileError(lines[-1].removeprefix("gen.compile: "))
    print(run.stderr, end="", file=sys.stderr)
    return load(run.stdout)


@command("golden.evaluate")
def main(arguments=None):
    """Evaluate a network, and print what it is worth."""
    parser = Parser(
        prog="golden.evaluate", description="Judge the compiled golden model.",
        epilog=columns_help(simulated=False), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS, help="network to judge")
    parser.add_argument("--data", type=Path, help="data folder (default: SPINCIM_DATA)")
    parser.add_argument("--input", type=Path, metavar="FILE",
        help="images of your own in place of data sets: .npz (arrays images, labels), .npy, IDX, PNG, or "
             "a folder of PNGs")
    parser.add_argument("--labels", type=Path, metavar="FILE",
        help="their labels, if they are not in --input: .npy, .txt with a number per line, or IDX")
    parser.add_argument("--out", type=Path, metavar="FILE",
        help="write what is answered to each image of --input, or of MNIST, to FILE: .csv or .npz")
    parser.add_argument("--passes", type=int,
        help=f"stochastic forward passes (default: {PASSES}; {PASSES_SPINBAYES} for SpinBayes)")
    parser.add_argument("--seed", type=int, default=1,
        help="start of the pseudo-random stream (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path,
        help="trained parameters (default: those that come with the project)")
    parser.add_argument("--crossbars", type=int, metavar="N",
        help="arrays that each layer chooses from, for SpinBayes (default: those of the network)")
    parser.add_argument("--ways", type=int, default=1, metavar="n",
        help="arrays whose mean a pass takes, for SpinBayes (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    args = parser.parse_args(arguments)
    figures = _evaluate(args)
    if args.json:
        write_json(args.json, figures)
    print(_table(figures))


def _evaluate(args) -> dict:
    spinbayes = any(layer.crossbars > 1 for layer in NETWORKS[args.network].layers)
    passes = args.passes
    if passes is None:
        passes = PASSES_SPINBAYES if spinbayes else PASSES
    if args.labels and not args.input:
        raise DataError("Labels belong to images of your own; name these with --input FILE")
    if args.data and args.input:
        raise DataError("Images are those of --data or of --input; leave one of them out")
    outside = {} if args.input else {**(NOISE if spinbayes else {}), **OUTSIDE}
    steps = Progress()
    folder = None if args.input else folder_of(args.data)
    refuse_overlap([args.out, args.json], [args.input, args.labels, args.checkpoint])
    if args.out:
        check_path(args.out)
    if args.json:
        refuse_unwritable(args.json) # a wrong path is refused before the work, not after
    steps.step(f"compile {args.network}")
    network = compiled(args.network, args.checkpoint, passes, args.seed,
                       crossbars=args.crossbars, ways=args.ways)
    inside = (read_images(args.input, network, args.labels) if args.input
              else Images(*load_mnist(folder)))
    main = "input" if args.input else "mnist"
    sets, missing = {main: inside.pixels}, {}
    if not args.input:
        if spinbayes:
            sets |= {name: make(inside.pixels) for name, make in NOISE.items()}
        for name, load_images in OUTSIDE.items():
            if (folder / name).is_dir():
                sets[name], _ = load_images(folder)
            else:
                missing[name] = f"Data folder {folder / name} does not exist"

    methods, first = _methods(network), 0
    scores = {method: dict(missing) for method in ("passes", *methods)}
    for name in (main, *outside):
        steps.step(f"{name}: {missing[name]}" if name in missing else
                   f"{name}, {len(sets[name])} images")
        if name in missing:
            continue
        answers, parts = [], {method: [] for method in methods}
        for part in steps.bar(list(batches(network, len(sets[name]), passes))):
            images = sets[name][part]
            choice = choices(network.generator, len(images), passes, first + part.start)
            answers.append(answer_passes(network, images, choice))
            for method, run in methods.items():
                parts[method].append(run(images, choice))
        first += len(sets[name])
        answers = join_answers(answers)
        if name == main and args.out:
            write_answers(args.out, answers, inside)
        scores["passes"][name] = _scores(answers)
        for method in methods:
            scores[method][name] = _joined(parts[method])
    return {
        "network": network.name,
        **({"input": str(args.input)} if args.input else {}),
        "source": "compiled golden model",
        "status": "run",
        "passes": passes,
        **({"crossbars": network.layers[0].crossbars, "ways": network.layers[0].ways} if spinbayes
           else {}),
        "seed": args.seed,
        "images": {name: len(images) for name, images in sets.items()},
        "prediction": {method: report(own.pop(main), inside.labels, own)
                       for method, own in scores.items()},
        **({"quoted": QUOTED} if spinbayes and not args.input else {}),
    }


def _methods(network: Network) -> dict[str, Callable[[np.ndarray, np.ndarray], Scores]]:
    """How to score images with the choices of their passes otherwise than by all of these, by name of
    the prediction."""
    if any(layer.crossbars > 1 for layer in network.layers):
        return {"one_pass": lambda images, choice: over_passes(network, images, choice[:, :1])}
    kept = {"all_kept": lambda images, choice: over_passes(network, images, np.ones_like(choice[:, :1]))}
    if math.prod(layer.choices for layer in network.layers) > COMBINATIONS_LIMIT:
        return kept # of a deep network there are too many combinations
    return kept | {"exact": lambda images, choice: over_combinations(network, images)}


def _joined(parts: list[Scores]) -> Scores:
    return Scores(*(np.concatenate([getattr(part, field.name) for part in parts])
                    for field in fields(Scores)))


def _table(figures: dict) -> str:
    """Return the figures as lines of text, one column per prediction, and one of what a paper states."""
    titles = {"passes": f"T = {figures['passes']}", "all_kept": "all kept", "exact": "exact",
              "one_pass": "T = 1"}
    columns, quoted = list(figures["prediction"].values()), figures.get("quoted", {})
    images = figures["images"]
    lines = [f"{figures['network']}, " + (
                 f"{images['mnist']} images of MNIST" if "mnist" in images else f"{images['input']} images")
             + ", compiled golden model",
             f"{'':38}" + "".join(f"{titles[name]:>10}" for name in figures["prediction"])
             + (f"{'quoted':>10}" if quoted else "")]

    def add(name, values, percent):
        values = [*values, *([quoted[name]] if name in quoted else [])]
        cells = (f"{100 * value:.2f} %" if percent else f"{value:.4f}" for value in values)
        lines.append(f"{name:38}" + "".join(f"{cell:>10}" for cell in cells))

    outside = [name for name, figure in columns[0].items() if isinstance(figure, dict)]
    for name in columns[0]:
        if name not in outside:
            add(name, [column[name] for column in columns],
                name in ("test/cls/Acc", "test/cal/ECE", "quantile/flagged"))
    for name in outside:
        if columns[0][name]["status"] == "not_run":
            lines.append(f"{name}: not run. {columns[0][name]['reason']}")
            continue
        for score in ("entropy", "mutual_information"):
            for figure in columns[0][name][score]:
                add(f"{name} {figure}, {score.removeprefix('mutual_')}",
                    [column[name][score][figure] for column in columns], True)
        add(f"{name} quantile/flagged",
            [column[name]["quantile/flagged"] for column in columns], True)
    if quoted:
        lines.append(quoted["source"])
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
