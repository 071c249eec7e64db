# amaranth: UnusedElaboratable=no

import numpy as np
import pytest
from amaranth.sim import Simulator

from gen.transforms.watch import cutoffs
from hdl.random.health import Health


def watch(dut, bits, duty=1.0):
    """Give ``bits`` to ``dut``; return the alarm after each, with a few cycles at the end."""
    rng = np.random.default_rng(0)
    alarms = []

    async def drive(ctx):
        for bit in bits:
            while rng.random() >= duty:
                ctx.set(dut.bit, int(rng.integers(2)))
                await ctx.tick()
            ctx.set(dut.bit, int(bit))
            ctx.set(dut.strobe, 1)
            await ctx.tick()
            ctx.set(dut.strobe, 0)
            alarms.append(ctx.get(dut.alarm))
        for _ in range(5):
            await ctx.tick()
            alarms.append(ctx.get(dut.alarm))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(drive)
    sim.run()
    return alarms


def alarm_bit(bits, repetition, window, proportion, distance=0):
    """Bit at which a test first fails by its definition in NIST SP 800-90B, or None."""
    before = [False] * distance + bits
    stream = [bit != old for bit, old in zip(bits, before, strict=False)] if distance else bits
    for end in range(len(bits)):
        begin = end // window * window
        run = stream[max(0, end - repetition + 1):end + 1]
        if len(run) == repetition and len(set(run)) == 1:
            return end
        if stream[begin:end + 1].count(stream[begin]) >= proportion and stream[end] == stream[begin]:
            return end
    return None


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("repetition, window, proportion", [
    (2, 4, 4), (5, 8, 8), (6, 12, 9), (9, 16, 12), (7, 5, 5), (100, 10, 8), (100, 64, 64)])
def test_by_definition(repetition, window, proportion, duty):
    for seed in range(6):
        bits = (np.random.default_rng(seed).random(150) < (0.5, 0.2, 0.9)[seed % 3]).tolist()
        dut  = Health(repetition=repetition, window=window, proportion=proportion)
        at   = alarm_bit(bits, repetition, window, proportion)
        assert watch(dut, bits, duty) == [at is not None and number >= at
                                          for number in range(len(bits) + 5)]


@pytest.mark.parametrize("duty", [1.0, 0.5])
@pytest.mark.parametrize("repetition, window, proportion, distance", [
    (5, 8, 8, 1), (6, 12, 9, 2), (9, 16, 12, 3), (4, 20, 20, 5), (100, 64, 45, 4), (3, 64, 64, 7)])
