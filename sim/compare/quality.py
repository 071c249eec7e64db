"""What a design's answers are worth: accuracy, calibration, and detection of what it has not learnt."""

from pathlib import Path

import numpy as np

from golden import metrics
from golden.data import DataError
from golden.evaluate import NOISE, OUTSIDE
from golden.head import Prediction


__all__ = ["OUTSIDE_SETS", "load_outside", "quality"]


#: Sets that are out of distribution for MNIST, by name.
OUTSIDE_SETS = (*OUTSIDE, *NOISE)


def load_outside(names, images: np.ndarray, folder: Path | None) -> dict[str, np.ndarray | str]:
    """Return as many images of each set of ``names`` as there are ``images``, which noise is added to.

    Where ``names`` has ``"all"``, a set that is not in the data ``folder`` is a text: why it is not.

    Raises
    ------
    DataError
        If the data of a set that is named is missing or damaged.
    """
    sets = {}
    for name in OUTSIDE_SETS if "all" in names else dict.fromkeys(names):
        if name in NOISE:
            sets[name] = NOISE[name](images)
            continue
        try:
            sets[name] = OUTSIDE[name](folder)[0][:len(images)]
        except DataError as error:
            if name in names:
                raise
            sets[name] = str(error)
    return sets


def quality(inside: Prediction, labels: np.ndarray | None,
            outside: dict[str, Prediction | str]) -> dict:
    """Return every figure of the predictions of images with ``labels`` (N,), or those of uncertainty alone
    without, and of other sets.

    The names are those of torch-uncertainty (:mod:`golden.metrics`); the score that tells sets apart is
    the entropy of the predictive mean. ``quantile/flagged`` is the share that the design has rejected.
    """
    entropy = metrics.predictive_entropy(inside.mean)
    return {
        **({} if labels is None else {
            "accuracy": float((inside.prediction == labels).mean()),
            **metrics.classification(inside.mean, labels),
        }),
        "entropy_nats": float(entropy.mean()),
        "quantile/flagged": float(inside.reject.mean()),
        "outside": {name: {"status": "not_run", "reason": own} if isinstance(own, str) else {
            "status": "run",
            "images": len(own.prediction),
            **metrics.detection(entropy, metrics.predictive_entropy(own.mean)),
            "quantile/flagged": float(own.reject.mean()),
        } for name, own in outside.items()},
    }
