# amaranth: UnusedElaboratable=no

from dataclasses import replace
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from gen.ir import Draw, Generator, HealthTest, Input, Layer, Network, Target
from gen.transforms.seed import seed
from gen.transforms.watch import FALSE_ALARM_BITS, WINDOW, cutoffs, watch
from golden.random.bad_sources import Source
from golden.random.health import alarm_bit
from hdl.random.health import Health


LIMIT = Fraction(1, 2**FALSE_ALARM_BITS)


def tail(likely, window, count):
    """Probability that at least ``count`` of ``window`` bits equal the first, where that is the likely
    one, exactly."""
    p, others = Fraction(likely, 65536), window - 1
    return sum(comb(others, k) * p**k * (1 - p)**(others - k) for k in range(count - 1, others + 1))


def health_of(drop, bits=None, seeds=(1,)):
    """Health tests of draws of so many ``bits``, one each unless given, all of which are 0 with
    ``drop / 65536``."""
    bits = bits or (1,) * len(drop)
    return health_of_draws([(one,) * count for one, count in zip(drop, bits, strict=True)], seeds)


def health_of_draws(draws, seeds=(1,)):
    """Health tests of draws whose bits are 0 with ``draws / 65536``."""
    network = Network("network", Input(1, 1, (1,)), (Layer("last", 1, 1, 1, (1, 1), 2),), draws=tuple(
        Draw(f"draw{number}", tuple(one / 65536 for one in drop)) for number, drop in enumerate(draws)))
    drop = tuple(one for drop in draws for one in drop)
    return watch(replace(network, generator=Generator(seeds, drop)), Target()).health


@pytest.mark.parametrize("drop, repetition", [
    ((32768,), 61),             # a fair coin: 60 bits of entropy in 60 bits
    ((49152,), 146),            # as likely as 3/4: 60 / 0.415, rounded up, and one
    ((32768, 16384), 87),       # 42 pairs have 59.4 bits; the less random one comes next, then the other
    ((32768,) * 4 + (49152,), 70),
    ((1,), 2725546),            # 60 bits, each of which has 2.2e-5
])
def test_repetition(drop, repetition):
    assert cutoffs(drop)["repetition"] == repetition


@pytest.mark.parametrize("drop", [(32768,), (32768, 16384), (6554, 13107, 32768), (7, 32768), (100,)])
def test_a_run_is_as_rare_as_stated(drop):
    """From the second bit on, wherever it is, a run of one more bit has a chance of 2 ** -60 at most, and
    somewhere a run of this length has not."""
    likely = [max(p, 65536 - p) / 65536 for p in drop]
    count  = cutoffs(drop)["repetition"]
    logs   = np.log2(np.resize(likely, count + len(drop)))
    runs   = np.array([logs[first:first + count - 1].sum() for first in range(len(drop))])
    before = np.array([logs[first:first + count - 2].sum() for first in range(len(drop))])
    assert (runs <= -FALSE_ALARM_BITS + 1e-6).all() and (before > -FALSE_ALARM_BITS).any()


@pytest.mark.parametrize("drop", [32768, 40000, 6554, 13107])
def test_proportion(drop):
    """The least count that good bits reach with no more than the stated probability."""
    limits = cutoffs((drop,))
    likely = max(drop, 65536 - drop)
    assert limits["proportion"] <= limits["window"]
    assert tail(likely, limits["window"], limits["proportion"]) <= LIMIT
    assert tail(likely, limits["window"], limits["proportion"] - 1) > LIMIT


@pytest.mark.parametrize("drop", [(32768, 16384), (6554, 13107, 32768), (1000, 32768, 32768, 32768)])
def test_proportion_of_bits_that_differ(drop):
    """Exactly, by convolution of the chances of all bits of a window: no more often than stated."""
    limits = cutoffs(drop)
    likely = np.resize([max(p, 65536 - p) / 65536 for p in drop], limits["window"])
    counts = np.array([1.0])
    for chance in likely[1:]:
        counts = np.convolve(counts, [1 - chance, chance])
    assert limits["window"] % len(drop) == 0 and limits["window"] >= WINDOW
    assert counts[limits["proportion"] - 1:].sum() <= 2.0**-FALSE_ALARM_BITS
    assert counts[round(0.97 * limits["proportion"]):].sum() > 2.0**-FALSE_ALARM_BITS # and not by far


@pytest.mark.parametrize("drop", [1, 7, 655, 65535])
def test_windows_grow_where_little_is_random(drop):
    """A good window may fail no more often than stated, and a likely bit that is stuck does fail."""
    limits = cutoffs((drop,))
    assert limits["window"] > WINDOW and limits["proportion"] <= limits["window"]
    Health(**limits)


