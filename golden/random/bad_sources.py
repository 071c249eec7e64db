"""Sources of random bits that are not what they should be."""

from dataclasses import dataclass

import numpy as np

from gen.ir import Generator


__all__ = ["Played", "Source", "kept"]


@dataclass(frozen=True, slots=True)
class Source:
    """A source of the bits of a :class:`gen.ir.Generator`, in its order; healthy unless told otherwise.

    A bit is 1 where a number, uniform from 0 to 1, is below the chance of a 1.
    """

    bias: float = 0.0          #: What is added to the chance of a 1, the same for all layers.
    correlation: float = 0.0   #: Chance that the number is that of the bit ``distance`` before; below
                               #: 0, that it is 1 less that number. Of fair bits it is the correlation.
    distance: int = 1          #: 1: the bit before. The bits of a pass: the same layer, a pass before.
    stuck: int | None = None   #: Bits that are always this,
    layer: int | None = None   #: those of one layer, or all.
    period: int | None = None  #: After so many bits it begins again.

    def __post_init__(self):
        if not -1 <= self.correlation <= 1:
            raise ValueError(f"Correlation must be from -1 to 1, not {self.correlation!r}")
        if self.distance < 1:
            raise ValueError(f"Distance must be at least 1, not {self.distance!r}")
        if self.stuck not in (None, 0, 1):
            raise ValueError(f"Stuck must be 0 or 1, not {self.stuck!r}")

    def draw(self, generator: Generator, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return the first ``count`` bits for the layers of ``generator``, bool (count,)."""
        number = rng.random(count)
        if self.correlation:
            number = self._correlate(number, rng)
        bits = number < np.resize(kept(generator) + self.bias, count)
        if self.stuck is not None:
            own = self.layer is None or np.resize(
                np.repeat(np.arange(len(generator.bits)), generator.bits) == self.layer, count)
            bits = np.where(own, bool(self.stuck), bits)
        return bits if self.period is None else np.resize(bits[:self.period], count)

    def _correlate(self, number, rng):
        """Replace each number by the last fresh one at a multiple of ``distance`` before."""
        rows = -(-len(number) // self.distance)
        each = np.resize(number, (rows, self.distance))
        fresh = rng.random(each.shape) >= abs(self.correlation)
        at = np.arange(rows)[:, None]
        source = np.maximum.accumulate(np.where(fresh, at, 0), axis=0)
        each = np.take_along_axis(each, source, 0)
        if self.correlation < 0:
            each = np.where(at - source & 1, 1 - each, each)
        return each.ravel()[:len(number)]


class Played:
    """Keep bits from a list, over and over, in place of :class:`golden.device.junction.Mtj` at the pins."""

    def __init__(self, bits):
        self.bits = [bool(bit) for bit in bits]
        self.at = 0
        self.switched = False

    def set(self, code: int) -> bool:
        """Take the next bit; a switched junction is a keep bit of 0."""
        self.switched = not self.bits[self.at]
        self.at = (self.at + 1) % len(self.bits)
        return self.switched

    def reset(self):
        """Apply a RESET pulse."""
        self.switched = False


def kept(generator: Generator) -> np.ndarray:
    """Return the chance of a 1 of each bit of a pass, float64 (bits of a pass,)."""
    return 1 - np.repeat(np.array(generator.drop), generator.bits) / 65536
