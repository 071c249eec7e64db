"""Recipe ``bayes``: Bayes by backprop, then N quantized samples as crossbars (SpinBayes, 2.2, 3.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gen.ir import Network
from gen.progress import Progress
from golden.float.spinbayes import SpinBayes
from golden.training.fit import Images, Stage, distill, fit, recalibrate
from golden.training.journal import Journal


__all__ = ["PLANS", "Plan", "free_energy", "measure_anew", "train_bayes"]


DIVERGENCE = 0.03 #: Weight of the divergence to the prior, per image; 1 would be Bayes' rule.
PEAK       = 4e-3 #: Largest learning rate.
RAMP       = 0.25 #: Share of the training in which the weight of the divergence grows to its full value.


@dataclass(frozen=True)
class Plan:
    """How a network is trained by default."""

    epochs: int
    teacher_epochs: int = 8


PLANS = {
    "lenet5":      Plan(epochs=28),
    "lenet5_4bit": Plan(epochs=16),
}


def free_energy(loss: Tensor, model: SpinBayes, count: int, done: float) -> Tensor:
    """Return the loss to be minimized: ``loss`` and the divergence of the weights to their prior.

    Parameters
    ----------
    loss : Tensor ``()``
        Negative log likelihood of an image.
    count : int
        Training images, over which the divergence is spread.
    done : float
        Share of the training that is done; the weight of the divergence grows at the beginning.
    """
    weight = DIVERGENCE * min(done / RAMP, 1) / count
    return loss + weight * sum(layer.posterior.divergence() for layer in model.layers)


def train_bayes(network: Network, images: Images, plan: Plan, steps: Progress,
                journal: Journal = Journal()) -> SpinBayes:
    """Return ``network`` trained by recipe ``bayes``, in four steps."""
    images = distill(images, 0, plan.teacher_epochs, steps, journal)
    steps.step(f"train {network.name}, {plan.epochs} epochs")
    model = SpinBayes(network).to(images.labels.device, memory_format=torch.channels_last)
    count = len(images.labels)
    fit(model, images, Stage(plan.epochs, PEAK),
        lambda loss, done: free_energy(loss, model, count, done), steps, journal)

    first = network.layers[0]
    steps.step(f"take {first.crossbars} samples of {first.weight_bits} bits as crossbars")
    model.settle()

    measure_anew(model, images, steps)
    return model


def measure_anew(model: SpinBayes, images: Images, steps: Progress):
    """Measure the batch normalization of ``model`` with its arrays, chosen at random (SpinBayes, 3.2), in
    one step."""
    steps.step("measure the batch normalization anew")
    recalibrate(model, images.variants[0][torch.randperm(len(images.labels))[:20000]])
