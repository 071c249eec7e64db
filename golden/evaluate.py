"""Judge the compiled golden model: ``python -m golden.evaluate lenet5 --data DIR``.

Three predictions are compared: the mean of T passes with the keep bits of the generator, one pass
with all scales kept (a point estimate), and the exact mean over all combinations of keep bits, which
more and more passes tend to.
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
from golden.data import DataError, folder_of, load_fashion_mnist, load_mnist, load_notmnist
from golden.head import softmax
from golden.network import path_probabilities, paths, predict
from golden.random import keep_bits


__all__ = ["Scores", "main", "over_combinations", "over_passes", "report"]


CHUNK = 500 #: Images between two steps of the bar.

#: Out of distribution for a network trained on MNIST: folder and loader.
OUTSIDE = {"fashion-mnist": load_fashion_mnist, "notmnist": load_notmnist}


@dataclass(frozen=True, slots=True)
class Scores:
    """What is known of N images after a prediction."""

    mean: np.ndarray        #: float64 (N, K), predictive mean.
    entropy: np.ndarray     #: float64 (N,), of the mean, in nats.
    information: np.ndarray #: float64 (N,), mutual information, in nats.
    flagged: np.ndarray     #: bool (N,), out of distribution by Scale-Dropout, eq. 26.


class CompileError(Exception):
    """The compiler refused the network, with its own words."""


def over_passes(network: Network, images: np.ndarray, keep: np.ndarray) -> Scores:
    """Score uint8 ``images`` (N, H, W) by the passes with the keep bits ``keep``, bool (N, T, L)."""
    prediction, probabilities = predict(network, images, keep)
    mean = prediction.sums / (65536 * prediction.passes)
    return Scores(mean, metrics.predictive_entropy(mean),
                  metrics.mutual_information(probabilities / 65536), prediction.reject)


def over_combinations(network: Network, images: np.ndarray) -> Scores:
    """Score uint8 ``images`` (N, H, W) by all combinations of keep bits, weighted by how often they
    occur. Raises as :func:`golden.network.paths`."""
    share = path_probabilities(network)
    probabilities = softmax(paths(network, images), network.head)
    mean = share @ (probabilities / 65536)
    entropy = metrics.predictive_entropy(mean)
    information = entropy - metrics.predictive_entropy(probabilities / 65536) @ share
    confident = share @ (probabilities >= network.head.confidence)
    return Scores(mean, entropy, information, confident.max(-1) < 0.9)


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


def compiled(name: str, checkpoint: Path | None, passes: int, seed: int) -> Network:
    """Return the network ``name`` as the compiler, run as a command, prints it.

    The golden model shares the parameters of the hardware, not its code, so it imports no pass.

    Raises
    ------
    CompileError
        If the compiler refuses its arguments or the checkpoint.
    """
    command = [sys.executable, "-m", "gen.compile", name, f"--passes={passes}", f"--seed={seed}"]
    if checkpoint is not None:
        command.append(f"--checkpoint={checkpoint}")
    root = str(Path(__file__).parent.parent)
    known = os.environ.get("PYTHONPATH")
    run = subprocess.run(command, capture_output=True, text=True, env={
        **os.environ, "PYTHONPATH": os.pathsep.join([root, known] if known else [root])})
    if run.returncode:
        lines = run.stderr.strip().splitlines() or ["gen.compile failed without a word"]
        raise CompileError(lines[-1])
    return load(run.stdout)


def main(arguments: list[str] | None = None):
    """Evaluate a network; wrong input ends in one line and status 2."""
    parser = argparse.ArgumentParser(prog="golden.evaluate",
                                     description="Judge the compiled golden model.")
    parser.add_argument("network", choices=NETWORKS, help="network to judge")
    parser.add_argument("--data", type=Path, help="data folder (default: SPINCIM_DATA)")
    parser.add_argument("--passes", type=int, default=20,
        help="stochastic forward passes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1,
        help="start of the pseudo-random stream (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path,
        help="trained parameters (default: those that come with the project)")
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
    steps = Steps(2 + len(OUTSIDE))
    folder = folder_of(args.data)
    steps.step(f"compile {args.network}")
    network = compiled(args.network, args.checkpoint, args.passes, args.seed)
    images, labels = load_mnist(folder)
    sets = {"mnist": images}
    missing = {}
    for name, load_images in OUTSIDE.items():
        if (folder / name).is_dir():
            sets[name], _ = load_images(folder)
        else:
            missing[name] = f"Data folder {folder / name} does not exist"

    if args.json:
        args.json.open("a").close() # refuse a wrong path before the work, not after
    keep = keep_bits(network.generator, sum(map(len, sets.values())), args.passes)
    methods: dict[str, Callable[[np.ndarray, np.ndarray], Scores]] = {
        "passes": lambda images, keep: over_passes(network, images, keep),
        "all_kept": lambda images, keep: over_passes(network, images, np.ones_like(keep[:, :1])),
        "exact": lambda images, keep: over_combinations(network, images),
    }
    scores = {name: dict(missing) for name in methods}
    for name in ("mnist", *OUTSIDE):
        steps.step(f"{name}: {missing[name]}" if name in missing else
                   f"{name}, {len(sets[name])} images")
        if name in missing:
            continue
        own, keep = np.split(keep, [len(sets[name])])
        parts = {method: [] for method in methods}
        for start in steps.bar(range(0, len(own), CHUNK)):
            part = slice(start, start + CHUNK)
            for method, run in methods.items():
                parts[method].append(run(sets[name][part], own[part]))
        for method in methods:
            scores[method][name] = _joined(parts[method])
    return {
        "network": network.name,
        "source": "compiled golden model",
        "status": "run",
        "passes": args.passes,
        "seed": args.seed,
        "images": {name: len(images) for name, images in sets.items()},
        "prediction": {method: report(own.pop("mnist"), labels, own)
                       for method, own in scores.items()},
    }


def _joined(parts: list[Scores]) -> Scores:
    return Scores(*(np.concatenate([getattr(part, field.name) for part in parts])
                    for field in fields(Scores)))


def _table(figures: dict) -> str:
    """Return the figures as lines of text, one column per prediction."""
    columns = list(figures["prediction"].values())
    lines = [f"{figures['network']}, {figures['images']['mnist']} images of MNIST, "
             f"compiled golden model",
             f"{'':38}{'T = ' + str(figures['passes']):>10}{'all kept':>10}{'exact':>10}"]

    def add(name, values, percent):
        cells = (f"{100 * value:.2f} %" if percent else f"{value:.4f}" for value in values)
        lines.append(f"{name:38}" + "".join(f"{cell:>10}" for cell in cells))

    for name in columns[0]:
        if name in OUTSIDE:
            continue
        add(name, [column[name] for column in columns],
            name in ("test/cls/Acc", "test/cal/ECE", "quantile/flagged"))
    for name in OUTSIDE:
        if columns[0][name]["status"] == "not_run":
            lines.append(f"{name}: not run. {columns[0][name]['reason']}")
            continue
        for score in ("entropy", "mutual_information"):
            for figure in columns[0][name][score]:
                add(f"{name} {figure}, {score.removeprefix('mutual_')}",
                    [column[name][score][figure] for column in columns], True)
        add(f"{name} quantile/flagged",
            [column[name]["quantile/flagged"] for column in columns], True)
    return "\n".join(lines)


if __name__ == "__main__":
    main()
