import numpy as np
import pytest

from gen.ir import Generator
from golden.random.bad_sources import Played, Source, kept


GENERATOR = Generator((1,), (32768, 16384, 32768, 32768, 32768))
COUNT = 200_000
DEVIATION = 0.5 / COUNT**0.5


def draw(source, generator=GENERATOR, count=COUNT, seed=0):
    return source.draw(generator, count, np.random.default_rng(seed))


def correlation(bits, distance):
    return np.corrcoef(bits[distance:], bits[:-distance])[0, 1]


def test_healthy_rates():
    """Each bit of a pass is 1 as often as its draw says."""
    assert kept(GENERATOR).tolist() == [0.5, 0.75, 0.5, 0.5, 0.5]
    bits = draw(Source()).reshape(-1, 5)
    assert (abs(bits.mean(0) - kept(GENERATOR)) < 5 * DEVIATION * 5**0.5).all()
    assert abs(correlation(bits.ravel(), 5)) < 0.1 # rates differ, so bits are not quite alike


@pytest.mark.parametrize("bias", [-0.2, 0.1, 0.4])
def test_bias_is_added_to_every_rate(bias):
    expected = np.clip(kept(GENERATOR) + bias, 0, 1)
    assert (abs(draw(Source(bias=bias)).reshape(-1, 5).mean(0) - expected) < 0.015).all()


@pytest.mark.parametrize("distance", [1, 3])
@pytest.mark.parametrize("rho", [-1, -0.5, 0.3, 0.9])
def test_correlation_of_fair_bits(rho, distance):
    """It is as asked, falls with its powers, and leaves the rate as it is."""
    fair = Generator((1,), (32768,) * 3)
    bits = draw(Source(correlation=rho, distance=distance), fair)
    assert abs(correlation(bits, distance) - rho) < 0.02
    assert abs(correlation(bits, 2 * distance) - rho**2) < 0.02
    assert abs(bits.mean() - 0.5) < 0.02
    if distance > 1 and abs(rho) < 1:
        assert abs(correlation(bits, 1)) < 0.02


def test_correlation_keeps_rates():
    bits = draw(Source(correlation=0.7, distance=5)).reshape(-1, 5)
    assert (abs(bits.mean(0) - kept(GENERATOR)) < 0.02).all()


@pytest.mark.parametrize("stuck", [0, 1])
def test_stuck(stuck):
    assert (draw(Source(stuck=stuck)) == stuck).all()
    bits = draw(Source(stuck=stuck, places=(2, 3, 4))).reshape(-1, 5)
    assert (bits[:, 2:] == stuck).all()
    assert 0 < bits[:, 0].mean() < 1 and 0 < bits[:, 1].mean() < 1


def test_period():
    bits = draw(Source(period=7), count=700)
    assert (bits.reshape(-1, 7) == bits[:7]).all() and 0 < bits.sum() < 700


def test_played_at_the_pins():
    """A keep bit of 0 is a switched junction; after the last bit comes the first."""
    played = Played([0, 1, 1])
    assert [played.set(5, 10.0) for _ in range(5)] == [True, False, False, True, False]
    assert played.set(5, 10.0) is played.switched is False
    played.set(5, 10.0)
    assert played.reset(5, 10.0) is played.switched is False


@pytest.mark.parametrize("fields, message", [
    ({"correlation": 1.5}, "Correlation must be from -1 to 1, not 1.5"),
    ({"distance": 0}, "Distance must be at least 1, not 0"),
    ({"stuck": 2}, "Stuck must be 0 or 1, not 2"),
])
def test_rejects(fields, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Source(**fields)
