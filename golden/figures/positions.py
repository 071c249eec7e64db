"""Pictures with an answer for each position: what they are of, what is predicted, and its uncertainty."""

import numpy as np

from golden import metrics
from golden.figures.figure import Figure, Panel, Series


__all__ = ["SHARES", "positions_figure"]


#: Pictures that are drawn: that with the lowest mean entropy, and those with more than so many of all.
SHARES = (0, 0.9, 1)


def positions_figure(title: str, pictures: np.ndarray, probabilities: np.ndarray,
                     labels: np.ndarray) -> Figure:
    """Return some of uint8 ``pictures`` (N, H, W), or (N, H, W, colours), by the mean of their predictive
    entropy (:data:`SHARES`).

    Beside each stand its ``labels`` (N, H', W'), the class of the largest of its mean ``probabilities`` (N,
    H', W', K), and their entropy in nats. Of colours the mean is drawn.
    """
    entropy = metrics.predictive_entropy(probabilities) + 0.0 # not -0
    uncertain = entropy.mean((1, 2))
    places = (np.array(SHARES) * (len(pictures) - 1)).astype(int)
    most   = probabilities.shape[-1] - 1
    panels = []
    for number in np.argsort(uncertain, kind="stable")[places]:
        picture = pictures[number] if pictures.ndim == 3 else pictures[number].mean(-1)
        classes = probabilities[number].argmax(-1)
        right   = (classes == labels[number]).mean()
        panels += [
            _map(f"picture {number}", picture, 255),
            _map("label", labels[number], most),
            _map(f"class, {100 * right:.1f} % right", classes, most),
            _map(f"entropy, mean {uncertain[number]:.3f} nats", entropy[number], np.log(most + 1)),
        ]
    return Figure(title, panels, across=4)


def _map(name, values, most):
    return Panel("column", name, [Series(f"row {row}", range(len(line)), line)
                                  for row, line in enumerate(values)], shades=float(most))
