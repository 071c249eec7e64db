"""MC-Dropout and MC-DropConnect in floating point, to compare with: train them, and write and read their
checkpoints. Nothing of them is built."""

import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gen.checkpoint_file import CheckpointError
from gen.files import replacing
from gen.ir import Network
from gen.methods import base_of, name_of
from gen.networks import NETWORKS
from gen.progress import Progress
from golden.methods.float_network import FloatNetwork
from golden.methods.mc_dropconnect import DropConnectConvolution
from golden.methods.mc_dropout import DropoutConvolution
from golden.training.fit import Images, Stage, fit
from golden.training.journal import Journal


__all__ = ["CONVOLUTIONS", "Plan", "network_of", "read", "train_baseline", "with_method", "write"]


PEAK = 3e-3 #: Largest learning rate.

#: The layers by the method, one of :data:`golden.methods.BASELINES`.
CONVOLUTIONS = {"mc-dropout": DropoutConvolution, "mc-dropconnect": DropConnectConvolution}


@dataclass(frozen=True)
class Plan:
    """How a network is trained by default."""

    epochs: int


def network_of(name: str, method: str) -> Network:
    """Return the network ``name`` of :mod:`gen.networks` as one of ``method``."""
    return with_method(NETWORKS[name], method)


def with_method(network: Network, method: str) -> Network:
    """Return ``network``, without choices, as one of ``method``."""
    return replace(network, name=name_of(network.name, method), method=method)


def train_baseline(network: Network, images: Images, plan: Plan, steps: Progress,
                   journal: Journal = Journal()) -> FloatNetwork:
    """Return ``network`` with float weights, trained by its method, in one step.

    :func:`golden.training.measure.measure` measures it; its passes draw from torch's random numbers.
    """
    steps.step(f"train {network.name} in floating point, {plan.epochs} epochs")
    model = FloatNetwork(network, CONVOLUTIONS[network.method]).to(images.labels.device)
    fit(model, images, Stage(plan.epochs, PEAK), lambda loss, done: loss, steps, journal)
    return model.eval()


def write(model: FloatNetwork, path: Path):
    """Write ``model`` to ``path``, whole or not at all: its parameters by the names that torch has for
    them, and the name of its network.

    Raises
    ------
    FileError
        If ``path`` cannot be written.
    """
    with replacing(path) as file:
        np.savez_compressed(file, network=np.array(model.network.name), **{
            name: value.cpu().numpy() for name, value in model.state_dict().items()})


def read(network: Network, path: Path, named: str | None = None) -> FloatNetwork:
    """Return ``network``, which :func:`network_of` made, in evaluation mode with the parameters of
    ``path``. ``named`` is what a user has called it, unless that is its own name.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or of another network.
    """
    again = (f"make it again with: python -m golden.train {named or base_of(network)} "
             f"--method {network.method} --data DIR --out {path}")
    model = FloatNetwork(network, CONVOLUTIONS[network.method])
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            arrays = dict(archive)
        found = str(arrays.pop("network"))
        if found != network.name:
            raise CheckpointError(f"Checkpoint {path} is of network {found!r}, not {network.name!r}; "
                                  f"{again}")
        model.load_state_dict({name: torch.tensor(value) for name, value in arrays.items()})
    except FileNotFoundError:
        raise CheckpointError(f"Checkpoint {path} does not exist; {again}") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile,
            zlib.error) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(f"Checkpoint {path} is damaged ({reason[0]}); {again}") from None
    return model.eval()
