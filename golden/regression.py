"""How good a compiled regression is: the errors of its numbers, and how far passes disagree."""

from collections.abc import Callable

import numpy as np

from gen.ir import Network
from gen.methods import method_for
from gen.progress import Progress
from golden import metrics, tables
from golden.answers import Answers, answer_passes, join_answers
from golden.random.generator import choices


__all__ = ["judge_numbers"]


def judge_numbers(network: Network, images: np.ndarray, targets: np.ndarray | None, passes: int,
                  steps: Progress) -> tuple[dict[str, dict[str, float]], Answers]:
    """Return figures of uint8 ``images`` (N, H, W), and the answers of ``passes`` passes.

    Figures are of these, ``passes``, and of a single one, with all kept where the method drops something:
    the errors for ``targets`` float (N, K) where these are known (:func:`golden.metrics.regression`), and
    ``deviation``, the mean standard deviation of the passes.
    """
    keeps = method_for(network).keeps and network.drops
    single: tuple[str, Callable] = (("all_kept", lambda bits: np.ones_like(bits[:, :1])) if keeps else
                                    ("one_pass", lambda bits: bits[:, :1]))
    parts = {"passes": [], single[0]: []}
    for batch in steps.bar(list(tables.batches(network, len(images), passes))):
        bits = choices(network.generator, batch.stop - batch.start, passes, batch.start)
        for name, taken in ("passes", bits), (single[0], single[1](bits)):
            parts[name].append(answer_passes(network, images[batch], taken, golden=tables))
    answers = {name: join_answers(of_name) for name, of_name in parts.items()}
    return {name: _figures(found.prediction, targets) for name, found in answers.items()}, answers["passes"]


def _figures(prediction, targets):
    errors = {} if targets is None else metrics.regression(prediction.mean, targets)
    return errors | {"deviation": float(np.sqrt(prediction.variance).mean())}
