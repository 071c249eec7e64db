"""Golden model of the head: softmax by powers of two, or numbers of a regression, and the averaging block,
all in integers."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from gen.ir import Head


__all__ = ["Prediction", "answers_of", "average", "join", "softmax"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Sums and counts of the averaging block over the T passes of each of N images.

    Arrays begin with (N,), or with (N, H, W) where each of H x W positions has an answer of its own
    (:attr:`gen.ir.Network.answered`). Divided by ``passes * 65536``, the sums are the predictive mean;
    with ``squares``, the sums of the squared probabilities in Q0.32, they give the variance (Scale-Dropout,
    eq. 18 and 21). Of a regression (:class:`gen.ir.Head`) all is of the words of its numbers, and mean and
    variance are of the numbers.
    """

    passes: int | np.ndarray #: T, or an int64 array (N,) where images differ in T.
    sums: np.ndarray       #: int64 (N, K), of the probabilities in Q0.16.
    squares: np.ndarray    #: int64 (N, K).
    votes: np.ndarray      #: int64 (N, K), passes in which the class had the largest probability.
    confident: np.ndarray  #: int64 (N, K), passes in which the class reached ``Head.confidence``.
    prediction: np.ndarray #: int64 (N,), the class of the largest sum.
    reject: np.ndarray     #: bool (N,), out of distribution by the quantile test (eq. 26;
                           #: SpinBayes, 4.1).
    unit: int = 65536      #: :attr:`gen.ir.Head.unit`.
    zero: int = 0          #: :attr:`gen.ir.Head.zero`.

    @property
    def regression(self) -> bool:
        """Whether sums are those of numbers, not of probabilities."""
        return self.zero > 0

    @property
    def mean(self) -> np.ndarray:
        """Predictive mean (Scale-Dropout, eq. 18), float64 (N, K)."""
        return (self.sums - self.zero * self._passes) / (self.unit * self._passes)

    @property
    def variance(self) -> np.ndarray:
        """Variance over the passes (Scale-Dropout, eq. 21), float64 (N, K)."""
        # Where all passes agree, both terms are exact and equal; elsewhere rounding may make it negative.
        mean_square = self.squares / (float(self.unit)**2 * self._passes)
        return np.maximum(mean_square - (self.sums / (self.unit * self._passes))**2, 0)

    @property
    def _passes(self):
        return np.reshape(self.passes, (-1,) + (1,) * (self.sums.ndim - 1))


def softmax(logits: np.ndarray, head: Head) -> np.ndarray:
    """Return the probabilities of integer ``logits`` of shape (..., K), uint32 in Q0.16.

    With the bits that the compiler gives a network, a probability differs from that of the float network by
    at most ``2 ** -11`` (:data:`gen.precision.BOUND`), whatever the number of classes. Probabilities are
    rounded down, each by one or two units at most, so their sum is below 65536.
    """
    logits = np.asarray(logits, dtype=np.int64)
    below = logits.max(-1, keepdims=True) - logits
    size = 1 << head.fraction
    table = np.round(2.0 ** (16 + head.guard - np.arange(size) / size)).astype(np.int64)
    power = table[below & size - 1] >> np.minimum(below >> head.fraction, 63)
    reciprocal = (2**34 - 1) // (power.sum(-1, keepdims=True) >> head.guard)
    return ((power >> head.guard) * reciprocal >> 18).astype(np.uint32)


def answers_of(logits: np.ndarray, head: Head) -> np.ndarray:
    """Return what passes answer by integer ``logits`` of shape (..., K), uint32: probabilities in Q0.16, as
    of :func:`softmax`, or the words of numbers of a regression."""
    if head.regression:
        return np.clip(np.asarray(logits, np.int64) + 2**15, 0, 65535).astype(np.uint32)
    return softmax(logits, head)


def average(probabilities: np.ndarray, head: Head) -> Prediction:
    """Count the ``probabilities`` (N, T, K), or (N, T, H, W, K) of positions, of T passes, in Q0.16, or the
    words, as :func:`answers_of` returns them.

    Of equal probabilities or sums the class of the lowest index is the largest. An image, or a position, is
    rejected unless some class is confident in at least ``head.agreement`` per cent of the passes.
    """
    probabilities = np.asarray(probabilities, dtype=np.int64)
    passes, *_, classes = probabilities.shape[1:]
    sums = probabilities.sum(1)
    confident = (probabilities >= head.confidence).sum(1)
    return Prediction(
        passes=passes,
        sums=sums,
        squares=(probabilities**2).sum(1),
        votes=(probabilities.argmax(-1)[..., None] == np.arange(classes)).sum(1),
        confident=confident,
        prediction=sums.argmax(-1),
        reject=100 * confident.max(-1) < head.agreement * passes,
        unit=head.unit, zero=head.zero)


def join(parts: Sequence[Prediction]) -> Prediction:
    """Return the predictions of the images of all ``parts`` as one. T must be the same in all parts, or an
    array in each."""
    values = {field.name: [getattr(part, field.name) for part in parts] for field in fields(Prediction)}
    whole  = {name: values.pop(name) for name in ("passes", "unit", "zero")}
    joined = {name: np.concatenate(arrays) for name, arrays in values.items()}
    if not isinstance(whole["passes"][0], int):
        joined["passes"] = np.concatenate(whole.pop("passes"))
    assert all(len(set(numbers)) == 1 for numbers in whole.values())
    return Prediction(**joined, **{name: numbers[0] for name, numbers in whole.items()})
