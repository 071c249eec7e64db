"""Temperature scaling: one factor on all logits, fitted on images that no training saw.

Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2, there ``1 / T``.
"""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from gen.progress import Progress
from golden import metrics
from golden.training.measure import logits_of_passes


__all__ = ["LIMITS", "fit_factor", "multiply_logits", "set_temperature"]


LIMITS = (0.25, 4.0) #: No factor leaves this range.


def fit_factor(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the factor on ``logits`` ``(N, T, classes)`` for which the mean probabilities of the T passes
    have the smallest negative log likelihood of ``labels`` ``(N,)``; 1 where there are no images. Logits
    and labels of positions have their height and width behind N, T and N."""
    if not len(labels):
        return 1.0

    def likelihood(logarithm):
        probabilities = torch.tensor(logits * np.exp(logarithm)).softmax(-1).mean(1).numpy()
        return metrics.negative_log_likelihood(probabilities.reshape(-1, probabilities.shape[-1]),
                                               labels.ravel())

    found = minimize_scalar(likelihood, bounds=np.log(LIMITS), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))


@torch.no_grad()
def multiply_logits(model: nn.Module, factor: float):
    """Multiply gamma and beta of the last layer of ``model``, which multiplies all logits."""
    for module in model.layers[-1].modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.mul_(factor)
            module.bias.mul_(factor)


def set_temperature(model: nn.Module, images: Tensor, labels: Tensor, passes: int,
                    steps: Progress) -> float:
    """Fit the factor of ``model`` on held-back ``images``, in one step, multiply its logits by it, and
    return it; 1 for a regression, which has none."""
    if labels.is_floating_point():
        return 1.0
    steps.step(f"fit a temperature on {len(labels)} images held back")
    factor = fit_factor(logits_of_passes(model.eval(), images, passes, 0, steps), labels.cpu().numpy())
    multiply_logits(model, factor)
    steps.say(f"logits times {factor:.3f}")
    return factor
