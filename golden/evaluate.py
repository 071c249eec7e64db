"""Judge the compiled golden model: ``python -m golden.evaluate lenet5 --data DIR``.

For Scale-Dropout three predictions are compared: the mean of T passes with the keep bits of the
generator, one pass with all scales kept (a point estimate), and the exact mean over all combinations of
keep bits, which more and more passes tend to. SpinBayes has too many combinations, and no array that
stands for all: there it is the mean of T passes, and the first pass alone.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from gen.ir import Network, load
from gen.networks import NETWORKS
from gen.progress import Steps
from golden import metrics
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
from golden.network import path_probabilities, paths, predict
from golden.random import choices


__all__ = ["Scores", "main", "over_combinations", "over_passes", "report"]


CHUNK = 500 #: Images between two steps of the bar.

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


class CompileError(Exception):
    """The compiler refused the network, with its own words."""


def over_passes(network: Network, images: np.ndarray, choice: np.ndarray) -> Scores:
    """Score uint8 ``images`` (N, H, W) by the passes with the choices ``choice``, int (N, T, L)."""
    prediction, probabilities = predict(network, images, choice)
    return Scores(prediction.mean, metrics.predictive_entropy(prediction.mean),
                  metrics.mutual_information(probabilities / 65536), prediction.reject)


def over_combinations(network: Network, images: np.ndarray) -> Scores:
    """Score uint8 ``images`` (N, H, W) by all combinations of choices, weighted by how often they
    occur. Raises as :func:`golden.network.combinations`."""
    share = path_probabilities(network)
    probabilities = softmax(paths(network, images), network.head)
    mean = share @ (probabilities / 65536)
    entropy = metrics.predictive_entropy(mean)
    information = entropy - metrics.predictive_entropy(probabilities / 65536) @ share
    confident = share @ (probabilities >= network.head.confidence)
    return Scores(mean, entropy, information, confident.max(-1) < network.head.agreement / 100)


def report(inside: Scores, labels: np.ndarray, outside: dict[str, Scores | str]) -> dict:
    """Return every figure of one kind of prediction, by name.

    ``inside`` are the scores of images of the training distribution with their ``labels`` (N,);
    ``outside`` those of each other data set, or why there are none.
    """
    figures = {
        **metrics.classification(inside.mean, labels),
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


def compiled(name: str, checkpoint: Path | None, passes: int, seed: int, *,
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


def main(arguments: list[str] | None = None):
    """Evaluate a network; wrong input ends in one line and status 2."""
    parser = argparse.ArgumentParser(prog="golden.evaluate",
                                     description="Judge the compiled golden model.")
    parser.add_argument("network", choices=NETWORKS, help="network to judge")
    parser.add_argument("--data", type=Path, help="data folder (default: SPINCIM_DATA)")
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
    try:
        figures = _evaluate(args)
        if args.json:
            args.json.write_text(json.dumps(figures, indent=2) + "\n")
    except (CompileError, DataError) as error:
        print(f"golden.evaluate: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"golden.evaluate: {error.filename}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    print(_table(figures))


def _evaluate(args) -> dict:
    spinbayes = any(layer.crossbars > 1 for layer in NETWORKS[args.network].layers)
    passes = args.passes
    if passes is None:
        passes = PASSES_SPINBAYES if spinbayes else PASSES
    outside = {**(NOISE if spinbayes else {}), **OUTSIDE}
    steps = Steps(2 + len(outside))
    folder = folder_of(args.data)
    steps.step(f"compile {args.network}")
    network = compiled(args.network, args.checkpoint, passes, args.seed,
                       crossbars=args.crossbars, ways=args.ways)
    images, labels = load_mnist(folder)
    sets = {"mnist": images}
    if spinbayes:
        sets |= {name: make(images) for name, make in NOISE.items()}
    missing = {}
    for name, load_images in OUTSIDE.items():
        if (folder / name).is_dir():
            sets[name], _ = load_images(folder)
        else:
            missing[name] = f"Data folder {folder / name} does not exist"

    if args.json:
        args.json.open("a").close() # refuse a wrong path before the work, not after
    choice = choices(network.generator, sum(map(len, sets.values())), passes)
    scores = {name: dict(missing) for name in _methods(network)}
    for name in ("mnist", *outside):
        steps.step(f"{name}: {missing[name]}" if name in missing else
                   f"{name}, {len(sets[name])} images")
        if name in missing:
            continue
        own, choice = np.split(choice, [len(sets[name])])
        parts = {method: [] for method in scores}
        for start in steps.bar(range(0, len(own), CHUNK)):
            part = slice(start, start + CHUNK)
            for method, run in _methods(network).items():
                parts[method].append(run(sets[name][part], own[part]))
        for method in scores:
            scores[method][name] = _joined(parts[method])
    return {
        "network": network.name,
        "source": "compiled golden model",
        "status": "run",
        "passes": passes,
        **({"crossbars": network.layers[0].crossbars, "ways": network.layers[0].ways} if spinbayes
           else {}),
        "seed": args.seed,
        "images": {name: len(images) for name, images in sets.items()},
        "prediction": {method: report(own.pop("mnist"), labels, own)
                       for method, own in scores.items()},
        **({"quoted": QUOTED} if spinbayes else {}),
    }


def _methods(network: Network) -> dict[str, Callable[[np.ndarray, np.ndarray], Scores]]:
    """How to score images with the choices of their passes, by name of the prediction."""
    if any(layer.crossbars > 1 for layer in network.layers):
        return {
            "passes": lambda images, choice: over_passes(network, images, choice),
            "one_pass": lambda images, choice: over_passes(network, images, choice[:, :1]),
        }
    return {
        "passes": lambda images, choice: over_passes(network, images, choice),
        "all_kept": lambda images, choice: over_passes(network, images, np.ones_like(choice[:, :1])),
        "exact": lambda images, choice: over_combinations(network, images),
    }


def _joined(parts: list[Scores]) -> Scores:
    return Scores(*(np.concatenate([getattr(part, field.name) for part in parts])
                    for field in fields(Scores)))


def _table(figures: dict) -> str:
    """Return the figures as lines of text, one column per prediction, and one of what a paper states."""
    titles = {"passes": f"T = {figures['passes']}", "all_kept": "all kept", "exact": "exact",
              "one_pass": "T = 1"}
    columns, quoted = list(figures["prediction"].values()), figures.get("quoted", {})
    lines = [f"{figures['network']}, {figures['images']['mnist']} images of MNIST, "
             f"compiled golden model",
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
    main()
