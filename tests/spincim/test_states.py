"""Values in fixed point behind a batch normalization."""

from fractions import Fraction

import numpy as np
import pytest

from spincim.states import Normalized, Values


def normalization(seed, channels):
    rng = np.random.default_rng(seed)
    gamma = rng.normal(0, 1, channels)
    gamma[:2], beta = 0, rng.normal(0, 1, channels)
    beta[:3] = 0.5, -0.5, 0
    # Quarters, so that some value meets its bound.
    mean = np.round(4 * rng.normal(0, 1, channels)) / 4
    return {"gamma": gamma, "beta": beta, "mean": mean, "variance": rng.uniform(0.1, 2, channels),
            "epsilon": np.float64(1e-5)}


@pytest.mark.parametrize("order", [None, (5, 3, 0, 7, 6, 1, 2, 4)])
@pytest.mark.parametrize("bits, fraction", [(6, 2), (3, 0), (8, 7)])
def test_entrance(bits, fraction, order):
    """Of every value the sign of the formula, in the order of the channels of the map."""
    made, channels = normalization(bits, 8), order or range(8)
    found = Normalized(Values((8, 3, 3), False, (bits, fraction), "sum", order), made).entrance()
    assert any(found["value_inverts"]) and len(found["value_thresholds"]) == 8
    reached = 0
    for place, channel in enumerate(channels):
        gamma, beta, mean, variance = (Fraction(float(made[name][channel]))
                                       for name in ("gamma", "beta", "mean", "variance"))
        root = Fraction(float(np.sqrt(float(variance) + 1e-5)))
        for value in range(-2**(bits - 1), 2**(bits - 1)):
            sign  = gamma * (Fraction(value, 2**fraction) - mean) / root + beta >= 0
            level = (value >= found["value_thresholds"][place]) ^ found["value_inverts"][place]
            assert level == sign
            reached += gamma * (Fraction(value, 2**fraction) - mean) / root + beta == 0
    assert reached


def test_without_inversion():
    made = normalization(1, 4) | {"gamma": np.array([0, 0, 1.0, 2.0])}
    assert Normalized(Values((4, 1, 1), True, (4, 1), "sum"), made).entrance()["value_inverts"] == ()
