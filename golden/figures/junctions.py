"""Switching probability of a junction against the current of a pulse (SpinBayes, Fig. 4)."""

import numpy as np

from golden.device.junction import HALF_UA, RESET_NS, SET_NS, switching_probability
from golden.figures.figure import Figure, Panel, Series


__all__ = ["switching_figure"]


def switching_figure() -> Figure:
    """Return the probability of a pulse as long as a SET and as a RESET, of the model of the junction, and
    the point that the paper states."""
    current = np.arange(180.0, 301.0, 2.0)
    return Figure("Switching of a junction", [Panel("current, uA", "switching probability", [
        *(Series(f"{pulse:g} ns", current, switching_probability(current, pulse), kind="steps")
          for pulse in (SET_NS, RESET_NS)),
        Series("stated: 10 ns", [HALF_UA], [0.5], kind="points")])])
