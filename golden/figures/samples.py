"""Images with what is predicted of them, from the most certain to the least."""

import numpy as np

from golden import metrics
from golden.figures.figure import Figure, Panel, Series


__all__ = ["SHARES", "samples_figure"]


#: Images that are drawn: that with the lowest entropy, and those with more than so many of all.
SHARES = (0, 0.9, 0.97, 1)


def samples_figure(title: str, images: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> Figure:
    """Return some of uint8 ``images`` (N, H, W) by their predictive entropy (:data:`SHARES`), each with the
    mean class probabilities of ``probabilities`` (N, T, K) and the range of 95 % of its passes."""
    entropy = metrics.predictive_entropy(probabilities.mean(1)) + 0.0 # not -0
    places  = (np.array(SHARES) * (len(images) - 1)).astype(int)
    chosen  = np.argsort(entropy, kind="stable")[places]
    panels  = []
    for number in chosen:
        low, high = np.quantile(probabilities[number], (0.025, 0.975), axis=0)
        panels.append(Panel(
            f"class; image {number} is of {labels[number]}, entropy {entropy[number]:.2f} nats",
            "mean probability, 95 % of passes", [Series(
                "", range(probabilities.shape[2]), probabilities[number].mean(0), low, high, kind="bars")],
            image=images[number]))
    return Figure(title, panels)
