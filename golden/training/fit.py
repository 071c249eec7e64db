"""The optimizer's loop, which all recipes share, and what it is fed with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from golden.training.journal import Journal
from golden.training.teacher import augment, check_loss, one_cycle, recall, train_teacher


__all__ = ["BATCH", "Images", "Stage", "fit", "likelihood", "recalibrate", "teach"]


TEMPERATURE = 2.0  #: Of the softmax that the teacher's output is compared in.
BATCH       = 100  #: Images per optimizer step.


@dataclass(frozen=True)
class Stage:
    """One run of the optimizer, with a learning rate that rises for a fifth of it and falls."""

    epochs: int
    peak: float                  #: Largest learning rate.
    masks: int = 1               #: Passes whose mean probabilities are judged.
    name: str = "first"          #: In the journal.


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

    @property
    def count(self) -> int:
        """Batches of an epoch."""
        return len(self.labels) // BATCH

    def batches(self, epoch: int):
        """Yield images, labels and the teacher's logits of each batch of an epoch, shuffled.

        Where there are augmented copies, half of each batch comes from one of them.
        """
        copy = 1 + epoch % (len(self.variants) - 1) if len(self.variants) > 1 else 0
        order = torch.randperm(len(self.labels))
        for chosen in order[:self.count * BATCH].split(BATCH):
            halves = ((0, chosen[:BATCH // 2]), (copy, chosen[BATCH // 2:]))
            yield (torch.cat([self.variants[variant][half] for variant, half in halves]),
                   self.labels[chosen],
                   None if self.wisdom is None else
                   torch.cat([self.wisdom[variant][half] for variant, half in halves]))


def teach(images: Images, copies: int, epochs: int, steps, journal: Journal = Journal()) -> Images:
    """Return ``images`` with augmented copies and with what a newly trained teacher says of all.

    Parameters
    ----------
    epochs : int
        Of the teacher; 0 for none, so that only labels are learned from.
    steps : :class:`gen.progress.Steps`
        Told of the progress, as below.
    journal : :class:`golden.training.journal.Journal`
        Keeps the state, as below.
    """
    steps.step(f"train a float teacher, {epochs} epochs" if epochs else "no teacher")
    teacher = train_teacher(images.variants[0], images.labels, epochs, steps, journal) if epochs else None
    generator = torch.Generator().manual_seed(torch.randint(1 << 31, ()).item())
    variants = images.variants + [augment(images.variants[0], generator) for _ in range(copies)]
    return Images(variants, images.labels,
                  teacher and [recall(teacher, variant) for variant in variants])


def likelihood(logits: Tensor, labels: Tensor, wisdom: Tensor | None) -> Tensor:
    """Return the negative log likelihood, or what a student of the teacher minimizes instead.

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
    if wisdom is None:
        return loss
    divergence = functional.kl_div(mixture(TEMPERATURE), (wisdom / TEMPERATURE).softmax(-1),
                                   reduction="batchmean")
    return 0.3 * loss + 0.7 * TEMPERATURE ** 2 * divergence


def fit(model: nn.Module, images: Images, stage: Stage,
        regularize: Callable[[Tensor, float], Tensor], steps, journal: Journal = Journal()):
    """Train ``model`` on ``images`` for one stage and leave it in training mode.

    Parameters
    ----------
    regularize : callable
        Given the negative log likelihood and the share of the stage that is done, returns the loss
        to be minimized.

    Raises
    ------
    TrainingError
        If the loss is no finite number any more.
    """
    model.train()
    count = images.count * stage.epochs
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    schedule = one_cycle(optimizer, stage.peak, count)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    for number, (pixels, labels, wisdom) in steps.bar(
            journal.batches(stage.name, stage.epochs, images.count, images.batches, parts),
            journal.left(stage.name, stage.epochs, images.count)):
        logits = model(pixels.repeat(stage.masks, 1, 1)).unflatten(0, (stage.masks, -1))
        loss = regularize(likelihood(logits, labels, wisdom), number / count)
        check_loss(loss, model.network.name, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for layer in model.layers:
                layer.restrict()


@torch.no_grad()
def recalibrate(model: nn.Module, images: Tensor):
    """Measure means and variances of the batch normalization anew over uint8 ``images``.

    Every image makes its own random choices, so that they are those of the mixture of all passes.
    """
    model.train()
    for layer in model.layers:
        layer.normalization.reset_running_stats()
        layer.normalization.momentum = None # cumulative mean
    # In parts as equal as can be: of one image there is no variance.
    for chunk in images.tensor_split(-(-len(images) // 500)):
        model(chunk)
