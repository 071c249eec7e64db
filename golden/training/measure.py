"""How good a trained network is: the metrics of random passes, in floating point."""

import numpy as np
import torch
from torch import Tensor, nn

from gen.ir import Network
from gen.methods import METHODS
from gen.progress import Progress
from golden import metrics
from golden.methods import BASELINES


__all__ = ["logits_of_passes", "measure", "measure_numbers", "passes_of", "probabilities_of"]


def passes_of(network: Network) -> int:
    """Return how many passes ``network`` is measured with: as many as the paper of its method has; where
    nothing is random, one of each choice."""
    if network.method in BASELINES:
        return BASELINES[network.method]
    method = METHODS[network.method]
    if method.choice is None:
        return 1
    return len(network.layers[0].choices[0].table) if method.in_turn else method.passes


@torch.no_grad()
def logits_of_passes(model: nn.Module, images: Tensor, passes: int, seed: int,
                     steps: Progress) -> np.ndarray:
    """Return the logits ``(N, passes, classes)``, or those of positions, of uint8 ``images``
    ``(N, H, W)``; choices are drawn anew for each image."""
    choice = model.draw(np.random.default_rng(seed), len(images), passes)
    choice = torch.tensor(choice, device=images.device)
    parts = [model.passes(chunk, drawn).cpu().numpy()
             for chunk, drawn in steps.bar(list(zip(images.split(500), choice.split(500), strict=True)))]
    return np.concatenate(parts)


def probabilities_of(model: nn.Module, images: np.ndarray, passes: int, seed: int,
                     steps: Progress) -> np.ndarray:
    """Return the class probabilities, float64 ``(N, passes, classes)``, of uint8 ``images`` ``(N, H, W)``;
    torch's random numbers start from ``seed``, too."""
    torch.manual_seed(seed)
    logits = logits_of_passes(model.eval(), torch.tensor(images), passes, seed, steps)
    return torch.tensor(logits).double().softmax(-1).numpy()


def measure(model: nn.Module, images: Tensor, labels: np.ndarray, passes: int, seed: int,
            steps: Progress) -> dict[str, dict[str, float]]:
    """Return the metrics of one pass and, if it is more, of ``passes`` of them.

    Keys are ``"T = 1"`` and ``"T = <passes>"``; values are as of
    :func:`golden.metrics.classification`.
    """
    logits = logits_of_passes(model.eval(), images, passes, seed, steps)
    probabilities = torch.tensor(logits).softmax(-1).numpy()
    return {f"T = {count}": metrics.classification(probabilities[:, :count].mean(1), labels)
            for count in sorted({1, passes})}


def measure_numbers(model: nn.Module, images: Tensor, targets: np.ndarray, passes: int, seed: int,
                    steps: Progress) -> dict[str, dict[str, float]]:
    """Return the errors of a regression for ``targets``; otherwise as :func:`measure`. Values are as of
    :func:`golden.metrics.regression`."""
    numbers = logits_of_passes(model.eval(), images, passes, seed, steps)
    return {f"T = {count}": metrics.regression(numbers[:, :count].mean(1), targets)
            for count in sorted({1, passes})}
