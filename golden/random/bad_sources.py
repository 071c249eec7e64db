"""Models of bad sources of random bits: biased, correlated, stuck, or periodic."""

from dataclasses import dataclass

import numpy as np

from gen.ir import Generator


__all__ = ["Played", "Source", "kept"]


@dataclass(frozen=True, slots=True)
class Source:
    """A source of the bits of a :class:`gen.ir.Generator`, in its order; good unless a fault is given.

    A bit is 1 if a number, drawn uniformly from 0 to 1, is below the probability of a 1.
    """

    bias: float = 0.0          #: Added to the probability of a 1, the same for all bits.
    correlation: float = 0.0   #: Probability that a bit repeats the number of the bit ``distance`` before;
                               #: if negative, that it takes 1 less that number. For bits that are 1 with
                               #: probability 0.5 it is the correlation coefficient.
    distance: int = 1          #: 1: the bit before. The bits of a pass: the same bit in the pass before.
    stuck: int | None = None   #: Value of the bits that are stuck, if any.
    places: tuple[int, ...] | None = None #: Bits of a pass that are stuck; all if None.
    period: int | None = None  #: Bits after which the stream repeats, if it does.

    def __post_init__(self):
        if not -1 <= self.correlation <= 1:
            raise ValueError(f"Correlation must be from -1 to 1, not {self.correlation!r}")
        if self.distance < 1:
            raise ValueError(f"Distance must be at least 1, not {self.distance!r}")
        if self.stuck not in (None, 0, 1):
            raise ValueError(f"Stuck must be 0 or 1, not {self.stuck!r}")

    def draw(self, generator: Generator, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return the first ``count`` bits, in the order of ``generator``, bool (count,)."""
        number = rng.random(count)
        if self.correlation:
            number = self._correlate(number, rng)
        bits = number < np.resize(kept(generator) + self.bias, count)
        if self.stuck is not None:
            stuck = self.places is None or np.resize(
                np.isin(np.arange(len(generator.drop)), self.places), count)
            bits = np.where(stuck, bool(self.stuck), bits)
        return bits if self.period is None else np.resize(bits[:self.period], count)

    def _correlate(self, number, rng):
        """Replace each number but fresh ones by the last fresh number a multiple of ``distance`` before."""
        rows = -(-len(number) // self.distance)
        columns = np.resize(number, (rows, self.distance)) # `distance` before: same column, row above
        fresh = rng.random(columns.shape) >= abs(self.correlation)
        row = np.arange(rows)[:, None]
        source = np.maximum.accumulate(np.where(fresh, row, 0), axis=0)
        columns = np.take_along_axis(columns, source, 0)
        if self.correlation < 0:
            columns = np.where(row - source & 1, 1 - columns, columns)
        return columns.ravel()[:len(number)]


class Played:
    """Plays keep bits from a list, again and again, in place of :class:`golden.device.junction.Mtj`."""

    def __init__(self, bits):
        self.bits = [bool(bit) for bit in bits]
        self.next = 0
        self.switched = False

    def set(self, code: int, pulse_ns: float) -> bool:
        """Take the next bit; a switched junction is a keep bit of 0."""
        self.switched = not self.bits[self.next]
        self.next = (self.next + 1) % len(self.bits)
        return self.switched

    def reset(self, code: int, pulse_ns: float) -> bool:
        """Apply a RESET pulse."""
        self.switched = False
        return self.switched


def kept(generator: Generator) -> np.ndarray:
    """Return the probability of a 1 for each bit of a pass, float64 (bits of a pass,)."""
    return 1 - np.array(generator.drop) / 65536