def test_differences_by_definition(repetition, window, proportion, distance, duty):
    """Good bits, alternating ones, and bits mostly like, or unlike, those so many before."""
    for seed in range(8):
        rng  = np.random.default_rng(seed)
        bits = rng.random(150) < 0.5
        odd  = np.arange(150) >= 20
        like = odd & (rng.random(150) < 0.9)
        period = np.resize(bits[:distance], 150)
        bits = [bits, np.where(odd, np.arange(150) % 2 == 0, bits), np.where(like, period, bits),
                np.where(like, period ^ (np.arange(150) // distance % 2 == 1), bits)][seed % 4].tolist()
        dut = Health(repetition=repetition, window=window, proportion=proportion, distance=distance)
        at  = alarm_bit(bits, repetition, window, proportion, distance)
        assert watch(dut, bits, duty) == [at is not None and number >= at
                                          for number in range(len(bits) + 5)]


@pytest.mark.some(5)
@pytest.mark.parametrize("kind, distance, share", [
    ("good", 0, 0), ("good", 1, 0), ("good", 5, 0), ("stuck", 0, 1), ("stuck", 1, 1), ("stuck", 5, 1),
    ("as before", 1, 1), ("as before", 5, 1), ("other than before", 1, 1), ("other than before", 5, 1),
    ("stuck", 0, 0.5), ("as before", 1, 0.5), ("as before", 5, 0.5), ("other than before", 1, 0.5),
    ("other than before", 5, 0.5)])
def test_patterns_at_an_even_chance(kind, distance, share):
    """Good bits, then a share of those that are stuck, or follow from the one ``distance`` before; a half
    of them is found by the proportion of a window, before so many in a row are found."""
    limits = {**cutoffs((32768,) * 5), "distance": distance}
    rng  = np.random.default_rng(8)
    bits = rng.integers(0, 2, 1000 if share == 1 else 4200).tolist()
    for number in range(700 if share == 1 else 1000, len(bits)):
        if rng.random() < share:
            bits[number] = 0 if kind == "stuck" else (
                bits[number - distance] ^ (kind == "other than before"))
    at = alarm_bit(bits, **limits)
    assert (at is None) == (kind == "good")
    assert watch(Health(**limits), bits) == [at is not None and number >= at
                                             for number in range(len(bits) + 5)]


def window_bits(count, window, reference):
    """A window of which ``count`` bits equal the first one, the last bit too, and no more than needed in a
    row."""
    others = window - count
    return [reference ^ (0 < place < window - 1
                         and place * others // (window - 2) > (place - 1) * others // (window - 2))
            for place in range(window)]


@pytest.mark.parametrize("reference", [0, 1])
@pytest.mark.parametrize("drop, distance", [
    ((32768,), 0), ((6554, 32768), 0), ((32768, 13107), 0), ((32768,) * 5, 0), ((32768,) * 5, 1),
    ((32768,) * 5, 5)])
def test_windows_to_the_bit(drop, distance, reference):
    """One bit less than the cut-off in a window, or in none, then the last bit of a window is the one that
    reaches it."""
    limits = {**cutoffs(drop), "distance": distance}
    window, proportion = limits["window"], limits["proportion"]
    stream = (window_bits(proportion - 1, window, reference) * reference
              + window_bits(proportion, window, reference))
    bits = []
    for number, different in enumerate(stream):
        bits.append(bool(different) != (number >= distance > 0 and bits[number - distance]))
    assert alarm_bit(bits, **limits) == len(bits) - 1
    assert watch(Health(**limits), bits) == [False] * (len(bits) - 1) + [True] * 6


def bad_bits(kind, repetition, window):
    """Bits that a test must find: stuck ones; or never too long equal, but nearly always."""
    if kind == "biased":
        return [number % (repetition - 1) > 0 for number in range(2 * window + 10)]
    return [kind == "stuck at 1"] * (repetition + 5)


@pytest.mark.parametrize("kind", ["good", "stuck at 0", "stuck at 1", "biased"])
@pytest.mark.parametrize("drop", [(32768,), (6554, 32768), (32768, 13107)])
def test_good_then_bad_bits(drop, kind):
    """Bits of layers in turn, as often 1 as they should be, raise no alarm; bad ones do at once."""
    limits = cutoffs(drop)
    good = (np.random.default_rng(0).integers(0, 65536, (800, len(drop))) >= drop).ravel().tolist()
    bad  = [] if kind == "good" else bad_bits(kind, limits["repetition"], limits["window"])
    at   = alarm_bit(good + bad, **limits)
    assert (at is None) == (kind == "good") and alarm_bit(good, **limits) is None
    assert watch(Health(**limits), good + bad) == [
        at is not None and number >= at for number in range(len(good + bad) + 5)]


@pytest.mark.parametrize("repetition, window, proportion, message", [
    (1, 8, 4, "Repetition must be at least 2, not 1"),
    (2, 8, 1, "Proportion must be from 2 to 8, not 1"),
    (2, 8, 9, "Proportion must be from 2 to 8, not 9"),
])
def test_rejects(repetition, window, proportion, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Health(repetition=repetition, window=window, proportion=proportion)


def test_rejects_distance():
    with pytest.raises(ValueError, match="^Distance must be 0 or more, not -1$"):
        Health(repetition=2, window=8, proportion=4, distance=-1)
