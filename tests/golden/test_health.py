# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.sim import Simulator
from scipy.stats import binom

from gen.health import FALSE_ALARM_BITS, limits
from gen.ir import Generator
from golden.faulty import Source
from golden.health import alarm_bit, false_alarms, runs, windows
from hdl.health import Health


FAIR = Generator((1,), (32768,) * 5, (1,) * 5)


def alarm_in_hardware(bits, parameters):
    """Number of the bit after which the block raises its alarm, or None."""
    dut = Health(**parameters)
    at = []

    async def drive(ctx):
        ctx.set(dut.strobe, 1)
        for number, bit in enumerate(bits):
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
    Source(stuck=1, layer=2), Source(stuck=0, layer=4), Source(period=5), Source(period=7),
], ids=str)
@pytest.mark.parametrize("parameters", [
    {"repetition": 9, "window": 64, "proportion": 44, "period": 5},
    {"repetition": 12, "window": 32, "proportion": 32, "period": 3},
    {"repetition": 100, "window": 50, "proportion": 36, "period": 1},
    {"repetition": 7, "window": 500, "proportion": 500, "period": 0},
], ids=str)
def test_equals_hardware(source, parameters):
    """The same bit raises the alarm, or none of them."""
    for seed in range(2):
        bits = source.draw(FAIR, 600 + seed, np.random.default_rng(seed))
        assert alarm_bit(bits, **parameters) == alarm_in_hardware(bits, parameters)


@pytest.mark.parametrize("count", range(1, 40))
def test_incomplete_windows(count):
    """A stream that ends anywhere, among others within the last turn of a layer that never changes."""
    bits = Source(stuck=1, layer=1).draw(Generator((1,), (32768,) * 3, (1,) * 3), count,
                                         np.random.default_rng(8))
    parameters = {"repetition": 6, "window": 16, "proportion": 13, "period": 3}
    assert alarm_bit(bits, **parameters) == alarm_in_hardware(bits, parameters)


@pytest.mark.parametrize("source, bits", [
    (Source(stuck=0), 61),                                # the run
    (Source(stuck=1), 61),
    (Source(correlation=-1), 62),                         # each differs from the one before
    (Source(period=5), 66),                               # each pass is as the one before
    (Source(stuck=0, layer=0), 2 * 61 * 5),               # not all layers change
    (Source(bias=0.2), 1024),                             # the window
])
def test_what_trips(source, bits):
    """Each fault is found by that many bits at the latest, with the limits of a fair network."""
    stream = source.draw(FAIR, 3000, np.random.default_rng(2))
    assert alarm_bit(stream, **limits(FAIR)[0]) < bits


def test_good_bits_never_trip():
    bits = Source().draw(FAIR, 1_000_000, np.random.default_rng(3))
    assert alarm_bit(bits, **limits(FAIR)[0]) is None


@pytest.mark.parametrize("likely", [0.5, 0.6])
def test_false_alarms_are_as_stated(likely):
    """At low limits, as many alarms as the formulas say, within five deviations."""
    bits = np.random.default_rng(4).random(1_000_000) < likely
    stated = false_alarms(likely, repetition=12, window=100, proportion=round(100 * likely) + 12)
    found = runs(bits, 12), windows(bits, 100, round(100 * likely) + 12)
    for kind, seen, tries in zip(stated, found, (1_000_000, 10_000), strict=True):
        expected = stated[kind] * tries
        assert expected > 30 and abs(seen - expected) < 5 * expected**0.5


@pytest.mark.parametrize("drop", [(32768,), (32768, 13107), (6554,)])
def test_stated_rate_holds_exactly(drop):
    """The limits of the compiler, by another library: no more often than it says."""
    [cutoff] = limits(Generator((1,), drop, (1,) * len(drop)))
    likely = max(max(p, 65536 - p) for p in drop) / 65536
    stated = false_alarms(likely, **{name: cutoff[name] for name in ("repetition", "window", "proportion")})
    assert max(stated.values()) <= 2.0**-FALSE_ALARM_BITS
    # One less, and it would not hold for the likely value.
    assert binom.sf(cutoff["proportion"] - 3, cutoff["window"] - 1, likely) > 2.0**-FALSE_ALARM_BITS