def test_each_draw_has_its_own_limits():
    """And a source is compared with the bit before, and with that of the same place a pass before."""
    assert health_of((32768, 13107), (3, 1)) == (
        HealthTest((0, 1, 2), 0, **cutoffs((32768,) * 3)),
        HealthTest((3,), 0, **cutoffs((13107,))),
        HealthTest((0, 1, 2, 3), 1, **cutoffs((32768,) * 3 + (13107,))),
        HealthTest((0, 1, 2, 3), 4, **cutoffs((32768,) * 3 + (13107,))))


def test_bits_of_a_draw_that_differ_have_their_own_limits():
    """A keep bit is not watched together with the fair bits of the same draw, which are together."""
    every = 13107, 32768, 32768, 13107
    assert health_of_draws([(13107, 32768, 32768), (13107,)]) == (
        HealthTest((0,), 0, **cutoffs((13107,))),
        HealthTest((1, 2), 0, **cutoffs((32768,) * 2)),
        HealthTest((3,), 0, **cutoffs((13107,))),
        HealthTest((0, 1, 2, 3), 1, **cutoffs(every)),
        HealthTest((0, 1, 2, 3), 4, **cutoffs(every)))


def test_where_nothing_is_drawn_nothing_is_tested():
    assert health_of_draws([], seeds=()) == ()


def test_each_source_has_its_own_tests():
    fair = cutoffs((32768,))
    assert health_of((32768, 0, 13107), (2, 1, 1), seeds=(1, 2, 3, 4)) == (
        HealthTest((0,), 0, **fair), HealthTest((1,), 0, **fair), HealthTest((3,), 0, **cutoffs((13107,))),
        HealthTest((0,), 1, **fair), HealthTest((1,), 1, **fair), HealthTest((3,), 1, **cutoffs((13107,))))


@pytest.mark.parametrize("certain", [0, 65536])
def test_what_is_certain_is_not_tested(certain):
    """The other draws have the limits that they have without it."""
    assert health_of((certain,)) == ()
    alone, beside = health_of((32768, 20000)), health_of((32768, certain, 20000))
    assert [(test.repetition, test.window, test.proportion, test.distance) for test in alone] == [
        (test.repetition, test.window, test.proportion, test.distance) for test in beside]
    assert all(1 not in test.places for test in beside)


#: Networks whose draws hardly give a 0, or hardly a 1, or never, among others.
UNEVEN = {"certain": (0, 32768), "one of five is certain": (0, 32768, 32768, 32768, 32768),
          "1.1e-4": (7, 32768, 32768), "alone": (7,), "nearly one": (65530, 32768),
          "mixed": (6554, 13107, 32768)}


@pytest.mark.parametrize("drop", UNEVEN.values(), ids=UNEVEN)
def test_good_bits_of_many_images_raise_no_alarm(drop):
    """10,000 images of 64 passes without a reset."""
    generator = Generator((1,), drop)
    bits = Source().draw(generator, 10_000 * 64 * len(drop), np.random.default_rng(3))
    assert alarm_bit(bits, generator, health_of(drop)) is None


@pytest.mark.parametrize("stuck", [0, 1])
@pytest.mark.parametrize("drop", UNEVEN.values(), ids=UNEVEN)
def test_a_bit_that_is_stuck_is_found(drop, stuck):
    """Whatever is beside it, no later than its own limits say."""
    generator = Generator((1,), drop)
    for place, own in enumerate(drop):
        if own not in (0, 65536):
            passes = cutoffs((own,))["repetition"]
            bits   = Source(stuck=stuck, places=(place,)).draw(
                generator, (passes + 1) * len(drop), np.random.default_rng(place))
            found  = alarm_bit(bits, generator, health_of(drop))
            assert found is not None and found < passes * len(drop), place


@pytest.mark.parametrize("sources", ["model", "layer"])
def test_bits_of_shifts(sources):
    """They are fair. Those of a draw are watched by themselves, where one source draws them all."""
    network = Network("network", Input(1, 1, (1,)), (Layer("last", 1, 1, 1, (1, 1), 2),), draws=(
        Draw("one", (0.25,)), Draw("number", None), Draw("two", (0.5, 0.125))))
    target  = Target(masks="balanced", passes=4, sources=sources)
    tests   = watch(seed(network, target), target).health
    watched = [(test.places, test.distance) for test in tests]
    if sources == "model":
        every = tuple(range(9))
        assert watched == [((0, 1, 2), 0), ((3, 4, 5, 6, 7, 8), 0), (every, 1), (every, 9)]
    else:
        assert watched == [((place,), distance) for distance in (0, 1) for place in range(9)]
    for test in tests:
        assert {name: getattr(test, name) for name in ("repetition", "window", "proportion")} == cutoffs(
            [32768] * len(test.places))
