"""Accuracy, calibration and out-of-distribution detection, as torch-uncertainty names them.

Probabilities are arrays ``(N, K)`` of K classes, averaged over passes, or ``(N, T, K)`` of single
passes. Rates are fractions from 0 to 1, entropies and the likelihood are in nats.
"""

import numpy as np


__all__ = [
    "LEAST", "accuracy", "area_under_precision_recall", "area_under_roc", "brier",
    "calibration_error", "classification", "detection", "false_positive_rate", "mutual_information",
    "negative_log_likelihood", "predictive_entropy", "quantile_test",
]


#: Least probability whose logarithm is taken: half a unit of the averaging block's Q0.16.
LEAST = 2.0 ** -17


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of rows of ``(N, K)`` whose largest entry is that of ``labels`` ``(N,)``.

    The first of equal entries counts as the largest.
    """
    return float((probabilities.argmax(1) == labels).mean())


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of ``-log p`` of the true class, in nats, for ``(N, K)`` and ``(N,)``.

    A probability below :data:`LEAST`, which fixed point may round to zero, counts as that.
    """
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, LEAST)).mean())


def brier(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over images of the squared distance to the one-hot label, from 0 to 2."""
    expected = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - expected) ** 2).sum(1).mean())


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy.

    The largest entries of ``(N, K)`` are sorted into ``bins`` of equal width, each open below and
    closed above (Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3); a bin weighs as
    much as it holds images.
    """
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(index, confidence - right, bins)
    return float(np.abs(gap).sum() / len(labels))


def classification(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return what is said of averaged probabilities ``(N, K)`` and labels ``(N,)``, by name."""
    return {
        "test/cls/Acc": accuracy(probabilities, labels),
        "test/cls/NLL": negative_log_likelihood(probabilities, labels),
        "test/cls/Brier": brier(probabilities, labels),
        "test/cal/ECE": calibration_error(probabilities, labels),
    }


def predictive_entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy along the last axis in nats: ``(N,)`` of averaged ``(N, K)``.

    It grows with all uncertainty, from 0 to ``log(K)``.
    """
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1))
    return -(probabilities * logarithms).sum(-1)


def mutual_information(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy of the mean less the mean entropy of passes ``(N, T, K)``: ``(N,)``, nats.

    It grows with how far the passes disagree, from 0 to ``log(K)``; what floats make of no difference at
    all, some 1e-16, is 0, or it would be ranked.
    """
    return np.round(predictive_entropy(probabilities.mean(1))
                    - predictive_entropy(probabilities).mean(1), 12) + 0.0


def quantile_test(probabilities: np.ndarray, confidence: float = 0.95,
                  percentile: int = 10) -> np.ndarray:
    """Return which inputs are in distribution by Scale-Dropout, eq. 26: bool ``(N,)``.

    An input is in distribution if, for some class, the ``percentile`` of the passes' probabilities
    ``(N, T, K)`` is at least ``confidence``. The percentile is not interpolated: no more than that
    share of the passes lies below it. So the test is the same as counting: at least 90 % of the
    passes give one class 0.95 or more.
    """
    passes = probabilities.shape[1]
    lowest = np.sort(probabilities, axis=1)[:, min(passes * percentile // 100, passes - 1)]
    return lowest.max(1) >= confidence


def area_under_roc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Return the probability that an input from outside scores higher than one from inside.

    Scores ``(N,)`` and ``(M,)`` are higher for what looks out of distribution; a tie counts half.
    """
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, "left")
    up_to = np.searchsorted(ordered, outside, "right")
    return float((below + up_to).mean() / (2 * len(inside)))


def area_under_precision_recall(inside: np.ndarray, outside: np.ndarray) -> float:
    """Return the average precision of finding the inputs from outside; scores as for the ROC.

    It is the sum of ``precision * (gain in recall)`` over all thresholds, without interpolation.
    """
    alarms, found = _caught(inside, outside)
    gained = np.diff(found, prepend=0) / len(outside)
    return float((gained * found / (alarms + found)).sum())


def false_positive_rate(inside: np.ndarray, outside: np.ndarray, recall: float = 0.95) -> float:
    """Return the share of inputs from inside that are flagged when ``recall`` of the others are.

    The threshold is the highest that flags at least ``recall`` of the inputs from outside.
    """
    alarms, found = _caught(inside, outside)
    return float(alarms[np.argmax(found >= recall * len(outside))] / len(inside))


def _caught(inside, outside):
    # How many of each score at or above a threshold, for every score from the highest down.
    thresholds = np.unique(np.concatenate((inside, outside)))[::-1]
    return tuple(len(scores) - np.searchsorted(np.sort(scores), thresholds, "left")
                 for scores in (inside, outside))


def detection(inside: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    """Return how well scores tell ``outside`` ``(M,)`` from ``inside`` ``(N,)``, by name.

    Scores, such as the predictive entropy, are higher for what looks out of distribution.
    """
    return {
        "ood/AUROC": area_under_roc(inside, outside),
        "ood/AUPR": area_under_precision_recall(inside, outside),
        "ood/FPR95": false_positive_rate(inside, outside),
    }
