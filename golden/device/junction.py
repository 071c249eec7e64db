"""The magnetic tunnel junction (MTJ) that draws keep bits: stochastic switching by spin-orbit torque.

A pulse, SET or RESET, switches it with a probability that depends on its current and length
(Scale-Dropout, eq. 25). The papers state no RESET current. Were it that of a SET of even chance, a RESET
half as long would fail in 71 % of the cases; 77 % of the bits would be 0 instead of half of them, and 85 %
of those after a 0. Values that the papers do not state are assumptions, and marked as such.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gen.ir import Target


__all__ = [
    "ATTEMPT_NS", "DAC_LEAST_UA", "DAC_MOST_UA", "HALF_UA", "NOMINAL_K", "PROCESS_SIGMA", "RESET_NS",
    "SET_NS", "STABILITY", "Dac", "Junction", "Mtj", "switching_probability", "write_codes",
]


SET_NS        = 10.0     #: SET pulse (Scale-Dropout, V-B).
RESET_NS      = 5.0      #: RESET pulse (Scale-Dropout, V-B).
HALF_UA       = 230.0    #: Current that switches with probability 0.5 (SpinBayes, 3.5.1).
ATTEMPT_NS    = 1.0      #: tau_0, attempt time. Assumption: the usual value in such models.
STABILITY     = 40.0     #: Delta E / (k_B T) at :data:`NOMINAL_K`. Assumption: usual for a memory.
NOMINAL_K     = 300.0    #: Temperature at which the stability holds. Assumption.
PROCESS_SIGMA = 0.1 / 3  #: Deviation of p. Three of them are 10 % (Scale-Dropout, VII-A; eq. 24).
DAC_LEAST_UA  = 180.0    #: Current of code 1. Assumption: p of 0.002 with the values above.
DAC_MOST_UA   = 270.0    #: Current of the largest code. Assumption: p of 1 with the values above.


@dataclass(frozen=True, slots=True)
class Junction:
    """Parameters of eq. 25.

    ``critical_ua`` is I_c0, the critical current at 0 K, in microamperes. No paper states it; unless
    given, it is such that :data:`HALF_UA` for :data:`SET_NS` switches with probability 0.5 at
    :data:`NOMINAL_K`.
    """

    stability: float = STABILITY         #: Delta E / (k_B T) at :data:`NOMINAL_K`, above 0.
    attempt_ns: float = ATTEMPT_NS       #: tau_0, above 0.
    temperature_k: float = NOMINAL_K     #: T, above 0.
    critical_ua: float | None = None     #: I_c0, above 0.

    def __post_init__(self):
        for name in ("stability", "attempt_ns", "temperature_k", "critical_ua"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"Junction {name} must be above 0, not {value!r}")
        if self.critical_ua is None:
            ratio = _ratio(np.log(SET_NS / self.attempt_ns / np.log(2)) / self.stability)
            object.__setattr__(self, "critical_ua", float(HALF_UA / ratio))

    @property
    def barrier(self) -> float:
        """Delta E / (k_B T) at the junction's temperature."""
        return self.stability * NOMINAL_K / self.temperature_k


def _ratio(height):
    # I / I_c0 that lowers the barrier to `height` of its full height: the smaller root of
    # 1 - 2 x (pi / 2 - x) = height. Beyond x = pi / 4 the formula would raise it again.
    return (np.pi - np.sqrt(np.maximum(np.pi ** 2 - 8 * (1 - height), 0))) / 4


def switching_probability(current_ua, pulse_ns=SET_NS, junction: Junction = Junction()):
    """Return the probability that a pulse switches the junction (Scale-Dropout, eq. 25).

    The switching time of eq. 25b has its minimum at ``I = pi / 4 I_c0``, far beyond certain switching;
    for larger currents, where the formula would let it grow again, it stays at that minimum.

    Parameters
    ----------
    current_ua : array-like
        Current through the spin-orbit torque track in microamperes, 0 or more.
    pulse_ns : array-like
        Length of the pulse in nanoseconds, 0 or more.

    Returns
    -------
    numpy array or scalar
        From 0 to 1, in the broadcast shape. Without current it is 0 but for the thermal rate.
    """
    if np.any(np.asarray(current_ua) < 0):
        raise ValueError(f"Current must be 0 or more, not {np.min(current_ua)} microamperes")
    if np.any(np.asarray(pulse_ns) < 0):
        raise ValueError(f"Pulse must be 0 or more, not {np.min(pulse_ns)} ns")
    ratio = np.minimum(np.asarray(current_ua) / junction.critical_ua, np.pi / 4)
    tau_ns = junction.attempt_ns * np.exp(
        junction.barrier * (1 - 2 * ratio * (np.pi / 2 - ratio)))
    return -np.expm1(-np.asarray(pulse_ns) / tau_ns)


