"""A training as ``golden.train`` runs it: load the data, train by a recipe, write the checkpoint, test."""

import argparse
import hashlib
from dataclasses import asdict, replace
from pathlib import Path

import torch

from gen.ir import Network, dump
from gen.networks import NETWORKS
from gen.progress import Progress
from golden.data import DataError, load_mnist
from golden.float.model import export, load
from golden.training import bayes, scale_dropout
from golden.training.fit import BATCH, Images
from golden.training.journal import Journal, TrainingError


__all__ = ["train"]


RECIPES = {
    "spread": scale_dropout.train_spread,
    "paper": scale_dropout.train_paper,
    "bayes": bayes.train_bayes,
}


def train(options: argparse.Namespace, state: Path, steps: Progress) -> dict[str, dict[str, float]]:
    """Train with the ``options`` of the command, write the checkpoint, and return its metrics.

    Parameters
    ----------
    state : Path
        File that keeps the state of a training under way. If it is there, the training goes on from it.

    Raises
    ------
    CheckpointError, DataError, FileError, TrainingError
        If a file, the data or the device cannot be used.
    """
    network, plan = _network(options)
    device = _device(options.device)
    pixels, labels = load_mnist(options.data, "train")
    test_pixels, test_labels = load_mnist(options.data, "test")
    if len(labels) < BATCH:
        raise DataError(f"MNIST must have at least {BATCH} training images, not {len(labels)}")
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    images = Images([torch.tensor(pixels, device=device)], torch.tensor(labels, device=device).long())
    if options.arrays:
        model = load(network, options.arrays).to(device)
        bayes.measure_anew(model, images, steps)
        export(model, options.out)
    else:
        run = {
            "network": network.name, "recipe": options.recipe,
            **{name.replace("_", "-"): value for name, value in asdict(plan).items()},
            "seed": options.seed, "threads": options.threads, "device": options.device,
            "torch": str(torch.__version__),
            "layers": _digest(dump(network).encode()),
            "images": _digest(pixels.tobytes() + labels.tobytes()),
        }
        with Journal(state, run, device) as journal:
            if journal.begun:
                steps.step(f"go on from {state}")
            model = RECIPES[options.recipe](network, images, plan, steps, journal)
        export(model, options.out)
        journal.remove()
    steps.step("test")
    measure, passes = ((bayes.measure, 10) if options.recipe == "bayes" else
                       (scale_dropout.measure, 20))
    try:
        return measure(load(network, options.out), torch.tensor(test_pixels), test_labels, passes,
                       options.seed, steps)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; checkpoint {options.out} is written, but not tested") from None


def _network(options) -> tuple[Network, scale_dropout.Plan | bayes.Plan]:
    """Return the network that ``options`` name, and the plan to train it."""
    network = NETWORKS[options.network]
    if options.recipe == "bayes":
        given = {name: value for name in ("crossbars", "weight_bits", "ways")
                 if (value := getattr(options, name))}
        network = replace(network, layers=tuple(replace(layer, **given) for layer in network.layers))
        plan = bayes.PLANS.get(network.name, bayes.Plan(epochs=20))
    else:
        plan = scale_dropout.PLANS.get(network.name, scale_dropout.Plan(
            epochs=20, spread_epochs=5, copies=0))
    if options.teacher_epochs is not None:
        plan = replace(plan, teacher_epochs=options.teacher_epochs)
    return network, replace(plan, epochs=options.epochs or plan.epochs)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error: # which one depends on the device
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise TrainingError(f"Device {name!r} is not available ({reason[0][:120]}); leave out --device to "
                            f"train on the processor") from None
    return device


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
