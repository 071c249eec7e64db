# amaranth: UnusedElaboratable=no

from fractions import Fraction
from math import comb

import pytest

from gen.health import FALSE_ALARM_BITS, WINDOW, cutoffs, limits
from gen.ir import Generator
from hdl.health import Health


LIMIT = Fraction(1, 2**FALSE_ALARM_BITS)


def tail(likely, window, count):
    """Probability that at least ``count`` of ``window`` bits equal the first, where that is the likely
    one, exactly."""
    p, others = Fraction(likely, 65536), window - 1
    return sum(comb(others, k) * p**k * (1 - p)**(others - k) for k in range(count - 1, others + 1))


@pytest.mark.parametrize("drop, repetition", [
    ((32768,), 61),             # a fair coin: 60 bits of entropy in 60 bits
    ((32768, 16384), 146),      # as likely as 3/4: 60 / 0.415, rounded up, and one
    ((49152,), 146),
])
def test_repetition(drop, repetition):
    assert cutoffs(drop)["repetition"] == repetition


@pytest.mark.parametrize("drop", [32768, 40000, 6554, 13107])
def test_proportion(drop):
    """The least count that good bits reach with no more than the stated probability."""
    limits = cutoffs((drop, 32768))
    likely = max(drop, 65536 - drop)
    if limits["proportion"] < limits["window"]:
        assert tail(likely, limits["window"], limits["proportion"]) <= LIMIT
    assert tail(likely, limits["window"], limits["proportion"] - 1) > LIMIT


def test_window_grows_where_little_is_random():
    assert cutoffs((32768,))["window"] == WINDOW
    assert cutoffs((655,))["window"] > WINDOW
    # The likely bit must be able to fail.
    assert cutoffs((655,))["proportion"] < cutoffs((655,))["window"]


@pytest.mark.parametrize("drop", [(0,), (65536, 32768), (1,)])
def test_no_entropy(drop):
    """Bits that may never change, or hardly: a test can still be built, and cannot be sharp."""
    limits = cutoffs(drop)
    assert limits["repetition"] <= 1 << 16
    Health(**limits)


def test_period_is_a_pass():
    """Bits of a layer are compared with those of the same layer a pass before."""
    assert limits(Generator((1,), (32768, 13107), (3, 1))) == [
        {**cutoffs((32768, 13107)), "period": 4}]
