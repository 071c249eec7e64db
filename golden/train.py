"""Train a network: ``python -m golden.train lenet5 --data DIR``.

Recipe ``spread``: a float network teaches the binary one, every sample drawing keep bits of its own;
then a short stage with p = 0.5 and a loss on the mean of three passes keeps the scales spread; then
the batch normalization is measured anew. Recipe ``paper``: the objective of Scale-Dropout, eq. 17,
with one keep bit per layer and batch and the dropout probabilities of its section III-D. Networks of
several crossbars are trained by recipe ``bayes`` (:mod:`golden.train_spinbayes`).

No run chooses anything by the test images: they are looked at once, when the checkpoint is written. The
recipes themselves, and which level is the lowest, were settled with errors of test images in sight.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import gen.networks
from gen.ir import Network
from gen.networks import NETWORKS
from gen.progress import Steps
from golden import metrics, train_spinbayes
from golden.data import DataError, load_mnist
from golden.fit import BATCH, Images, Stage, fit, recalibrate, teach
from golden.model import BayNN, CheckpointError, export, load, paths


__all__ = [
    "PLANS", "Plan", "adaptive_dropout", "jitter", "main", "measure", "objective", "train_paper",
    "train_spread",
]


PHI    = 1e-5  #: Pull of the mean scale towards one (Scale-Dropout, VI-B).
LAMBDA = 1e-5  #: Weight decay of recipe ``paper`` (Scale-Dropout, VI-B).
SPREAD = 0.35  #: Standard deviation of log scale that is aimed at.


@dataclass(frozen=True)
class Plan:
    """How a network is trained by default. What is too small to fit all images sees no others."""

    epochs: int                  #: Of the first stage.
    spread_epochs: int
    copies: int                  #: Augmented copies of every image.


PLANS = {
    "lenet5":      Plan(epochs=40, spread_epochs=5, copies=0),
    "lenet5_wide": Plan(epochs=16, spread_epochs=4, copies=4),
}


def adaptive_dropout(network: Network) -> list[float]:
    """Return p of each layer: 0.1 and 0.2 where it has few weights, 0.5 where it has many.

    Scale-Dropout, III-D, gives the three values; that they change at 4 % and at 20 % of all weights
    is an assumption.
    """
    sizes = [layer.fan_in * layer.outputs for layer in network.layers]
    return [0.5 if size >= 0.2 * sum(sizes) else 0.2 if size >= 0.04 * sum(sizes) else 0.1
            for size in sizes]


def objective(loss: Tensor, model: BayNN, spread: float = 0.0, decay: float = 0.0) -> Tensor:
    """Return the loss to be minimized: Scale-Dropout, eq. 17, and what a stage adds to it.

    Parameters
    ----------
    loss : Tensor ``()``
        Negative log likelihood.
    spread : float
        Weight of the term that keeps the scales spread.
    decay : float
        Weight of the squared proxies, lambda of eq. 17.
    """
    for layer in model.layers:
        loss = loss + PHI * (1 - layer.scale.mean()) ** 2
        if decay:
            loss = loss + decay * layer.weight.square().sum()
        if spread:
            loss = loss + spread * (layer.scale.log().std() - SPREAD) ** 2
    return loss


@torch.no_grad()
def jitter(model: BayNN):
    """Multiply each scale by a random factor, log-normal, so that the spread has a start."""
    for layer in model.layers:
        layer.scale.mul_(torch.exp(SPREAD * torch.randn_like(layer.scale)))
        layer.restrict()


def train_spread(network: Network, images: Images, plan: Plan, steps: Steps) -> BayNN:
    """Return ``network`` trained by recipe ``spread``, in four steps."""
    images = teach(images, plan.copies, steps)
    steps.step(f"train {network.name} on its output, {plan.epochs} epochs")
    model = BayNN(network).to(memory_format=torch.channels_last)
    for layer, p in zip(model.layers, adaptive_dropout(network), strict=True):
        layer.dropout.p = p
    fit(model, images, Stage(plan.epochs, 5e-3), lambda loss, done: objective(loss, model), steps)

    steps.step(f"spread the scales, {plan.spread_epochs} epochs of three passes")
    for layer in model.layers:
        layer.dropout.p = layer.layer.dropout
    jitter(model)
    fit(model, images, Stage(plan.spread_epochs, 1.5e-3, masks=3),
        lambda loss, done: objective(loss, model, spread=0.1), steps)

    steps.step("measure the batch normalization anew")
    recalibrate(model, images.variants[0][torch.randperm(len(images.labels))[:20000]])
    return model


def train_paper(network: Network, images: Images, plan: Plan, steps: Steps) -> BayNN:
    """Return ``network`` trained by recipe ``paper``, in one step."""
    steps.step(f"train {network.name}, {plan.epochs} epochs")
    model = BayNN(network).to(memory_format=torch.channels_last)
    for layer, p in zip(model.layers, adaptive_dropout(network), strict=True):
        layer.dropout.p = p
        layer.dropout.per_sample = False
    fit(model, images, Stage(plan.epochs, 5e-3),
        lambda loss, done: objective(loss, model, decay=LAMBDA), steps)
    return model


RECIPES = {"spread": train_spread, "paper": train_paper, "bayes": train_spinbayes.train_bayes}

STEPS = {"spread": 5, "paper": 2, "bayes": 5} #: Of each recipe, with the test.


def measure(model: BayNN, images: Tensor, labels: np.ndarray, passes: int, seed: int,
            steps: Steps) -> dict[str, dict[str, float]]:
    """Return the metrics with all scales kept, of ``passes`` random passes, and of all of them.

    Keys are ``"all kept"``, ``"T = <passes>"`` and ``"exact mean"``; values are as of
    :func:`golden.metrics.classification`. Each image draws its own keep bits.
    """
    model.eval()
    every = np.concatenate([paths(model, chunk).numpy()
                            for chunk in steps.bar(images.split(500), len(images.split(500)))])
    drop = np.array([layer.dropout.p for layer in model.layers])
    bits = np.arange(every.shape[1])[:, None] >> np.arange(len(drop))[::-1] & 1
    weights = np.where(bits, 1 - drop, drop).prod(1)
    keep = np.random.default_rng(seed).random((len(images), passes, len(drop))) >= drop
    drawn = keep @ (1 << np.arange(len(drop))[::-1])
    return {name: metrics.classification(probabilities, labels) for name, probabilities in (
        ("all kept", every[:, -1]),
        (f"T = {passes}", np.take_along_axis(every, drawn[:, :, None], 1).mean(1)),
        ("exact mean", np.einsum("npk,p->nk", every, weights)),
    )}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}\n")


def _positive(text):
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return value


def _crossbars(text):
    value = int(text) if text.isdecimal() else 0
    if value < 2 or value & (value - 1):
        raise argparse.ArgumentTypeError(f"must be a power of two of at least 2, not {text!r}")
    return value


def _weight_bits(text):
    if not text.isdecimal() or not 2 <= int(text) <= 8:
        raise argparse.ArgumentTypeError(f"must be a whole number from 2 to 8, not {text!r}")
    return int(text)


def _parse(arguments):
    parser = _Parser(prog="golden.train", description="Train a network and write its checkpoint.")
    parser.add_argument("network", choices=NETWORKS, help="network to train: %(choices)s",
        metavar="NETWORK")
    parser.add_argument("--data", type=Path, metavar="DIR",
        help="data folder (default: the variable SPINCIM_DATA); see golden.data")
    parser.add_argument("--out", type=Path, metavar="FILE",
        help="checkpoint to write (default: the one that comes with the project)")
    parser.add_argument("--epochs", type=_positive, metavar="N",
        help="epochs of the first stage of the network itself (default: by network)")
    parser.add_argument("--seed", type=_positive, default=1, metavar="N",
        help="start of all random numbers (default: %(default)s)")
    parser.add_argument("--recipe", choices=RECIPES,
        help="how to train (default: spread; bayes for networks of several crossbars)")
    parser.add_argument("--crossbars", type=_crossbars, metavar="N",
        help="crossbars of each layer, for networks of several (default: by network)")
    parser.add_argument("--weight-bits", type=_weight_bits, metavar="Q",
        help="bits of a weight, for the same networks (default: by network)")
    parser.add_argument("--ways", type=_positive, metavar="n",
        help="crossbars whose mean a pass takes, for the same networks (default: 1)")
    parser.add_argument("--arrays", type=Path, metavar="FILE",
        help="take the crossbars of this checkpoint, and only measure the batch normalization anew, for "
             "the same networks")
    parser.add_argument("--threads", type=_positive, default=1, metavar="N",
        help="processor cores; the rounding depends on it (default: %(default)s)")
    options = parser.parse_args(arguments)
    several = NETWORKS[options.network].layers[0].crossbars > 1
    recipes = ("bayes",) if several else ("spread", "paper")
    if options.recipe not in (None, *recipes):
        parser.error(f"recipe {options.recipe!r} is not for network {options.network!r}, but "
                     + " or ".join(map(repr, recipes)))
    for_several = options.crossbars, options.weight_bits, options.ways, options.arrays
    if not several and any(for_several):
        parser.error(f"--crossbars, --weight-bits, --ways and --arrays are for networks of several "
                     f"crossbars, not for {options.network!r}")
    if options.ways and options.ways > (most := options.crossbars or
                                        NETWORKS[options.network].layers[0].crossbars):
        parser.error(f"--ways must be at most {most}, the crossbars of a layer, not {options.ways}")
    if options.out is None:
        if options.seed != 1 or options.recipe == "paper" or options.epochs or any(for_several):
            parser.error("with --epochs, --seed, --recipe, --crossbars, --weight-bits, --ways or --arrays, "
                         "the checkpoint that comes with the project is not replaced; name another "
                         "with --out FILE")
        options.out = (Path(gen.networks.__file__).parent / "checkpoints"
                       / f"{options.network}.npz")
    options.recipe = options.recipe or recipes[0]
    return options


def _refuse_unwritable(path):
    # Before the training, not after it.
    probe = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if path.is_dir():
        raise CheckpointError(f"Checkpoint {path} must be a file, not a folder; name one with "
                              "--out FILE")
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CheckpointError(f"Checkpoint {path} cannot be written ({error.strerror}); name "
                              "another with --out FILE") from None


def _table(results):
    yield f"{'':12}{'accuracy':>10}{'NLL':>9}{'Brier':>9}{'ECE':>9}"
    for name, result in results.items():
        yield (f"{name:12}{100 * result['test/cls/Acc']:8.2f} %{result['test/cls/NLL']:9.4f}"
               f"{result['test/cls/Brier']:9.4f}{100 * result['test/cal/ECE']:7.2f} %")


def _network(options):
    """Return the network that ``options`` name, and the plan to train it."""
    network = NETWORKS[options.network]
    if options.recipe == "bayes":
        chosen = {name: value for name in ("crossbars", "weight_bits", "ways")
                  if (value := getattr(options, name))}
        network = replace(network, layers=tuple(replace(layer, **chosen)
                                                for layer in network.layers))
        plan = train_spinbayes.PLANS.get(network.name, train_spinbayes.Plan(epochs=20))
    else:
        plan = PLANS.get(network.name, Plan(epochs=20, spread_epochs=5, copies=0))
    return network, replace(plan, epochs=options.epochs or plan.epochs)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parse(arguments)
    network, plan = _network(options)
    steps = Steps(2 if options.arrays else STEPS[options.recipe])
    try:
        _refuse_unwritable(options.out)
        pixels, labels = load_mnist(options.data, "train")
        test_pixels, test_labels = load_mnist(options.data, "test")
        if len(labels) < BATCH or not len(test_labels):
            raise DataError(f"MNIST must have at least {BATCH} training images and one test image, "
                            f"not {len(labels)} and {len(test_labels)}")
        torch.set_num_threads(options.threads)
        torch.manual_seed(options.seed)
        start = time.monotonic()
        images = Images([torch.tensor(pixels)], torch.tensor(labels).long())
        if options.arrays:
            model = load(network, options.arrays)
            train_spinbayes.measure_anew(model, images, steps)
        else:
            model = RECIPES[options.recipe](network, images, plan, steps)
        export(model, options.out)
        steps.step("test")
        judge, passes = ((train_spinbayes.measure, 10) if options.recipe == "bayes" else
                         (measure, 20))
        results = judge(load(network, options.out), torch.tensor(test_pixels), test_labels, passes,
                        options.seed, steps)
    except (CheckpointError, DataError) as error:
        steps.clear()
        print(f"golden.train: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        steps.clear()
        print("golden.train: interrupted", file=sys.stderr)
        return 130
    print(*_table(results), sep="\n")
    print(f"{options.out}, seed {options.seed}, {(time.monotonic() - start) / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
