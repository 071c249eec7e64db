"""The deterministic network that the methods begin from, and the images that no training sees."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gen.ir import Network
from gen.progress import Progress
from golden.float.model import BayNN
from golden.training.fit import BATCH, Images, Stage, distill, fit
from golden.training.journal import Journal


__all__ = ["HELD_BACK", "Start", "begin", "train_member"]


HELD_BACK = 12   #: One of so many training images is not trained with.
PEAK      = 5e-3 #: Largest learning rate.


@dataclass(frozen=True)
class Start:
    """What the training of a method begins with."""

    model: BayNN         #: Deterministic.
    images: Images       #: To train with, with the logits of the teacher.
    held_back: Tensor    #: uint8 ``(N, H, W)``, images that no training sees.
    held_labels: Tensor  #: ``(N,)``


def begin(network: Network, images: Images, epochs: int, teacher_epochs: int, steps: Progress,
          journal: Journal) -> Start:
    """Return the deterministic ``network`` after ``epochs``, in two steps: a teacher, and the network.

    The first of each :data:`HELD_BACK` images is held back, while there is a batch left to train with.
    """
    pixels, labels = images.variants[0], images.labels
    held = torch.zeros(len(labels), dtype=torch.bool, device=labels.device)
    held[torch.arange(0, len(labels), HELD_BACK)[:len(labels) - BATCH]] = True
    rest = Images([pixels[~held]], labels[~held], classes=images.classes, compiled=images.compiled,
                  teacher=images.teacher)
    rest = distill(rest, 0, teacher_epochs, steps, journal)
    model = train_member(network, rest, epochs, "base", steps, journal)
    return Start(model, rest, pixels[held], labels[held])


def train_member(network: Network, images: Images, epochs: int, name: str, steps: Progress,
                 journal: Journal) -> BayNN:
    """Return ``network`` without random choices, trained from a random start in one step, the stage
    ``name``."""
    steps.step(f"train {network.name} without random choices, {epochs} epochs")
    model = BayNN(network).to(images.labels.device, memory_format=torch.channels_last)
    fit(model, images, Stage(epochs, PEAK, name=name), lambda loss, done: loss, steps, journal)
    return model
