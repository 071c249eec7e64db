"""Scores of predictions: class probabilities, two measures of uncertainty, and the reject rule.

Entropy and mutual information are the scores that out-of-distribution detection ranks images by.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from types import ModuleType

import numpy as np

from gen.ir import Network
from gen.methods import method_for
from golden import metrics
from golden import network as reference
from golden.answers import Answers, answer_passes
from golden.head import softmax
from golden.network import path_probabilities


__all__ = ["Scores", "error_between", "error_of_mean", "join_scores", "over_combinations", "over_passes",
           "report", "scores_of", "single_pass"]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of the predictions of N images; of positions (N, H, W) stands in place of (N,)."""

    mean: np.ndarray        #: float64 (N, K), predictive mean.
    variance: np.ndarray    #: float64 (N,), of the probabilities over the passes, added up over classes.
    entropy: np.ndarray     #: float64 (N,), of the mean, in nats.
    information: np.ndarray #: float64 (N,), mutual information, in nats.
    rejected: np.ndarray    #: bool (N,), out of distribution by the rule of the head
                            #: (Scale-Dropout, eq. 26; SpinBayes, 4.1).


def scores_of(answers: Answers) -> Scores:
    """Return the scores of ``answers``."""
    prediction = answers.prediction
    return Scores(prediction.mean, prediction.variance.sum(-1),
                  metrics.predictive_entropy(prediction.mean), answers.information, prediction.reject)


def single_pass(network: Network) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the name of the pass that the mean of several is compared with, and what makes its random
    bits, bool (N, 1, W), of theirs (N, T, W): ``all_kept`` where the method drops something, else
    ``one_pass``, the first."""
    if method_for(network).keeps and network.drops:
        return "all_kept", lambda bits: np.ones_like(bits[:, :1])
    return "one_pass", lambda bits: bits[:, :1]


def over_passes(network: Network, images: np.ndarray, bits: np.ndarray, *,
                golden: ModuleType = reference) -> Scores:
    """Score uint8 ``images`` (N, H, W) by the passes with the random bits ``bits``, bool (N, T, W), by the
    implementation ``golden`` (:func:`golden.answers.answer_passes`)."""
    return scores_of(answer_passes(network, images, bits, golden=golden))


def over_combinations(network: Network, images: np.ndarray, *, golden: ModuleType = reference) -> Scores:
    """Score uint8 ``images`` (N, H, W) by all combinations of random bits, each weighted by its
    probability, by the implementation ``golden``.

    Raises as :func:`golden.network.combinations`.
    """
    share, parts = path_probabilities(network), []
    for part in golden.batches(network, len(images), len(share)):
        probabilities = softmax(golden.paths(network, images[part]), network.head)
        mean = _weighted(share, probabilities / 65536)
        variance = _weighted(share, (probabilities / 65536 - mean[:, None])**2)
        entropy = metrics.predictive_entropy(mean)
        information = entropy - _weighted(share, metrics.predictive_entropy(probabilities / 65536))
        confident = _weighted(share, probabilities >= network.head.confidence)
        parts.append(Scores(mean, variance.sum(-1), entropy, information,
                            confident.max(-1) < network.head.agreement / 100))
    return join_scores(parts)


def _weighted(share, values):
    """The mean of ``values`` (N, C, ...) of combinations, each weighted by its ``share`` (C,)."""
    return np.einsum("c,nc...->n...", share, values)


def join_scores(parts: Sequence[Scores]) -> Scores:
    """Return the scores of the images of all ``parts`` as one."""
    return Scores(*(np.concatenate([getattr(part, field.name) for part in parts])
                    for field in fields(Scores)))


def error_of_mean(passes: Scores, exact: Scores) -> dict:
    """Return how far the means of ``passes`` are from those of all combinations, ``exact``, of the same
    images.

    ``rms_error`` is the root mean square of the errors of all probabilities. ``effective_passes``, T_eff,
    is the number of passes with random bits of their own whose means would have that error: the variance
    of one pass divided by the mean square of the errors. It is None where there is no error beyond that
    of floats.
    """
    return _error(((passes.mean - exact.mean)**2).mean(), exact.variance.mean() / exact.mean.shape[-1])


def error_between(one: Scores, other: Scores) -> dict:
    """Return the same, where no exact mean is known, of the means of two independent sets of T passes of
    the same images. Their difference has twice the variance of one, and what the passes of a set vary falls
    short of the variance of a pass by that of their mean."""
    square = ((one.mean - other.mean)**2).mean() / 2
    within = (one.variance.mean() + other.variance.mean()) / 2 / one.mean.shape[-1]
    return _error(square, within + square)


def _error(square, variance):
    return {"rms_error": float(np.sqrt(square)),
            "effective_passes": None if square < 1e-24 else float(variance / square)}


def report(in_distribution: Scores, labels: np.ndarray | None, ood: dict[str, Scores | str]) -> dict:
    """Return every figure of one kind of prediction, by name.

    Parameters
    ----------
    in_distribution : Scores
        Of N images of the distribution that the network was trained on.
    labels : int array (N,) or (N, H, W) or None
        Their classes. Without them there are figures of uncertainty alone.
    ood : dict of name to Scores or str
        The scores of each out-of-distribution set, or the reason why there are none.
    """
    figures = {} if labels is None else metrics.classification(in_distribution.mean, labels)
    figures |= {
        "entropy_nats": float(in_distribution.entropy.mean()),
        "mutual_information_nats": float(in_distribution.information.mean()),
        "quantile/rejected": float(in_distribution.rejected.mean()),
    }
    for name, scores in ood.items():
        if isinstance(scores, str):
            figures[name] = {"status": "not_run", "reason": scores}
        else:
            figures[name] = {
                "status": "run",
                "entropy": metrics.detection(in_distribution.entropy, scores.entropy),
                "mutual_information": metrics.detection(in_distribution.information, scores.information),
                "quantile/rejected": float(scores.rejected.mean()),
            }
    return figures
