"""Quality of the predictions of a design: accuracy, calibration, out-of-distribution (OOD) detection."""

from pathlib import Path

import numpy as np

from golden import metrics
from golden.data import OOD, OOD_NOISE, DataError
from golden.head import Prediction


__all__ = ["OOD_SETS", "load_ood", "quality"]


#: Sets that are out of distribution for MNIST, by name.
OOD_SETS = (*OOD, *OOD_NOISE)


def load_ood(names, images: np.ndarray, folder: Path | None) -> dict[str, np.ndarray | str]:
    """Return as many images of each set of ``names`` as there are ``images``, which noise is added to.

    If ``names`` has ``"all"``, a set that the data ``folder`` lacks is a text, the reason, instead.

    Raises
    ------
    DataError
        If the data of a set that is named is missing or damaged.
    """
    sets = {}
    for name in OOD_SETS if "all" in names else dict.fromkeys(names):
        if name in OOD_NOISE:
            sets[name] = OOD_NOISE[name](images)
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
    """Return every figure of predictions of images with ``labels`` (N,), and of ``ood`` sets by name: their
    predictions, or the reason why there are none. Without labels there are figures of uncertainty alone.

    The names are those of torch-uncertainty (:mod:`golden.metrics`); the score that separates the sets is
    the entropy of the predictive mean. ``quantile/rejected`` is the share that the design has rejected.
    """
    entropy = metrics.predictive_entropy(in_distribution.mean)
    figures = {}
    if labels is not None:
        figures["accuracy"] = float((in_distribution.prediction == labels).mean())
        figures |= metrics.classification(in_distribution.mean, labels)
    figures |= {
        "entropy_nats": float(entropy.mean()),
        "quantile/rejected": float(in_distribution.reject.mean()),
        "ood": {},
    }
    for name, prediction in ood.items():
        if isinstance(prediction, str):
            figures["ood"][name] = {"status": "not_run", "reason": prediction}
        else:
            figures["ood"][name] = {
                "status": "run",
                "images": len(prediction.prediction),
                **metrics.detection(entropy, metrics.predictive_entropy(prediction.mean)),
                "quantile/rejected": float(prediction.reject.mean()),
            }
    return figures