@dataclass(frozen=True, slots=True)
class Dac:
    """Write-current codes of ``bits`` bits: code 0 is no pulse, codes from 1 on are evenly spaced currents.

    A :exc:`ValueError` is raised if there are fewer than 2 bits or the range is empty.
    """

    bits: int = 8
    least_ua: float = DAC_LEAST_UA
    most_ua: float = DAC_MOST_UA

    def __post_init__(self):
        if self.bits < 2:
            raise ValueError(f"Code bits must be at least 2, not {self.bits!r}")
        if not 0 < self.least_ua < self.most_ua:
            raise ValueError(f"Currents must ascend from above 0, not {self.least_ua} to "
                             f"{self.most_ua}")

    @property
    def largest(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    def current(self, code):
        """Return the current in microamperes of an integer ``code`` or an array of them."""
        code = np.asarray(code)
        if np.any((code < 0) | (code > self.largest)):
            raise ValueError(f"Code must be from 0 to {self.largest}, not {code}")
        step_ua = (self.most_ua - self.least_ua) / (self.largest - 1)
        return np.where(code == 0, 0.0, self.least_ua + (code - 1) * step_ua)

    def probability(self, code, junction: Junction = Junction(), pulse_ns=SET_NS):
        """Return the switching probability that ``code`` gives; 0 for code 0."""
        p = switching_probability(self.current(code), pulse_ns, junction)
        return np.where(np.asarray(code) == 0, 0.0, p)

    def write_code(self, p: float, junction: Junction = Junction(), pulse_ns=SET_NS) -> int:
        """Return the code whose switching probability is nearest to ``p``, the lower of two.

        Raises
        ------
        ValueError
            If ``p`` is no probability.
        """
        if not 0 <= p <= 1:
            raise ValueError(f"Switching probability must be from 0 to 1, not {p!r}")
        probabilities = self.probability(np.arange(self.largest + 1), junction, pulse_ns)
        return int(np.abs(probabilities - p).argmin())


def write_codes(drops: Sequence[float], target: Target, dac: Dac | None = None,
                junction: Junction = Junction()) -> dict:
    """Return what ``target`` says of write currents, for random bits that are 0 with probabilities
    ``drops``: fields by their names. Pulses last whole cycles of its clock.

    The SET codes are those of the nearest probabilities, the RESET code is the one that is nearest to
    certain. ``dac`` is one with the bits of ``target`` unless given.
    """
    dac = dac or Dac(target.mtj_bits)
    return {
        "mtj_currents": tuple(dac.write_code(p, junction, target.lasts_ns(target.set_ns)) for p in drops),
        "mtj_reset_current": dac.write_code(1.0, junction, target.lasts_ns(target.reset_ns)),
    }


class Mtj:
    """One device at the pins of the random-number interface, for simulation.

    A SET pulse switches it with probability p, and it stays switched until a RESET pulse switches it back,
    with a probability of its own. The error of p by process variation (Scale-Dropout, eq. 24) is drawn
    once, when the device is made; a RESET, meant to be certain, has none.

    Parameters
    ----------
    seed : int
        Start of the device's random numbers.
    dac : :class:`Dac`
        What a code means.
    sigma : float
        Deviation of the error of p (eq. 24); 0 for a nominal device.

    Attributes
    ----------
    error : float
        What this device adds to the nominal probability.
    switched : bool
        The state, as the sense amplifier reads it.
    """

    def __init__(self, seed: int, *, dac: Dac = Dac(), junction: Junction = Junction(),
                 sigma: float = 0.0):
        self.dac = dac
        self.junction = junction
        self.generator = np.random.default_rng(seed)
        self.error = float(sigma * self.generator.standard_normal())
        self.switched = False

    def probability(self, code: int, pulse_ns: float = SET_NS) -> float:
        """Return the probability that a SET pulse of ``code`` switches this device."""
        p = float(self.dac.probability(code, self.junction, pulse_ns))
        return min(max(p + self.error, 0.0), 1.0) if code else 0.0

    def set(self, code: int, pulse_ns: float = SET_NS) -> bool:
        """Apply a SET pulse and return the state after it."""
        self.switched = bool(self.generator.random() < self.probability(code, pulse_ns)) or self.switched
        return self.switched

    def reset(self, code: int, pulse_ns: float = RESET_NS) -> bool:
        """Apply a RESET pulse and return the state after it."""
        if self.switched:
            p = float(self.dac.probability(code, self.junction, pulse_ns))
            self.switched = bool(self.generator.random() >= p)
        return self.switched
