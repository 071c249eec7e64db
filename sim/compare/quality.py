"""What the answers of a design are worth: accuracy, calibration, and detection of images that are out of
distribution (OOD)."""

from pathlib import Path

import numpy as np

from golden import metrics
from golden.data import DataError
from golden.evaluate import NOISE
from golden.evaluate import OUTSIDE as OOD
from golden.head import Prediction


__all__ = ["OOD_SETS", "load_ood", "quality"]


#: Sets that are out of distribution for MNIST, by name.
OOD_SETS = (*OOD, *NOISE)


def load_ood(names, images: np.ndarray, folder: Path | None) -> dict[str, np.ndarray | str]:
    """Return as many images of each set of ``names`` as there are ``images``, which noise is added to.

    Where ``names`` has ``"all"``, a set that is not in the data ``folder`` is a text: why it is not.

    Raises
    ------
    DataError
        If the data of a set that is named is missing or damaged.
    """
    sets = {}
    for name in OOD_SETS if "all" in names else dict.fromkeys(names):
        if name in NOISE:
            sets[name] = NOISE[name](images)
            continue
        try:
            sets[name] = OOD[name](folder)[0][:len(images)]
        except DataError as error:
            if name in names:
                raise
            sets[name] = str(error)
    return sets


def quality(in_distribution: Prediction, labels: np.ndarray | None,
            ood: dict[str, Prediction | str]) -> dict:
    """Return every figure of the predictions for images with ``labels`` (N,), or those of uncertainty alone
    without labels, and for each set that is out of distribution, or why it was not run.

    The names are those of torch-uncertainty (:mod:`golden.metrics`); the score that tells OOD sets from the
    images is the entropy of the predictive mean. ``quantile/rejected`` is the share of rejected answers.
    """
    entropy, report = metrics.predictive_entropy(in_distribution.mean), {}
    if labels is not None:
        report["accuracy"] = float((in_distribution.prediction == labels).mean())
        report |= metrics.classification(in_distribution.mean, labels)
    report["entropy_nats"]      = float(entropy.mean())
    report["quantile/rejected"] = float(in_distribution.reject.mean())
    report["ood"] = {name: _detection(entropy, prediction) for name, prediction in ood.items()}
    return report


def _detection(entropy, prediction):
    if isinstance(prediction, str):
        return {"status": "not_run", "reason": prediction}
    return {
        "status": "run",
        "images": len(prediction.prediction),
        **metrics.detection(entropy, metrics.predictive_entropy(prediction.mean)),
        "quantile/rejected": float(prediction.reject.mean()),
    }
