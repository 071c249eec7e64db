"""Golden model of the head: softmax by powers of two, and the averaging block. All integers."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from gen.ir import Head


__all__ = ["Prediction", "average", "join", "softmax"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the averaging block has counted over the T passes of each of N images.

    Divided by ``passes * 65536``, the sums are the predictive mean; with ``squares``, the sums of
    the squared probabilities in Q0.32, they give the variance (Scale-Dropout, eq. 18 and 21).
    """

    passes: int | np.ndarray #: T, or that of each image, int64 (N,).
    sums: np.ndarray       #: int64 (N, K), of the probabilities in Q0.16.
    squares: np.ndarray    #: int64 (N, K).
    votes: np.ndarray      #: int64 (N, K), passes whose largest class it was.
    confident: np.ndarray  #: int64 (N, K), passes in which it reached ``Head.confidence``.
    prediction: np.ndarray #: int64 (N,), the class of the largest sum.
    reject: np.ndarray     #: bool (N,), out of distribution by the quantile test (eq. 26;
                           #: SpinBayes, 4.1).

    @property
    def mean(self) -> np.ndarray:
        """Predictive mean (Scale-Dropout, eq. 18), float64 (N, K)."""
        return self.sums / (65536 * np.reshape(self.passes, (-1, 1)))

    @property
    def variance(self) -> np.ndarray:
        """Variance over the passes (Scale-Dropout, eq. 21), float64 (N, K)."""
        # Where all passes agree, both terms are exact and the same; elsewhere rounding may go below 0.
        mean_square = self.squares / (2.0**32 * np.reshape(self.passes, (-1, 1)))
        return np.maximum(mean_square - self.mean**2, 0)


def softmax(logits: np.ndarray, head: Head) -> np.ndarray:
    """Return the probabilities of integer ``logits`` of shape (..., K), uint32 in Q0.16.

    They add up to less than 65536. With ten classes or fewer and the bits of :class:`gen.ir.Head`,
    none differs from a float softmax of the same logits by more than ``2 ** -11``; most of that
    comes from rounding the exponent to ``2 ** -8``.
    """
    logits = np.asarray(logits, dtype=np.int64)
    below = logits.max(-1, keepdims=True) - logits
    dropped = head.fraction - head.table_bits
    exponent = below + (1 << dropped >> 1) >> dropped
    table = np.round(2.0 ** (16 - np.arange(1 << head.table_bits) / (1 << head.table_bits)))
    power = table.astype(np.int64)[exponent & (1 << head.table_bits) - 1]
    power >>= np.minimum(exponent >> head.table_bits, 17)
    reciprocal = (2**34 - 1) // power.sum(-1, keepdims=True)
    return (power * reciprocal >> 18).astype(np.uint32)


def average(probabilities: np.ndarray, head: Head) -> Prediction:
    """Count the ``probabilities`` (N, T, K) of T passes, in Q0.16 as :func:`softmax` returns them.

    Of equal probabilities or sums the class of the lowest index is the largest. An image is rejected
    unless some class is confident in at least ``head.agreement`` per cent of the passes.
    """
    probabilities = np.asarray(probabilities, dtype=np.int64)
    passes, classes = probabilities.shape[1:]
    sums = probabilities.sum(1)
    confident = (probabilities >= head.confidence).sum(1)
    return Prediction(
        passes=passes,
        sums=sums,
        squares=(probabilities**2).sum(1),
        votes=(probabilities.argmax(-1)[..., None] == np.arange(classes)).sum(1),
        confident=confident,
        prediction=sums.argmax(-1),
        reject=100 * confident.max(-1) < head.agreement * passes)


def join(parts: Sequence[Prediction]) -> Prediction:
    """Return the predictions of the images of all ``parts`` as one; T must be that of every part, or an
    array in each."""
    joined = {field.name: [getattr(part, field.name) for part in parts] for field in fields(Prediction)}
    passes, *others = joined["passes"]
    if isinstance(passes, int):
        assert all(other == passes for other in others)
        return Prediction(**{name: passes if name == "passes" else np.concatenate(values)
                             for name, values in joined.items()})
    return Prediction(**{name: np.concatenate(values) for name, values in joined.items()})
