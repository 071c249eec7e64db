import numpy as np
import pytest

from golden.device.junction import (
    HALF_UA,
    PROCESS_SIGMA,
    SET_NS,
    Dac,
    Junction,
    Mtj,
    switching_probability,
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
        device.reset()
    expected = device.probability(code)
    assert abs(expected - p) < 0.007
    assert abs(hits / count - expected) < SIGMAS * np.sqrt(expected * (1 - expected) / count)


def test_device_stays_switched_until_reset():
    device = Mtj(1)
    assert not device.switched
    assert device.set(device.dac.largest) and device.set(0)
    device.reset()
    assert not device.switched and not device.set(0)


def test_same_seed_same_bits():
    def bits(seed):
        device = Mtj(seed)
        code = device.dac.write_code(0.5)
        return [(device.set(code), device.reset())[0] for _ in range(64)]

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
