"""The cells that hold weights, and the read of a bit line.

Four junctions in parallel make a cell of five conductances (SpinBayes, 3.4 and Fig. 5). A weight is the
difference of two sides, each of as many cells as the magnitude of a weight needs. A read adds the currents
of all active cells of a side, and a flash converter compares the difference of both sides with references
midway between its ideal values (SpinBayes, 3.5.2).

A binary weight is in two complementary junctions, of which the input selects one: parallel if both agree
(Scale-Dropout, IV-B and Fig. 3). A read adds the currents of the selected ones, and its code is the number
of parallel ones among them.

The read voltage is ideal. Values that the papers do not state are assumptions, and marked as such.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from gen.ir import JUNCTIONS, Layer, Network
from golden.network import layer_weights


__all__ = [
    "ANTIPARALLEL_MOHM", "PARALLEL_MOHM", "STEP_US", "Chip", "Devices", "convert", "differences",
    "error_rate", "largest_spread", "program", "read", "references",
]


PARALLEL_MOHM     = 2.5 #: Cell with all junctions parallel (SpinBayes, 3.5.2).
ANTIPARALLEL_MOHM = 5.5 #: With all anti-parallel: a ratio of 120 % more (SpinBayes, 3.5.2).

#: Conductances of one junction, in microsiemens, and what one of them adds when it is parallel.
_PARALLEL_US     = 1 / PARALLEL_MOHM / JUNCTIONS
_ANTIPARALLEL_US = 1 / ANTIPARALLEL_MOHM / JUNCTIONS
STEP_US          = _PARALLEL_US - _ANTIPARALLEL_US


@dataclass(frozen=True, slots=True)
class Devices:
    """How the devices of a chip deviate from nominal ones.

    The conductance of a junction, in either state, is the nominal one times a log-normal factor of median
    1, drawn once per junction when a chip is made. Assumption: a tunnel barrier varies like this, as its
    conductance depends exponentially on its thickness.
    """

    spread: float = 0.0 #: Deviation of the logarithm of the factor: for small values, relative deviation.
    stuck: float = 0.0  #: Probability that a junction cannot be written; both states are then as likely.
    flips: float = 0.0  #: Probability that a bit of a weight is the other one when it is written.
    drift: float = 0.0  #: Share of its conductance that each junction has lost since it was written, while
                        #: references are as they were. Assumption: it is the same for all junctions.
    noise: float = 0.0  #: Deviation, in steps, of the normal error that a converter adds to what it takes,
                        #: anew in each read. Assumption: it is the same for all sums.

    def __post_init__(self):
        for name in ("spread", "noise"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name.capitalize()} must be 0 or more, not {getattr(self, name)!r}")
        for name, of in (("stuck", "Probability of being stuck"), ("flips", "Probability of a flip"),
                         ("drift", "Drift")):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{of} must be from 0 to 1, not {getattr(self, name)!r}")


def program(weights: np.ndarray, cells: int, devices: Devices = Devices(),
            generator: np.random.Generator | None = None) -> np.ndarray:
    """Return the conductances in microsiemens of cells that hold integer ``weights`` (...).

    The shape is ``(..., 2, cells)``: the positive side of a weight, then its negative one. A magnitude
    is divided among the ``cells`` of its side evenly, with the remainder in the first cells; all other
    junctions are anti-parallel. ``generator`` draws the devices, anew in each call; nominal devices need
    none.
    """
    weights = np.asarray(weights)
    if np.abs(weights).max(initial=0) > JUNCTIONS * cells:
        raise ValueError(f"Weights must have a magnitude of at most {JUNCTIONS * cells} in {cells} cells "
                         f"a side, not {np.abs(weights).max()}")
    sides = np.stack([np.maximum(weights, 0), np.maximum(-weights, 0)], axis=-1)[..., None]
    levels = sides // cells + (np.arange(cells) < sides % cells)
    if devices == Devices():
        return JUNCTIONS * _ANTIPARALLEL_US + levels * STEP_US
    return _conductance(np.arange(JUNCTIONS) < levels[..., None], devices, generator).sum(-1)


def _conductance(parallel, devices, generator):
    """Conductances of junctions in microsiemens, where they should be ``parallel``."""
    if devices.stuck:
        stuck = generator.random(parallel.shape) < devices.stuck
        parallel = np.where(stuck, generator.random(parallel.shape) < 0.5, parallel)
    conductance = np.where(parallel, _PARALLEL_US, _ANTIPARALLEL_US) * (1 - devices.drift)
    if devices.spread:
        conductance *= np.exp(devices.spread * generator.standard_normal(parallel.shape))
    return conductance


def _flipped(weights, bits, probability, generator):
    """Integer ``weights`` of ``bits`` bits, in two's complement or -1 and 1, of which bits are flipped."""
    if not probability:
        return weights
    flips = generator.random((*weights.shape, bits)) < probability
    if bits == 1:
        return np.where(flips[..., 0], -weights, weights)
    fields = weights & (1 << bits) - 1 ^ (flips << np.arange(bits)).sum(-1)
    return np.where(fields < 1 << bits - 1, fields, fields - (1 << bits))


