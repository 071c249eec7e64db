"""How far probabilities can be believed: a reliability diagram, and the entropy of images in and out of
distribution."""

import numpy as np

from golden import metrics
from golden.figures.figure import Figure, Panel, Series


__all__ = ["calibration_figure", "reliability"]


#: Bins of the diagram, as of the calibration error, and of the histograms.
BINS = 15


def reliability(mean: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return confidence, accuracy, and share of the images of the bins of equal width that any image is
    in, each open below (Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 2)."""
    confidence = mean.max(1)
    right = mean.argmax(1) == labels
    index = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(index, minlength=BINS)
    there = count > 0
    sums  = (np.bincount(index, values, BINS)[there] for values in (confidence, right))
    return *(values / count[there] for values in sums), count[there] / len(labels)


def calibration_figure(title: str, mean: np.ndarray, labels: np.ndarray,
                       ood: dict[str, np.ndarray]) -> Figure:
    """Return accuracy against confidence of ``mean`` (N, K), how many images are of which confidence, and
    histograms of the predictive entropy of these and of the means ``ood`` of other sets, by name."""
    confidence, accuracy, share = reliability(mean, labels)
    most  = np.log(mean.shape[1])
    edges = np.linspace(0, most, BINS + 1)

    def histogram(name, values):
        entropy = metrics.predictive_entropy(values).clip(0, most)
        return Series(name, (edges[1:] + edges[:-1]) / 2, np.histogram(entropy, edges)[0] / len(entropy),
                      kind="steps")

    error = metrics.calibration_error(mean, labels, BINS)
    return Figure(title, [
        Panel("confidence", "accuracy", [
            Series(f"ECE {100 * error:.2f} %", confidence, accuracy),
            Series("calibrated", [0, 1], [0, 1])]),
        Panel("confidence", "share of images", [Series("", confidence, share, kind="points")], log_y=True),
        Panel("predictive entropy, nats", "share of images", [
            histogram("test images", mean), *(histogram(name, each) for name, each in ood.items())]),
    ])
