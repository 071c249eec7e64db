"""Golden model of the health tests of random bits: :class:`hdl.random.health.Health` on whole streams."""

from collections.abc import Iterable

import numpy as np

from gen.ir import Generator, HealthTest


__all__ = ["alarm_bit", "false_alarms", "runs", "windows"]


def alarm_bit(bits: np.ndarray, generator: Generator, tests: Iterable[HealthTest]) -> int | None:
    """Return the index of the first of ``bits``, bool (N,), that raises the alarm of one of ``tests``; None
    if there is no alarm. The bits are drawn in the order of ``generator``."""
    alarms = (_alarm_bit(np.asarray(bits, dtype=bool), len(generator.drop), test) for test in tests)
    return min((alarm for alarm in alarms if alarm is not None), default=None)


def _alarm_bit(bits, pass_bits, test):
    watched = bits[np.resize(np.isin(np.arange(pass_bits), test.places), len(bits))]
    if test.distance:
        watched = _differs(watched, test.distance)
    alarms = [_first_run(watched, test.repetition), _first_window(watched, test.window, test.proportion)]
    first = min((alarm for alarm in alarms if alarm is not None), default=None)
    if first is None:
        return None
    passes, place = divmod(first, len(test.places))
    return passes * pass_bits + test.places[place]


def runs(bits: np.ndarray, length: int) -> int:
    """Count the runs of at least ``length`` equal bits: how often the repetition count would trip."""
    return int((_runs(bits)[1] >= length).sum())


def windows(bits: np.ndarray, window: int, proportion: int) -> int:
    """Count the whole windows in which the adaptive proportion would trip."""
    rows = bits[:len(bits) // window * window].reshape(-1, window)
    return int(((rows == rows[:, :1]).sum(1) >= proportion).sum())


def false_alarms(likely: float, *, repetition: int, window: int, proportion: int) -> dict[str, float]:
    """Return the exact rates at which independent bits, 1 with probability ``likely``, trip the tests.

    ``repetition`` is the expected number per bit of runs that are long enough, ``proportion`` the
    probability that a window trips.
    """
    from scipy.stats import binom

    both = np.array([likely, 1 - likely])
    return {
        "repetition": float((both**repetition * both[::-1]).sum()),
        # The first bit of a window is counted too, so at least proportion - 1 of the others equal it.
        "proportion": float((both * binom.sf(proportion - 2, window - 1, both)).sum()),
    }


def _differs(bits, distance):
    """Return whether each bit differs from the bit ``distance`` before; zeros precede the first bit."""
    return bits ^ np.concatenate([np.zeros(distance, bool), bits])[:len(bits)]


def _runs(bits):
    """Return the first bit and the length of each run of equal bits."""
    starts = np.flatnonzero(np.diff(bits, prepend=~bits[:1]))
    return starts, np.diff(starts, append=len(bits))


def _first_run(bits, length):
    starts, lengths = _runs(bits)
    long = np.flatnonzero(lengths >= length)
    return int(starts[long[0]]) + length - 1 if len(long) else None


def _first_window(bits, window, proportion):
    count = -(-len(bits) // window)
    rows = np.zeros(count * window, bool)
    rows[:len(bits)] = bits
    rows = rows.reshape(count, window)
    equal = rows == rows[:, :1]
    equal.ravel()[len(bits):] = False
    tripped = np.flatnonzero(equal.sum(1) >= proportion)
    if not len(tripped):
        return None
    row = int(tripped[0])
    return row * window + int((equal[row].cumsum() >= proportion).argmax())