def differences(conductance: np.ndarray) -> np.ndarray:
    """Return the contribution of each weight to the difference of its bit lines, in steps of a junction.

    ``conductance`` is that of :func:`program`, (..., 2, cells). Nominal devices give the weight.
    """
    sides = conductance.sum(-1)
    return (sides[..., 0] - sides[..., 1]) / STEP_US


def references(bits: int, rows: int) -> int:
    """Return the number of references that separate all sums of ``rows`` weights of ``bits`` bits."""
    return 2 * rows * (2**(bits - 1) - 1)


def convert(current: np.ndarray, count: int) -> np.ndarray:
    """Return the code of each difference of currents, in steps of a junction; as floats.

    The flash converter has ``count`` references, an even number, midway between the integers from
    ``-count / 2`` to ``count / 2``. The code is the number of references that are reached, less the
    number of references below zero.
    """
    codes = current + current.dtype.type(0.5)
    np.floor(codes, out=codes)
    return np.clip(codes, -count // 2, count // 2, out=codes)


def read(conductance: np.ndarray, lines: np.ndarray, bits: int) -> np.ndarray:
    """Return the codes int64 (..., columns) of reads with the word lines ``lines``, bool (..., rows).

    ``conductance`` is that of ``rows`` by ``columns`` weights of ``bits`` bits, (rows, columns, 2,
    cells). Nominal devices give the sum of the weights of the lines that are active.
    """
    current = np.asarray(lines, dtype=np.float64) @ differences(conductance)
    return convert(current, references(bits, len(conductance))).astype(np.int64)


def error_rate(weights: np.ndarray, cells: int, spread: float) -> np.ndarray:
    """Return the probability that a read of integer ``weights`` (..., rows) gives a wrong code.

    Each junction adds an error of ``spread`` times its conductance, so for a small ``spread`` the
    difference of the currents is normal, and the code is wrong when the error exceeds half a step in either
    direction. The first and the last code have a reference on one side alone: there it is an upper bound.
    """
    parallel = np.abs(weights).sum(-1)
    junctions = 2 * cells * JUNCTIONS * weights.shape[-1]
    deviation = spread * _deviation(parallel, junctions)
    return np.vectorize(lambda value: 2 * NormalDist().cdf(-0.5 / value) if value else 0.0)(deviation)


def largest_spread(bits: int, rows: int, rate: float = 1e-6) -> float:
    """Return the spread at which a read of ``rows`` weights of the largest magnitude, for which
    :func:`error_rate` is highest, has a wrong code with probability ``rate``."""
    most = 2**(bits - 1) - 1
    cells = -(-most // JUNCTIONS)
    deviation = _deviation(rows * most, rows * 2 * cells * JUNCTIONS)
    return float(0.5 / deviation / -NormalDist().inv_cdf(rate / 2))


def _deviation(parallel, junctions):
    """Return the deviation of a difference, in steps, for a spread of 1: variances of junctions add up."""
    return np.sqrt(parallel * _PARALLEL_US**2
                   + (junctions - parallel) * _ANTIPARALLEL_US**2) / STEP_US


class Chip:
    """A chip instance: one draw of the devices of every array of a compiled network.

    In :func:`golden.network.forward` and :func:`golden.network.predict` its sums replace the exact ones:
    a sum is the sum of the codes of all reads.

    Parameters
    ----------
    network : :class:`gen.ir.Network`
        Compiled, so with tiles and folding: rows of a tile are read ``rows_per_read`` at a time.
    devices : :class:`Devices`
        Nominal unless given.
    seed : int
        Start of the draw.
    """

    def __init__(self, network: Network, devices: Devices = Devices(), seed: int = 0):
        for layer in network.layers:
            if layer.folding is None or not layer.tiles:
                raise ValueError(f"Layer {layer.name!r} has no tiles; compile the network first")
        self._noise     = devices.noise
        self._generator = np.random.default_rng(seed)
        #: Reads of each layer and array: inputs, and what their cells add to columns, in steps: of binary
        #: weights (2, rows, columns), for an input of 1 and of 0; of others (rows, columns).
        self._reads = {(layer.name, array): self._program(layer, array, devices)
                       for layer in network.layers for array in range(layer.crossbars)}

    def _program(self, layer, array, devices):
        weights = _flipped(layer_weights(layer, array).T, layer.weight_bits, devices.flips, self._generator)
        if layer.weight_bits == 1:
            cells = _conductance(np.stack([weights > 0, weights < 0]), devices, self._generator)
            cells = (cells - _ANTIPARALLEL_US) / STEP_US
        else:
            cells = differences(program(weights, layer.cells_per_side, devices, self._generator))
        step = layer.folding.rows_per_read
        rows = sorted({(tile.rows.start, tile.rows.stop) for tile in layer.tiles})
        cells = cells.astype(np.float32) # as the lines that it reads
        return [(slice(first, min(first + step, stop)), cells[..., first:min(first + step, stop), :])
                for start, stop in rows for first in range(start, stop, step)]

    def codes(self, layer: Layer, array: int, lines: np.ndarray, active: np.ndarray | None = None):
        """Yield the codes, floats (M, columns), of each read of the word lines ``lines`` (M, fan-in),
        0 or 1: of binary weights the number of inputs that agree, less that of those that do not.

        ``active`` (M, fan-in), 0 or 1, has the inputs that are on, all unless given. Only binary weights
        have others.
        """
        count = references(layer.weight_bits, layer.folding.rows_per_read)
        for inputs, cells in self._reads[layer.name, array]:
            ones = lines[:, inputs]
            if layer.weight_bits > 1:
                yield convert(self._noisy(ones @ cells), count)
                continue
            on   = np.ones_like(ones) if active is None else active[:, inputs].astype(lines.dtype)
            most = on.sum(1, keepdims=True)
            found = np.floor(self._noisy((on * ones) @ cells[0] + (on - on * ones) @ cells[1])
                             + lines.dtype.type(0.5))
            yield 2 * np.clip(found, 0, most) - most

    def _noisy(self, current):
        if not self._noise:
            return current
        return current + self._noise * self._generator.standard_normal(current.shape, np.float32)

    def sums(self, layer: Layer, array: int, levels: np.ndarray,
             active: np.ndarray | None = None) -> np.ndarray:
        """Return the sums (M, columns) of the inputs ``levels``, uint8 (M, fan-in): bit planes are read
        one after another, and their codes added by weight. ``active`` is that of :meth:`codes`."""
        total = 0
        for plane in range(layer.input_bits):
            lines = (levels >> plane & 1).astype(np.float32)
            total = total + 2**plane * sum(self.codes(layer, array, lines, active))
        return total
