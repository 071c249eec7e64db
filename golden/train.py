"""Train a network: ``python -m golden.train lenet5 --data DIR``.

Recipe ``spread``: a float network teaches the binary one, every sample drawing keep bits of its own;
then a short stage with p = 0.5 and a loss on the mean of three passes keeps the scales spread; then
the batch normalization is measured anew. Recipe ``paper``: the objective of Scale-Dropout, eq. 17,
with one keep bit per layer and batch and the dropout probabilities of its section III-D.

Nothing is chosen by the test images: they are looked at once, when the checkpoint is written.
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
from torch.nn import functional

import gen.networks
from gen.ir import Network
from gen.networks import NETWORKS
from gen.progress import Steps
from golden import metrics
from golden.data import DataError, load_mnist
from golden.model import BayNN, CheckpointError, export, load, paths
from golden.teacher import augment, recall, train_teacher


__all__ = [
    "Images", "PLANS", "Plan", "Stage", "adaptive_dropout", "fit", "main", "measure", "objective",
    "recalibrate", "train_paper", "train_spread",
]


PHI           = 1e-5         #: Pull of the mean scale towards one (Scale-Dropout, VI-B).
LAMBDA        = 1e-5         #: Weight decay of recipe ``paper`` (Scale-Dropout, VI-B).
TEMPERATURE   = 2.0          #: Of the softmax that the teacher's output is compared in.
SPREAD        = 0.35         #: Standard deviation of log scale that is aimed at.
SCALE_LIMITS  = (0.25, 4.0)  #: No scale leaves this range.
BATCH         = 100          #: Images per optimizer step.
TEACHER_EPOCHS = 8           #: Of the float network.


@dataclass(frozen=True)
class Stage:
    """One run of the optimizer, with a learning rate that rises for a fifth of it and falls."""

    epochs: int
    peak: float                  #: Largest learning rate.
    masks: int = 1               #: Passes whose mean probabilities are judged.
    spread: float = 0.0          #: Weight of the term that keeps the scales spread.
    decay: float = 0.0           #: Weight of the squared proxies, lambda of eq. 17.


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


class Images:
    """Training images, their augmented copies, and what the teacher says of each.

    Attributes
    ----------
    variants : list of Tensor ``(N, 28, 28)``
        The uint8 images, then their augmented copies.
    labels : Tensor ``(N,)``
    wisdom : list of Tensor ``(N, 10)`` or None
        The teacher's logits for each variant.
    """

    def __init__(self, variants: list[Tensor], labels: Tensor, wisdom: list[Tensor] | None = None):
        self.variants = variants
        self.labels = labels
        self.wisdom = wisdom

    def batches(self, epochs: int):
        """Yield images, labels and the teacher's logits of each batch, shuffled every epoch.

        Where there are augmented copies, half of each batch comes from one of them.
        """
        for epoch in range(epochs):
            copy = 1 + epoch % (len(self.variants) - 1) if len(self.variants) > 1 else 0
            order = torch.randperm(len(self.labels))
            for chosen in order[:len(order) // BATCH * BATCH].split(BATCH):
                halves = ((0, chosen[:BATCH // 2]), (copy, chosen[BATCH // 2:]))
                yield (torch.cat([self.variants[variant][half] for variant, half in halves]),
                       self.labels[chosen],
                       None if self.wisdom is None else
                       torch.cat([self.wisdom[variant][half] for variant, half in halves]))


def adaptive_dropout(network: Network) -> list[float]:
    """Return p of each layer: 0.1 and 0.2 where it has few weights, 0.5 where it has many.

    Scale-Dropout, III-D, gives the three values; that they change at 4 % and at 20 % of all weights
    is an assumption.
    """
    sizes = [layer.fan_in * layer.outputs for layer in network.layers]
    return [0.5 if size >= 0.2 * sum(sizes) else 0.2 if size >= 0.04 * sum(sizes) else 0.1
            for size in sizes]


def objective(model: BayNN, logits: Tensor, labels: Tensor, wisdom: Tensor | None,
              stage: Stage) -> Tensor:
    """Return the loss to be minimized: Scale-Dropout, eq. 17, and what ``stage`` adds to it.

    Parameters
    ----------
    logits : Tensor ``(masks, N, classes)``
        Of several passes; the mean of their probabilities is judged.
    labels : Tensor ``(N,)``
    wisdom : Tensor ``(N, classes)`` or None
        The teacher's logits.
    """
    def mixture(temperature):
        return (logits / temperature).log_softmax(-1).logsumexp(0) - np.log(len(logits))

    loss = functional.nll_loss(mixture(1.0), labels)
    if wisdom is not None:
        divergence = functional.kl_div(mixture(TEMPERATURE), (wisdom / TEMPERATURE).softmax(-1),
                                       reduction="batchmean")
        loss = 0.3 * loss + 0.7 * TEMPERATURE ** 2 * divergence
    for layer in model.layers:
        loss = loss + PHI * (1 - layer.scale.mean()) ** 2
        if stage.decay:
            loss = loss + stage.decay * layer.weight.square().sum()
        if stage.spread:
            loss = loss + stage.spread * (layer.scale.log().std() - SPREAD) ** 2
    return loss


def fit(model: BayNN, images: Images, stage: Stage, steps: Steps):
    """Train ``model`` on ``images`` for one stage and leave it in training mode."""
    model.train()
    count = len(images.labels) // BATCH * stage.epochs
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, stage.peak, total_steps=count, pct_start=0.2)
    for pixels, labels, wisdom in steps.bar(images.batches(stage.epochs), count):
        logits = model(pixels.repeat(stage.masks, 1, 1)).unflatten(0, (stage.masks, -1))
        loss = objective(model, logits, labels, wisdom, stage)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for layer in model.layers:
                layer.scale.clamp_(*SCALE_LIMITS)


@torch.no_grad()
def recalibrate(model: BayNN, images: Tensor):
    """Measure means and variances of the batch normalization anew over uint8 ``images``.

    Every image draws its own keep bits, so that they are those of the mixture of all passes.
    """
    model.train()
    for layer in model.layers:
        layer.normalization.reset_running_stats()
        layer.normalization.momentum = None # cumulative mean
    for chunk in images.split(500):
        model(chunk)


@torch.no_grad()
def jitter(model: BayNN):
    """Multiply each scale by a random factor, log-normal, so that the spread has a start."""
    for layer in model.layers:
        layer.scale.mul_(torch.exp(SPREAD * torch.randn_like(layer.scale))).clamp_(*SCALE_LIMITS)


def train_spread(network: Network, images: Images, plan: Plan, steps: Steps) -> BayNN:
    """Return ``network`` trained by recipe ``spread``, in four steps."""
    steps.step(f"train a float teacher, {TEACHER_EPOCHS} epochs")
    teacher = train_teacher(images.variants[0], images.labels, TEACHER_EPOCHS, steps)
    generator = torch.Generator().manual_seed(torch.randint(1 << 31, ()).item())
    variants = images.variants + [augment(images.variants[0], generator)
                                  for _ in range(plan.copies)]
    images = Images(variants, images.labels, [recall(teacher, variant) for variant in variants])

    steps.step(f"train {network.name} on its output, {plan.epochs} epochs")
    model = BayNN(network).to(memory_format=torch.channels_last)
    for layer, p in zip(model.layers, adaptive_dropout(network), strict=True):
        layer.dropout.p = p
    fit(model, images, Stage(plan.epochs, 5e-3), steps)

    steps.step(f"spread the scales, {plan.spread_epochs} epochs of three passes")
    for layer in model.layers:
        layer.dropout.p = layer.layer.dropout
    jitter(model)
    fit(model, images, Stage(plan.spread_epochs, 1.5e-3, masks=3, spread=0.1), steps)

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
    fit(model, images, Stage(plan.epochs, 5e-3, decay=LAMBDA), steps)
    return model


RECIPES = {"spread": train_spread, "paper": train_paper}


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


def _parse(arguments):
    parser = _Parser(prog="golden.train", description="Train a network and write its checkpoint.")
    parser.add_argument("network", choices=NETWORKS, help="network to train: %(choices)s",
        metavar="NETWORK")
    parser.add_argument("--data", type=Path, metavar="DIR",
        help="data folder (default: the variable SPINCIM_DATA); see golden.data")
    parser.add_argument("--out", type=Path, metavar="FILE",
        help="checkpoint to write (default: the one that comes with the project)")
    parser.add_argument("--epochs", type=_positive, metavar="N",
        help="epochs of the first stage of the binary network (default: by network)")
    parser.add_argument("--seed", type=_positive, default=1, metavar="N",
        help="start of all random numbers (default: %(default)s)")
    parser.add_argument("--recipe", choices=RECIPES, default="spread",
        help="how to train (default: %(default)s)")
    parser.add_argument("--threads", type=_positive, default=1, metavar="N",
        help="processor cores; the rounding depends on it (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.out is None:
        if options.epochs or options.seed != 1 or options.recipe != "spread":
            parser.error("with --epochs, --seed or --recipe, the checkpoint that comes with the "
                         "project is not replaced; name another with --out FILE")
        options.out = (Path(gen.networks.__file__).parent / "checkpoints"
                       / f"{options.network}.npz")
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


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parse(arguments)
    network = NETWORKS[options.network]
    plan = PLANS.get(network.name, Plan(epochs=20, spread_epochs=5, copies=0))
    if options.epochs:
        plan = replace(plan, epochs=options.epochs)
    steps = Steps({"spread": 5, "paper": 2}[options.recipe])
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
        model = RECIPES[options.recipe](
            network, Images([torch.tensor(pixels)], torch.tensor(labels).long()), plan, steps)
        export(model, options.out)
        steps.step("test")
        results = measure(load(network, options.out), torch.tensor(test_pixels), test_labels,
                          20, options.seed, steps)
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
