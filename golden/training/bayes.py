"""Recipe ``bayes``: Bayes by backprop, then N quantized samples as crossbars (SpinBayes, 2.2, 3.2)."""

from dataclasses import dataclass

import torch

from gen.ir import Network
from gen.progress import Progress
from golden.float.bayes import free_energy
from golden.float.spinbayes import SpinBayes
from golden.training.fit import Images, Stage, distill, fit, measure_anew
from golden.training.journal import Journal


__all__ = ["PLANS", "Plan", "train_bayes"]


DIVERGENCE = 0.03 #: Weight of the divergence to the prior, per image; 1 would be Bayes' rule.
PEAK       = 4e-3 #: Largest learning rate.


@dataclass(frozen=True)
class Plan:
    """How a network is trained by default."""

    epochs: int
    teacher_epochs: int = 8


PLANS = {
    "lenet5":      Plan(epochs=28),
    "lenet5_4bit": Plan(epochs=16),
}


def train_bayes(network: Network, images: Images, plan: Plan, steps: Progress,
                journal: Journal = Journal()) -> SpinBayes:
    """Return ``network`` trained by recipe ``bayes``, in four steps."""
    images = distill(images, 0, plan.teacher_epochs, steps, journal)
    steps.step(f"train {network.name}, {plan.epochs} epochs")
    model = SpinBayes(network).to(images.labels.device, memory_format=torch.channels_last)
    count = len(images.labels)
    fit(model, images, Stage(plan.epochs, PEAK),
        lambda loss, done: free_energy(loss, model, DIVERGENCE, count, done), steps, journal)

    first = network.layers[0]
    steps.step(f"take {first.crossbars} samples of {first.weight_bits} bits as crossbars")
    model.settle()

    measure_anew(model, images, steps)
    return model
