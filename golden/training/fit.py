"""The optimizer's loop that all recipes share, its training images, and its loss."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.progress import Progress
from golden.training.journal import Journal
from golden.training.teacher import augment, check_loss, one_cycle, predict_teacher, train_teacher


__all__ = ["BATCH", "Images", "Stage", "distill", "distillation_loss", "fit", "measure_anew",
           "recalibrate"]


TEMPERATURE = 2.0  #: Of the softmax of teacher and student in the distillation loss.
BATCH       = 100  #: Images per optimizer step.
MEASURED    = 20_000 #: Images that the batch normalization is measured over.


@dataclass(frozen=True)
class Stage:
    """One run of the optimizer, whose learning rate rises for a fifth of the run and then falls."""

    epochs: int
    peak: float            #: Largest learning rate.
    masks: int = 1         #: Passes of every image.
    separate: bool = False #: Whether each pass has a loss of its own, instead of one on the mean of all.
    name: str = "first"    #: In the journal.


class Images:
    """Training images, their augmented copies, and the logits of a teacher for all of them.

    Attributes
    ----------
    variants : list of Tensor ``(N, H, W)``, of several components ``(N, H, W, colours)``
        The uint8 images, then their augmented copies.
    labels : Tensor ``(N,)``, or of positions ``(N, H, W)``; float with one axis more of a regression
    teacher_logits : list of Tensor ``(N, classes)`` or None
        The logits for each variant; None without a teacher.
    classes : int
        Numbers that a label may be.
    compiled : bool
        Whether what learns from them is compiled by torch first.
    teacher : nn.Module or None
        Network whose logits are learned, uint8 images ``(n, H, W)`` to logits ``(n, classes)``; without one
        it may be trained.
    """

    def __init__(self, variants: list[Tensor], labels: Tensor, teacher_logits: list[Tensor] | None = None,
                 classes: int = 10, compiled: bool = False, teacher: nn.Module | None = None):
        self.variants = variants
        self.labels = labels
        self.teacher_logits = teacher_logits
        self.classes = classes
        self.compiled = compiled
        self.teacher = teacher

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
                   None if self.teacher_logits is None else
                   torch.cat([self.teacher_logits[variant][half] for variant, half in halves]))


def distill(images: Images, copies: int, epochs: int, steps: Progress,
            journal: Journal = Journal()) -> Images:
    """Return ``images`` with ``copies`` augmented copies and the logits of their teacher, or of one that is
    trained on them.

    Parameters
    ----------
    epochs : int
        Of a teacher to train; with 0 and no other the network learns from the labels alone.
    journal : :class:`golden.training.journal.Journal`
        Keeps the state of the training.
    """
    predict, teacher_logits = None, None
    if images.teacher is not None:
        steps.step("ask the teacher")
        predict = partial(_ask, images.teacher, steps=steps)
    elif epochs:
        steps.step(f"train a float teacher, {epochs} epochs")
        predict = partial(predict_teacher, train_teacher(images.variants[0], images.labels, epochs, steps,
                                                         journal, images.classes))
    else:
        steps.step("no teacher")
    generator = torch.Generator().manual_seed(torch.randint(1 << 31, ()).item())
    variants = images.variants + [augment(images.variants[0], generator) for _ in range(copies)]
    if predict is not None:
        teacher_logits = [predict(variant) for variant in variants]
    return Images(variants, images.labels, teacher_logits, images.classes, images.compiled)


@torch.no_grad()
def _ask(teacher, images, steps):
    return torch.cat([teacher(chunk) for chunk in steps.bar(images.split(BATCH))])


def distillation_loss(logits: Tensor, labels: Tensor, teacher_logits: Tensor | None) -> Tensor:
    """Return the loss of knowledge distillation (Hinton et al., Distilling the Knowledge in a Neural
    Network, 2015): negative log likelihood, and divergence to the teacher at :data:`TEMPERATURE`.

    Without a teacher it is the negative log likelihood alone; of numbers, for a regression, the mean
    squared error.

    Parameters
    ----------
    logits : Tensor ``(masks, N, classes)``, or of positions ``(masks, N, H, W, classes)``
        Of several passes; the loss is that of their mean probabilities, or of their mean.
    labels : Tensor ``(N,)``, or ``(N, H, W)``; float ``(N, K)``, or ``(N, H, W, K)`` of a regression
    teacher_logits : Tensor ``(N, classes)`` or None
    """
    if labels.is_floating_point():
        return functional.mse_loss(logits.mean(0), labels)

    def mixture(temperature):
        return (logits / temperature).log_softmax(-1).logsumexp(0) - np.log(len(logits))

    loss = functional.nll_loss(mixture(1.0).flatten(0, -2), labels.flatten())
    if teacher_logits is None:
        return loss
    divergence = functional.kl_div(mixture(TEMPERATURE), (teacher_logits / TEMPERATURE).softmax(-1),
                                   reduction="batchmean")
    return 0.3 * loss + 0.7 * TEMPERATURE ** 2 * divergence


def fit(model: nn.Module, images: Images, stage: Stage,
        regularize: Callable[[Tensor, float], Tensor], steps: Progress, journal: Journal = Journal()):
    """Train ``model`` on ``images`` for one stage and leave it in training mode.

    Parameters
    ----------
    regularize : callable
        Given the :func:`distillation_loss` and the share of the stage that is done, returns the loss to
        be minimized.

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
    run = torch.compile(model, dynamic=False) if images.compiled else model
    for number, (pixels, labels, teacher_logits) in steps.bar(
            journal.batches(stage.name, stage.epochs, images.count, images.batches, parts),
            journal.left(stage.name, stage.epochs, images.count)):
        logits = run(torch.cat([pixels] * stage.masks)).unflatten(0, (stage.masks, -1))
        if stage.separate:
            loss = sum(distillation_loss(own[None], labels, teacher_logits) for own in logits) / stage.masks
        else:
            loss = distillation_loss(logits, labels, teacher_logits)
        loss = regularize(loss, number / count)
        check_loss(loss, model.network.name, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for layer in model.layers:
                layer.restrict()


@torch.no_grad()
def recalibrate(model: nn.Module, images: Tensor, passes: int = 1):
    """Measure the statistics of the batch normalization anew over uint8 ``images`` ``(N, H, W)``.

    Each image draws its random choices in each of the ``passes``, so mean and variance are those over all
    passes.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None # cumulative mean
    # Chunks of equal size, give or take one: a chunk of a single image would have no variance.
    for chunk in images.tensor_split(-(-len(images) // 500)):
        model(torch.cat([chunk] * passes))


def measure_anew(model: nn.Module, images: Images, steps: Progress, passes: int = 1):
    """Measure the batch normalization of ``model`` anew, as :func:`recalibrate` does, over a part of
    ``images``, in one step (SpinBayes, 3.2)."""
    steps.step("measure the batch normalization anew")
    chosen = torch.randperm(len(images.labels))[:MEASURED]
    recalibrate(model, images.variants[0][chosen], passes)
