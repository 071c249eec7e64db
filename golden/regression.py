"""How good a compiled regression is: the errors of its numbers, and how far passes disagree."""

import numpy as np

from gen.ir import Network
from gen.progress import Progress
from golden import metrics, tables
from golden.answers import Answers, answer_passes, join_answers
from golden.random.generator import choices
from golden.scores import single_pass


__all__ = ["judge_numbers"]


def judge_numbers(network: Network, images: np.ndarray, targets: np.ndarray | None, passes: int,
                  steps: Progress) -> tuple[dict[str, dict[str, float]], Answers]:
    """Return figures of uint8 ``images`` (N, H, W), and the answers of ``passes`` passes.

    Figures are of these, ``passes``, and of a single one (:func:`golden.scores.single_pass`): the errors
    for ``targets`` float (N, K) where these are known (:func:`golden.metrics.regression`), and
    ``deviation``, the mean standard deviation of the passes.
    """
    name, single = single_pass(network)
    answers = {"passes": [], name: []}
    for batch in steps.bar(list(tables.batches(network, len(images), passes))):
        bits = choices(network.generator, batch.stop - batch.start, passes, batch.start)
        for parts, taken in zip(answers.values(), (bits, single(bits)), strict=True):
            parts.append(answer_passes(network, images[batch], taken, golden=tables))
    answers = {name: join_answers(parts) for name, parts in answers.items()}
    return {name: _figures(found.prediction, targets) for name, found in answers.items()}, answers["passes"]


def _figures(prediction, targets):
    errors = {} if targets is None else metrics.regression(prediction.mean, targets)
    return errors | {"deviation": float(np.sqrt(prediction.variance).mean())}
