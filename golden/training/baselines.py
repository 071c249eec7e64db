"""MC-Dropout and MC-DropConnect: trained and measured in floating point, to compare with. No checkpoint of
them is written, as nothing of them is built."""

import torch

from gen.ir import Network
from gen.progress import Progress
from golden.methods.float_network import FloatNetwork
from golden.methods.mc_dropconnect import DropConnectConvolution
from golden.methods.mc_dropout import DropoutConvolution
from golden.training.fit import Images, Stage, fit


__all__ = ["BASELINES", "train_baseline"]


PEAK = 3e-3 #: Largest learning rate.

#: The layers by the method.
BASELINES = {"mc-dropout": DropoutConvolution, "mc-dropconnect": DropConnectConvolution}


def train_baseline(method: str, network: Network, images: Images, epochs: int, seed: int,
                   steps: Progress) -> FloatNetwork:
    """Return ``network`` with float weights, trained by ``method``, in one step.

    :func:`golden.training.measure.measure` measures it; its passes draw from torch's random numbers.
    """
    steps.step(f"train {network.name} by {method}, {epochs} epochs")
    torch.manual_seed(seed)
    model = FloatNetwork(network, BASELINES[method]).to(images.labels.device)
    fit(model, images, Stage(epochs, PEAK), lambda loss, done: loss, steps)
    return model.eval()
