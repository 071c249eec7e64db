"""A training as ``golden.train`` runs it: load the data, train by a recipe, write the checkpoint, test."""

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from gen import methods
from gen.ir import Network, dump
from gen.progress import Progress
from gen.sources import Source
from golden.data import DataError, data_set, load_for
from golden.methods import BASELINES, file_of
from golden.methods.checkpoints import export, load
from golden.training import baselines, bayes, scale_dropout, tune
from golden.training.base import begin
from golden.training.fit import BATCH, Images, measure_anew
from golden.training.journal import Journal, TrainingError
from golden.training.measure import measure, measure_numbers, passes_of


__all__ = ["METHODS", "Training", "train"]


@dataclass(frozen=True)
class Training:
    """How a method is trained and tested."""

    recipes: dict[str, Callable]       #: By name; the first is the default.
    default: object                    #: Plan of a network that has none of its own.
    plans: dict = field(default_factory=dict)
    tuned: bool = False                #: Whether the recipes begin with the deterministic network.
    measure: Callable = measure
    write: Callable = export           #: The checkpoint, given the model and the path.
    read: Callable = load              #: It, given the network and the path.


def _tuned(tuning):
    return Training({"tune": partial(tune.train_tuned, tuning)}, tune.Plan(epochs=20), tune.PLANS,
                    tuned=True)


#: Those of a training of their own.
_OWN = {
    "scale-dropout": Training({"spread": scale_dropout.train_spread, "paper": scale_dropout.train_paper},
                              scale_dropout.Plan(epochs=20, spread_epochs=5, copies=0),
                              scale_dropout.PLANS, measure=scale_dropout.measure),
    "spinbayes":     Training({"bayes": bayes.train_bayes}, bayes.Plan(epochs=20), bayes.PLANS),
    "ensemble":      Training({"tune": tune.train_ensemble}, tune.Plan(epochs=20), tune.PLANS, tuned=True),
    **{method: Training({"float": baselines.train_baseline}, baselines.Plan(epochs=12),
                        write=baselines.write, read=baselines.read) for method in BASELINES},
}

METHODS = {method: _OWN[method] if method in _OWN else _tuned(file_of(method).TUNING)
           for method in (*methods.METHODS, *BASELINES)}


#: Of the description of a run, what a deterministic network that several methods begin with has not.
OF_METHOD = "method", "recipe", "member-epochs", "tune-epochs"


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
    training = METHODS[options.method]
    plain, network, plan = options.source.plain, _network(options), _plan(options, training)
    device = _device(options.device)
    pixels, labels = load_for(network, options.data, "train")
    test_pixels, test_labels = load_for(network, options.data, "test")
    if len(labels) < BATCH:
        raise DataError(f"{data_set(network.data).title} must have at least {BATCH} training images, not "
                        f"{len(labels)}")
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    images = Images([torch.tensor(pixels, device=device)], torch.tensor(
        labels if network.head.regression else labels.astype(int), device=device), classes=network.classes,
        compiled=options.compile, teacher=options.teacher and _teacher(options.teacher, device))
    if options.arrays:
        model = load(network, options.arrays).to(device)
        measure_anew(model, images, steps)
        export(model, options.out)
    else:
        run = {
            "network": plain.name, "method": options.method, "recipe": options.recipe,
            **{name.replace("_", "-"): value for name, value in asdict(plan).items()},
            "seed": options.seed, "threads": options.threads, "device": options.device,
            "compile": options.compile,
            **({"teacher": _digest(options.teacher.checkpoint().read_bytes())} if options.teacher else {}),
            "torch": str(torch.__version__),
            "layers": _digest(dump(network).encode()),
            "images": _digest(pixels.tobytes() + labels.tobytes()),
        }
        journal = base = Journal(state, run, device)
        if options.base:
            shared = {name: run[name] for name in run if name not in OF_METHOD}
            shared["layers"] = _digest(dump(plain).encode())
            base = Journal(options.base, shared, device, "--base")
        for known in dict.fromkeys((base, journal)):
            if known.begun:
                steps.step(f"go on from {known.path}")
        if training.tuned:
            with base:
                images = begin(plain, images, plan.epochs, plan.teacher_epochs, steps, base)
        with journal:
            model = training.recipes[options.recipe](network, images, plan, steps, journal)
        training.write(model, options.out)
        journal.remove()
    steps.step("test")
    try:
        judge = measure_numbers if network.head.regression else training.measure
        return judge(training.read(network, options.out).to(device),
                     torch.tensor(test_pixels, device=device), test_labels, passes_of(network),
                     options.seed, steps)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; checkpoint {options.out} is written, but not tested") from None


def _network(options) -> Network:
    """Return the network that ``options`` name, with the choices of the method and bits of weights."""
    if options.method in BASELINES:
        return baselines.with_method(options.source.plain, options.method)
    bits = options.weight_bits
    return replace(options.network, layers=tuple(
        replace(layer, weight_bits=bits or layer.weight_bits) for layer in options.network.layers))


def _plan(options, training: Training):
    """Return the plan to train by, with what ``options`` change."""
    plan = training.plans.get(options.source.plain.name, training.default)
    if options.teacher_epochs is not None or options.teacher:
        plan = replace(plan, teacher_epochs=options.teacher_epochs or 0)
    # The teacher has one class for an image, and a copy moves what the labels of positions, or numbers, are
    # of.
    plain = options.source.plain
    none = {"teacher_epochs": 0, "copies": 0} if plain.answer_shape or plain.head.regression else {}
    plan = replace(plan, **{name: value for name, value in none.items() if hasattr(plan, name)})
    return replace(plan, epochs=options.epochs or plan.epochs)


def _teacher(source: Source, device: torch.device) -> torch.nn.Module:
    """Return the network that ``source`` names, with its parameters, in single precision."""
    return load(source.network(), source.checkpoint()).float().to(
        device, memory_format=torch.channels_last)


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
