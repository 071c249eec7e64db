import numpy as np
import pytest

from gen.ir import Target
from golden.device.junction import (
    HALF_UA,
    PROCESS_SIGMA,
    RESET_NS,
    SET_NS,
    Dac,
    Junction,
    Mtj,
    switching_probability,
    write_codes,
)


# Five standard deviations of a binomial or normal estimate: a false alarm in 1.7 million. The
# generators are seeded, so a test that passes once passes always.
SIGMAS = 5


def test_published_point():
    assert switching_probability(HALF_UA) == pytest.approx(0.5)


def test_probability_by_hand():
    # I = I_c0 / 4: the barrier falls to 1 - (pi / 2 - 1 / 4) / 2 = 0.3396 of 20; tau = 2 ns e^6.792.
    junction = Junction(stability=20, attempt_ns=2, critical_ua=400)
    tau_ns = 2 * np.exp(20 * (1 - 0.5 * (np.pi / 2 - 0.25)))
    assert tau_ns == pytest.approx(1781, rel=1e-3)
    assert switching_probability(100, 10, junction) == pytest.approx(1 - np.exp(-10 / tau_ns))


def test_temperature_scales_the_barrier():
    hot, cold = (Junction(temperature_k=kelvin, critical_ua=578) for kelvin in (400, 200))
    assert hot.barrier == pytest.approx(30) and cold.barrier == pytest.approx(60)
    assert switching_probability(200, SET_NS, hot) > switching_probability(200, SET_NS, cold)


def test_probability_never_falls_with_current():
    p = switching_probability(np.arange(0, 1000, 0.5))
    assert (np.diff(p) >= 0).all() and p[0] < 1e-15 and p[-1] == 1


def test_zero_is_no_pulse():
    dac = Dac()
    assert dac.write_code(0) == 0
    assert dac.current(0) == 0 and dac.probability(0) == 0


@pytest.mark.parametrize("bits, error", [(6, 0.03), (8, 0.007), (10, 0.002)])
def test_code_gives_nearest_probability(bits, error):
    dac = Dac(bits)
    probabilities = [float(dac.probability(code)) for code in range(1 << bits)]
    for p in (0.1, 0.2, 0.35, 0.5, 0.8, 1.0):
        code = dac.write_code(p)
        assert abs(probabilities[code] - p) == min(abs(other - p) for other in probabilities) <= error


def test_code_of_its_own_probability():
    dac = Dac(6)
    for code in range(40):
        assert dac.write_code(float(dac.probability(code))) == code


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_rate_of_device(p):
    device, count = Mtj(7), 20000
    code = device.dac.write_code(p)
    hits = 0
    for _ in range(count):
        hits += device.set(code)
        device.reset(device.dac.largest)
    expected = device.probability(code)
    assert abs(expected - p) < 0.007
    assert abs(hits / count - expected) < SIGMAS * np.sqrt(expected * (1 - expected) / count)


def test_device_stays_switched_until_reset():
    device = Mtj(1)
    assert not device.switched
    assert device.set(device.dac.largest) and device.set(0) and device.reset(0)
    assert device.reset(device.dac.largest) is device.switched is False
    assert not device.set(0) and not device.reset(0)


def draw(device, code, reset, count):
    bits = np.zeros(count, bool)
    for index in range(count):
        bits[index] = device.set(code)
        device.reset(reset)
    return bits


def test_reset_needs_a_current_of_its_own():
    """A RESET with the current of a SET of even chance, half as long, succeeds in 29 %. With s the chance
    of a SET and r of a RESET, of a share q of bits 1 there are q (1 - r) still switched before the next
    SET, so q = s + (1 - s) (1 - r) q; and after a 1 there is a 1 with 1 - r + r s."""
    r = switching_probability(HALF_UA, RESET_NS)
    assert r == pytest.approx(1 - 0.5**0.5) == pytest.approx(0.293, abs=5e-4)
    share, after = 0.5 / (1 - 0.5 * (1 - r)), 1 - r + 0.5 * r
    assert share == pytest.approx(0.77, abs=5e-3) and after == pytest.approx(0.85, abs=5e-3)
    device, count = Mtj(3, dac=Dac(12)), 20000
    code = device.dac.write_code(0.5)
    bits = draw(device, code, code, count)
    # Successive bits correlate by rho = P(1 after 1) - P(1 after 0), here 0.5 (1 - r).
    rho   = after - 0.5
    error = SIGMAS * np.sqrt(share * (1 - share) * (1 + rho) / (1 - rho) / count)
    assert abs(bits.mean() - share) < error
    following = bits[1:][bits[:-1]]
    assert abs(following.mean() - after) < SIGMAS * np.sqrt(after * (1 - after) / len(following))
    bits = draw(device, code, write_codes((), Target(clock_mhz=200.0, mtj_bits=12))["mtj_reset_current"],
                count)
    assert abs(bits.mean() - 0.5) < SIGMAS * np.sqrt(0.25 / count)


@pytest.mark.parametrize("bits", [2, 8, 12])
@pytest.mark.parametrize("clock_mhz, pulses", [(200.0, (10, 5)), (125.0, (16, 8)), (10.0, (100, 100))])
def test_codes_are_those_of_the_pulses_that_the_clock_gives(bits, clock_mhz, pulses):
    target = Target(clock_mhz=clock_mhz, mtj_bits=bits)
    assert (target.lasts_ns(target.set_ns), target.lasts_ns(target.reset_ns)) == pulses
    dac, drops = Dac(bits), (0.1, 0.5, 0.0)
    codes = write_codes(drops, target)
    assert codes["mtj_currents"] == tuple(dac.write_code(p, pulse_ns=pulses[0]) for p in drops)
    assert dac.probability(codes["mtj_reset_current"], pulse_ns=pulses[1]) > 1 - 1e-7
    assert dac.write_code(0.5, pulse_ns=16.0) <= dac.write_code(0.5)


def test_same_seed_same_bits():
    def bits(seed):
        device = Mtj(seed)
        code = device.dac.write_code(0.5)
        return draw(device, code, device.dac.largest, 64).tolist()

    assert bits(3) == bits(3) != bits(4)


def test_variation_of_devices():
    count = 4000
    errors = np.array([Mtj(seed, sigma=PROCESS_SIGMA).error for seed in range(count)])
    assert abs(errors.mean()) < SIGMAS * PROCESS_SIGMA / np.sqrt(count)
    assert abs(errors.std() / PROCESS_SIGMA - 1) < SIGMAS / np.sqrt(2 * count)
    device = Mtj(1, sigma=PROCESS_SIGMA)
    assert device.probability(100) == pytest.approx(float(device.dac.probability(100)) + device.error)
    assert device.probability(0) == 0


@pytest.mark.parametrize("call, message", [
    (lambda: switching_probability(-1), "Current must be 0 or more, not -1 microamperes"),
    (lambda: switching_probability(1, -2), "Pulse must be 0 or more, not -2 ns"),
    (lambda: Junction(stability=0), "Junction stability must be above 0, not 0"),
    (lambda: Dac(1), "Code bits must be at least 2, not 1"),
    (lambda: Dac(8, 3, 3), "Currents must ascend from above 0, not 3 to 3"),
    (lambda: Dac(4).current(16), "Code must be from 0 to 15, not 16"),
    (lambda: Dac().write_code(1.5), "Switching probability must be from 0 to 1, not 1.5"),
])
def test_refuses(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value) == message
