"""Accuracy, calibration and out-of-distribution detection, as torch-uncertainty names them.

Probabilities are arrays ``(N, K)`` of K classes, averaged over passes, or ``(N, T, K)`` of single
passes. Where each position of an image has an answer, its height and width come before K. Rates are
fractions from 0 to 1, entropies and the likelihood are in nats.
"""

import numpy as np


__all__ = [
    "LEAST", "accuracy", "approximate_mutual_information", "area_under_precision_recall",
    "area_under_roc", "brier", "calibration_error", "classification", "detection", "false_positive_rate",
    "intersection_over_union", "mutual_information", "negative_log_likelihood", "predictive_entropy",
    "regression",
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
    closed above (Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3); the weight of a
    bin is its share of the images.
    """
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(index, confidence - right, bins)
    return float(np.abs(gap).sum() / len(labels))


def regression(numbers: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return the errors of ``numbers`` for ``targets``, of any shape alike, by the names of
    torch-uncertainty: the root of the mean squared one, and the mean absolute one."""
    wrong = numbers.astype(np.float64) - targets
    return {"test/reg/RMSE": float(np.sqrt((wrong**2).mean())), "test/reg/MAE": float(abs(wrong).mean())}


def classification(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return accuracy, losses and calibration of averaged probabilities ``(N, K)`` and labels ``(N,)``, by
    name. Of positions, ``(N, H, W, K)`` and ``(N, H, W)``, each counts by itself, and the mean intersection
    over union is there, too."""
    positions = labels.ndim > 1
    probabilities, labels = probabilities.reshape(-1, probabilities.shape[-1]), labels.ravel()
    return {
        "test/cls/Acc": accuracy(probabilities, labels),
        "test/cls/NLL": negative_log_likelihood(probabilities, labels),
        "test/cls/Brier": brier(probabilities, labels),
        "test/cal/ECE": calibration_error(probabilities, labels),
        **({"test/seg/mIoU": intersection_over_union(probabilities, labels)} if positions else {}),
    }


def intersection_over_union(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over classes of the positions ``(N, K)`` that are of a class by both their largest
    entry and ``labels`` ``(N,)``, as a share of those that are by either. A class that is in neither does
    not count."""
    said, classes = probabilities.argmax(1), np.arange(probabilities.shape[1])[:, None]
    both, either = (said == classes) & (labels == classes), (said == classes) | (labels == classes)
    found = either.any(1)
    return float((both.sum(1)[found] / either.sum(1)[found]).mean())


def predictive_entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy along the last axis in nats: ``(N,)`` of averaged ``(N, K)``.

    It grows with all uncertainty, from 0 to ``log(K)``.
    """
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1))
    return -(probabilities * logarithms).sum(-1)


def mutual_information(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy of the mean less the mean entropy of passes ``(N, T, K)``: ``(N,)``, nats.

    It grows with how far the passes disagree, from 0 to ``log(K)``.
    """
    return _clean(predictive_entropy(probabilities.mean(1)) - predictive_entropy(probabilities).mean(1))


def approximate_mutual_information(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the mutual information to second order, ``(N,)`` in nats, of the ``mean`` and the ``variance``
    of the passes, ``(N, K)``, as where the single passes are not known.

    It is half of the sum of variance / mean over the classes, by the Taylor series of the entropy at the
    mean, so it is near :func:`mutual_information` where the passes are near to each other. Where they are
    certain of two classes it is 0.5, and the exact one 0.69 if half of them name each, and 0.20 if one of
    20 names the other.
    """
    return (variance / np.where(mean > 0, mean, 1)).sum(-1) / 2


def _clean(values):
    """Round to 12 digits: passes that agree have an information of 0, not of some 1e-16 of either sign, by
    which images would be ranked. Adding 0 turns -0.0 into 0.0."""
    return np.round(values, 12) + 0.0


def area_under_roc(in_distribution: np.ndarray, ood: np.ndarray) -> float:
    """Return the probability that an out-of-distribution input scores higher than an in-distribution one.

    Scores ``(N,)`` and ``(M,)`` are higher for inputs that look out of distribution; a tie counts half.
    """
    ordered = np.sort(in_distribution)
    below = np.searchsorted(ordered, ood, "left")
    up_to = np.searchsorted(ordered, ood, "right")
    return float((below + up_to).mean() / (2 * len(in_distribution)))


def area_under_precision_recall(in_distribution: np.ndarray, ood: np.ndarray) -> float:
    """Return the average precision of detecting out-of-distribution inputs; scores as for the ROC.

    It is the sum of ``precision * (gain in recall)`` over all thresholds, without interpolation.
    """
    alarms, found = _reaching(in_distribution, ood)
    gained = np.diff(found, prepend=0) / len(ood)
    return float((gained * found / (alarms + found)).sum())


def false_positive_rate(in_distribution: np.ndarray, ood: np.ndarray, recall: float = 0.95) -> float:
    """Return the share of in-distribution inputs that are detected when ``recall`` of the
    out-of-distribution ones are.

    The threshold is the highest that detects at least ``recall`` of the out-of-distribution inputs.
    """
    alarms, found = _reaching(in_distribution, ood)
    return float(alarms[np.argmax(found >= recall * len(ood))] / len(in_distribution))


def _reaching(in_distribution, ood):
    """Return, for every score as threshold from the highest down, how many scores of each of both sets
    reach it."""
    thresholds = np.unique(np.concatenate((in_distribution, ood)))[::-1]
    return tuple(len(scores) - np.searchsorted(np.sort(scores), thresholds, "left")
                 for scores in (in_distribution, ood))


def detection(in_distribution: np.ndarray, ood: np.ndarray) -> dict[str, float]:
    """Return how well scores ``(M,)`` of ``ood`` inputs and ``(N,)`` of ``in_distribution`` ones tell them
    apart, by name.

    Scores, such as the predictive entropy, are higher for inputs that look out of distribution. The score
    of an image that has one for each position, ``(N, H, W)``, is their mean.
    """
    in_distribution, ood = (scores.reshape(len(scores), -1).mean(1) for scores in (in_distribution, ood))
    return {
        "ood/AUROC": area_under_roc(in_distribution, ood),
        "ood/AUPR": area_under_precision_recall(in_distribution, ood),
        "ood/FPR95": false_positive_rate(in_distribution, ood),
    }
