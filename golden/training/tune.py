"""Recipe ``tune``: train the deterministic network, turn it into that of a method, and train it further.

One deterministic network serves all methods. At last the method's choices are stored as a checkpoint holds
them, the batch normalization is measured anew under these choices, and a temperature is fitted on images
that no training saw.
"""

from dataclasses import dataclass

import torch

from gen.ir import Network
from gen.progress import Progress
from golden.float.model import BayNN
from golden.methods import deterministic
from golden.methods.ensemble import join
from golden.methods.tuning import Tuning
from golden.training.base import Start, train_member
from golden.training.fit import Images, Stage, fit, measure_anew
from golden.training.journal import Journal
from golden.training.measure import passes_of
from golden.training.temperature import set_temperature


__all__ = ["PLANS", "Plan", "train_ensemble", "train_tuned", "tune"]


@dataclass(frozen=True)
class Plan:
    """How a network is trained by default."""

    epochs: int             #: Of the deterministic network.
    member_epochs: int = 6  #: Of each further member of an ensemble.
    tune_epochs: int = 2    #: As the network of the method.
    teacher_epochs: int = 8


PLANS = {"lenet5": Plan(epochs=24)}


def tune(tuning: Tuning, network: Network, base: BayNN, images: Images, epochs: int, name: str,
         steps: Progress, journal: Journal) -> BayNN:
    """Return ``network``, which ``tuning`` makes of the deterministic network ``base``, in two steps;
    ``name`` is that of the stage in the journal."""
    epochs *= tuning.longer
    steps.step(f"train it as {tuning.convolution.method}, {epochs} epochs")
    model = BayNN(network, tuning.convolution)
    model.to(images.labels.device, memory_format=torch.channels_last)
    with torch.no_grad():
        for layer, start in zip(model.layers, base.layers, strict=True):
            layer.weight.copy_(start.weight)
            layer.normalization.load_state_dict(start.normalization.state_dict())
    tuning.begin(model)
    stage = Stage(epochs, tuning.peak, tuning.passes or passes_of(model.network), tuning.separate, name)
    fit(model, images, stage, lambda loss, done: tuning.objective(loss, model, len(images.labels), done),
        steps, journal)

    model.settle()
    measure_anew(model, images, steps, passes_of(model.network) if tuning.convolution.tied else 1)
    return model


def train_tuned(tuning: Tuning, network: Network, start: Start, plan: Plan, steps: Progress,
                journal: Journal) -> BayNN:
    """Return ``network`` trained by a method, in three steps."""
    model = tune(tuning, network, start.model, start.images, plan.tune_epochs, "tune", steps, journal)
    set_temperature(model, start.held_back, start.held_labels, passes_of(model.network), steps)
    return model


def train_ensemble(network: Network, start: Start, plan: Plan, steps: Progress, journal: Journal) -> BayNN:
    """Return ``network``, an ensemble of networks, of which the first begins with ``start``; three steps
    each, less one, and one."""
    members, plain = [], start.model.network
    for number in range(passes_of(network)):
        base = start.model if number == 0 else train_member(
            plain, start.images, plan.member_epochs, f"base {number}", steps, journal)
        members.append(tune(deterministic.TUNING, plain, base, start.images, plan.tune_epochs,
                            f"tune {number}", steps, journal))
    model = join(network, members)
    set_temperature(model, start.held_back, start.held_labels, len(members), steps)
    return model
