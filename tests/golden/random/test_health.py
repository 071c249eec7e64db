# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.sim import Simulator
from scipy.stats import binom

from gen.ir import Draw, Generator, HealthTest, Input, Network, Target
from gen.transforms.watch import FALSE_ALARM_BITS, cutoffs, watch
from golden.random.bad_sources import Source
from golden.random.health import alarm_bit, false_alarms, runs, windows
from hdl.random.health import Health


FAIR = Generator((1,), (32768,) * 5)


def health_of(generator):
    """The tests that the compiler chooses."""
    draws = tuple(Draw(f"draw{place}", (drop / 65536,)) for place, drop in enumerate(generator.drop))
    network = Network("network", Input(1, 1, (1,)), (), draws=draws, generator=generator)
    return watch(network, Target()).health


def alarm_in_hardware(bits, pass_bits, test):
    """Number of the bit after which the block raises its alarm, or None."""
    dut = Health(repetition=test.repetition, window=test.window, proportion=test.proportion,
                 distance=test.distance)
    at = []

    async def drive(ctx):
        for number, bit in enumerate(bits):
            ctx.set(dut.strobe, number % pass_bits in test.places)
            ctx.set(dut.bit, int(bit))
            await ctx.tick()
            if ctx.get(dut.alarm):
                at.append(number)
                return

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(drive)
    sim.run()
    return at[0] if at else None


@pytest.mark.parametrize("source", [
    Source(), Source(stuck=0), Source(stuck=1), Source(bias=0.15), Source(bias=-0.2),
    Source(correlation=0.3), Source(correlation=-0.3), Source(correlation=-1),
    Source(correlation=0.5, distance=5),
    Source(stuck=1, places=(2,)), Source(stuck=0, places=(4,)), Source(period=5), Source(period=7),
], ids=str)
@pytest.mark.parametrize("test", [
    HealthTest((0, 1, 2, 3, 4), 0, 9, 64, 44), HealthTest((0, 1, 2, 3, 4), 5, 9, 64, 44),
    HealthTest((0, 1, 2, 3, 4), 1, 12, 32, 32), HealthTest((2,), 0, 100, 50, 36),
    HealthTest((1, 2, 4), 3, 7, 500, 500), HealthTest((0, 4), 1, 6, 20, 17),
], ids=str)
def test_equals_hardware(source, test):
    """The same bit raises the alarm, or none of them."""
    for seed in range(2):
        bits = source.draw(FAIR, 600 + seed, np.random.default_rng(seed))
        assert alarm_bit(bits, FAIR, [test]) == alarm_in_hardware(bits, 5, test)


@pytest.mark.parametrize("count", range(1, 40))
def test_incomplete_windows(count):
    """A stream that ends anywhere, among others within a window."""
    generator = Generator((1,), (32768,) * 3)
    bits = Source(stuck=1, places=(1,)).draw(generator, count, np.random.default_rng(8))
    for test in (HealthTest((0, 1, 2), 3, 6, 16, 13), HealthTest((1,), 0, 7, 9, 8)):
        assert alarm_bit(bits, generator, [test]) == alarm_in_hardware(bits, 3, test)


@pytest.mark.parametrize("source, bits", [
    (Source(stuck=0), 61 * 5),                            # the run of a draw
    (Source(stuck=1), 61 * 5),
    (Source(correlation=-1), 62),                         # each differs from the one before
    (Source(period=5), 66),                               # each pass is as the one before
    (Source(stuck=0, places=(0,)), 61 * 5),                   # the draw
    (Source(bias=0.2), 1024 * 5),                         # the window of a draw
])
def test_what_trips(source, bits):
    """Each fault is found by that many bits at the latest, with the limits of a fair network."""
    stream = source.draw(FAIR, 6000, np.random.default_rng(2))
    assert alarm_bit(stream, FAIR, health_of(FAIR)) < bits


def test_good_bits_never_trip():
    bits = Source().draw(FAIR, 1_000_000, np.random.default_rng(3))
    assert alarm_bit(bits, FAIR, health_of(FAIR)) is None


@pytest.mark.parametrize("likely", [0.5, 0.6])
def test_false_alarms_are_as_stated(likely):
    """At low limits, as many alarms as the formulas say, within five deviations."""
    bits = np.random.default_rng(4).random(1_000_000) < likely
    stated = false_alarms(likely, repetition=12, window=100, proportion=round(100 * likely) + 12)
    found = runs(bits, 12), windows(bits, 100, round(100 * likely) + 12)
    for kind, seen, tries in zip(stated, found, (1_000_000, 10_000), strict=True):
        expected = stated[kind] * tries
        assert expected > 30 and abs(seen - expected) < 5 * expected**0.5


@pytest.mark.parametrize("drop", [32768, 13107, 6554])
def test_stated_rate_holds_exactly(drop):
    """The limits of the compiler, by another library: no more often than it says."""
    cutoff = cutoffs((drop,))
    likely = max(drop, 65536 - drop) / 65536
    stated = false_alarms(likely, **cutoff)
    assert max(stated.values()) <= 2.0**-FALSE_ALARM_BITS
    # One less, and it would not hold for the likely value.
    assert binom.sf(cutoff["proportion"] - 3, cutoff["window"] - 1, likely) > 2.0**-FALSE_ALARM_BITS
