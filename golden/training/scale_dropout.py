"""Recipes ``spread`` and ``paper`` for binary networks with Scale-Dropout.

Recipe ``spread``: the binary network is distilled from a float network, with keep bits drawn per sample; a
short stage with p = 0.5 and a loss on the mean of three passes then keeps the scales spread; at last the
batch normalization is measured anew. Recipe ``paper``: the objective of Scale-Dropout, eq. 17, with one
keep bit per layer and batch, and the dropout probabilities of section III-D.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gen.graph import graph_of
from gen.ir import Network
from gen.progress import Progress
from golden import metrics
from golden.float.model import BayNN, paths
from golden.methods.scale_dropout import ScaleConvolution, jitter, objective
from golden.training.fit import Images, Stage, distill, fit, measure_anew
from golden.training.journal import Journal


__all__ = ["PLANS", "Plan", "adaptive_dropout", "measure", "train_paper", "train_spread"]


EXACT  = 64    #: Most combinations whose exact mean is measured.
LAMBDA = 1e-5  #: Weight decay of recipe ``paper`` (Scale-Dropout, VI-B).


@dataclass(frozen=True)
class Plan:
    """How a network is trained by default; one too small to fit all images gets no augmented copies."""

    epochs: int                  #: Of the first stage.
    spread_epochs: int
    copies: int                  #: Augmented copies of every image.
    teacher_epochs: int = 8


PLANS = {
    "lenet5":      Plan(epochs=40, spread_epochs=5, copies=0),
    "lenet5_wide": Plan(epochs=16, spread_epochs=4, copies=4),
    "vgg_small":   Plan(epochs=100, spread_epochs=5, copies=24, teacher_epochs=40),
    "resnet20":    Plan(epochs=52, spread_epochs=2, copies=2, teacher_epochs=40),
    "resnet18":    Plan(epochs=100, spread_epochs=5, copies=24, teacher_epochs=40),
    "m5":          Plan(epochs=20, spread_epochs=5, copies=0, teacher_epochs=0),
    "unet":        Plan(epochs=6, spread_epochs=1, copies=0, teacher_epochs=0),
}


def adaptive_dropout(network: Network) -> list[float]:
    """Return p of each layer of the trunk: 0.1 and 0.2 where it has few weights, 0.5 where it has many.

    Scale-Dropout, III-D, gives the three values; that they change at 4 % and at 20 % of all weights
    is an assumption.
    """
    sizes = [network.layers[index].fan_in * network.layers[index].outputs
             for index in graph_of(network).trunk]
    return [0.5 if size >= 0.2 * sum(sizes) else 0.2 if size >= 0.04 * sum(sizes) else 0.1
            for size in sizes]


def train_spread(network: Network, images: Images, plan: Plan, steps: Progress,
                 journal: Journal = Journal()) -> BayNN:
    """Return ``network`` trained by recipe ``spread``, in four steps."""
    images = distill(images, plan.copies, plan.teacher_epochs, steps, journal)
    steps.step(f"train {network.name}, {plan.epochs} epochs")
    model = BayNN(network, ScaleConvolution).to(images.labels.device, memory_format=torch.channels_last)
    for layer, p in zip(model.trunk, adaptive_dropout(network), strict=True):
        layer.dropout.p = p
    fit(model, images, Stage(plan.epochs, 5e-3), lambda loss, done: objective(loss, model), steps, journal)

    steps.step(f"spread the scales, {plan.spread_epochs} epochs of three passes")
    for layer in model.trunk:
        layer.dropout.p = layer.layer.dropout
    jitter(model)
    fit(model, images, Stage(plan.spread_epochs, 1.5e-3, masks=3, name="spread"),
        lambda loss, done: objective(loss, model, spread=0.1), steps, journal)

    measure_anew(model, images, steps)
    return model


def train_paper(network: Network, images: Images, plan: Plan, steps: Progress,
                journal: Journal = Journal()) -> BayNN:
    """Return ``network`` trained by recipe ``paper``, in one step."""
    steps.step(f"train {network.name}, {plan.epochs} epochs")
    model = BayNN(network, ScaleConvolution).to(images.labels.device, memory_format=torch.channels_last)
    for layer, p in zip(model.trunk, adaptive_dropout(network), strict=True):
        layer.dropout.p = p
        layer.dropout.per_sample = False
    fit(model, images, Stage(plan.epochs, 5e-3),
        lambda loss, done: objective(loss, model, decay=LAMBDA), steps, journal)
    return model


def measure(model: BayNN, images: Tensor, labels: np.ndarray, passes: int, seed: int,
            steps: Progress) -> dict[str, dict[str, float]]:
    """Return the metrics with all scales kept, of ``passes`` random passes, and of the exact mean, where it
    is the mean of at most :data:`EXACT` combinations of the keep bits of a chain.

    Keys are ``"all kept"``, ``"T = <passes>"`` and ``"exact mean"``; values are as of
    :func:`golden.metrics.classification`. Keep bits are drawn anew for each image.
    """
    model.eval()
    if model.network.joins or model.network.answer_shape or 2**len(model.layers) > EXACT:
        def averaged(choice):
            choice = torch.tensor(choice, device=images.device)
            parts  = list(zip(images.split(500), choice.split(500), strict=True))
            return np.concatenate([model.passes(*part).softmax(-1).mean(1).cpu().numpy()
                                   for part in steps.bar(parts)])

        with torch.no_grad():
            drawn = model.draw(np.random.default_rng(seed), len(images), passes)
            return {name: metrics.classification(averaged(choice), labels) for name, choice in (
                ("all kept", np.ones_like(drawn[:, :1])), (f"T = {passes}", drawn))}
    of_paths = np.concatenate([paths(model, chunk).cpu().numpy() for chunk in steps.bar(images.split(500))])
    drop = np.array([layer.dropout.p for layer in model.layers])
    bits = np.arange(of_paths.shape[1])[:, None] >> np.arange(len(drop))[::-1] & 1
    weights = np.where(bits, 1 - drop, drop).prod(1)
    keep = np.random.default_rng(seed).random((len(images), passes, len(drop))) >= drop
    drawn = keep @ (1 << np.arange(len(drop))[::-1])
    return {name: metrics.classification(probabilities, labels) for name, probabilities in (
        ("all kept", of_paths[:, -1]),
        (f"T = {passes}", np.take_along_axis(of_paths, drawn[:, :, None], 1).mean(1)),
        ("exact mean", np.einsum("npk,p->nk", of_paths, weights)),
    )}
